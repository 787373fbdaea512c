//! The books of one transaction: counts gathered in memory and written once per leg and rollup row.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{Connection, OptionalExtension};

use super::encode::{known, signed, unsigned};
use super::fault;
use super::row;
use crate::domain::access::Mode;
use crate::domain::channel::Channel;
use crate::domain::id::{LegId, MessageId};
use crate::domain::leg::LegState;
use crate::domain::message::{MessageFacts, MessageState};
use crate::domain::outcome::{Counts, Outcome};
use crate::store::{Error, Result};

/// What the rollup needs to know of a message.
#[derive(Clone, Copy)]
struct Books {
    day: i64,
    principal: i64,
    department_id: i64,
    class: i64,
    live: bool,
}

type RollupKey = (i64, i64, i64, i64, i64, i64);

/// Counts of one transaction. [`Tally::write`] must be its last step.
#[derive(Default)]
pub(super) struct Tally {
    legs: BTreeMap<(i64, i64), u64>,
    rollup: BTreeMap<RollupKey, u64>,
    touched: BTreeSet<LegId>,
}

impl Tally {
    /// Counts outcomes of a leg that has a row of its own.
    pub(super) fn leg(&mut self, leg: LegId, outcome: Outcome, n: u64) {
        *self.legs.entry((leg.0, outcome.code())).or_default() += n;
        self.touched.insert(leg);
    }

    /// A leg may have become complete without a new outcome.
    pub(super) fn touch(&mut self, leg: LegId) {
        self.touched.insert(leg);
    }

    /// Counts outcomes of a message that is being accepted now.
    pub(super) fn accepted(&mut self, facts: &MessageFacts, channel: Channel, outcome: Outcome, n: u64) {
        let books = Books {
            day: facts.id.made_at().day(),
            principal: facts.principal.code(),
            department_id: facts.department_id,
            class: facts.class.code(),
            live: facts.mode == Mode::Live,
        };
        self.roll_up(books, channel.code(), outcome.code(), n);
    }

    /// Counts the outcome of a short message's leg and closes the message with its last leg.
    pub(super) fn short(&mut self, connection: &Connection, leg: LegId, channel: i64, outcome: Outcome) -> Result<()> {
        let books = books(connection, leg.message())?;
        self.roll_up(books, channel, outcome.code(), 1);
        let (first, last) = leg.message().leg_range();
        let open: i64 = connection
            .prepare_cached("select count(*) from batch where leg_id between ?1 and ?2 and state <> 3")
            .and_then(|mut statement| statement.query_row((first.0, last.0), |row| row.get(0)))
            .map_err(fault)?;
        if open == 0 { finish(connection, leg.message()) } else { Ok(()) }
    }

    fn roll_up(&mut self, books: Books, channel: i64, outcome: i64, n: u64) {
        if books.live {
            let key = (books.day, books.principal, books.department_id, channel, books.class, outcome);
            *self.rollup.entry(key).or_default() += n;
        }
    }

    /// Writes the counts, folds every leg that is complete and ends its message.
    pub(super) fn write(mut self, connection: &Connection) -> Result<()> {
        for ((leg, outcome), n) in &self.legs {
            connection
                .prepare_cached(
                    "insert into leg_count (leg_id, outcome, n) values (?1, ?2, ?3) \
                     on conflict (leg_id, outcome) do update set n = n + excluded.n",
                )
                .and_then(|mut statement| statement.execute((leg, outcome, signed(*n))))
                .map_err(fault)?;
        }
        for leg in std::mem::take(&mut self.touched) {
            self.fold_if_complete(connection, leg)?;
        }
        for ((day, principal, department, channel, class, outcome), n) in &self.rollup {
            connection
                .prepare_cached(
                    "insert into rollup (day, principal, department_id, channel, class, outcome, n) \
                     values (?1, ?2, ?3, ?4, ?5, ?6, ?7) \
                     on conflict (day, principal, department_id, channel, class, outcome) do update set n = n + excluded.n",
                )
                .and_then(|mut statement| {
                    statement.execute((day, principal, department, channel, class, outcome, signed(*n)))
                })
                .map_err(fault)?;
        }
        Ok(())
    }

    fn fold_if_complete(&mut self, connection: &Connection, leg: LegId) -> Result<()> {
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
        let books = books(connection, leg.message())?;
        for outcome in Outcome::ALL {
            if counts.get(outcome) > 0 {
                self.roll_up(books, channel, outcome.code(), counts.get(outcome));
            }
        }
        let (first, last) = leg.message().leg_range();
        let open: i64 = connection
            .prepare_cached("select count(*) from leg where id between ?1 and ?2 and state <> 4")
            .and_then(|mut statement| statement.query_row((first.0, last.0), |row| row.get(0)))
            .map_err(fault)?;
        if open == 0 { finish(connection, leg.message()) } else { Ok(()) }
    }
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

/// Final counts as text: the numbers in the order of [`Outcome::ALL`].
pub(super) fn counts_text(counts: &Counts) -> String {
    Outcome::ALL.map(|outcome| counts.get(outcome).to_string()).join(" ")
}

/// The counts in a text of [`counts_text`].
pub(super) fn counts_of(text: &str) -> Result<Counts> {
    let mut counts = Counts::default();
    for (outcome, number) in Outcome::ALL.into_iter().zip(text.split(' ')) {
        counts.add(outcome, number.parse().map_err(|_| Error::Damaged("the counts of a leg".into()))?);
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
        .prepare_cached("select principal, department_id, class, mode from message where id = ?1")
        .and_then(|mut statement| {
            statement.query_row([message.0], |row| {
                Ok(Books {
                    day: message.made_at().day(),
                    principal: row.get(0)?,
                    department_id: row.get(1)?,
                    class: row.get(2)?,
                    live: row.get::<_, i64>(3)? == Mode::Live as i64,
                })
            })
        })
        .map_err(fault)
}
