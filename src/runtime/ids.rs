//! Makes ids: unique in the cluster, ascending on a node, near the time they were made.

use std::sync::atomic::{AtomicI64, AtomicU16, Ordering};

use super::clock::SharedClock;
use crate::domain::id::{EPOCH_MS, MessageId, SEQUENCE_BITS};

/// The largest node number that fits an id.
pub const NODE_MAX: u16 = 1_023;

/// A node's source of ids. When the counter of a millisecond is used up it borrows from the next one.
pub struct IdSource {
    clock: SharedClock,
    node: AtomicU16,
    last_message: AtomicI64,
    last_other: AtomicI64,
}

impl IdSource {
    /// A source for the node with a number up to [`NODE_MAX`], unique among living nodes.
    #[must_use]
    pub fn new(clock: SharedClock, node: u16) -> IdSource {
        let node = AtomicU16::new(node.min(NODE_MAX));
        IdSource { clock, node, last_message: AtomicI64::new(0), last_other: AtomicI64::new(0) }
    }

    /// From now on ids carry another node number.
    pub fn set_node(&self, node: u16) {
        self.node.store(node.min(NODE_MAX), Ordering::Relaxed);
        for last in [&self.last_message, &self.last_other] {
            // The next millisecond: ids ascend also if the new number is smaller.
            let _ = last.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |seen| Some(((seen >> 12) + 1) << 12));
        }
    }

    /// A new message id; its last four bits are zero, for the legs.
    pub fn message(&self) -> MessageId {
        MessageId(self.draw(&self.last_message, 16))
    }

    /// A new id of any other kind.
    pub fn next(&self) -> i64 {
        self.draw(&self.last_other, 1)
    }

    /// `last` counts in units without the node: milliseconds and the 12-bit counter.
    fn draw(&self, last: &AtomicI64, step: i64) -> i64 {
        let floor = (self.clock.now().0 - EPOCH_MS).max(0) << 12;
        let mut seen = last.load(Ordering::Relaxed);
        loop {
            let next = (seen + step).max(floor);
            match last.compare_exchange_weak(seen, next, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => {
                    let node = i64::from(self.node.load(Ordering::Relaxed));
                    return ((next >> 12) << SEQUENCE_BITS) | (node << 12) | (next & 0xfff);
                }
                Err(other) => seen = other,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::domain::time::At;
    use crate::runtime::clock::ManualClock;

    #[test]
    fn ids_ascend_and_carry_their_time_even_when_the_clock_stands() {
        let now = At(1_790_000_000_000);
        let source = IdSource::new(Arc::new(ManualClock::at(now)), 7);
        let ids: Vec<_> = (0..10_000).map(|_| source.message()).collect();
        assert!(ids.windows(2).all(|pair| pair[0] < pair[1]));
        assert!(ids.iter().all(|id| id.0 & 0xf == 0 && (id.0 >> 12) & 0x3ff == 7));
        assert_eq!(ids[0].made_at(), now);
    }

    #[test]
    fn ids_ascend_over_a_change_of_the_node_number() {
        let source = IdSource::new(Arc::new(ManualClock::at(At(1_790_000_000_000))), 7);
        let before = (source.message(), source.next());
        source.set_node(3);
        let after = (source.message(), source.next());
        assert!(after.0 > before.0 && after.1 > before.1);
        assert_eq!((after.0.0 >> 12) & 0x3ff, 3);
    }
}
