//! The handle on the newest snapshot. Readers never wait; one writer at a time puts the next snapshot in
//! place and wakes those who wait for it.

use std::sync::Arc;

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use tokio::sync::watch;

use super::advance;
use super::snapshot::Snapshot;
use crate::domain::change::Change;
use crate::store::DirectoryImage;

/// The in-memory directory of a node.
#[derive(Debug)]
pub struct Index {
    newest: ArcSwap<Snapshot>,
    writing: Mutex<()>,
    seq: watch::Sender<i64>,
}

impl Index {
    /// The directory of an image.
    #[must_use]
    pub fn new(image: DirectoryImage) -> Index {
        let snapshot = advance::first(image);
        let (seq, _) = watch::channel(snapshot.seq());
        Index { newest: ArcSwap::from_pointee(snapshot), writing: Mutex::new(()), seq }
    }

    /// The newest snapshot, to be kept for as long as one decision takes.
    #[must_use]
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.newest.load_full()
    }

    /// The number of the last change that is in the index.
    #[must_use]
    pub fn seq(&self) -> i64 {
        *self.seq.borrow()
    }

    /// Applies changes in ascending order; those that are in the index already are passed over, so that two
    /// followers may bring the same ones. Returns the number that the index then stands at.
    pub fn apply(&self, changes: &[Change]) -> i64 {
        let _one_at_a_time = self.writing.lock();
        let last = self.newest.load();
        let known = changes.partition_point(|change| change.seq <= last.seq());
        if known < changes.len() {
            let next = advance::next(&last, &changes[known..]);
            let seq = next.seq();
            self.newest.store(Arc::new(next));
            self.seq.send_replace(seq);
        }
        self.seq()
    }

    /// Ends when the index has reached a change number. The caller sets the deadline.
    pub async fn wait_for(&self, seq: i64) {
        // The sender lives as long as `self`, so waiting ends by the number only.
        let _ = self.seq.subscribe().wait_for(|reached| *reached >= seq).await;
    }

    /// Tells each new change number; for those who follow the index.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<i64> {
        self.seq.subscribe()
    }
}
