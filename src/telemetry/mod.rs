//! What an operator sees: the log, the metrics, and whether the node is alive and ready.

pub mod health;
pub mod logging;
pub mod metrics;
