//! Totals that need no counting.

use async_trait::async_trait;

use super::Result;
use super::encode::{known, unsigned};
use crate::domain::access::Principal;
use crate::domain::channel::Channel;
use crate::domain::class::Class;
use crate::domain::id::{EPOCH_MS, SEQUENCE_BITS};
use crate::domain::outcome::Outcome;

const DAY_MS: i64 = 86_400_000;

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

impl RollupFilter {
    /// The ids that can be made on these days, the last one excluded. Creation times are in the ids, so days
    /// are spans of the key.
    pub(super) fn ids(&self) -> (i64, i64) {
        let first_of = |day: i64| {
            let since = day.saturating_mul(DAY_MS).saturating_sub(EPOCH_MS).max(0);
            since.saturating_mul(1 << SEQUENCE_BITS)
        };
        (first_of(self.from_day), first_of(self.to_day.saturating_add(1)))
    }
}

/// A total as stored: day, publisher, department, channel, class, outcome, number.
pub(super) type RollupCodes = (i64, i64, i64, i64, i64, i64, i64);

impl RollupRow {
    /// The total of stored codes.
    pub(super) fn read((day, principal, department_id, channel, class, outcome, n): RollupCodes) -> Result<RollupRow> {
        Ok(RollupRow {
            day,
            principal: Principal::from_code(principal),
            department_id,
            channel: known(Channel::from_code(channel), "channel")?,
            class: known(Class::from_code(class), "class")?,
            outcome: known(Outcome::from_code(outcome), "outcome")?,
            n: unsigned(n),
        })
    }
}
