//! Writes down when and from where keys were used, in batches and beside everything else.

use std::sync::Arc;
use std::time::Duration;

use crate::access::Keyring;
use crate::runtime::tasks::Tasks;
use crate::store::Store;

/// How often what was noted is written down.
const EVERY: Duration = Duration::from_secs(2);

/// Writes until shutdown begins, and once more then. What the store refuses is lost: the next use says it again.
pub(super) fn keep(store: &Store, keyring: &Arc<Keyring>, tasks: &Tasks) {
    let (uses, keyring, stop) = (store.key_uses.clone(), keyring.clone(), tasks.stop_token());
    tasks.spawn(async move {
        loop {
            let stopped = tokio::time::timeout(EVERY, stop.cancelled()).await.is_ok();
            let noted = keyring.take_uses();
            if !noted.is_empty()
                && let Err(error) = uses.note(noted).await
            {
                tracing::warn!(%error, "the last uses of keys could not be written down");
            }
            if stopped {
                return;
            }
        }
    });
}
