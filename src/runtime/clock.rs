//! The two clocks: the calendar (send times, quotas, reports) and the monotonic one (leases, time-outs).
//! The only place that asks the system for the time.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::domain::time::At;

/// Tells the time.
pub trait Clock: Send + Sync {
    /// The calendar time. May jump either way.
    fn now(&self) -> At;
    /// Time since the process began. Never goes back.
    fn monotonic(&self) -> Duration;
}

/// A clock that can be handed around.
pub type SharedClock = Arc<dyn Clock>;

/// The machine's own clocks.
#[derive(Debug)]
pub struct SystemClock {
    started: Instant,
}

impl SystemClock {
    /// A clock whose monotonic zero is now.
    #[must_use]
    pub fn shared() -> SharedClock {
        Arc::new(SystemClock { started: Instant::now() })
    }
}

impl Clock for SystemClock {
    fn now(&self) -> At {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        At(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }

    fn monotonic(&self) -> Duration {
        self.started.elapsed()
    }
}

/// A clock that stands still until it is moved; for tests and simulation.
#[derive(Debug)]
pub struct ManualClock {
    now_ms: AtomicI64,
    started_ms: i64,
}

impl ManualClock {
    /// A clock that shows `now`.
    #[must_use]
    pub fn at(now: At) -> ManualClock {
        ManualClock { now_ms: AtomicI64::new(now.0), started_ms: now.0 }
    }

    /// Moves both clocks forward.
    pub fn advance(&self, span: Duration) {
        self.now_ms.fetch_add(i64::try_from(span.as_millis()).unwrap_or(i64::MAX), Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> At {
        At(self.now_ms.load(Ordering::SeqCst))
    }

    fn monotonic(&self) -> Duration {
        At(self.now_ms.load(Ordering::SeqCst)).since(At(self.started_ms))
    }
}
