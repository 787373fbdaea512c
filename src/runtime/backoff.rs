//! Jitter, so that retries do not come back in step.

use std::time::Duration;

use rand::Rng;

/// The span changed by a random amount of up to 20 per cent either way.
#[must_use]
pub fn jitter(span: Duration) -> Duration {
    span.mul_f64(rand::rng().random_range(0.8..=1.2))
}
