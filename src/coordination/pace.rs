//! The pace at which a limit may be used: the generic cell rate algorithm, so that no window of the limit's
//! length sees more than the limit, wherever it begins.

use std::time::Duration;

/// How much of a limit may be saved up: a thirtieth of it.
const SAVED_SHARE: u32 = 30;
/// From here on at least two are saved up, so that somebody who comes a little late for one has not lost it.
const TWO_FROM: u32 = 20;
/// Rounding must never be in favour of more.
const ROUNDING: f64 = 1.000_001;

/// A pace: one recipient every so often, and so many at a stroke.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Pace {
    /// Time per recipient, in microseconds.
    pub each_us: f64,
    /// The most recipients at a stroke.
    pub burst: u32,
}

impl Pace {
    /// The fastest pace that keeps to `n` in any span of `span`; `None` if nothing may be used at all.
    ///
    /// Uses in a window are at most the burst and as many whole recipients as fit the window at this pace, so
    /// `n − burst` must fit and one more must not.
    pub(super) fn new(n: u32, span: Duration) -> Option<Pace> {
        if n == 0 {
            return None;
        }
        let burst = (n / SAVED_SHARE).max(if n < TWO_FROM { 1 } else { 2 });
        let flowing = f64::from(n - burst + 1);
        Some(Pace { each_us: span.as_secs_f64() * 1e6 / flowing * ROUNDING, burst })
    }

    /// The time that the burst stands for, in microseconds.
    pub(super) fn saved_us(&self) -> f64 {
        f64::from(self.burst) * self.each_us
    }
}

/// One cell of the algorithm, in this process.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cell {
    /// The theoretical arrival time, in microseconds of the monotonic clock: before it, credit is used up.
    arrival_us: f64,
}

impl Cell {
    /// A cell with all of its credit.
    pub(super) fn full() -> Cell {
        Cell { arrival_us: 0.0 }
    }

    /// A cell without credit: it flows in from now on.
    pub(super) fn empty(pace: &Pace, now: Duration) -> Cell {
        Cell { arrival_us: micros(now) + pace.saved_us() }
    }

    /// Takes `n`, or says how long until `n` are there. Never more than the burst is ever there.
    pub(super) fn take(&mut self, pace: &Pace, now: Duration, n: u32) -> Result<(), Duration> {
        let now_us = micros(now);
        // A pace that was slower before may have left an arrival that this one never reaches.
        let arrival = self.arrival_us.clamp(now_us, now_us + pace.saved_us());
        let after = arrival + f64::from(n) * pace.each_us;
        let late = after - (now_us + pace.saved_us());
        // Sums of fractions differ in their last digits.
        if late > pace.each_us * 1e-6 {
            return Err(Duration::from_secs_f64((late / 1e6).max(0.001)));
        }
        self.arrival_us = after;
        Ok(())
    }
}

pub(super) fn micros(span: Duration) -> f64 {
    span.as_secs_f64() * 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes whatever is there at every step and checks every window.
    fn taken(n: u32, per: Duration, step: Duration, steps: u32) -> u32 {
        let (pace, mut cell, mut taken) = (Pace::new(n, per).unwrap(), Cell::full(), Vec::new());
        for at in (0..steps).map(|number| step * number) {
            while cell.take(&pace, at, 1).is_ok() {
                taken.push(at);
            }
        }
        for (first, start) in taken.iter().enumerate() {
            let within = taken[first..].iter().take_while(|at| **at < *start + per).count();
            assert!(within <= n as usize, "{within} of {n} from {start:?} on");
        }
        u32::try_from(taken.len()).unwrap()
    }

    #[test]
    fn no_window_sees_more_than_the_limit_and_most_of_it_is_used() {
        let second = Duration::from_secs(1);
        for n in [1, 2, 3, 10, 29, 31, 60, 100, 999] {
            let used = taken(n, second, Duration::from_millis(3), 10_000);
            assert!(f64::from(used) >= 0.93 * f64::from(n) * 30.0 - 1.0, "{used} of {n} a second in 30 s");
        }
    }

    #[test]
    fn an_empty_cell_fills_with_time_and_a_changed_pace_is_obeyed_at_once() {
        let second = Duration::from_secs(1);
        let (fast, slow) = (Pace::new(300, second).unwrap(), Pace::new(30, second).unwrap());
        let mut cell = Cell::empty(&slow, second);
        let wait = cell.take(&slow, second, 1).unwrap_err();
        assert!((Duration::from_millis(30)..Duration::from_millis(36)).contains(&wait), "{wait:?}");
        assert!(cell.take(&fast, second, 1).is_err(), "still empty");
        assert_eq!(cell.take(&fast, second * 2, fast.burst), Ok(()));
        assert!(cell.take(&fast, second * 2, 1).is_err());
        assert!(Pace::new(0, second).is_none());
    }
}
