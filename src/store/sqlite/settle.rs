//! The settle commit: outcomes, retries, counters and closing, for a group of batches in one transaction.

use rusqlite::Connection;

use super::batch;
use super::claim::{holds, set_state};
use super::encode::{signed, unsigned};
use super::{fault, tally};
use crate::domain::batch::{Again, Settled, Settlement};
use crate::domain::set::Set;
use crate::store::Result;
use crate::store::books::Tally;
use crate::store::release::CLOSED;
use crate::store::settling::{End, Moved, NewRow, writes};

/// Writes a group of settlements. Returns for each whether its fence held.
pub(super) fn settle(connection: &Connection, group: &[Settlement]) -> Result<Vec<bool>> {
    let mut tally = Tally::default();
    let mut written = Vec::with_capacity(group.len());
    for item in group {
        let held = holds(connection, &item.fence)?;
        if held && !item.again.is_empty() && is_cancelled(connection, item)? {
            let mut last = item.clone();
            last.call_off_retries();
            settle_batch(connection, &last, &mut tally)?;
        } else if held {
            settle_batch(connection, item, &mut tally)?;
        }
        written.push(held);
    }
    tally::write(connection, tally)?;
    Ok(written)
}

/// Whether the tombstone was written since the batch was claimed.
fn is_cancelled(connection: &Connection, item: &Settlement) -> Result<bool> {
    connection
        .prepare_cached("select 1 from message where id = ?1 and cancelled_at is not null")
        .and_then(|mut statement| statement.exists([item.leg.message().0]))
        .map_err(fault)
}

fn settle_batch(connection: &Connection, item: &Settlement, tally: &mut Tally) -> Result<()> {
    let (n, prior) = match item.short {
        true => (1, Set::new()),
        false => (members_n(connection, item)?, batch::settled(connection, item.fence.batch)?),
    };
    let writes = writes(item, n, prior, tally);
    for row in &writes.rows {
        insert(connection, item, row)?;
    }
    for moved in &writes.moved {
        move_on(connection, item, moved)?;
    }
    match writes.end {
        End::Open => Ok(()),
        End::Closed => set_state(connection, item.fence.batch.0, CLOSED),
        End::Settled(settled) => close(connection, item, settled, tally),
        End::Again(again) => retry(connection, item, again),
    }
}

/// The one outcome of a batch stands in its own row.
fn close(connection: &Connection, item: &Settlement, settled: &Settled, tally: &mut Tally) -> Result<()> {
    let channel = connection
        .prepare_cached(
            "update batch set state = 3, owner_epoch = null, outcome = ?2, reason = ?3, settled_at = ?4, \
             detail = ?5, attempt = ?6 where id = ?1 returning channel",
        )
        .and_then(|mut statement| {
            let (outcome, reason) = (settled.outcome.code(), settled.reason.code());
            let detail = settled.detail.as_deref();
            statement
                .query_row((item.fence.batch.0, outcome, reason, item.at.0, detail, item.attempt), |row| row.get(0))
        })
        .map_err(fault)?;
    if item.short { tally::short(connection, item.leg, channel, settled.outcome, tally) } else { Ok(()) }
}

/// A retry of a short message moves the row itself.
fn retry(connection: &Connection, item: &Settlement, again: &Again) -> Result<()> {
    connection
        .prepare_cached(
            "update batch set state = 1, owner_epoch = null, opened_to = null, due_at = ?2, attempt = ?3, detail = ?4 \
             where id = ?1",
        )
        .and_then(|mut statement| {
            statement.execute((item.fence.batch.0, again.due_at.0, again.attempt, again.detail.as_deref()))
        })
        .map(|_| ())
        .map_err(fault)
}

fn members_n(connection: &Connection, item: &Settlement) -> Result<u64> {
    connection
        .prepare_cached("select n from batch where id = ?1")
        .and_then(|mut statement| statement.query_row([item.fence.batch.0], |row| row.get(0)))
        .map(unsigned)
        .map_err(fault)
}

fn insert(connection: &Connection, item: &Settlement, row: &NewRow<'_>) -> Result<()> {
    connection
        .prepare_cached(
            "insert into settlement (leg_id, batch_id, at, attempt, outcome, reason, n, members, detail) \
             values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        )
        .and_then(|mut statement| {
            statement.execute(rusqlite::params![
                item.leg.0,
                item.fence.batch.0,
                item.at.0,
                item.attempt,
                row.outcome.code(),
                row.reason.code(),
                signed(row.n),
                row.members,
                row.detail,
            ])
        })
        .map(|_| ())
        .map_err(fault)
}

/// Puts members of a batch into a new one of the same leg.
fn move_on(connection: &Connection, item: &Settlement, moved: &Moved<'_>) -> Result<()> {
    connection
        .prepare_cached(
            "insert into batch (leg_id, ord_min, ord_max, members, n, provider_id, channel, lane, principal, due_at, \
             attempt, claims, state, short) select leg_id, ?2, ?3, ?4, ?5, provider_id, channel, lane, principal, ?6, \
             ?7, 0, 1, 0 from batch where id = ?1",
        )
        .and_then(|mut statement| {
            statement.execute(rusqlite::params![
                item.fence.batch.0,
                moved.first,
                moved.last,
                moved.members,
                signed(moved.n),
                moved.again.due_at.0,
                moved.again.attempt,
            ])
        })
        .map(|_| ())
        .map_err(fault)
}
