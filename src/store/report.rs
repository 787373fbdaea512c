//! Totals that need no counting.

use async_trait::async_trait;

use super::Result;
use crate::domain::access::Principal;
use crate::domain::channel::Channel;
use crate::domain::class::Class;
use crate::domain::outcome::Outcome;

/// Totals by day.
#[async_trait]
pub trait Reports: Send + Sync {
    /// Deliveries by day of the message's creation, publisher, department, channel, class and outcome: closed
    /// legs from the rollup, open ones from their running counts. Live messages only. No order.
    async fn rollup(&self, filter: RollupFilter) -> Result<Vec<RollupRow>>;
}

/// Which totals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RollupFilter {
    /// First day since 1970, UTC, included.
    pub from_day: i64,
    /// Last day, included.
    pub to_day: i64,
}

/// One total.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RollupRow {
    /// Days since 1970, UTC.
    pub day: i64,
    /// Who published.
    pub principal: Principal,
    /// Which department spoke (the store's key).
    pub department_id: i64,
    /// Over which channel.
    pub channel: Channel,
    /// How urgent.
    pub class: Class,
    /// With which outcome.
    pub outcome: Outcome,
    /// How many deliveries.
    pub n: u64,
}
