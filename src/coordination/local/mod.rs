//! Agreement within one process.

mod hints;
mod limits;

pub use hints::LocalHints;
pub use limits::LocalLimits;
