//! How often one principal may ask for previews: enough for people who work, too seldom to find out about somebody
//! by asking. Each node counts for itself.

use std::collections::HashMap;
use std::time::Duration;

use parking_lot::Mutex;

use crate::domain::access::Principal;
use crate::domain::refusal::{Reason, Refusal};
use crate::domain::time::At;

/// Previews at once after a rest.
const BURST: u32 = 120;
/// Afterwards, one in this time.
const EVERY: Duration = Duration::from_secs(1);
/// The most principals that are remembered.
const KEPT_MAX: usize = 10_000;

/// Counts previews.
#[derive(Debug, Default)]
pub(in crate::publish) struct Pace {
    /// When each principal would have all of its burst again.
    rested_at: Mutex<HashMap<Principal, At>>,
}

impl Pace {
    /// Counts one preview.
    ///
    /// Errors: `RATE_LIMITED`; then nothing was counted.
    pub(super) fn step(&self, principal: Principal, now: At) -> Result<(), Refusal> {
        let mut rested_at = self.rested_at.lock();
        if rested_at.len() >= KEPT_MAX {
            rested_at.retain(|_, at| *at > now);
        }
        let latest = now.plus(EVERY * BURST);
        // A calendar clock that was set back must not lock anybody out.
        let begin = rested_at.get(&principal).map_or(now, |at| (*at).clamp(now, latest));
        let next = begin.plus(EVERY);
        if next > latest {
            let message = format!(
                "More than {BURST} previews were asked for at once; from now on one a second is answered. Wait, then ask again."
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

    #[test]
    fn a_burst_is_followed_by_one_in_its_time_for_each_principal_alone() {
        let (pace, now) = (Pace::default(), At(1_000_000));
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
