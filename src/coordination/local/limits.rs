//! Limits within one process: one cell per key.

use std::collections::HashMap;
use std::time::Duration;

use parking_lot::Mutex;

use crate::coordination::Limits;
use crate::coordination::pace::{Cell, Pace};
use crate::runtime::clock::SharedClock;

/// Limits that nobody shares with another process.
pub struct LocalLimits {
    clock: SharedClock,
    cells: HashMap<String, (Pace, Mutex<Cell>)>,
}

impl LocalLimits {
    /// Limits of `n` recipients in any span of `per`, by key. An `n` of zero is taken as one.
    ///
    /// A thirtieth of `n` may be used at a stroke and the rest flows evenly, so that no window of that length,
    /// wherever it begins, sees more than `n`.
    #[must_use]
    pub fn new(clock: &SharedClock, rates: impl IntoIterator<Item = (String, u32, Duration)>) -> LocalLimits {
        let cells = rates.into_iter().filter_map(|(key, n, per)| {
            let pace = Pace::new(n.max(1), per)?;
            Some((key, (pace, Mutex::new(Cell::full()))))
        });
        LocalLimits { clock: clock.clone(), cells: cells.collect() }
    }
}

impl Limits for LocalLimits {
    fn acquire(&self, key: &str, n: u32) -> Result<(), Duration> {
        let Some((pace, cell)) = self.cells.get(key) else { return Ok(()) };
        cell.lock().take(pace, self.clock.monotonic(), n)
    }

    fn largest(&self, key: &str) -> u32 {
        self.cells.get(key).map_or(u32::MAX, |(pace, _)| pace.burst)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::domain::time::At;
    use crate::runtime::clock::ManualClock;

    fn limits(n: u32, per: Duration) -> (Arc<ManualClock>, LocalLimits) {
        let clock = Arc::new(ManualClock::at(At(0)));
        let shared: SharedClock = clock.clone();
        (clock, LocalLimits::new(&shared, [("p".to_owned(), n, per)]))
    }

    #[test]
    fn no_window_sees_more_than_the_limit() {
        let (clock, limits) = limits(20, Duration::from_secs(60));
        let mut taken = Vec::new();
        for second in 0..600_u64 {
            while limits.acquire("p", 1).is_ok() {
                taken.push(second);
            }
            clock.advance(Duration::from_secs(1));
        }
        for start in 0..540 {
            let n = taken.iter().filter(|at| (start..start + 60).contains(*at)).count();
            assert!(n <= 20, "{n} from second {start} on");
        }
        assert!(taken.len() >= 185, "{}", taken.len());
    }

    #[test]
    fn the_largest_call_is_granted_once_and_then_paid_for() {
        let (clock, limits) = limits(300, Duration::from_secs(10));
        assert_eq!(limits.largest("p"), 10);
        assert_eq!(limits.acquire("p", 10), Ok(()));
        let wait = limits.acquire("p", 10).unwrap_err();
        assert!((Duration::from_millis(330)..Duration::from_millis(350)).contains(&wait), "{wait:?}");
        clock.advance(wait);
        clock.advance(Duration::from_millis(1));
        assert_eq!(limits.acquire("p", 10), Ok(()));
    }

    #[test]
    fn a_key_without_a_limit_always_may() {
        let (_, limits) = limits(1, Duration::from_secs(1));
        assert_eq!((limits.acquire("other", u32::MAX), limits.largest("other")), (Ok(()), u32::MAX));
    }
}
