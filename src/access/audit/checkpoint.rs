//! Checkpoints: made every hour and whenever the trail is exported, and written to the log as they are exported, so
//! that whoever collects logs has them outside the store.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Audit, line};
use crate::domain::audit::chain::START;
use crate::domain::audit::{Checkpoint, Head};
use crate::domain::refusal::Refusal;
use crate::store::Error;

/// Checkpoints that are read at once.
pub(super) const PAGE: usize = 1_000;

impl Audit {
    /// Makes a checkpoint if the latest is older than this.
    pub(super) async fn checkpoint_if_older(&self, than: Duration) -> Result<(), Refusal> {
        let last = self.parts.store.last_checkpoint().await?;
        match last.is_none_or(|last| self.parts.clock.now().since(last.at) >= than) {
            true => self.checkpoint().await,
            false => Ok(()),
        }
    }

    /// Makes a checkpoint, unless nothing has happened since the latest.
    pub(super) async fn checkpoint(&self) -> Result<(), Refusal> {
        let (known, last) = self.vouched_for().await?;
        let heads = self.parts.store.heads().await?;
        let heads: BTreeMap<i64, Head> = heads.into_iter().map(|head| (head.epoch, head)).collect();
        let shorter = |head: &&Head| heads.get(&head.epoch).is_none_or(|now| now.sequence < head.sequence);
        if let Some(head) = known.values().find(shorter) {
            tracing::error!(epoch = head.epoch, "the audit trail is shorter than a checkpoint says; verify it");
            return Ok(());
        }
        let moved = |head: &Head| known.get(&head.epoch).is_none_or(|then| then.sequence != head.sequence);
        let moved: Vec<Head> = heads.values().copied().filter(moved).collect();
        if moved.is_empty() {
            return Ok(());
        }
        let checkpoint = self.parts.signer.sign(Checkpoint {
            number: last.as_ref().map_or(0, |last| last.number) + 1,
            at: self.parts.clock.now(),
            entries: heads.values().map(|head| head.sequence).sum(),
            heads: moved,
            previous: last.map_or(START, |last| last.digest()),
            signature: Vec::new(),
        });
        match self.parts.store.put_checkpoint(checkpoint.clone()).await {
            Ok(()) => tracing::info!(checkpoint = line::checkpoint(&checkpoint), "the audit trail has a checkpoint"),
            // Another node was first, and its checkpoint is as good.
            Err(Error::Refused(_)) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    /// The heads that all checkpoints make together, and the latest checkpoint.
    async fn vouched_for(&self) -> Result<(BTreeMap<i64, Head>, Option<Checkpoint>), Refusal> {
        let (mut heads, mut last): (BTreeMap<i64, Head>, Option<Checkpoint>) = (BTreeMap::new(), None);
        loop {
            let after = last.as_ref().map_or(0, |last| last.number);
            let page = self.parts.store.checkpoints(after, PAGE).await?;
            let more = page.len() == PAGE;
            for checkpoint in page {
                heads.extend(checkpoint.heads.iter().map(|head| (head.epoch, *head)));
                last = Some(checkpoint);
            }
            if !more {
                return Ok((heads, last));
            }
        }
    }
}
