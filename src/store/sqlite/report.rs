//! Totals in SQLite: the rollup of closed legs, and the running counts of open ones.

use async_trait::async_trait;
use rusqlite::{Connection, Params, Row};

use super::reader::snapshot;
use super::{Sqlite, batch};
use crate::store::report::RollupCodes;
use crate::store::{Reports, Result, RollupFilter, RollupRow};

#[async_trait]
impl Reports for Sqlite {
    async fn rollup(&self, filter: RollupFilter) -> Result<Vec<RollupRow>> {
        self.readers.read(move |connection| snapshot(connection, |moment| rollup(moment, filter))).await
    }
}

fn rollup(connection: &Connection, filter: RollupFilter) -> Result<Vec<RollupRow>> {
    let days = (filter.from_day, filter.to_day);
    let ids = filter.ids();
    let mut rows = closed(connection, days)?;
    rows.extend(settled_of_open(connection, ids)?);
    rows.extend(pending_of_open(connection, ids)?);
    rows.extend(pending_of_short(connection, ids)?);
    Ok(rows)
}

fn closed(connection: &Connection, days: (i64, i64)) -> Result<Vec<RollupRow>> {
    const SQL: &str = "select day, principal, department_id, channel, class, outcome, sum(n) from rollup \
                       where day between ?1 and ?2 \
                       group by day, principal, department_id, channel, class, outcome";
    rows(connection, SQL, days)
}

fn settled_of_open(connection: &Connection, ids: (i64, i64)) -> Result<Vec<RollupRow>> {
    const SQL: &str = "select ((leg.id >> 22) + 1577836800000) / 86400000 as day, message.principal, \
                       message.department_id, leg.channel, message.class, leg_count.outcome, sum(leg_count.n) \
                       from leg join message on message.id = (leg.id & ~15) \
                       join leg_count on leg_count.leg_id = leg.id \
                       where leg.id >= ?1 and leg.id < ?2 and leg.state in (2, 3) and message.counted = 1 \
                       group by day, message.principal, message.department_id, leg.channel, message.class, \
                       leg_count.outcome";
    rows(connection, SQL, ids)
}

fn pending_of_open(connection: &Connection, ids: (i64, i64)) -> Result<Vec<RollupRow>> {
    const SQL: &str = "select ((leg.id >> 22) + 1577836800000) / 86400000 as day, message.principal, \
                       message.department_id, leg.channel, message.class, 0, sum(leg.members_n - \
                       coalesce((select sum(n) from leg_count where leg_count.leg_id = leg.id), 0)) \
                       from leg join message on message.id = (leg.id & ~15) \
                       where leg.id >= ?1 and leg.id < ?2 and leg.state in (2, 3) and message.counted = 1 \
                       group by day, message.principal, message.department_id, leg.channel, message.class";
    rows(connection, SQL, ids)
}

/// A short message's leg is its batch. Only open batches are looked at, whatever the span.
fn pending_of_short(connection: &Connection, ids: (i64, i64)) -> Result<Vec<RollupRow>> {
    const SQL: &str = "select ((open.leg_id >> 22) + 1577836800000) / 86400000 as day, message.principal, \
                       message.department_id, open.channel, message.class, 0, count(*) from \
                       (select leg_id, channel from batch indexed by batch_waiting where state = 1 and short = 1 \
                       union all \
                       select leg_id, channel from batch indexed by batch_claimed where state = 2 and short = 1) open \
                       join message on message.id = (open.leg_id & ~15) \
                       where open.leg_id >= ?1 and open.leg_id < ?2 and message.counted = 1 \
                       group by day, message.principal, message.department_id, open.channel, message.class";
    rows(connection, SQL, ids)
}

fn rows(connection: &Connection, sql: &str, parameters: impl Params) -> Result<Vec<RollupRow>> {
    let raw = batch::rows(connection, sql, parameters, columns)?;
    raw.into_iter().filter(|row| row.6 > 0).map(RollupRow::read).collect()
}

fn columns(row: &Row<'_>) -> rusqlite::Result<RollupCodes> {
    Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?, row.get(6)?))
}
