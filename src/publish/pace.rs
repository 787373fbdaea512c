//! How often one principal may do what is for people: enough for those who work, too seldom for anything else. Each node
//! counts for itself.

use std::collections::HashMap;
use std::time::Duration;

use parking_lot::Mutex;

use crate::domain::access::Principal;
use crate::domain::refusal::{Reason, Refusal};
use crate::domain::time::At;

/// The most principals that are remembered.
const KEPT_MAX: usize = 10_000;

/// Counts what principals do.
#[derive(Debug)]
pub(super) struct Pace {
    /// What is counted, for people.
    what: &'static str,
    /// So many at once after a rest.
    burst: u32,
    /// Afterwards, one in this time.
    every: Duration,
    /// When each principal would have all of its burst again.
    rested_at: Mutex<HashMap<Principal, At>>,
}

impl Pace {
    /// So many of something at once after a rest, and afterwards one in each span.
    pub(super) fn of(what: &'static str, burst: u32, every: Duration) -> Pace {
        Pace { what, burst, every, rested_at: Mutex::default() }
    }

    /// Counts one.
    ///
    /// Errors: `RATE_LIMITED`; then nothing was counted.
    pub(super) fn step(&self, principal: Principal, now: At) -> Result<(), Refusal> {
        let (Pace { what, burst, every, .. }, mut rested_at) = (self, self.rested_at.lock());
        if rested_at.len() >= KEPT_MAX {
            rested_at.retain(|_, at| *at > now);
        }
        let latest = now.plus(*every * *burst);
        // A calendar clock that was set back must not lock anybody out.
        let begin = rested_at.get(&principal).map_or(now, |at| (*at).clamp(now, latest));
        let next = begin.plus(*every);
        if next > latest {
            let message = format!(
                "More than {burst} {what} were asked for at once; from now on one in {} s is answered. Wait, then ask again.",
                every.as_secs()
            );
            return Err(Refusal::new(Reason::RateLimited, message).after(next.since(latest)));
        }
        rested_at.insert(principal, next);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BURST: u32 = 120;
    const EVERY: Duration = Duration::from_secs(1);

    #[test]
    fn a_burst_is_followed_by_one_in_its_time_for_each_principal_alone() {
        let (pace, now) = (Pace::of("previews", BURST, EVERY), At(1_000_000));
        let (one, other) = (Principal::Person(1), Principal::Person(2));
        (0..BURST).for_each(|_| pace.step(one, now).unwrap());
        let refusal = pace.step(one, now).unwrap_err();
        assert_eq!((refusal.reason, refusal.retry_after), (Reason::RateLimited, Some(EVERY)));
        pace.step(other, now).unwrap();
        let later = now.plus(EVERY);
        pace.step(one, later).unwrap();
        assert!(pace.step(one, later).is_err());
        pace.step(one, At(0)).unwrap_err();
        (0..BURST).for_each(|_| pace.step(one, now.plus(EVERY * (BURST + 2))).unwrap());
    }
}
