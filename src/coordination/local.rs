//! Limits within one process: the generic cell rate algorithm of `governor`, one cell per key.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::time::Duration;

use governor::middleware::NoOpMiddleware;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use parking_lot::Mutex;

use super::Limits;
use crate::runtime::clock::SharedClock;

/// Limits that nobody shares with another process.
pub struct LocalLimits {
    cells: HashMap<String, Mutex<Cell>>,
}

impl LocalLimits {
    /// Limits of `n` recipients in any span of `per`, by key. An `n` of zero is taken as one.
    ///
    /// A tenth of `n` may be used at a stroke and the rest flows evenly, so that no window of that length,
    /// wherever it begins, sees more than `n`. A single call for more than the burst is let through when the
    /// cell is full and paid for before the next.
    #[must_use]
    pub fn new(clock: &SharedClock, rates: impl IntoIterator<Item = (String, u32, Duration)>) -> LocalLimits {
        let cells = rates.into_iter().map(|(key, n, per)| (key, Mutex::new(Cell::new(clock, n, per)))).collect();
        LocalLimits { cells }
    }
}

impl Limits for LocalLimits {
    fn acquire(&self, key: &str, n: u32) -> Result<(), Duration> {
        self.cells.get(key).map_or(Ok(()), |cell| cell.lock().acquire(n))
    }
}

struct Cell {
    limiter: RateLimiter<NotKeyed, InMemoryState, Monotonic, NoOpMiddleware<Duration>>,
    clock: Monotonic,
    burst: u32,
    /// What an earlier call took beyond the burst.
    debt: u32,
}

impl Cell {
    fn new(clock: &SharedClock, n: u32, per: Duration) -> Cell {
        let n = n.max(1);
        let burst = (n / 10).max(1);
        let flowing = (n - burst).max(1);
        let period = (per / flowing).max(Duration::from_nanos(1));
        let quota = Quota::with_period(period)
            .unwrap_or_else(|| Quota::per_second(NonZeroU32::MIN))
            .allow_burst(NonZeroU32::new(burst).unwrap_or(NonZeroU32::MIN));
        let clock = Monotonic(clock.clone());
        Cell { limiter: RateLimiter::direct_with_clock(quota, clock.clone()), clock, burst, debt: 0 }
    }

    fn acquire(&mut self, n: u32) -> Result<(), Duration> {
        while self.debt > 0 {
            let part = self.debt.min(self.burst);
            self.take(part)?;
            self.debt -= part;
        }
        let part = n.min(self.burst);
        self.take(part)?;
        self.debt = n - part;
        Ok(())
    }

    fn take(&self, n: u32) -> Result<(), Duration> {
        let Some(n) = NonZeroU32::new(n) else { return Ok(()) };
        match self.limiter.check_n(n) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(not_until)) => {
                use governor::clock::Clock as _;
                Err(not_until.wait_time_from(self.clock.now()).max(Duration::from_millis(1)))
            }
            // Never more than the burst is asked for.
            Err(_) => Err(Duration::from_secs(1)),
        }
    }
}

/// The process's monotonic clock as `governor` wants it.
#[derive(Clone)]
struct Monotonic(SharedClock);

impl governor::clock::Clock for Monotonic {
    type Instant = Duration;

    fn now(&self) -> Duration {
        self.0.monotonic()
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
        assert!(taken.len() >= 170, "{}", taken.len());
    }

    #[test]
    fn a_call_larger_than_the_burst_is_paid_for_before_the_next() {
        let (clock, limits) = limits(100, Duration::from_secs(10));
        assert_eq!(limits.acquire("p", 50), Ok(()));
        let wait = limits.acquire("p", 1).unwrap_err();
        assert!(wait > Duration::ZERO);
        let mut waited = 0;
        while limits.acquire("p", 1).is_err() {
            clock.advance(Duration::from_millis(100));
            waited += 100;
        }
        assert!((4_400..5_500).contains(&waited), "40 recipients of debt take 4.4 s at 9 a second: {waited} ms");
    }

    #[test]
    fn a_key_without_a_limit_always_may() {
        let (_, limits) = limits(1, Duration::from_secs(1));
        assert_eq!(limits.acquire("other", u32::MAX), Ok(()));
    }
}
