//! How many nodes share the work, as the composition root knows from the store.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// How many nodes deliver, and which of them this one is; cheap to clone. All clones see what is told.
#[derive(Clone, Debug)]
pub struct Peers(Arc<AtomicU64>);

impl Default for Peers {
    /// This node and no other.
    fn default() -> Peers {
        let peers = Peers(Arc::default());
        peers.tell(1, 0);
        peers
    }
}

impl Peers {
    /// So many delivering nodes live, and this is the one with this rank among them, from 0 on: every node
    /// must sort them in the same way.
    pub fn tell(&self, live: u32, rank: u32) {
        let live = live.max(1);
        self.0.store((u64::from(live) << 32) | u64::from(rank.min(live - 1)), Ordering::Relaxed);
    }

    /// How many live; at least 1.
    #[must_use]
    pub fn live(&self) -> u32 {
        u32::try_from(self.0.load(Ordering::Relaxed) >> 32).unwrap_or(1)
    }

    /// This node's part of a whole number, so that the parts of all nodes together are the whole.
    #[must_use]
    pub(super) fn part(&self, whole: u32) -> u32 {
        let both = self.0.load(Ordering::Relaxed);
        let (live, rank) = (both >> 32, both & u64::from(u32::MAX));
        let part = u64::from(whole) / live + u64::from(rank < u64::from(whole) % live);
        u32::try_from(part).unwrap_or(whole)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_of_all_nodes_are_the_whole() {
        for (whole, live) in [(10, 3), (2, 3), (0, 2), (u32::MAX, 7), (5, 1)] {
            let parts = (0..live).map(|rank| {
                let peers = Peers::default();
                peers.tell(live, rank);
                peers.part(whole)
            });
            assert_eq!(parts.map(u64::from).sum::<u64>(), u64::from(whole), "{whole} over {live}");
        }
    }
}
