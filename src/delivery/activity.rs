//! What the engine did and is doing, as numbers for the metrics.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::domain::channel::Channel;
use crate::domain::outcome::Outcome;

const CHANNELS: usize = 8;
const OUTCOMES: usize = Outcome::ALL.len();

/// Counters and gauges of one engine. Counters only grow.
#[derive(Debug, Default)]
pub struct Activity {
    calls: AtomicU64,
    verdicts: [[AtomicU64; OUTCOMES]; CHANNELS],
    fences_dropped: AtomicU64,
    settle_failures: AtomicU64,
    open: AtomicU64,
    unflushed: AtomicU64,
    held: AtomicU64,
}

impl Activity {
    /// Calls handed to a channel so far.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.calls.load(Ordering::Relaxed)
    }

    /// Deliveries of a channel that were given an outcome so far; `Pending` counts those that will be tried
    /// again. They are counted when decided, a moment before the commit.
    #[must_use]
    pub fn verdicts(&self, channel: Channel, outcome: Outcome) -> u64 {
        self.cell(channel, outcome).load(Ordering::Relaxed)
    }

    /// Settlements that the store dropped because the batch was not ours any more.
    #[must_use]
    pub fn fences_dropped(&self) -> u64 {
        self.fences_dropped.load(Ordering::Relaxed)
    }

    /// Settle commits that failed and were or will be repeated.
    #[must_use]
    pub fn settle_failures(&self) -> u64 {
        self.settle_failures.load(Ordering::Relaxed)
    }

    /// Calls that are not answered yet.
    #[must_use]
    pub fn open(&self) -> u64 {
        self.open.load(Ordering::Relaxed)
    }

    /// Calls that are answered and whose outcomes are not committed yet.
    #[must_use]
    pub fn unflushed(&self) -> u64 {
        self.unflushed.load(Ordering::Relaxed)
    }

    /// Batches that this engine holds.
    #[must_use]
    pub fn held(&self) -> u64 {
        self.held.load(Ordering::Relaxed)
    }

    pub(super) fn called(&self) {
        self.calls.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn decided(&self, channel: Channel, outcome: Outcome, n: u64) {
        self.cell(channel, outcome).fetch_add(n, Ordering::Relaxed);
    }

    pub(super) fn fence_dropped(&self) {
        self.fences_dropped.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn settle_failed(&self) {
        self.settle_failures.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn gauge(&self, open: usize, unflushed: usize, held: usize) {
        self.open.store(open as u64, Ordering::Relaxed);
        self.unflushed.store(unflushed as u64, Ordering::Relaxed);
        self.held.store(held as u64, Ordering::Relaxed);
    }

    fn cell(&self, channel: Channel, outcome: Outcome) -> &AtomicU64 {
        &self.verdicts[channel as usize % CHANNELS][outcome as usize % OUTCOMES]
    }
}
