//! Whether this node may still hand over, as far as it can tell without asking anybody. Pure.

use std::time::Duration;

/// A node's right to work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    /// The epoch under which the node claims.
    pub epoch: i64,
    /// When the right ends, by the monotonic clock, counted from before the call that renewed it: never later
    /// than the store thinks. `None`: never.
    pub until: Option<Duration>,
}

impl Lease {
    /// A right that does not end.
    #[must_use]
    pub fn endless(epoch: i64) -> Lease {
        Lease { epoch, until: None }
    }

    /// Whether a call may begin for a batch of `epoch`, if `margin` must be left for it. It may take longer
    /// than that only if the lease is renewed meanwhile.
    #[must_use]
    pub fn lets_begin(&self, epoch: i64, now: Duration, margin: Duration) -> bool {
        self.left(epoch, now).is_none_or(|left| left > margin)
    }

    /// How long a call for a batch of `epoch` may still be open; zero: it must be cut off. `None`: for ever.
    #[must_use]
    pub fn left(&self, epoch: i64, now: Duration) -> Option<Duration> {
        #[cfg(feature = "sabotage")]
        if crate::runtime::sabotage::chosen().outlive_the_lease {
            return None;
        }
        if epoch != self.epoch {
            return Some(Duration::ZERO);
        }
        self.until.map(|until| until.saturating_sub(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::time::At;
    use crate::runtime::clock::{Clock, ManualClock};

    const S: Duration = Duration::from_secs(1);

    #[test]
    fn a_node_that_slept_past_its_lease_begins_nothing_and_cuts_off_what_is_open() {
        let clock = ManualClock::at(At(0));
        let lease = Lease { epoch: 3, until: Some(30 * S) };
        assert!(lease.lets_begin(3, clock.monotonic(), 10 * S));
        clock.advance(19 * S);
        assert!(lease.lets_begin(3, clock.monotonic(), 10 * S));
        clock.advance(S);
        assert!(!lease.lets_begin(3, clock.monotonic(), 10 * S), "it could end with the lease");
        assert_eq!(lease.left(3, clock.monotonic()), Some(10 * S), "what is open may go on");
        clock.advance(60 * S);
        assert_eq!(lease.left(3, clock.monotonic()), Some(Duration::ZERO));
        let renewed = Lease { until: Some(clock.monotonic() + 30 * S), ..lease };
        assert!(renewed.lets_begin(3, clock.monotonic(), 10 * S));
    }

    #[test]
    fn what_was_claimed_under_another_epoch_is_not_handed_over() {
        let lease = Lease { epoch: 4, until: Some(30 * S) };
        assert!(!lease.lets_begin(3, Duration::ZERO, Duration::ZERO));
        assert_eq!(lease.left(3, Duration::ZERO), Some(Duration::ZERO));
        assert!(Lease::endless(3).lets_begin(3, 1_000_000 * S, 10 * S));
        assert!(!Lease::endless(4).lets_begin(3, Duration::ZERO, Duration::ZERO));
    }
}
