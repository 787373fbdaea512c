//! The settle commit: outcomes, retries, counters and closing, for a group of batches in one transaction.

use rusqlite::Connection;

use super::batch::CLOSED;
use super::claim::{holds, set_state};
use super::encode::signed;
use super::fault;
use super::tally::Tally;
use crate::domain::batch::{Again, Settled, Settlement};
use crate::domain::outcome::{Outcome, Reason};
use crate::domain::set::{self, Set};
use crate::store::Result;

/// Writes a group of settlements. Returns for each whether its fence held.
pub(super) fn settle(connection: &Connection, group: &[Settlement]) -> Result<Vec<bool>> {
    let mut tally = Tally::default();
    let mut written = Vec::with_capacity(group.len());
    for item in group {
        let held = holds(connection, &item.fence)?;
        if held && item.short {
            settle_short(connection, item, &mut tally)?;
        } else if held {
            settle_batch(connection, item, &mut tally)?;
        }
        written.push(held);
    }
    tally.write(connection)?;
    Ok(written)
}

/// The one outcome of a short message's leg stands in its batch row; a retry moves the row itself.
fn settle_short(connection: &Connection, item: &Settlement, tally: &mut Tally) -> Result<()> {
    if let Some(settled) = item.settled.first() {
        let channel = connection
            .prepare_cached(
                "update batch set state = 3, owner_epoch = null, outcome = ?2, reason = ?3, settled_at = ?4, \
                 detail = ?5, attempt = ?6 where id = ?1 returning channel",
            )
            .and_then(|mut statement| {
                statement.query_row(
                    (
                        item.fence.batch.0,
                        settled.outcome.code(),
                        settled.reason.code(),
                        item.at.0,
                        settled.detail.as_deref(),
                        item.attempt,
                    ),
                    |row| row.get(0),
                )
            })
            .map_err(fault)?;
        return tally.short(connection, item.leg, channel, settled.outcome);
    }
    let Some(again) = item.again.first() else { return Ok(()) };
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

fn settle_batch(connection: &Connection, item: &Settlement, tally: &mut Tally) -> Result<()> {
    for settled in &item.settled {
        let Settled { outcome, reason, set, detail } = settled;
        insert(connection, item, *outcome, *reason, set, detail.as_deref())?;
        tally.leg(item.leg, *outcome, set.len());
    }
    for again in &item.again {
        insert(connection, item, Outcome::Pending, Reason::Retrying, &again.set, again.detail.as_deref())?;
        move_on(connection, item, again)?;
    }
    if item.done {
        set_state(connection, item.fence.batch.0, CLOSED)?;
        tally.touch(item.leg);
    }
    Ok(())
}

/// One row per segment. A row that covers its whole batch keeps no set: the batch has it.
fn insert(
    connection: &Connection,
    item: &Settlement,
    outcome: Outcome,
    reason: Reason,
    set: &Set,
    detail: Option<&str>,
) -> Result<()> {
    let whole = item.done && item.again.is_empty() && item.settled.len() == 1 && covers(connection, item, set)?;
    let parts = if whole { vec![(None, set.len())] } else { parts(set) };
    for (members, n) in parts {
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
                    outcome.code(),
                    reason.code(),
                    signed(n),
                    members,
                    detail,
                ])
            })
            .map_err(fault)?;
    }
    Ok(())
}

fn parts(set: &Set) -> Vec<(Option<Vec<u8>>, u64)> {
    set::segments(set).iter().map(|(_, part)| (Some(set::to_bytes(part)), part.len())).collect()
}

fn covers(connection: &Connection, item: &Settlement, set: &Set) -> Result<bool> {
    let n: i64 = connection
        .prepare_cached("select n from batch where id = ?1")
        .and_then(|mut statement| statement.query_row([item.fence.batch.0], |row| row.get(0)))
        .map_err(fault)?;
    Ok(n == signed(set.len()))
}

/// Puts members of a batch into a new one of the same leg.
fn move_on(connection: &Connection, item: &Settlement, again: &Again) -> Result<()> {
    let (Some(first), Some(last)) = (again.set.min(), again.set.max()) else { return Ok(()) };
    connection
        .prepare_cached(
            "insert into batch (leg_id, ord_min, ord_max, members, n, provider_id, channel, lane, principal, due_at, \
             attempt, claims, state, short) select leg_id, ?2, ?3, ?4, ?5, provider_id, channel, lane, principal, ?6, \
             ?7, 0, 1, 0 from batch where id = ?1",
        )
        .and_then(|mut statement| {
            statement.execute(rusqlite::params![
                item.fence.batch.0,
                first,
                last,
                set::to_bytes(&again.set),
                signed(again.set.len()),
                again.due_at.0,
                again.attempt,
            ])
        })
        .map(|_| ())
        .map_err(fault)
}
