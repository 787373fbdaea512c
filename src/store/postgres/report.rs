//! Totals in PostgreSQL: the rollup of closed legs, and the running counts of open ones.

use async_trait::async_trait;
use tokio_postgres::Row;

use super::Postgres;
use super::encode::get;
use crate::store::{Reports, Result, RollupFilter, RollupRow};

#[async_trait]
impl Reports for Postgres {
    async fn rollup(&self, filter: RollupFilter) -> Result<Vec<RollupRow>> {
        let session = self.whole_snapshot().await?;
        let (first, end) = filter.ids();
        let mut rows = session.rows(CLOSED, &[&filter.from_day, &filter.to_day]).await?;
        for open in [SETTLED_OF_OPEN, PENDING_OF_OPEN, PENDING_OF_SHORT] {
            rows.extend(session.rows(open, &[&first, &end]).await?);
        }
        let totals = rows.iter().map(total).filter(|total| total.as_ref().is_ok_and(|row| row.n > 0) || total.is_err());
        totals.collect()
    }
}

const CLOSED: &str = "select day, principal, department_id, channel, class, outcome, sum(n)::bigint \
                      from rollup where day between $1 and $2 \
                      group by day, principal, department_id, channel, class, outcome";

const SETTLED_OF_OPEN: &str = "select ((leg.id >> 22) + 1577836800000) / 86400000 as day, message.principal, \
     message.department_id, leg.channel, message.class, leg_count.outcome, sum(leg_count.n)::bigint \
     from leg join message on message.id = (leg.id & ~15::bigint) \
     join leg_count on leg_count.leg_id = leg.id \
     where leg.id >= $1 and leg.id < $2 and leg.state in (2, 3) and message.counted = 1 \
     group by day, message.principal, message.department_id, leg.channel, message.class, leg_count.outcome";

const PENDING_OF_OPEN: &str = "select ((leg.id >> 22) + 1577836800000) / 86400000 as day, message.principal, \
     message.department_id, leg.channel, message.class, 0::bigint, sum(leg.members_n - \
     coalesce((select sum(n) from leg_count where leg_count.leg_id = leg.id), 0))::bigint \
     from leg join message on message.id = (leg.id & ~15::bigint) \
     where leg.id >= $1 and leg.id < $2 and leg.state in (2, 3) and message.counted = 1 \
     group by day, message.principal, message.department_id, leg.channel, message.class";

/// A short message's leg is its batch. Only open batches are looked at, whatever the span.
const PENDING_OF_SHORT: &str = "select ((open.leg_id >> 22) + 1577836800000) / 86400000 as day, message.principal, \
     message.department_id, open.channel, message.class, 0::bigint, count(*) from \
     (select leg_id, channel from batch where state = 1 and short = 1 \
     union all select leg_id, channel from batch where state = 2 and short = 1) open \
     join message on message.id = (open.leg_id & ~15::bigint) \
     where open.leg_id >= $1 and open.leg_id < $2 and message.counted = 1 \
     group by day, message.principal, message.department_id, open.channel, message.class";

fn total(row: &Row) -> Result<RollupRow> {
    let code = |column| get(row, column);
    RollupRow::read((code(0)?, code(1)?, code(2)?, code(3)?, code(4)?, code(5)?, code(6)?))
}
