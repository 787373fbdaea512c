//! The books as rows: written once per leg and total, and folded when a leg is complete.

use rusqlite::{Connection, OptionalExtension};

use super::encode::{known, signed, unsigned};
use super::fault;
use super::row;
use crate::domain::id::{LegId, MessageId};
use crate::domain::leg::LegState;
use crate::domain::message::MessageState;
use crate::domain::outcome::{Counts, Outcome};
use crate::store::Result;
use crate::store::books::{Books, Tally};
use crate::store::encode::counts_text;

/// Counts the outcome of a short message's leg and closes the message with its last leg.
pub(super) fn short(
    connection: &Connection,
    leg: LegId,
    channel: i64,
    outcome: Outcome,
    tally: &mut Tally,
) -> Result<()> {
    tally.roll_up(books(connection, leg.message())?, channel, outcome, 1);
    let (first, last) = leg.message().leg_range();
    let open: i64 = connection
        .prepare_cached("select count(*) from batch where leg_id between ?1 and ?2 and state <> 3")
        .and_then(|mut statement| statement.query_row((first.0, last.0), |row| row.get(0)))
        .map_err(fault)?;
    if open == 0 { finish(connection, leg.message()) } else { Ok(()) }
}

/// Writes the counts, folds every leg that is complete and ends its message. The last step of a transaction.
pub(super) fn write(connection: &Connection, mut tally: Tally) -> Result<()> {
    for ((leg, outcome), n) in &tally.legs {
        connection
            .prepare_cached(
                "insert into leg_count (leg_id, part, outcome, n) values (?1, 0, ?2, ?3) \
                 on conflict (leg_id, part, outcome) do update set n = n + excluded.n",
            )
            .and_then(|mut statement| statement.execute((leg, outcome, signed(*n))))
            .map_err(fault)?;
    }
    for leg in std::mem::take(&mut tally.touched) {
        fold_if_complete(connection, leg, &mut tally)?;
    }
    for ((day, principal, department, channel, class, outcome), n) in &tally.rollup {
        connection
            .prepare_cached(
                "insert into rollup (day, principal, department_id, channel, class, outcome, part, n) \
                 values (?1, ?2, ?3, ?4, ?5, ?6, 0, ?7) \
                 on conflict (day, principal, department_id, channel, class, outcome, part) \
                 do update set n = n + excluded.n",
            )
            .and_then(|mut statement| {
                statement.execute((day, principal, department, channel, class, outcome, signed(*n)))
            })
            .map_err(fault)?;
    }
    Ok(())
}

fn fold_if_complete(connection: &Connection, leg: LegId, tally: &mut Tally) -> Result<()> {
    let found: Option<(i64, i64, i64)> = connection
        .prepare_cached("select state, members_n, channel from leg where id = ?1")
        .and_then(|mut statement| {
            statement.query_row([leg.0], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).optional()
        })
        .map_err(fault)?;
    let Some((state, members_n, channel)) = found else { return Ok(()) };
    if state != LegState::Open as i64 {
        return Ok(());
    }
    let counts = running(connection, leg)?;
    if counts.settled() < unsigned(members_n) {
        return Ok(());
    }
    connection
        .prepare_cached("update leg set state = ?2, counts = ?3 where id = ?1")
        .and_then(|mut statement| statement.execute((leg.0, LegState::Closed as i64, counts_text(&counts))))
        .map_err(fault)?;
    connection
        .prepare_cached("delete from leg_count where leg_id = ?1")
        .and_then(|mut statement| statement.execute([leg.0]))
        .map_err(fault)?;
    tally.fold(books(connection, leg.message())?, channel, &counts);
    let (first, last) = leg.message().leg_range();
    let open: i64 = connection
        .prepare_cached("select count(*) from leg where id between ?1 and ?2 and state <> 4")
        .and_then(|mut statement| statement.query_row((first.0, last.0), |row| row.get(0)))
        .map_err(fault)?;
    if open == 0 { finish(connection, leg.message()) } else { Ok(()) }
}

/// The counts of an open leg.
pub(super) fn running(connection: &Connection, leg: LegId) -> Result<Counts> {
    let mut statement =
        connection.prepare_cached("select outcome, n from leg_count where leg_id = ?1").map_err(fault)?;
    let mut rows = statement.query([leg.0]).map_err(fault)?;
    let mut counts = Counts::default();
    while let Some(row) = rows.next().map_err(fault)? {
        let outcome = known(Outcome::from_code(row.get(0).map_err(fault)?), "outcome")?;
        counts.add(outcome, unsigned(row.get(1).map_err(fault)?));
    }
    Ok(counts)
}

/// An open message of which nothing is left has ended; a cancelled one stays cancelled.
fn finish(connection: &Connection, message: MessageId) -> Result<()> {
    let open: Option<i64> = connection
        .prepare_cached("select 1 from message where id = ?1 and state = 2")
        .and_then(|mut statement| statement.query_row([message.0], |row| row.get(0)).optional())
        .map_err(fault)?;
    if open.is_some() { row::set_state(connection, message, MessageState::Closed) } else { Ok(()) }
}

fn books(connection: &Connection, message: MessageId) -> Result<Books> {
    connection
        .prepare_cached("select principal, department_id, class, counted from message where id = ?1")
        .and_then(|mut statement| {
            statement.query_row([message.0], |row| {
                Ok(Books {
                    day: message.made_at().day(),
                    principal: row.get(0)?,
                    department_id: row.get(1)?,
                    class: row.get(2)?,
                    counted: row.get(3)?,
                })
            })
        })
        .map_err(fault)
}
