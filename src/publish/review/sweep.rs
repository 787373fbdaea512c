//! Ends what nobody decided in time. What is due is in the store, so any node does it, and after any restart.

use std::time::Duration;

use crate::domain::audit::{Action, Deed, Object};
use crate::publish::Parts;
use crate::publish::release::plans_to_end;
use crate::runtime::tasks::Tasks;
use crate::store::Error;

/// How often reviews whose time ran out are looked for.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Reviews ended in one look.
const LAPSED_MAX: usize = 64;

/// Starts the task. It ends when shutdown begins, between two transactions.
pub(in crate::publish) fn start(parts: &Parts, tasks: &Tasks) {
    let (parts, stop) = (parts.clone(), tasks.stop_token());
    tasks.spawn(async move {
        while stop.run_until_cancelled(tokio::time::sleep(LOOK_EVERY)).await.is_some() {
            if let Err(error) = lapse_some(&parts).await {
                tracing::warn!(%error, "reviews could not be ended");
            }
        }
    });
}

async fn lapse_some(parts: &Parts) -> Result<(), Error> {
    let now = parts.clock.now();
    for id in parts.store.reviews.lapsed(now, LAPSED_MAX).await? {
        let Some(row) = parts.store.messages.message(id).await? else { continue };
        let deed = Deed::of(Action::MessageReject).on(Object::Message(id)).over(["nobody decided in time"]);
        parts.audit.record_own(deed).await?;
        if parts.store.reviews.lapse(id, plans_to_end(&row.facts), now).await? {
            tracing::info!(message = %id, "nobody decided about a message in time; it is not sent");
        }
    }
    Ok(())
}
