//! How many calls may be open: per provider, per node, and what is kept back for urgent ones. Pure.
//!
//! A call is open from its first byte until its outcomes are committed; while it is unanswered it also
//! occupies its provider. What is open at a crash may be delivered twice, so the sum is bounded.

use crate::domain::class::Lane;

/// The open calls of a node.
#[derive(Debug)]
pub struct Slots {
    providers: Vec<Provider>,
    unanswered_max: usize,
    unflushed_max: usize,
    unanswered: usize,
    unanswered_waiting: usize,
    unflushed: usize,
}

#[derive(Debug)]
struct Provider {
    concurrency: usize,
    /// Slots that no other provider may take.
    kept: usize,
    all: usize,
    /// Those of the normal and the bulk lane.
    waiting: usize,
}

impl Slots {
    /// Nothing is open. `concurrency` by provider; the two limits are a node's.
    #[must_use]
    pub fn new(concurrency: &[usize], unanswered_max: usize, unflushed_max: usize) -> Slots {
        let fair = (unanswered_max / (2 * concurrency.len().max(1))).max(1);
        let providers = concurrency
            .iter()
            .map(|&n| Provider { concurrency: n.max(1), kept: n.clamp(1, fair), all: 0, waiting: 0 })
            .collect();
        Slots { providers, unanswered_max, unflushed_max, unanswered: 0, unanswered_waiting: 0, unflushed: 0 }
    }

    /// Which lanes of a provider may begin a call now, in the order of [`Lane::ALL`].
    #[must_use]
    pub fn open(&self, provider: usize) -> [bool; 3] {
        let mine = &self.providers[provider];
        let others: usize = self
            .providers
            .iter()
            .enumerate()
            .filter(|(place, _)| *place != provider)
            .map(|(_, other)| other.kept.saturating_sub(other.all))
            .sum();
        let both_max = self.unanswered_max + self.unflushed_max;
        let open = self.unanswered + self.unflushed;
        let any = mine.all < mine.concurrency
            && open < both_max
            && (self.unanswered + others < self.unanswered_max
                || mine.all == 0 && self.unanswered < self.unanswered_max);
        let waiting = any
            && mine.waiting < unreserved(mine.concurrency)
            && self.unanswered_waiting < unreserved(self.unanswered_max)
            && open < unreserved(both_max);
        [any, waiting, waiting]
    }

    /// A call begins.
    pub fn begin(&mut self, provider: usize, lane: Lane) {
        let waiting = usize::from(lane != Lane::Urgent);
        self.unanswered += 1;
        self.unanswered_waiting += waiting;
        self.providers[provider].all += 1;
        self.providers[provider].waiting += waiting;
    }

    /// A call is answered. `made`: the provider was asked, so its outcomes are to be flushed.
    pub fn answer(&mut self, provider: usize, lane: Lane, made: bool) {
        let waiting = usize::from(lane != Lane::Urgent);
        self.unanswered -= 1;
        self.unanswered_waiting -= waiting;
        self.providers[provider].all -= 1;
        self.providers[provider].waiting -= waiting;
        self.unflushed += usize::from(made);
    }

    /// The outcomes of some calls are committed, or dropped by their fence.
    pub fn flushed(&mut self, calls: usize) {
        self.unflushed -= calls;
    }

    /// Calls of a provider without an answer.
    #[must_use]
    pub fn begun(&self, provider: usize) -> usize {
        self.providers[provider].all
    }

    /// Calls without an answer.
    #[must_use]
    pub fn unanswered(&self) -> usize {
        self.unanswered
    }

    /// Calls with an answer that is not committed.
    #[must_use]
    pub fn unflushed(&self) -> usize {
        self.unflushed
    }

    /// So many answers wait for a commit that it should not be put off.
    #[must_use]
    pub fn flush_now(&self) -> bool {
        self.unflushed >= self.unflushed_max
    }
}

/// What the normal and the bulk lane may use of `n`: 90 %, but never all of two or more.
fn unreserved(n: usize) -> usize {
    (n * 9 / 10).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fill(slots: &mut Slots, provider: usize, lane: Lane) -> usize {
        let mut n = 0;
        while slots.open(provider)[lane as usize - 1] {
            slots.begin(provider, lane);
            n += 1;
        }
        n
    }

    #[test]
    fn a_tenth_of_a_provider_is_kept_for_urgent_calls() {
        for (concurrency, bulk) in [(1, 1), (2, 1), (5, 4), (10, 9), (20, 18)] {
            let mut slots = Slots::new(&[concurrency], 64, 64);
            assert_eq!(fill(&mut slots, 0, Lane::Bulk), bulk);
            assert_eq!(fill(&mut slots, 0, Lane::Urgent), concurrency - bulk);
        }
    }

    #[test]
    fn a_provider_that_hangs_cannot_hold_the_others() {
        let mut slots = Slots::new(&[1_000, 1_000, 4], 64, 64);
        assert!(fill(&mut slots, 0, Lane::Urgent) <= 64 - 14);
        assert_eq!(fill(&mut slots, 2, Lane::Urgent), 4);
        assert!(fill(&mut slots, 1, Lane::Urgent) >= 10);
        assert_eq!(slots.unanswered(), 64);
    }

    #[test]
    fn the_open_calls_of_a_node_are_bounded_by_both_limits_together() {
        let mut slots = Slots::new(&[1_000], 64, 64);
        for _ in 0..10 {
            for _ in 0..fill(&mut slots, 0, Lane::Urgent) {
                slots.answer(0, Lane::Urgent, true);
            }
        }
        assert_eq!(slots.unanswered() + slots.unflushed(), 128);
        assert!(slots.flush_now());
        slots.flushed(128);
        assert_eq!(fill(&mut slots, 0, Lane::Urgent), 64);
    }
}
