//! Stopping a message: the tombstone, and one settlement per leg for everybody whom no node holds.

use rusqlite::Connection;

use super::accept;
use super::batch::{self, Stored};
use super::encode::signed;
use super::fault;
use super::{feed, leg, row, tally};
use crate::domain::change::ChangeCode;
use crate::domain::id::{LegId, MessageId};
use crate::domain::leg::LegState;
use crate::domain::message::MessageState;
use crate::domain::outcome::{Outcome, Reason};
use crate::domain::set::{self, Set};
use crate::domain::time::At;
use crate::store::books::Tally;
use crate::store::leg::LegColumns;
use crate::store::release::unseen;
use crate::store::{Cancelled, LegPlan, Members, MessageRow, Result};

/// Writes the tombstone and settles what nobody holds; see [`crate::store::Messages::cancel`].
pub(super) fn cancel(connection: &Connection, id: MessageId, at: At) -> Result<Option<Cancelled>> {
    let Some(message) = row::by_id(connection, id)? else { return Ok(None) };
    if message.cancelled_at.is_none() && matches!(message.state, MessageState::Scheduled | MessageState::Open) {
        connection
            .prepare_cached("update message set cancelled_at = ?2, state = ?3 where id = ?1")
            .and_then(|mut statement| statement.execute((id.0, at.0, MessageState::Cancelled as i64)))
            .map_err(fault)?;
        stop(connection, &message, Reason::CancelledByPerson, Outcome::Cancelled, at)?;
        hide(connection, id, at)?;
        feed::append(connection, at, ChangeCode::Cancel, id.0)?;
    }
    Ok(Some(Cancelled::of(&leg::all(connection, id)?)))
}

/// Ends a scheduled message: its legs are made and settled as a whole.
pub(super) fn reject(
    connection: &Connection,
    message: &MessageRow,
    state: MessageState,
    reason: Reason,
    plans: &[LegPlan],
    at: At,
) -> Result<()> {
    let mut tally = Tally::default();
    let members = members(connection, message)?;
    let plans: Vec<_> = plans.iter().map(unseen).collect();
    accept::release(connection, &message.facts, &members, &plans, at, 0, &mut tally)?;
    tally::write(connection, tally)?;
    row::set_state(connection, message.facts.id, state)?;
    let outcome = if state == MessageState::Expired { Outcome::Expired } else { Outcome::Suppressed };
    stop(connection, message, reason, outcome, at)
}

/// Whom a stored message is for.
pub(super) fn members(connection: &Connection, message: &MessageRow) -> Result<Members> {
    match message.only_member {
        Some(ordinal) => Ok(Members::One(ordinal)),
        None => Ok(Members::Many(batch::snapshot(connection, message.facts.id)?.into())),
    }
}

fn stop(connection: &Connection, message: &MessageRow, reason: Reason, outcome: Outcome, at: At) -> Result<()> {
    let mut tally = Tally::default();
    if message.only_member.is_some() {
        stop_short(connection, message, reason, outcome, at, &mut tally)?;
    } else {
        let members = batch::snapshot(connection, message.facts.id)?;
        for leg in leg::rows(connection, message.facts.id)? {
            if leg.state != LegState::Closed as i64 {
                stop_leg(connection, &leg, &members, reason, outcome, at, &mut tally)?;
            }
        }
    }
    tally::write(connection, tally)
}

fn stop_short(
    connection: &Connection,
    message: &MessageRow,
    reason: Reason,
    outcome: Outcome,
    at: At,
    tally: &mut Tally,
) -> Result<()> {
    let (first, last) = message.facts.id.leg_range();
    let stopped = batch::rows(
        connection,
        "update batch set state = 3, outcome = ?3, reason = ?4, settled_at = ?5 \
         where leg_id between ?1 and ?2 and state = 1 returning leg_id, channel",
        (first.0, last.0, outcome.code(), reason.code(), at.0),
        |row| Ok((LegId(row.get(0)?), row.get(1)?)),
    )?;
    for (leg, channel) in stopped {
        tally::short(connection, leg, channel, outcome, tally)?;
    }
    Ok(())
}

fn stop_leg(
    connection: &Connection,
    leg: &LegColumns,
    members: &Set,
    reason: Reason,
    outcome: Outcome,
    at: At,
    tally: &mut Tally,
) -> Result<()> {
    let mut free = members - leg::settled(connection, LegId(leg.id), members)?;
    let sql = format!("select {} from batch where leg_id = ?1 and state = 2", Stored::COLUMNS);
    for held in batch::rows(connection, &sql, [leg.id], Stored::read)? {
        free -= held.pending(connection)?;
    }
    connection
        .prepare_cached("update batch set state = 3 where leg_id = ?1 and state = 1")
        .and_then(|mut statement| statement.execute([leg.id]))
        .map_err(fault)?;
    connection
        .prepare_cached("update leg set state = 3, cut_to = 4294967296 where id = ?1")
        .and_then(|mut statement| statement.execute([leg.id]))
        .map_err(fault)?;
    for (_, part) in set::segments(&free) {
        connection
            .prepare_cached(
                "insert into settlement (leg_id, at, attempt, outcome, reason, n, members) values (?1, ?2, 0, ?3, ?4, ?5, ?6)",
            )
            .and_then(|mut statement| {
                let n = signed(part.len());
                statement.execute((leg.id, at.0, outcome.code(), reason.code(), n, set::to_bytes(&part)))
            })
            .map_err(fault)?;
    }
    tally.leg(LegId(leg.id), outcome, free.len());
    Ok(())
}

fn hide(connection: &Connection, id: MessageId, at: At) -> Result<()> {
    let (first, last) = id.leg_range();
    connection
        .prepare_cached(
            "update leg set hidden_at = ?3 where id between ?1 and ?2 and visible_at is not null and hidden_at is null",
        )
        .and_then(|mut statement| statement.execute((first.0, last.0, at.0)))
        .map(|_| ())
        .map_err(fault)
}
