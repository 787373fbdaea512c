//! When the keeper renews, looks for the dead and sweeps. Pure; times are those of the monotonic clock.

use std::time::Duration;

use super::LEASE;

/// How often the lease is renewed.
const RENEW_EVERY: Duration = Duration::from_secs(10);
/// How soon a renewal that failed is tried again.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// How often the dead are looked for.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// How often legs are swept although nobody died.
const SWEEP_EVERY: Duration = Duration::from_secs(30);
/// Whoever could not reach the store for a while lets the others renew first, for so long: they could not
/// reach it either, and are not dead.
const TRUCE: Duration = Duration::from_secs(10);

/// What is to be done next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Renew the lease.
    Renew,
    /// Look for the dead.
    TakeOver,
    /// Close what a crash left open.
    Sweep,
    /// Nothing for so long.
    Wait(Duration),
}

/// The keeper's calendar.
#[derive(Clone, Debug)]
pub(super) struct Schedule {
    /// Before the last renewal that succeeded was asked for.
    renewed_at: Duration,
    renew_at: Duration,
    look_at: Duration,
    sweep_at: Duration,
}

impl Schedule {
    /// For a node whose joining was asked for at this moment.
    pub(super) fn joined(asked_at: Duration) -> Schedule {
        let (renew_at, look_at) = (asked_at + RENEW_EVERY, asked_at);
        Schedule { renewed_at: asked_at, renew_at, look_at, sweep_at: asked_at }
    }

    /// What is to be done now. Renewing goes before everything: nobody judges others who may be dead itself.
    pub(super) fn next(&self, now: Duration) -> Step {
        if now >= self.renew_at {
            return Step::Renew;
        }
        let mut until = self.renew_at;
        if now < self.renewed_at + LEASE {
            if now >= self.look_at {
                return Step::TakeOver;
            }
            if now >= self.sweep_at {
                return Step::Sweep;
            }
            until = until.min(self.look_at).min(self.sweep_at);
        }
        Step::Wait(until - now)
    }

    /// A renewal that was asked for at this moment succeeded. Returns until when the node may trust it.
    pub(super) fn renewed(&mut self, asked_at: Duration) -> Duration {
        if asked_at > self.renewed_at + 2 * RENEW_EVERY {
            self.look_at = self.look_at.max(asked_at + TRUCE);
        }
        self.renewed_at = asked_at;
        self.renew_at = asked_at + RENEW_EVERY;
        asked_at + LEASE
    }

    /// A renewal failed or was not answered.
    pub(super) fn failed(&mut self, now: Duration) {
        self.renew_at = now + RETRY_AFTER;
    }

    /// The dead were looked for; `found`: there were some, and who dies may leave something open.
    pub(super) fn looked(&mut self, now: Duration, found: bool) {
        self.look_at = now + LOOK_EVERY;
        if found {
            self.sweep_at = now;
        }
    }

    /// Legs were swept.
    pub(super) fn swept(&mut self, now: Duration) {
        self.sweep_at = now + SWEEP_EVERY;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::time::At;
    use crate::runtime::clock::{Clock, ManualClock};

    const S: Duration = Duration::from_secs(1);

    /// A schedule that looked and swept at its start.
    fn settled(clock: &ManualClock) -> Schedule {
        let mut schedule = Schedule::joined(clock.monotonic());
        assert_eq!(schedule.next(clock.monotonic()), Step::TakeOver, "who joins looks at once");
        schedule.looked(clock.monotonic(), false);
        assert_eq!(schedule.next(clock.monotonic()), Step::Sweep);
        schedule.swept(clock.monotonic());
        schedule
    }

    #[test]
    fn a_lease_is_renewed_at_a_third_and_the_dead_are_found_in_time() {
        let clock = ManualClock::at(At(0));
        let mut schedule = settled(&clock);
        assert_eq!(schedule.next(clock.monotonic()), Step::Wait(5 * S));
        clock.advance(5 * S);
        assert_eq!(schedule.next(clock.monotonic()), Step::TakeOver);
        schedule.looked(clock.monotonic(), true);
        assert_eq!(schedule.next(clock.monotonic()), Step::Sweep, "somebody died");
        schedule.swept(clock.monotonic());
        clock.advance(5 * S);
        assert_eq!(schedule.next(clock.monotonic()), Step::Renew, "before everything else");
        assert_eq!(schedule.renewed(clock.monotonic()), 40 * S);
        assert_eq!(schedule.next(clock.monotonic()), Step::TakeOver);
        assert!(LEASE + RENEW_EVERY >= LEASE + LOOK_EVERY, "a dead node is found within 40 s of its last beat");
    }

    #[test]
    fn a_failed_renewal_is_repeated_and_judges_nobody_once_the_lease_is_over() {
        let clock = ManualClock::at(At(0));
        let mut schedule = settled(&clock);
        clock.advance(10 * S);
        schedule.failed(clock.monotonic());
        schedule.looked(clock.monotonic(), false);
        assert_eq!(schedule.next(clock.monotonic()), Step::Wait(S));
        clock.advance(S);
        assert_eq!(schedule.next(clock.monotonic()), Step::Renew);
        schedule.failed(clock.monotonic() + 25 * S);
        clock.advance(25 * S);
        assert_eq!(schedule.next(clock.monotonic()), Step::Wait(S), "it may be dead itself");
    }

    #[test]
    fn who_comes_back_lets_the_others_renew_before_it_looks_for_the_dead() {
        let clock = ManualClock::at(At(0));
        let mut schedule = settled(&clock);
        clock.advance(60 * S);
        assert_eq!(schedule.next(clock.monotonic()), Step::Renew);
        schedule.renewed(clock.monotonic());
        assert_ne!(schedule.next(clock.monotonic()), Step::TakeOver);
        clock.advance(9 * S);
        assert_ne!(schedule.next(clock.monotonic()), Step::TakeOver);
        clock.advance(S);
        schedule.renewed(clock.monotonic());
        assert_eq!(schedule.next(clock.monotonic()), Step::TakeOver);
    }
}
