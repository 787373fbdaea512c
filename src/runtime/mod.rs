//! What every part runs on: clocks, ids, shutdown and task tracking, backoff.

pub mod backoff;
pub mod clock;
pub mod ids;
#[cfg(feature = "sabotage")]
pub mod sabotage;
pub mod tasks;
