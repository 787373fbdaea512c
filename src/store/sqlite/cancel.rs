//! Stopping a message: the tombstone, and one settlement per leg for everybody whom no node holds.

use rusqlite::Connection;

use super::accept;
use super::batch::{self, Stored};
use super::encode::{signed, unsigned};
use super::fault;
use super::{feed, leg, review, row, tally};
use crate::domain::change::ChangeCode;
use crate::domain::id::{LegId, MessageId};
use crate::domain::leg::LegState;
use crate::domain::message::MessageState;
use crate::domain::outcome::{Outcome, Reason};
use crate::domain::set::{self, Set};
use crate::domain::time::At;
use crate::store::books::Tally;
use crate::store::leg::LegColumns;
use crate::store::release::{CUT, Release, outcome_of, uncut};
use crate::store::{Cancelled, LegPlan, Members, MessageRow, Result};

const OUTCOME: Outcome = Outcome::Cancelled;
const REASON: Reason = Reason::CancelledByPerson;

/// Writes the tombstone and settles what nobody holds; see [`crate::store::Messages::cancel`].
pub(super) fn cancel(connection: &Connection, id: MessageId, at: At) -> Result<Option<Cancelled>> {
    let Some(message) = row::by_id(connection, id)? else { return Ok(None) };
    if message.cancelled_at.is_none() && message.state.may_be_cancelled() {
        connection
            .prepare_cached("update message set cancelled_at = ?2, state = ?3 where id = ?1")
            .and_then(|mut statement| statement.execute((id.0, at.0, MessageState::Cancelled as i64)))
            .map_err(fault)?;
        stop(connection, &message, at)?;
        review::drop_open(connection, id, at)?;
        hide(connection, id, at)?;
        feed::append(connection, at, ChangeCode::Cancel, id.0)?;
    }
    Ok(Some(Cancelled::of(&leg::all(connection, id)?)))
}

/// Ends a message that was never released: its legs are made and settled as a whole.
pub(super) fn reject(
    connection: &Connection,
    message: &MessageRow,
    state: MessageState,
    reason: Reason,
    plans: &[LegPlan],
    at: At,
) -> Result<()> {
    let members = members(connection, message)?;
    let release = Release::ended(&message.facts, &members, plans, at, (outcome_of(state), reason));
    let mut tally = Tally::default();
    accept::write(connection, &message.facts, release, 0, &mut tally)?;
    row::set_state(connection, message.facts.id, state)?;
    tally::write(connection, tally)
}

/// Whom a stored message is for.
pub(super) fn members(connection: &Connection, message: &MessageRow) -> Result<Members> {
    match message.only_member {
        Some(ordinal) => Ok(Members::One(ordinal)),
        None => Ok(Members::Many(batch::snapshot(connection, message.facts.id)?.into())),
    }
}

/// Settles as cancelled whom no node holds.
fn stop(connection: &Connection, message: &MessageRow, at: At) -> Result<()> {
    let mut tally = Tally::default();
    if message.only_member.is_some() {
        stop_short(connection, message, at, &mut tally)?;
    } else {
        let members = batch::snapshot(connection, message.facts.id)?;
        for leg in leg::rows(connection, message.facts.id)? {
            if leg.state != LegState::Closed as i64 {
                stop_leg(connection, &leg, &members, at, &mut tally)?;
            }
        }
    }
    tally::write(connection, tally)
}

fn stop_short(connection: &Connection, message: &MessageRow, at: At, tally: &mut Tally) -> Result<()> {
    let (first, last) = message.facts.id.leg_range();
    let stopped = batch::rows(
        connection,
        "update batch set state = 3, outcome = ?3, reason = ?4, settled_at = ?5 \
         where leg_id between ?1 and ?2 and state = 1 returning leg_id, channel",
        (first.0, last.0, OUTCOME.code(), REASON.code(), at.0),
        |row| Ok((LegId(row.get(0)?), row.get(1)?)),
    )?;
    for (leg, channel) in stopped {
        tally::short(connection, leg, channel, OUTCOME, tally)?;
    }
    Ok(())
}

fn stop_leg(connection: &Connection, leg: &LegColumns, members: &Set, at: At, tally: &mut Tally) -> Result<()> {
    let mut free = uncut(members, unsigned(leg.cut_to));
    let sql = format!("update batch set state = 3 where leg_id = ?1 and state = 1 returning {}", Stored::COLUMNS);
    for waiting in batch::rows(connection, &sql, [leg.id], Stored::read)? {
        free |= waiting.pending(connection)?;
    }
    connection
        .prepare_cached("update leg set state = 3, cut_to = ?2 where id = ?1")
        .and_then(|mut statement| statement.execute((leg.id, signed(CUT))))
        .map_err(fault)?;
    for (_, part) in set::segments(&free) {
        connection
            .prepare_cached(
                "insert into settlement (leg_id, at, attempt, outcome, reason, n, members) values (?1, ?2, 0, ?3, ?4, ?5, ?6)",
            )
            .and_then(|mut statement| {
                let n = signed(part.len());
                statement.execute((leg.id, at.0, OUTCOME.code(), REASON.code(), n, set::to_bytes(&part)))
            })
            .map_err(fault)?;
    }
    tally.leg(LegId(leg.id), OUTCOME, free.len());
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
