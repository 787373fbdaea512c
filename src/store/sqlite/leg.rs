//! Legs as rows, and what became of their members.

use rusqlite::{Connection, OptionalExtension, Row};

use super::batch;
use super::encode::signed;
use super::fault;
use super::row;
use super::tally::running;
use crate::domain::id::{LegId, MessageId};
use crate::domain::leg::Leg;
use crate::domain::outcome::Counts;
use crate::domain::set::Set;
use crate::store::encode::counts_text;
use crate::store::leg::{LegColumns, OutcomeColumns, ShortColumns};
use crate::store::release::NewLeg;
use crate::store::{OutcomeRow, Result};

/// Makes a leg. One that is over from birth is settled as a whole.
pub(super) fn insert(connection: &Connection, new: &NewLeg<'_>) -> Result<()> {
    connection
        .prepare_cached(
            "insert into leg (id, channel, provider_id, lane, state, batch_size, cut_to, members_n, visible_at, counts) \
             values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
        )
        .and_then(|mut statement| {
            statement.execute(rusqlite::params![
                new.leg.0,
                new.plan.channel.code(),
                &*new.plan.provider,
                new.plan.lane.code(),
                new.state as i64,
                signed(new.plan.batch_size),
                signed(new.cut_to),
                signed(new.members_n),
                new.visible_at.map(|at| at.0),
                new.counts().as_ref().map(counts_text),
            ])
        })
        .map_err(fault)?;
    let Some((outcome, reason)) = new.over else { return Ok(()) };
    connection
        .prepare_cached(
            "insert into settlement (leg_id, at, attempt, outcome, reason, n) values (?1, ?2, ?3, ?4, ?5, ?6)",
        )
        .and_then(|mut statement| {
            let (outcome, reason, n) = (outcome.code(), reason.code(), signed(new.members_n));
            statement.execute((new.leg.0, new.at.0, new.attempt(), outcome, reason, n))
        })
        .map(|_| ())
        .map_err(fault)
}

/// The leg rows of a message, by number; a short message has none.
pub(super) fn rows(connection: &Connection, id: MessageId) -> Result<Vec<LegColumns>> {
    let (first, last) = id.leg_range();
    batch::rows(
        connection,
        "select id, channel, state, members_n, cut_to, visible_at, counts from leg where id between ?1 and ?2 order by id",
        (first.0, last.0),
        |row| {
            Ok(LegColumns {
                id: row.get(0)?,
                channel: row.get(1)?,
                state: row.get(2)?,
                members_n: row.get(3)?,
                cut_to: row.get(4)?,
                visible_at: row.get(5)?,
                counts: row.get(6)?,
            })
        },
    )
}

/// The legs of any message with their counts, by number.
pub(super) fn all(connection: &Connection, id: MessageId) -> Result<Vec<Leg>> {
    let long = rows(connection, id)?;
    if long.is_empty() {
        return short(connection, id);
    }
    long.iter()
        .map(|leg| match leg.counts {
            Some(_) => leg.decode(Counts::default()),
            None => leg.decode(running(connection, LegId(leg.id))?),
        })
        .collect()
}

fn short(connection: &Connection, id: MessageId) -> Result<Vec<Leg>> {
    let (first, last) = id.leg_range();
    let found = batch::rows(
        connection,
        "select leg_id, channel, state, outcome, settled_at from batch where leg_id between ?1 and ?2 order by leg_id",
        (first.0, last.0),
        |row| {
            Ok(ShortColumns {
                leg_id: row.get(0)?,
                channel: row.get(1)?,
                state: row.get(2)?,
                outcome: row.get(3)?,
                settled_at: row.get(4)?,
            })
        },
    )?;
    found.iter().map(ShortColumns::decode).collect()
}

/// Every outcome between two ordinals, oldest first.
pub(super) fn outcomes(connection: &Connection, leg: LegId, from: u32, to: u32) -> Result<Vec<OutcomeRow>> {
    let Some(message) = row::by_id(connection, leg.message())? else { return Ok(Vec::new()) };
    if let Some(ordinal) = message.only_member {
        return if (from..=to).contains(&ordinal) { short_outcome(connection, leg, ordinal) } else { Ok(Vec::new()) };
    }
    let members = batch::members_between(connection, leg, from, to)?;
    let provider: Option<String> = connection
        .prepare_cached("select provider_id from leg where id = ?1 and visible_at is null")
        .and_then(|mut statement| statement.query_row([leg.0], |row| row.get(0)).optional())
        .map_err(fault)?;
    let mut found = Vec::new();
    for columns in raw_outcomes(connection, leg, from, to)? {
        found.extend(columns.decode(&members, provider.as_deref())?);
    }
    Ok(found)
}

/// The outcomes of batches that reach into a range: those of a whole batch stand in its own row.
fn raw_outcomes(connection: &Connection, leg: LegId, from: u32, to: u32) -> Result<Vec<OutcomeColumns>> {
    batch::rows(
        connection,
        "select settlement.outcome, settlement.reason, settlement.at, settlement.attempt, settlement.detail, \
         settlement.members, batch.ord_min, batch.ord_max, 2 as place, settlement.id \
         from settlement left join batch on batch.id = settlement.batch_id \
         where settlement.leg_id = ?1 and settlement.outcome <> 0 \
         and (batch.id is null or (batch.ord_min <= ?3 and batch.ord_max >= ?2)) \
         union all \
         select outcome, reason, settled_at, attempt, detail, members, ord_min, ord_max, 1, id from batch \
         where leg_id = ?1 and ord_min <= ?3 and ord_max >= ?2 and outcome is not null order by 3, 9, 10",
        (leg.0, from, to),
        outcome,
    )
}

fn outcome(row: &Row<'_>) -> rusqlite::Result<OutcomeColumns> {
    let (first, last): (Option<u32>, Option<u32>) = (row.get(6)?, row.get(7)?);
    Ok(OutcomeColumns {
        outcome: row.get(0)?,
        reason: row.get(1)?,
        at: row.get(2)?,
        attempt: row.get(3)?,
        detail: row.get(4)?,
        members: row.get(5)?,
        span: first.zip(last),
    })
}

fn short_outcome(connection: &Connection, leg: LegId, ordinal: u32) -> Result<Vec<OutcomeRow>> {
    let found = batch::rows(
        connection,
        "select outcome, reason, settled_at, attempt, detail, null, ord_min, ord_max, provider_id, claims from batch \
         where leg_id = ?1 and outcome is not null",
        [leg.0],
        |row| Ok((outcome(row)?, row.get::<_, String>(8)?, row.get::<_, i64>(9)?)),
    )?;
    let her: Set = [ordinal].into_iter().collect();
    let mut rows = Vec::new();
    for (columns, provider, claims) in found {
        rows.extend(columns.decode(&her, (claims > 0).then_some(&*provider))?);
    }
    Ok(rows)
}

/// How many batches of a leg a node holds.
pub(super) fn held(connection: &Connection, leg: LegId) -> Result<u64> {
    let sql = "select 1 from batch where leg_id = ?1 and state = 2";
    Ok(batch::rows(connection, sql, [leg.0], |_| Ok(()))?.len() as u64)
}
