//! Legs as rows, and what became of their members.

use rusqlite::{Connection, OptionalExtension};

use super::batch::{self, Stored};
use super::encode::{known, set_of, unsigned};
use super::fault;
use super::row;
use super::tally::{counts_of, running};
use crate::domain::channel::Channel;
use crate::domain::id::{LegId, MessageId};
use crate::domain::leg::{Leg, LegState};
use crate::domain::outcome::{Counts, Outcome, Reason};
use crate::domain::set::{self, Set};
use crate::domain::time::At;
use crate::store::{OutcomeRow, Result};

/// A leg's own row.
pub(super) struct Row {
    pub(super) id: LegId,
    pub(super) channel: i64,
    pub(super) state: LegState,
    members_n: i64,
    cut_to: i64,
    visible_at: Option<i64>,
    counts: Option<String>,
}

/// The leg rows of a message, by number; a short message has none.
pub(super) fn rows(connection: &Connection, id: MessageId) -> Result<Vec<Row>> {
    let (first, last) = id.leg_range();
    let raw = batch::rows(
        connection,
        "select id, channel, state, members_n, cut_to, visible_at, counts from leg where id between ?1 and ?2 order by id",
        (first.0, last.0),
        |row| {
            let state: i64 = row.get(2)?;
            let leg = Row {
                id: LegId(row.get(0)?),
                channel: row.get(1)?,
                state: LegState::Waiting,
                members_n: row.get(3)?,
                cut_to: row.get(4)?,
                visible_at: row.get(5)?,
                counts: row.get(6)?,
            };
            Ok((leg, state))
        },
    )?;
    raw.into_iter()
        .map(|(leg, state)| Ok(Row { state: known(LegState::from_code(state), "leg state")?, ..leg }))
        .collect()
}

/// The legs of any message with their counts, by number.
pub(super) fn all(connection: &Connection, id: MessageId) -> Result<Vec<Leg>> {
    let long = rows(connection, id)?;
    if long.is_empty() {
        return short(connection, id);
    }
    long.into_iter()
        .map(|leg| {
            let counts = match &leg.counts {
                Some(text) => counts_of(text)?,
                None => running(connection, leg.id)?,
            };
            let members_n = unsigned(leg.members_n);
            Ok(Leg {
                id: leg.id,
                channel: known(Channel::from_code(leg.channel), "channel")?,
                state: leg.state,
                members_n,
                cut_to: unsigned(leg.cut_to),
                visible_at: leg.visible_at.map(At),
                counts: counts.of(members_n),
            })
        })
        .collect()
}

fn short(connection: &Connection, id: MessageId) -> Result<Vec<Leg>> {
    let (first, last) = id.leg_range();
    let found = batch::rows(
        connection,
        "select leg_id, channel, state, outcome, settled_at from batch where leg_id between ?1 and ?2 order by leg_id",
        (first.0, last.0),
        |row| Ok((LegId(row.get(0)?), row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?)),
    )?;
    found
        .into_iter()
        .map(|(id, channel, state, outcome, settled_at): (LegId, i64, i64, Option<i64>, Option<i64>)| {
            let channel = known(Channel::from_code(channel), "channel")?;
            let mut counts = Counts::default();
            if let Some(code) = outcome {
                counts.add(known(Outcome::from_code(code), "outcome")?, 1);
            }
            Ok(Leg {
                id,
                channel,
                state: if state == batch::CLOSED { LegState::Closed } else { LegState::Open },
                members_n: 1,
                cut_to: 1 << 32,
                visible_at: settled_at.filter(|_| channel == Channel::App).map(At),
                counts: counts.of(1),
            })
        })
        .collect()
}

/// Who of the members has an outcome.
pub(super) fn settled(connection: &Connection, leg: LegId, members: &Set) -> Result<Set> {
    let mut whole = Set::new();
    for (row, _) in raw_outcomes(connection, leg, members, 0, u32::MAX)? {
        whole |= row.set;
    }
    Ok(whole)
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
    for (mut outcome, called) in raw_outcomes(connection, leg, &members, from, to)? {
        outcome.set &= &members;
        if !outcome.set.is_empty() {
            outcome.provider = provider.as_deref().filter(|_| called).map(Into::into);
            found.push(outcome);
        }
    }
    Ok(found)
}

/// The outcomes of batches that reach into a range, and whether a batch was behind each.
fn raw_outcomes(
    connection: &Connection,
    leg: LegId,
    members: &Set,
    from: u32,
    to: u32,
) -> Result<Vec<(OutcomeRow, bool)>> {
    let mut statement = connection
        .prepare_cached(
            "select settlement.outcome, settlement.reason, settlement.at, settlement.attempt, settlement.detail, \
             settlement.members, batch.id, batch.ord_min, batch.ord_max, batch.members \
             from settlement left join batch on batch.id = settlement.batch_id \
             where settlement.leg_id = ?1 and settlement.outcome <> 0 \
             and (batch.id is null or (batch.ord_min <= ?3 and batch.ord_max >= ?2)) order by settlement.id",
        )
        .map_err(fault)?;
    let mut rows = statement.query((leg.0, from, to)).map_err(fault)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next().map_err(fault)? {
        let batch_id: Option<i64> = row.get(6).map_err(fault)?;
        let own: Option<Vec<u8>> = row.get(5).map_err(fault)?;
        let of_batch: Option<Vec<u8>> = row.get(9).map_err(fault)?;
        let set = match (own, of_batch, batch_id) {
            (Some(bytes), _, _) | (None, Some(bytes), _) => set_of(&bytes)?,
            (None, None, Some(_)) => set::within(members, row.get(7).map_err(fault)?, row.get(8).map_err(fault)?),
            (None, None, None) => members.clone(),
        };
        let detail: Option<String> = row.get(4).map_err(fault)?;
        let outcome = OutcomeRow {
            set,
            outcome: known(Outcome::from_code(row.get(0).map_err(fault)?), "outcome")?,
            reason: known(Reason::from_code(row.get(1).map_err(fault)?), "reason")?,
            at: At(row.get(2).map_err(fault)?),
            attempt: row.get(3).map_err(fault)?,
            provider: None,
            detail: detail.map(Into::into),
        };
        found.push((outcome, batch_id.is_some()));
    }
    Ok(found)
}

fn short_outcome(connection: &Connection, leg: LegId, ordinal: u32) -> Result<Vec<OutcomeRow>> {
    type Raw = (i64, i64, i64, u32, String, Option<String>, i64, u32);
    let found: Vec<Raw> = batch::rows(
        connection,
        "select outcome, reason, settled_at, attempt, provider_id, detail, channel, claims from batch \
         where leg_id = ?1 and outcome is not null",
        [leg.0],
        |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?, row.get(6)?, row.get(7)?))
        },
    )?;
    found
        .into_iter()
        .map(|(outcome, reason, at, attempt, provider, detail, _, claims)| {
            Ok(OutcomeRow {
                set: [ordinal].into_iter().collect(),
                outcome: known(Outcome::from_code(outcome), "outcome")?,
                reason: known(Reason::from_code(reason), "reason")?,
                at: At(at),
                attempt,
                provider: (claims > 0).then(|| provider.into()),
                detail: detail.map(Into::into),
            })
        })
        .collect()
}

/// How many batches of a leg a node holds.
pub(super) fn held(connection: &Connection, leg: LegId) -> Result<u64> {
    let sql = format!("select {} from batch where leg_id = ?1 and state = 2", Stored::COLUMNS);
    Ok(batch::rows(connection, &sql, [leg.0], Stored::read)?.len() as u64)
}
