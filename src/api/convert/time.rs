//! Times and spans on the wire.

use std::time::Duration;

use prost_types::{Duration as WireDuration, Timestamp};

use super::invalid;
use crate::domain::refusal::Refusal;
use crate::domain::time::At;

/// 0001-01-01 and the last second of 9999, as the definition of `Timestamp` bounds it.
const SECONDS: std::ops::RangeInclusive<i64> = -62_135_596_800..=253_402_300_799;

/// The time in a field, to the millisecond.
///
/// # Errors
/// `FIELD_INVALID` outside the years 1 to 9999 or with nanoseconds outside a second.
pub fn at(path: &str, stamp: &Timestamp) -> Result<At, Refusal> {
    if !SECONDS.contains(&stamp.seconds) || !(0..1_000_000_000).contains(&stamp.nanos) {
        return Err(invalid(path, "is no time between the years 1 and 9999"));
    }
    Ok(At(stamp.seconds * 1_000 + i64::from(stamp.nanos / 1_000_000)))
}

/// The time in a field that may be absent.
///
/// # Errors
/// As [`at`].
pub fn at_if(path: &str, stamp: Option<&Timestamp>) -> Result<Option<At>, Refusal> {
    stamp.map(|stamp| at(path, stamp)).transpose()
}

/// The span in a field.
///
/// # Errors
/// `FIELD_INVALID` if it is negative or cannot be a span.
pub fn span(path: &str, span: &WireDuration) -> Result<Duration, Refusal> {
    let wrong = || invalid(path, "is no span of time of zero or more");
    if !(0..1_000_000_000).contains(&span.nanos) {
        return Err(wrong());
    }
    let seconds = u64::try_from(span.seconds).map_err(|_| wrong())?;
    Ok(Duration::new(seconds, span.nanos.unsigned_abs()))
}

/// A time as the wire carries it.
#[must_use]
pub fn stamp(at: At) -> Timestamp {
    let nanos = i32::try_from(at.0.rem_euclid(1_000) * 1_000_000).unwrap_or_default();
    Timestamp { seconds: at.0.div_euclid(1_000), nanos }
}

/// A span of milliseconds, which may be negative, as the wire carries it.
#[must_use]
pub fn signed_span(ms: i64) -> WireDuration {
    let nanos = i32::try_from(ms % 1_000 * 1_000_000).unwrap_or_default();
    WireDuration { seconds: ms / 1_000, nanos }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_reads_back_and_an_impossible_one_is_refused() {
        for ms in [0, 1, -1, 1_790_000_000_123, -62_135_596_800_000] {
            assert_eq!(at("t", &stamp(At(ms))), Ok(At(ms)));
        }
        assert_eq!(signed_span(-1_500), WireDuration { seconds: -1, nanos: -500_000_000 });
        for (seconds, nanos) in [(0, -1), (0, 1_000_000_000), (i64::MAX, 0), (i64::MIN, 0), (253_402_300_800, 0)] {
            assert!(at("t", &Timestamp { seconds, nanos }).is_err());
        }
    }
}
