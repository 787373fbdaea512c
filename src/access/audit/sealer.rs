//! Chains what arrived, about every second, and sees to a checkpoint every hour.

use std::time::Duration;

use super::Audit;
use crate::domain::refusal::Refusal;
use crate::runtime::tasks::Tasks;

/// How often entries are chained.
const SEAL_EVERY: Duration = Duration::from_secs(1);
/// How often it is looked whether a checkpoint is due.
const LOOK_EVERY: Duration = Duration::from_secs(60);
/// How old the latest checkpoint may become.
const CHECKPOINT_EVERY: Duration = Duration::from_secs(3_600);
/// Entries that are chained in one transaction.
const SEAL_MAX: usize = 500;
/// Transactions that are tried for somebody who waits.
const ROUNDS_MAX: usize = 200;

impl Audit {
    /// Starts the task that chains. It ends with `tasks`, after a last time.
    pub fn start(&self, tasks: &Tasks) {
        let (audit, stop) = (self.clone(), tasks.stop_token());
        tasks.spawn(async move {
            let mut looked_at: Option<Duration> = None;
            while !stop.is_cancelled() {
                tokio::select! {
                    () = stop.cancelled() => {}
                    () = tokio::time::sleep(SEAL_EVERY) => {}
                }
                let mut done = audit.seal().await;
                let now = audit.parts.clock.monotonic();
                if done.is_ok() && looked_at.is_none_or(|at| now.saturating_sub(at) >= LOOK_EVERY) {
                    looked_at = Some(now);
                    done = audit.checkpoint_if_older(CHECKPOINT_EVERY).await;
                }
                if let Err(fault) = done {
                    tracing::warn!(%fault, "the audit trail could not be chained; tried again");
                }
            }
        });
    }

    /// The same for somebody who reads: also a trail that was tampered with, so that nothing can be put behind it, is
    /// to be read.
    pub(super) async fn seal_for_reader(&self) {
        if let Err(fault) = self.seal().await {
            tracing::warn!(%fault, "the audit trail is read without its last entries");
        }
    }

    /// Chains what has arrived of this node and of the dead.
    async fn seal(&self) -> Result<(), Refusal> {
        for _ in 0..ROUNDS_MAX {
            if self.parts.store.seal((self.parts.epoch)(), SEAL_MAX).await? < SEAL_MAX {
                break;
            }
        }
        Ok(())
    }
}
