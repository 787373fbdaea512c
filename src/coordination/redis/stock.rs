//! The credit that this node has in hand of one limit: leased blocks, each with its end.

use std::collections::VecDeque;
use std::time::Duration;

use crate::coordination::pace::Pace;

/// The longest that a block may lie unused.
const LEASE_MAX: Duration = Duration::from_millis(500);
/// The shortest wait between a question and the look for its answer.
const ANSWER: Duration = Duration::from_millis(2);
/// The longest that a node believes a forecast of when there is credit: others may give some back.
const WAIT_MAX: Duration = Duration::from_secs(2);

/// How long a block of a limit over `per` lives. Uses in a window were granted in the window or so long before it,
/// so the pace is that of the window and one lease.
pub(super) fn lease(per: Duration) -> Duration {
    (per / 32).min(LEASE_MAX)
}

/// Credit granted at one moment.
#[derive(Clone, Debug)]
struct Block {
    left: u32,
    /// Until when it may be used, by the monotonic clock.
    until: Duration,
    each_us: f64,
    /// The count of the limit at the server, and the server's time of the grant.
    born: String,
    at_us: i64,
}

/// Credit to give back.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Unused {
    /// As time at the pace at which it was granted.
    pub micros: f64,
    /// The count that it was granted under.
    pub born: String,
    /// The oldest grant that it comes from.
    pub at_us: i64,
}

/// What to ask the server for; the default is nothing.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Ask {
    /// Less is of no use.
    pub least: u32,
    /// More is not wanted.
    pub most: u32,
    /// To give back.
    pub unused: Unused,
}

/// The server's answer.
#[derive(Clone, Debug)]
pub(super) struct Grant {
    /// Recipients; 0 if the least is not there.
    pub n: u32,
    /// The server's time.
    pub at_us: i64,
    /// How long until the least is there.
    pub wait: Duration,
    /// The count that the limit lives under.
    pub born: String,
}

/// Blocks in hand, and how large the next should be.
#[derive(Debug)]
pub(super) struct Stock {
    lease: Duration,
    blocks: VecDeque<Block>,
    unused: Unused,
    /// The next block's size: doubled when blocks do not last, halved when they lie.
    size: u32,
    /// What the last caller went away without.
    need: u32,
    /// Somebody came for credit since it was asked for last.
    wanted: bool,
    granted_at: Option<Duration>,
    /// Nothing is asked before this moment.
    not_before: Duration,
}

/// What came of taking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Taken {
    /// Granted, and there is enough.
    Plenty,
    /// Granted, and more should be fetched now.
    Low,
    /// Not granted; look again after this.
    Short(Duration),
}

impl Stock {
    /// Nothing in hand of a limit over `per`.
    pub(super) fn new(per: Duration) -> Stock {
        Stock {
            lease: lease(per),
            blocks: VecDeque::new(),
            unused: Unused::default(),
            size: 1,
            need: 0,
            wanted: false,
            granted_at: None,
            not_before: Duration::ZERO,
        }
    }

    /// Takes `n` out of the blocks, the oldest first.
    pub(super) fn take(&mut self, now: Duration, n: u32) -> Taken {
        self.expire(now);
        let there = self.there();
        if there < n {
            (self.need, self.wanted) = (n, true);
            return Taken::Short(self.not_before.saturating_sub(now) + ANSWER);
        }
        self.need = 0;
        let mut wanted = n;
        while let Some(block) = self.blocks.front_mut() {
            let part = block.left.min(wanted);
            block.left -= part;
            wanted -= part;
            if block.left > 0 {
                break;
            }
            self.blocks.pop_front();
        }
        let low = there - n <= self.size / 2;
        self.wanted |= low;
        if low { Taken::Low } else { Taken::Plenty }
    }

    /// When something is to be asked at the earliest.
    pub(super) fn not_before(&self) -> Duration {
        self.not_before
    }

    /// When a block is to be given back, if one is in hand.
    pub(super) fn returns_at(&self) -> Option<Duration> {
        self.blocks.front().map(|block| block.until)
    }

    /// What to ask for now; nothing to do is `None`.
    pub(super) fn ask(&mut self, now: Duration, pace: &Pace) -> Option<Ask> {
        self.expire(now);
        let there = self.there();
        if self.granted_at.is_some_and(|at| now < at + self.lease / 3) && there <= self.size / 2 {
            self.size = self.size.saturating_mul(2);
        }
        self.size = self.size.clamp(1, pace.burst);
        let unused = std::mem::take(&mut self.unused);
        if !std::mem::take(&mut self.wanted) {
            return (unused.micros > 0.0).then_some(Ask { least: 0, most: 0, unused });
        }
        let least = self.need.saturating_sub(there).max(1);
        Some(Ask { least, most: self.size.max(least), unused })
    }

    /// All that is in hand goes back.
    pub(super) fn give_back(&mut self) -> Option<Ask> {
        self.expire(Duration::MAX);
        let unused = std::mem::take(&mut self.unused);
        (unused.micros > 0.0).then_some(Ask { least: 0, most: 0, unused })
    }

    /// The answer to what was asked at `sent`. The lease begins then: the server granted it later.
    pub(super) fn granted(&mut self, sent: Duration, now: Duration, pace: &Pace, grant: Grant) {
        let gap = Duration::from_secs_f64(pace.saved_us() / 4e6).min(self.lease / 4);
        self.not_before = now + if grant.n == 0 { grant.wait.clamp(gap, WAIT_MAX) } else { gap };
        if grant.n > 0 {
            self.granted_at = Some(now);
            // The last quarter is for the way of the call to its provider.
            let until = sent + self.lease / 4 * 3;
            let Grant { n, at_us, born, .. } = grant;
            self.blocks.push_back(Block { left: n, until, each_us: pace.each_us, born, at_us });
        }
    }

    /// No answer came: what was granted or given back with it is lost.
    pub(super) fn failed(&mut self, now: Duration) {
        self.not_before = now + self.lease.max(ANSWER);
    }

    /// Forgets everything in hand.
    pub(super) fn clear(&mut self) {
        self.blocks.clear();
        self.unused = Unused::default();
        self.granted_at = None;
        self.not_before = Duration::ZERO;
    }

    fn there(&self) -> u32 {
        self.blocks.iter().map(|block| block.left).sum()
    }

    fn expire(&mut self, now: Duration) {
        while let Some(block) = self.blocks.pop_front_if(|block| block.until <= now) {
            self.size = (self.size / 2).max(1);
            self.granted_at = None;
            let micros = f64::from(block.left) * block.each_us;
            if self.unused.born == block.born {
                self.unused.micros += micros;
                self.unused.at_us = self.unused.at_us.min(block.at_us);
            } else {
                self.unused = Unused { micros, born: block.born, at_us: block.at_us };
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PER: Duration = Duration::from_secs(10);

    fn at(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    fn grant(n: u32, at_us: i64) -> Grant {
        Grant { n, at_us, wait: Duration::ZERO, born: "1".to_owned() }
    }

    #[test]
    fn blocks_grow_while_they_are_used_up_and_shrink_when_they_lie() {
        let (pace, mut stock) = (Pace::new(3_000, PER + lease(PER)).unwrap(), Stock::new(PER));
        let mut sizes = Vec::new();
        for round in 0..10 {
            let now = at(round * 100);
            assert!(matches!(stock.take(now, 1), Taken::Short(_)));
            let ask = stock.ask(now, &pace).unwrap();
            sizes.push(ask.most);
            stock.granted(now, now, &pace, grant(ask.most, 5));
            assert_ne!(stock.take(now, ask.most), Taken::Plenty);
        }
        assert_eq!(sizes[..8], [1, 2, 4, 8, 16, 32, 64, 100]);
        assert!(matches!(stock.take(at(1_000), 10), Taken::Short(_)));
        let ask = stock.ask(at(1_000), &pace).unwrap();
        stock.granted(at(1_000), at(1_001), &pace, grant(ask.most, 9_000));
        assert_eq!(stock.returns_at(), Some(at(1_234) + Duration::from_micros(375)));
        assert!(matches!(stock.take(at(1_235), 1), Taken::Short(_)), "the block has ended");
        let ask = stock.ask(at(1_235), &pace).unwrap();
        assert_eq!((ask.least, ask.most, ask.unused.at_us), (1, 50, 9_000));
        assert!((ask.unused.micros - 100.0 * pace.each_us).abs() < 1.0);
        assert_eq!(stock.give_back(), None, "it is given back once");
    }

    #[test]
    fn a_large_call_waits_for_all_of_its_credit() {
        let (pace, mut stock) = (Pace::new(3_000, PER + lease(PER)).unwrap(), Stock::new(PER));
        assert_eq!(stock.take(at(0), 50), Taken::Short(ANSWER));
        assert_eq!(stock.ask(at(0), &pace).unwrap().least, 50);
        stock.granted(at(0), at(1), &pace, Grant { wait: at(170), ..grant(0, 5) });
        assert_eq!(stock.take(at(1), 50), Taken::Short(at(170) + ANSWER));
        stock.granted(at(171), at(172), &pace, grant(50, 6));
        assert_eq!(stock.take(at(180), 50), Taken::Low);
    }
}
