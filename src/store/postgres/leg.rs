//! Legs as rows, and what became of their members.

use std::collections::HashMap;

use tokio_postgres::Row;

use super::encode::{get, small};
use super::session::{Session, Value};
use super::tally::{RUNNING, running_of};
use super::{batch, row};
use crate::domain::id::{LegId, MessageId};
use crate::domain::leg::Leg;
use crate::domain::outcome::{Outcome, Reason};
use crate::domain::set::Set;
use crate::store::encode::{counts_text, signed};
use crate::store::leg::{LegColumns, OutcomeColumns, ShortColumns};
use crate::store::release::NewLeg;
use crate::store::{OutcomeRow, Result};

/// Makes legs.
pub(super) const INSERT: &str = "insert into leg (id, channel, provider_id, lane, state, batch_size, cut_to, members_n, visible_at, counts) \
     select * from unnest($1::bigint[], $2::bigint[], $3::text[], $4::bigint[], $5::bigint[], $6::bigint[], \
     $7::bigint[], $8::bigint[], $9::bigint[], $10::text[])";

/// Appends settlements.
pub(super) const SETTLE: &str = "insert into settlement (leg_id, batch_id, at, attempt, outcome, reason, n, members, detail) \
     select * from unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], \
     $7::bigint[], $8::bytea[], $9::text[])";

/// Legs to be made, by column.
#[derive(Default)]
pub(super) struct NewLegs<'a> {
    ids: Vec<i64>,
    channels: Vec<i64>,
    providers: Vec<&'a str>,
    lanes: Vec<i64>,
    states: Vec<i64>,
    sizes: Vec<i64>,
    cut_to: Vec<i64>,
    members: Vec<i64>,
    visible_at: Vec<Option<i64>>,
    counts: Vec<Option<String>>,
}

impl<'a> NewLegs<'a> {
    /// There is nothing to write.
    pub(super) fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// One more. One that is over from birth is settled as a whole.
    pub(super) fn push(&mut self, new: &NewLeg<'a>, settlements: &mut NewSettlements<'_>) {
        self.ids.push(new.leg.0);
        self.channels.push(new.plan.channel.code());
        self.providers.push(&new.plan.provider);
        self.lanes.push(new.plan.lane.code());
        self.states.push(new.state as i64);
        self.sizes.push(signed(new.plan.batch_size));
        self.cut_to.push(signed(new.cut_to));
        self.members.push(signed(new.members_n));
        self.visible_at.push(new.visible_at.map(|at| at.0));
        self.counts.push(new.counts().as_ref().map(counts_text));
        if let Some(what) = new.over {
            settlements.push((new.leg.0, None), new.at.0, new.attempt(), what, (new.members_n, None), None);
        }
    }

    /// The values of [`INSERT`].
    pub(super) fn values(&self) -> [Value<'_>; 10] {
        [
            &self.ids,
            &self.channels,
            &self.providers,
            &self.lanes,
            &self.states,
            &self.sizes,
            &self.cut_to,
            &self.members,
            &self.visible_at,
            &self.counts,
        ]
    }
}

/// Settlements to be appended, by column.
#[derive(Default)]
pub(super) struct NewSettlements<'a> {
    legs: Vec<i64>,
    batches: Vec<Option<i64>>,
    at: Vec<i64>,
    attempts: Vec<i64>,
    outcomes: Vec<i64>,
    reasons: Vec<i64>,
    n: Vec<i64>,
    members: Vec<Option<Vec<u8>>>,
    details: Vec<Option<&'a str>>,
}

impl<'a> NewSettlements<'a> {
    /// There is nothing to write.
    pub(super) fn is_empty(&self) -> bool {
        self.legs.is_empty()
    }

    /// One more: of a leg or a batch of it, with how many members, and who unless they are all.
    pub(super) fn push(
        &mut self,
        (leg, batch): (i64, Option<i64>),
        at: i64,
        attempt: i64,
        (outcome, reason): (Outcome, Reason),
        (n, members): (u64, Option<Vec<u8>>),
        detail: Option<&'a str>,
    ) {
        self.legs.push(leg);
        self.batches.push(batch);
        self.at.push(at);
        self.attempts.push(attempt);
        self.outcomes.push(outcome.code());
        self.reasons.push(reason.code());
        self.n.push(signed(n));
        self.members.push(members);
        self.details.push(detail);
    }

    /// The values of [`SETTLE`].
    pub(super) fn values(&self) -> [Value<'_>; 9] {
        [
            &self.legs,
            &self.batches,
            &self.at,
            &self.attempts,
            &self.outcomes,
            &self.reasons,
            &self.n,
            &self.members,
            &self.details,
        ]
    }
}

/// The legs of any message with their counts, by number.
pub(super) async fn all(session: &Session, id: MessageId) -> Result<Vec<Leg>> {
    const SQL: &str = "select id, channel, state, members_n, cut_to, visible_at, counts from leg \
                       where id between $1 and $2 order by id";
    let (first, last) = id.leg_range();
    let rows = session.rows(SQL, &[&first.0, &last.0]).await?;
    if rows.is_empty() {
        return short(session, id).await;
    }
    let legs = rows.iter().map(columns).collect::<Result<Vec<_>>>()?;
    let open: Vec<i64> = legs.iter().filter(|leg| leg.counts.is_none()).map(|leg| leg.id).collect();
    let mut running = match open.is_empty() {
        true => HashMap::new(),
        false => running_of(&session.rows(RUNNING, &[&open]).await?)?,
    };
    legs.iter().map(|leg| leg.decode(running.remove(&leg.id).unwrap_or_default())).collect()
}

fn columns(row: &Row) -> Result<LegColumns> {
    Ok(LegColumns {
        id: get(row, 0)?,
        channel: get(row, 1)?,
        state: get(row, 2)?,
        members_n: get(row, 3)?,
        cut_to: get(row, 4)?,
        visible_at: get(row, 5)?,
        counts: get(row, 6)?,
    })
}

async fn short(session: &Session, id: MessageId) -> Result<Vec<Leg>> {
    const SQL: &str = "select leg_id, channel, state, outcome, settled_at from batch \
                       where leg_id between $1 and $2 order by leg_id";
    let (first, last) = id.leg_range();
    let rows = session.rows(SQL, &[&first.0, &last.0]).await?;
    rows.iter()
        .map(|row| {
            let leg = ShortColumns {
                leg_id: get(row, 0)?,
                channel: get(row, 1)?,
                state: get(row, 2)?,
                outcome: get(row, 3)?,
                settled_at: get(row, 4)?,
            };
            leg.decode()
        })
        .collect()
}

/// Every outcome between two ordinals, oldest first.
pub(super) async fn outcomes(session: &Session, leg: LegId, from: u32, to: u32) -> Result<Vec<OutcomeRow>> {
    let Some(message) = row::by_id(session, leg.message()).await? else { return Ok(Vec::new()) };
    if let Some(ordinal) = message.only_member {
        let is_asked = (from..=to).contains(&ordinal);
        return if is_asked { short_outcome(session, leg, ordinal).await } else { Ok(Vec::new()) };
    }
    let members = batch::members_between(session, leg.message(), from, to).await?;
    let provider = "select provider_id from leg where id = $1 and visible_at is null";
    let provider: Option<String> = session.maybe(provider, &[&leg.0]).await?.map(|row| get(&row, 0)).transpose()?;
    let mut found = Vec::new();
    for columns in raw_outcomes(session, leg, from, to).await? {
        found.extend(columns.decode(&members, provider.as_deref())?);
    }
    Ok(found)
}

/// The outcomes of batches that reach into a range: those of a whole batch stand in its own row.
async fn raw_outcomes(session: &Session, leg: LegId, from: u32, to: u32) -> Result<Vec<OutcomeColumns>> {
    const SQL: &str = "select settlement.outcome, settlement.reason, settlement.at, settlement.attempt, \
                       settlement.detail, settlement.members, batch.ord_min, batch.ord_max, 2, settlement.id \
                       from settlement left join batch on batch.id = settlement.batch_id \
                       where settlement.leg_id = $1 and settlement.outcome <> 0 \
                       and (batch.id is null or (batch.ord_min <= $3 and batch.ord_max >= $2)) \
                       union all \
                       select outcome, reason, settled_at, attempt, detail, members, ord_min, ord_max, 1, id \
                       from batch where leg_id = $1 and ord_min <= $3 and ord_max >= $2 and outcome is not null \
                       order by 3, 9, 10";
    let rows = session.rows(SQL, &[&leg.0, &i64::from(from), &i64::from(to)]).await?;
    rows.iter().map(outcome).collect()
}

/// What a row says of an outcome, whose columns stand first in the order of [`OutcomeColumns`].
pub(super) fn outcome(row: &Row) -> Result<OutcomeColumns> {
    let in_batch = get::<Option<i64>>(row, 6)?.is_some();
    Ok(OutcomeColumns {
        outcome: get(row, 0)?,
        reason: get(row, 1)?,
        at: get(row, 2)?,
        attempt: get(row, 3)?,
        detail: get(row, 4)?,
        members: get(row, 5)?,
        span: if in_batch { Some((small(row, 6)?, small(row, 7)?)) } else { None },
    })
}

async fn short_outcome(session: &Session, leg: LegId, ordinal: u32) -> Result<Vec<OutcomeRow>> {
    const SQL: &str = "select outcome, reason, settled_at, attempt, detail, null::bytea, ord_min, ord_max, \
                       provider_id, claims from batch where leg_id = $1 and outcome is not null";
    let her: Set = [ordinal].into_iter().collect();
    let mut found = Vec::new();
    for row in session.rows(SQL, &[&leg.0]).await? {
        let (provider, claims): (&str, i64) = (get(&row, 8)?, get(&row, 9)?);
        found.extend(outcome(&row)?.decode(&her, (claims > 0).then_some(provider))?);
    }
    Ok(found)
}

/// How many batches of a leg a node holds.
pub(super) async fn held(session: &Session, leg: LegId) -> Result<u64> {
    const SQL: &str = "select count(*) from batch where leg_id = $1 and state = 2";
    get::<i64>(&session.one(SQL, &[&leg.0]).await?, 0).map(crate::store::encode::unsigned)
}
