//! How much of a provider's lane a node may hold: what the provider takes in two seconds, so that the rest
//! stays unowned. Shared between the engine, which measures, and publish, which asks for room.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use crate::channel::Rate;

/// What a node holds is at most what its provider takes in so long.
const AHEAD: Duration = Duration::from_secs(2);
/// A window is at least so many deliveries, where no rate forbids it, so that a start is quick.
const FLOOR: u64 = 4_000;
/// A window is at most so many deliveries.
const CEILING: u64 = 100_000;

/// The window of one lane of one provider, in deliveries.
#[derive(Debug)]
pub struct Window {
    size: AtomicU64,
    max: u64,
    held: AtomicU64,
    batches: AtomicUsize,
    /// The usual number of deliveries in a batch of this lane, times 16.
    batch_16: AtomicU64,
}

impl Window {
    /// An empty window for a provider with or without a rate; `batch`: a first guess of a batch's size.
    #[must_use]
    pub fn new(rate: Option<Rate>, batch: u64) -> Window {
        let max = rate.map_or(CEILING, |rate| {
            let taken = u128::from(rate.n) * AHEAD.as_millis() / rate.per.as_millis().max(1);
            u64::try_from(taken).unwrap_or(CEILING).clamp(1, CEILING)
        });
        Window {
            size: AtomicU64::new(FLOOR.min(max)),
            max,
            held: AtomicU64::new(0),
            batches: AtomicUsize::new(0),
            batch_16: AtomicU64::new(batch.max(1) * 16),
        }
    }

    /// How many more batches of the usual size fit.
    #[must_use]
    pub fn room(&self) -> usize {
        let free = self.size.load(Ordering::Relaxed).saturating_sub(self.held.load(Ordering::Relaxed));
        let usual = (self.batch_16.load(Ordering::Relaxed) / 16).max(1);
        usize::try_from(free.div_ceil(usual)).unwrap_or(usize::MAX)
    }

    /// Takes a batch in, unless the window holds twice its size already. That happens only when many
    /// publishes were told of the same room.
    #[must_use]
    pub fn enter(&self, deliveries: u64) -> bool {
        if self.held.load(Ordering::Relaxed) >= 2 * self.size.load(Ordering::Relaxed) {
            return false;
        }
        self.held.fetch_add(deliveries, Ordering::Relaxed);
        self.batches.fetch_add(1, Ordering::Relaxed);
        let usual = self.batch_16.load(Ordering::Relaxed);
        self.batch_16.store(usual - usual / 16 + deliveries, Ordering::Relaxed);
        true
    }

    /// A batch that was taken in is gone.
    pub fn leave(&self, deliveries: u64) {
        self.held.fetch_sub(deliveries, Ordering::Relaxed);
        self.batches.fetch_sub(1, Ordering::Relaxed);
    }

    /// Nothing is held.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.batches.load(Ordering::Relaxed) == 0
    }

    /// So much is free that a claim is worth its transaction.
    #[must_use]
    pub fn wants_more(&self) -> bool {
        let size = self.size.load(Ordering::Relaxed);
        self.held.load(Ordering::Relaxed) <= size - size / 4
    }

    /// Sets the window by what was delivered in a span.
    pub fn measure(&self, delivered: u64, span: Duration) {
        let ahead = u128::from(delivered) * AHEAD.as_millis() / span.as_millis().max(1);
        let ahead = u64::try_from(ahead).unwrap_or(CEILING);
        let smooth = (self.size.load(Ordering::Relaxed) + ahead) / 2;
        self.size.store(smooth.max(FLOOR).min(self.max), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_is_what_the_provider_takes_in_two_seconds() {
        let slow = Window::new(Some(Rate { n: 20, per: Duration::from_secs(60) }), 1);
        assert_eq!(slow.room(), 1);
        let free = Window::new(None, 1);
        assert_eq!(free.room(), 4_000);
        for _ in 0..20 {
            free.measure(10_000, Duration::from_millis(500));
        }
        assert!((39_000..=40_000).contains(&free.room()), "{}", free.room());
    }

    #[test]
    fn room_promised_too_often_ends_at_twice_the_window() {
        let window = Window::new(None, 1_000);
        assert_eq!(window.room(), 4);
        let entered = (0..100).filter(|_| window.enter(1_000)).count();
        assert_eq!((entered, window.room()), (8, 0));
        for _ in 0..entered {
            window.leave(1_000);
        }
        assert!(window.is_empty() && window.room() == 4);
    }
}
