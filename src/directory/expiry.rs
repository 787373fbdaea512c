//! Tags end: from the moment of its expiry a tag is unknown to every expression; here it is deleted a little later.

use std::time::Duration;

use super::Registrar;
use crate::domain::refusal::{Reason, Refusal};
use crate::domain::tag::Tag;
use crate::runtime::tasks::Tasks;
use crate::store::Error;

/// How often a node looks for tags that have expired.
const EVERY: Duration = Duration::from_secs(60);
/// Tags that are deleted in one look.
const AT_ONCE: usize = 1_000;

impl Registrar {
    /// Deletes what has expired, again and again. Every node does so; who comes second finds nothing left.
    pub fn sweep(&self, tasks: &Tasks) {
        let (registrar, stop) = (self.clone(), tasks.stop_token());
        tasks.spawn(async move {
            loop {
                tokio::select! {
                    () = stop.cancelled() => return,
                    () = tokio::time::sleep(EVERY) => {}
                }
                if let Err(refusal) = registrar.sweep_tags().await {
                    tracing::warn!(reason = refusal.reason.text(), "expired tags could not be removed");
                }
            }
        });
    }

    /// Deletes tags that have expired, at most a thousand. Returns how many there were.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn sweep_tags(&self) -> Result<usize, Refusal> {
        let (snapshot, now) = (self.parts.memory.index.snapshot(), self.parts.clock.now());
        let expired = snapshot.tags().map(|entry| &entry.tag).filter(|tag| !tag.is_current(now));
        let expired: Vec<Tag> = expired.take(AT_ONCE).cloned().collect();
        self.delete(&expired).await?;
        Ok(expired.len())
    }

    /// Deletes those of some tags that have expired, so that nobody writes to what is no tag any more: what is made
    /// again under such a name begins empty.
    pub(super) async fn bury(&self, names: &[&str]) -> Result<(), Refusal> {
        let (snapshot, now) = (self.parts.memory.index.snapshot(), self.parts.clock.now());
        let tags = names.iter().filter_map(|name| snapshot.tag(name)).map(|entry| &entry.tag);
        let expired: Vec<Tag> = tags.filter(|tag| !tag.is_current(now)).cloned().collect();
        self.delete(&expired).await
    }

    async fn delete(&self, expired: &[Tag]) -> Result<(), Refusal> {
        let mut last = None;
        for tag in expired {
            // Of the version that has expired: a tag that was prolonged or made anew meanwhile stays.
            match self.parts.store.directory.delete_tag(&tag.name, Some(tag.version), self.parts.clock.now()).await {
                Ok(seq) => last = Some(seq),
                Err(Error::Refused(refusal)) if matches!(refusal.reason, Reason::NotFound | Reason::EtagMismatch) => {}
                Err(error) => return Err(error.into()),
            }
        }
        match last {
            Some(seq) => self.parts.follower.catch_up(seq).await,
            None => Ok(()),
        }
    }
}
