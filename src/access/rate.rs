//! How often one key may publish: so many a second, and so many at once after a rest. Each node counts for itself.

use std::collections::HashMap;
use std::time::Duration;

use parking_lot::Mutex;

use crate::domain::id::KeyId;
use crate::domain::refusal::{Reason, Refusal};

/// The most keys that are remembered.
const KEPT_MAX: usize = 10_000;

/// Counts the publishes of keys.
#[derive(Debug)]
pub struct Rate {
    every: Duration,
    /// How far a key may run ahead of its pace.
    ahead: Duration,
    /// When each key would have rested, by the monotonic clock.
    rested_at: Mutex<HashMap<KeyId, Duration>>,
}

impl Rate {
    /// So many a second and, after a rest, so many at once, at least one; `None` for 0 a second: no limit.
    #[must_use]
    pub fn of(per_second: u32, at_once: u32) -> Option<Rate> {
        let every = Duration::from_secs(1).checked_div(per_second)?;
        Some(Rate { every, ahead: every * at_once.max(1), rested_at: Mutex::default() })
    }

    /// Counts one publish.
    ///
    /// # Errors
    /// `RATE_LIMITED` with how long to wait; then nothing was counted.
    pub fn step(&self, key: KeyId, now: Duration) -> Result<(), Refusal> {
        let mut rested_at = self.rested_at.lock();
        if rested_at.len() >= KEPT_MAX {
            rested_at.retain(|_, at| *at > now);
        }
        let next = rested_at.get(&key).copied().unwrap_or(now).max(now) + self.every;
        let limit = now + self.ahead;
        if next > limit {
            let message = "This key publishes more often than it may; wait as long as the answer says, then repeat it.";
            return Err(Refusal::new(Reason::RateLimited, message).after(next - limit));
        }
        rested_at.insert(key, next);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_may_be_quick_after_a_rest_and_then_keeps_its_pace_alone() {
        let (rate, now) = (Rate::of(10, 5).unwrap(), Duration::from_secs(100));
        (0..5).for_each(|_| rate.step(KeyId(1), now).unwrap());
        let refusal = rate.step(KeyId(1), now).unwrap_err();
        assert_eq!((refusal.reason, refusal.retry_after), (Reason::RateLimited, Some(Duration::from_millis(100))));
        rate.step(KeyId(2), now).unwrap();
        let later = now + Duration::from_millis(100);
        rate.step(KeyId(1), later).unwrap();
        assert!(rate.step(KeyId(1), later).is_err());
        (0..5).for_each(|_| rate.step(KeyId(1), now + Duration::from_secs(9)).unwrap());
        assert!(Rate::of(0, 5).is_none());
    }
}
