//! Whether the trail in the store is whole: every chain from its first entry, against every checkpoint and head.

use super::checkpoint::PAGE as CHECKPOINTS;
use super::{Audit, is_signed};
use crate::access::Caller;
use crate::domain::audit::{Broken, Verifier};
use crate::domain::refusal::Refusal;
use crate::domain::time::At;

/// Entries that are read at once.
pub(super) const PAGE: usize = 500;

/// What a check found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Entries that fit, up to the first that does not.
    pub checked: i64,
    /// The first thing that does not fit.
    pub broken: Option<Broken>,
    /// When the latest checkpoint was made.
    pub checkpoint_at: Option<At>,
}

impl Audit {
    /// Checks the whole trail. What is not chained yet, about the last second, is chained first.
    ///
    /// # Errors
    /// `SCOPE_MISSING`, `ROLE_MISSING`, `TEST_KEY`; that the trail is broken is no error but the answer.
    pub async fn verify(&self, caller: &Caller) -> Result<Verdict, Refusal> {
        self.read_by(caller).await?;
        self.seal_for_reader().await;
        let mut verifier = Verifier::new();
        let broken = self.walk(&mut verifier).await?.err();
        if let Some(broken) = &broken {
            tracing::error!(node = broken.epoch, entry = broken.sequence, fault = ?broken.fault, "the audit trail is broken");
        }
        Ok(Verdict { checked: verifier.checked(), broken, checkpoint_at: verifier.checkpoint_at() })
    }

    /// The inner result is the trail's, the outer one the store's.
    async fn walk(&self, verifier: &mut Verifier) -> Result<Result<(), Broken>, Refusal> {
        let store = &self.parts.store;
        let mut number = 0;
        loop {
            let page = store.checkpoints(number, CHECKPOINTS).await?;
            for checkpoint in &page {
                let signed = is_signed(checkpoint, self.parts.signer.public_key());
                if let Err(broken) = verifier.checkpoint(checkpoint, signed) {
                    return Ok(Err(broken));
                }
                number = checkpoint.number;
            }
            if page.len() < CHECKPOINTS {
                break;
            }
        }
        if let Err(broken) = verifier.heads(&store.heads().await?) {
            return Ok(Err(broken));
        }
        let mut after = (i64::MIN, i64::MIN);
        loop {
            let page = store.chain(after, PAGE).await?;
            for entry in &page {
                if let Err(broken) = verifier.entry(entry, None) {
                    return Ok(Err(broken));
                }
                after = (entry.epoch, entry.sequence);
            }
            if page.len() < PAGE {
                break;
            }
        }
        Ok(verifier.finish(Some(&store.heads().await?)))
    }
}
