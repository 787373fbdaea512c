//! The books as rows. Counts are added to in parts: a connection has its own, so no commit waits for the counts
//! of another. A complete leg is folded in a transaction of its own, after the settle commit: two nodes that
//! settle its last two batches at the same time do not see each other's, and a lock on the leg would be a queue
//! for all who settle it.

use std::collections::HashMap;

use tokio_postgres::Row;

use super::Postgres;
use super::encode::{get, known, unsigned};
use super::session::{Session, Value};
use crate::domain::id::{LegId, MessageId};
use crate::domain::outcome::{Counts, Outcome};
use crate::store::Result;
use crate::store::books::{Books, Tally};
use crate::store::encode::{counts_text, signed};

/// Adds to the counts of legs.
pub(super) const COUNT: &str = "insert into leg_count (leg_id, part, outcome, n) select leg_id, pg_backend_pid(), outcome, n \
     from unnest($1::bigint[], $2::bigint[], $3::bigint[]) as more (leg_id, outcome, n) \
     on conflict (leg_id, part, outcome) do update set n = leg_count.n + excluded.n";

/// Adds to the totals. They stay for ever, so there are 16 parts and not one for each connection there ever was.
pub(super) const ROLL_UP: &str = "insert into rollup (day, principal, department_id, channel, class, outcome, part, n) \
     select day, principal, department_id, channel, class, outcome, pg_backend_pid() & 15, n \
     from unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[]) \
     as more (day, principal, department_id, channel, class, outcome, n) \
     on conflict (day, principal, department_id, channel, class, outcome, part) \
     do update set n = rollup.n + excluded.n";

/// Which of some legs are complete and not closed.
pub(super) const COMPLETE: &str = "select id from leg where id = any($1::bigint[]) and state = 3 \
     and members_n <= (select coalesce(sum(n), 0) from leg_count where leg_id = leg.id)";

/// The values of [`COUNT`].
pub(super) fn counted(tally: &Tally) -> (Vec<i64>, Vec<i64>, Vec<i64>) {
    let (mut legs, mut outcomes, mut n) = (Vec::new(), Vec::new(), Vec::new());
    for ((leg, outcome), more) in &tally.legs {
        legs.push(*leg);
        outcomes.push(*outcome);
        n.push(signed(*more));
    }
    (legs, outcomes, n)
}

/// The values of [`ROLL_UP`], by column.
pub(super) fn rolled_up(tally: &Tally) -> [Vec<i64>; 7] {
    let mut columns: [Vec<i64>; 7] = Default::default();
    for ((day, principal, department, channel, class, outcome), n) in &tally.rollup {
        let row = [*day, *principal, *department, *channel, *class, *outcome, signed(*n)];
        for (column, value) in columns.iter_mut().zip(row) {
            column.push(value);
        }
    }
    columns
}

/// The columns of [`rolled_up`] as values.
pub(super) fn values(columns: &[Vec<i64>; 7]) -> [Value<'_>; 7] {
    columns.each_ref().map(|column| column as Value<'_>)
}

/// What the totals need to know of messages. It never changes.
pub(super) const BOOKS: &str =
    "select id, principal, department_id, class, counted from message where id = any($1::bigint[])";

/// The rows of [`BOOKS`] by message.
pub(super) fn books_of(rows: &[Row]) -> Result<HashMap<i64, Books>> {
    let mut found = HashMap::with_capacity(rows.len());
    for row in rows {
        let id = MessageId(get(row, 0)?);
        let books = Books {
            day: id.made_at().day(),
            principal: get(row, 1)?,
            department_id: get(row, 2)?,
            class: get(row, 3)?,
            counted: get::<i64>(row, 4)? == 1,
        };
        found.insert(id.0, books);
    }
    Ok(found)
}

/// The counts of open legs, over all parts.
pub(super) const RUNNING: &str = "select leg_id, outcome, sum(n)::bigint from leg_count \
                                  where leg_id = any($1::bigint[]) group by leg_id, outcome";

/// The rows of [`RUNNING`] by leg.
pub(super) fn running_of(rows: &[Row]) -> Result<HashMap<i64, Counts>> {
    let mut found: HashMap<i64, Counts> = HashMap::new();
    for row in rows {
        let outcome = known(Outcome::from_code(get(row, 1)?), "outcome")?;
        found.entry(get(row, 0)?).or_default().add(outcome, unsigned(get(row, 2)?));
    }
    Ok(found)
}

/// Writes the counts.
pub(super) async fn write(session: &Session, tally: &Tally) -> Result<()> {
    let (legs, outcomes, n) = counted(tally);
    let totals = rolled_up(tally);
    if !legs.is_empty() {
        session.execute(COUNT, &[&legs, &outcomes, &n]).await?;
    }
    if !tally.rollup.is_empty() {
        session.execute(ROLL_UP, &values(&totals)).await?;
    }
    Ok(())
}

/// The legs in the first column.
pub(super) fn legs_of(rows: &[Row]) -> Result<Vec<LegId>> {
    rows.iter().map(|row| get(row, 0).map(LegId)).collect()
}

impl Postgres {
    /// Closes legs that a crash left complete and open.
    pub(super) async fn sweep(&self, limit: usize) -> Result<usize> {
        const SQL: &str = "select id from leg where state = 3 \
                           and members_n <= (select coalesce(sum(n), 0) from leg_count where leg_id = leg.id) \
                           order by id limit $1";
        let session = self.session().await?;
        let rows = session.rows(SQL, &[&i64::try_from(limit).unwrap_or(i64::MAX)]).await?;
        drop(session);
        self.fold(&legs_of(&rows)?).await
    }

    /// Closes those of some legs that are complete, if any.
    pub(super) async fn fold_complete(&self, legs: &[LegId]) -> Result<usize> {
        let ids: Vec<i64> = legs.iter().map(|leg| leg.0).collect();
        let session = self.session().await?;
        let rows = session.rows(COMPLETE, &[&ids]).await?;
        drop(session);
        self.fold(&legs_of(&rows)?).await
    }

    /// Closes those of some legs that are complete, and open messages of which nothing is left. Whoever comes
    /// second finds nothing to do. Returns how many were closed.
    pub(super) async fn fold(&self, legs: &[LegId]) -> Result<usize> {
        const MESSAGES: &str = "select 1 from message where id = any($1::bigint[]) order by id for update";
        const LEGS: &str = "select id, channel, members_n from leg where id = any($1::bigint[]) and state = 3 \
                            order by id for update";
        if legs.is_empty() {
            return Ok(0);
        }
        let ids: Vec<i64> = legs.iter().map(|leg| leg.0).collect();
        let mut messages: Vec<i64> = legs.iter().map(|leg| leg.message().0).collect();
        messages.dedup();
        let session = self.unbegun().await?;
        let [lock_messages, lock_legs, running, books] = session.prepared([MESSAGES, LEGS, RUNNING, BOOKS]).await?;
        let (_, _, _, locked, counts, books) = futures::try_join!(
            session.begin(),
            // Losing this to a crash of the server loses nothing: the sweep closes the leg again.
            session.batch("set local synchronous_commit = off"),
            session.run(&lock_messages, [&messages]),
            session.run(&lock_legs, [&ids]),
            session.run(&running, [&ids]),
            session.run(&books, [&messages]),
        )?;
        let (books, counts) = (books_of(&books)?, running_of(&counts)?);
        let mut tally = Tally::default();
        let (mut closed, mut texts) = (Vec::new(), Vec::new());
        for row in &locked {
            let leg = LegId(get(row, 0)?);
            let Some(counts) = counts.get(&leg.0).filter(|counts| signed(counts.settled()) >= members_n(row)) else {
                continue;
            };
            if let Some(books) = books.get(&leg.message().0) {
                tally.fold(*books, get(row, 1)?, counts);
            }
            closed.push(leg.0);
            texts.push(counts_text(counts));
        }
        if closed.is_empty() {
            return Ok(0);
        }
        close(session, &closed, &texts, &messages, &tally).await?;
        Ok(closed.len())
    }
}

fn members_n(row: &Row) -> i64 {
    get(row, 2).unwrap_or(i64::MAX)
}

async fn close(session: Session, legs: &[i64], texts: &[String], messages: &[i64], tally: &Tally) -> Result<()> {
    const CLOSE: &str = "update leg set state = 4, counts = closed.counts \
                         from unnest($1::bigint[], $2::text[]) as closed (id, counts) where leg.id = closed.id";
    const FORGET: &str = "delete from leg_count where leg_id = any($1::bigint[])";
    const END: &str = "update message set state = 3 where id = any($1::bigint[]) and state = 2 and not exists \
                       (select from leg where leg.id between message.id + 1 and message.id + 15 and leg.state <> 4)";
    let [close, forget, roll_up, end] = session.prepared([CLOSE, FORGET, ROLL_UP, END]).await?;
    let totals = rolled_up(tally);
    futures::try_join!(
        session.run(&close, [&legs, &texts]),
        session.run(&forget, [&legs]),
        session.run(&roll_up, values(&totals)),
        session.run(&end, [&messages]),
        session.batch("commit"),
    )?;
    session.committed();
    Ok(())
}
