//! [`Inspection`] on SQLite.

use std::path::Path;
use std::time::Duration;

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension, Params, Row};

use super::batch;
use super::encode::{known, set_of, signed, unsigned};
use super::node::CLOCK;
use super::reader::snapshot;
use super::{Sqlite, fault, open, tally};
use crate::domain::channel::Channel;
use crate::domain::class::Lane;
use crate::domain::id::LegId;
use crate::domain::outcome::{Counts, Outcome};
use crate::domain::set::SEGMENT;
use crate::domain::time::At;
use crate::store::inspection::{LegHead, PERSONAL_AMONG, legs_of, legs_text};
use crate::store::{Description, Inspection, LastCheck, LegBooks, Legs, Result, Waiting};

#[async_trait]
impl Inspection for Sqlite {
    async fn describe(&self) -> Result<Description> {
        let directory = self.directory.clone();
        // Asked of the connection that writes: the settings are a connection's own.
        self.writer.write(move |connection| describe(connection, &directory)).await
    }

    async fn now(&self) -> Result<At> {
        self.readers.read(|connection| clock(connection).map(At)).await
    }

    async fn waiting(&self) -> Result<Vec<Waiting>> {
        self.readers.read(waiting).await
    }

    async fn books(&self, legs: Legs) -> Result<Vec<LegBooks>> {
        self.readers.read(move |connection| snapshot(connection, |moment| books(moment, &legs))).await
    }

    async fn begin_check(&self, every: Duration) -> Result<bool> {
        self.writer.write(move |connection| begin_check(connection, every)).await
    }

    async fn end_check(&self, unbalanced: Vec<LegId>) -> Result<()> {
        self.writer.write(move |connection| end_check(connection, &unbalanced)).await
    }

    async fn last_check(&self) -> Result<LastCheck> {
        self.readers.read(last_check).await
    }

    async fn say(&self, epoch: i64, word: String) -> Result<()> {
        self.writer.write(move |connection| say(connection, epoch, &word)).await
    }

    async fn words(&self) -> Result<Vec<(i64, String)>> {
        const SQL: &str = "select id, report from node where state = 1 and report is not null order by id";
        self.readers.read(|connection| batch::rows(connection, SQL, [], |row| Ok((row.get(0)?, row.get(1)?)))).await
    }
}

fn describe(connection: &Connection, directory: &Path) -> Result<Description> {
    let now = open::settings(connection)?;
    Ok(Description {
        kind: "sqlite",
        weak: !now.suffices(),
        durability: vec![("journal_mode", now.journal_mode), ("synchronous", now.synchronous.to_string())],
        version: now.library,
        disk_free: open::disk_free(directory),
        shared: false,
    })
}

fn clock(connection: &Connection) -> Result<i64> {
    connection
        .prepare_cached(&format!("select {CLOCK}"))
        .and_then(|mut statement| statement.query_row([], |row| row.get(0)))
        .map_err(fault)
}

fn waiting(connection: &Connection) -> Result<Vec<Waiting>> {
    const SQL: &str = "select provider_id, channel, lane, sum(case when state = 1 then n else 0 end), \
                       sum(case when state = 2 then n else 0 end), min(case when state = 1 then due_at end) \
                       from batch where state in (1, 2) group by 1, 2, 3 order by 1, 2, 3";
    let read = |row: &Row<'_>| {
        let provider: String = row.get(0)?;
        Ok((provider, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?, row.get::<_, Option<i64>>(5)?))
    };
    let found = batch::rows(connection, SQL, [], read)?;
    let named = found.into_iter().map(|(provider, channel, lane, waiting, held, due_at)| {
        Ok(Waiting {
            provider: provider.into(),
            channel: known(Channel::from_code(channel), "channel")?,
            lane: known(Lane::from_code(lane), "lane")?,
            waiting: unsigned(waiting),
            held: unsigned(held),
            due_at: due_at.map(At),
        })
    });
    named.collect()
}

fn books(connection: &Connection, legs: &Legs) -> Result<Vec<LegBooks>> {
    let heads = match legs {
        Legs::Personal(limit) => return personal(connection, *limit),
        Legs::Below { before, limit } => {
            let sql = format!("{} where id < ?1 order by id desc limit ?2", LegHead::SELECT);
            let before = before.map_or(i64::MAX, |leg| leg.0);
            heads(connection, &sql, (before, signed(*limit as u64)))?
        }
        Legs::These(ids) => {
            let sql = format!("{} where id = ?1", LegHead::SELECT);
            let mut found = Vec::with_capacity(ids.len());
            for id in ids {
                found.extend(heads(connection, &sql, [id.0])?);
            }
            found
        }
    };
    LegHead::bounded(heads).into_iter().map(|head| of_leg(connection, head)).collect()
}

fn heads(connection: &Connection, sql: &str, parameters: impl Params) -> Result<Vec<LegHead>> {
    let read = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?));
    batch::rows(connection, sql, parameters, read)?.into_iter().map(LegHead::decode).collect()
}

fn of_leg(connection: &Connection, head: LegHead) -> Result<LegBooks> {
    let leg = head.leg;
    let uncut = head.uncut_from().map_or(Ok(0), |from| uncut(connection, leg, from))?;
    let running = tally::running(connection, leg)?;
    Ok(head.books(running, recorded(connection, leg)?, left(connection, leg)?, uncut))
}

/// The outcomes in settlement rows, and in the rows of batches that got one as a whole.
fn recorded(connection: &Connection, leg: LegId) -> Result<Counts> {
    const SQL: &str = "select outcome, n from settlement where leg_id = ?1 and outcome <> 0 \
                       union all select outcome, n from batch where leg_id = ?1 and outcome is not null";
    let mut counts = Counts::default();
    for (outcome, n) in batch::rows(connection, SQL, [leg.0], |row| Ok((row.get(0)?, row.get(1)?)))? {
        counts.add(known(Outcome::from_code(outcome), "outcome")?, unsigned(n));
    }
    Ok(counts)
}

fn left(connection: &Connection, leg: LegId) -> Result<u64> {
    connection
        .prepare_cached(
            "select coalesce(sum(n - coalesce((select sum(settlement.n) from settlement \
             where settlement.batch_id = batch.id), 0)), 0) from batch where leg_id = ?1 and state in (1, 2)",
        )
        .and_then(|mut statement| statement.query_row([leg.0], |row| row.get(0)))
        .map(unsigned)
        .map_err(fault)
}

fn uncut(connection: &Connection, leg: LegId, from: u32) -> Result<u64> {
    const SQL: &str = "select members from audience_segment where message_id = ?1 and segment >= ?2";
    let parts: Vec<Vec<u8>> = batch::rows(connection, SQL, (leg.message().0, from / SEGMENT), |row| row.get(0))?;
    parts.iter().map(|bytes| Ok(set_of(bytes)?.range_cardinality(from..))).sum()
}

/// A short message's leg is its batch.
fn personal(connection: &Connection, limit: usize) -> Result<Vec<LegBooks>> {
    const SQL: &str = "select leg_id, state, outcome from batch where short = 1 \
                       and id > (select max(id) from batch) - ?2 order by id desc limit ?1";
    let limits = (signed(limit as u64), signed(limit as u64 * PERSONAL_AMONG));
    let found = batch::rows(connection, SQL, limits, |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    found.into_iter().map(|(leg, state, outcome)| LegBooks::of_one(leg, state, outcome)).collect()
}

fn begin_check(connection: &Connection, every: Duration) -> Result<bool> {
    let sql = format!("update books_check set began_at = {CLOCK} where began_at <= {CLOCK} - ?1");
    let every = i64::try_from(every.as_millis()).unwrap_or(i64::MAX / 4);
    let begun = connection.prepare_cached(&sql).and_then(|mut statement| statement.execute([every])).map_err(fault)?;
    Ok(begun == 1)
}

fn end_check(connection: &Connection, unbalanced: &[LegId]) -> Result<()> {
    let sql = format!(
        "update books_check set unbalanced = ?1, balanced_at = case when ?1 = '' then {CLOCK} else balanced_at end"
    );
    connection
        .prepare_cached(&sql)
        .and_then(|mut statement| statement.execute([legs_text(unbalanced)]))
        .map(|_| ())
        .map_err(fault)
}

fn last_check(connection: &Connection) -> Result<LastCheck> {
    let found: Option<(Option<i64>, String)> = connection
        .prepare_cached("select balanced_at, unbalanced from books_check")
        .and_then(|mut statement| statement.query_row([], |row| Ok((row.get(0)?, row.get(1)?))).optional())
        .map_err(fault)?;
    let (balanced_at, unbalanced) = found.unwrap_or_default();
    Ok(LastCheck { balanced_at: balanced_at.map(At), unbalanced: legs_of(&unbalanced) })
}

fn say(connection: &Connection, epoch: i64, word: &str) -> Result<()> {
    connection
        .prepare_cached("update node set report = ?2 where id = ?1 and state = 1")
        .and_then(|mut statement| statement.execute((epoch, word)))
        .map(|_| ())
        .map_err(fault)
}
