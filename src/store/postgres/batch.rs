//! Batches as rows: making many at once, and who is in them.

use std::collections::HashMap;

use tokio_postgres::Row;

use super::encode::{get, set_in, small};
use super::session::{Session, Value};
use crate::domain::batch::ProviderId;
use crate::domain::id::{LegId, MessageId};
use crate::domain::set::{self, SEGMENT, Set, segment_of};
use crate::store::Result;
use crate::store::encode::{set_of, signed};
use crate::store::release::{Birth, NewBatch, WAITING};
use crate::store::settling::Moved;

/// Takes ids for batches before they are made, so that the answer of a commit knows them.
pub(super) const IDS: &str = "select nextval('batch_id_seq') from generate_series(1, $1::bigint)";

/// Makes batches. One that is claimed from birth belongs to the epoch.
pub(super) const INSERT: &str = "insert into batch (id, leg_id, ord_min, ord_max, members, n, provider_id, channel, lane, principal, due_at, \
     attempt, short, state, claims, owner_epoch, outcome, reason, settled_at) \
     select coalesce(id, nextval('batch_id_seq')), leg_id, ord_min, ord_max, members, n, provider_id, channel, lane, \
     principal, due_at, attempt, short, state, case state when 2 then 1 else 0 end, \
     case state when 2 then $17::bigint end, outcome, reason, case state when 3 then due_at end \
     from unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bytea[], $6::bigint[], $7::text[], \
     $8::bigint[], $9::bigint[], $10::bigint[], $11::bigint[], $12::bigint[], $13::bigint[], $14::bigint[], \
     $15::bigint[], $16::bigint[]) as new (id, leg_id, ord_min, ord_max, members, n, provider_id, channel, lane, \
     principal, due_at, attempt, short, state, outcome, reason)";

/// Batches to be made, by column.
#[derive(Default)]
pub(super) struct NewBatches<'a> {
    ids: Vec<Option<i64>>,
    legs: Vec<i64>,
    firsts: Vec<i64>,
    lasts: Vec<i64>,
    members: Vec<Option<&'a [u8]>>,
    n: Vec<i64>,
    providers: Vec<&'a str>,
    channels: Vec<i64>,
    lanes: Vec<i64>,
    principals: Vec<i64>,
    due_at: Vec<i64>,
    attempts: Vec<i64>,
    short: Vec<i64>,
    states: Vec<i64>,
    outcomes: Vec<Option<i64>>,
    reasons: Vec<Option<i64>>,
    epoch: i64,
}

impl<'a> NewBatches<'a> {
    /// None yet; those that are held from birth will belong to `epoch`.
    pub(super) fn of(epoch: i64) -> NewBatches<'a> {
        NewBatches { epoch, ..NewBatches::default() }
    }

    /// The epoch of batches that are held from birth.
    pub(super) fn epoch(&self) -> i64 {
        self.epoch
    }

    /// There is nothing to write.
    pub(super) fn is_empty(&self) -> bool {
        self.legs.is_empty()
    }

    /// One more of a release or a cut; without an `id` it takes the next one.
    pub(super) fn push(&mut self, new: &NewBatch<'a>, id: Option<i64>) {
        self.ids.push(id);
        self.legs.push(new.leg.0);
        self.firsts.push(i64::from(new.slice.first));
        self.lasts.push(i64::from(new.slice.last));
        self.members.push(None);
        self.n.push(signed(new.slice.n));
        self.providers.push(&new.plan.provider);
        self.channels.push(new.plan.channel.code());
        self.lanes.push(new.plan.lane.code());
        self.principals.push(new.principal);
        self.due_at.push(new.at.0);
        self.attempts.push(1);
        self.short.push(i64::from(new.short));
        self.states.push(new.state());
        let over = match new.birth {
            Birth::Over(outcome, reason) => Some((outcome, reason)),
            _ => None,
        };
        self.outcomes.push(over.map(|(outcome, _)| outcome.code()));
        self.reasons.push(over.map(|(_, reason)| reason.code()));
    }

    /// One more of members that are tried again; the rest is as in the batch they come from.
    pub(super) fn push_moved(&mut self, moved: &'a Moved<'_>, from: &'a Held) {
        self.ids.push(None);
        self.legs.push(from.leg);
        self.firsts.push(i64::from(moved.first));
        self.lasts.push(i64::from(moved.last));
        self.members.push(Some(&moved.members));
        self.n.push(signed(moved.n));
        self.providers.push(&from.provider);
        self.channels.push(from.channel);
        self.lanes.push(from.lane);
        self.principals.push(from.principal);
        self.due_at.push(moved.again.due_at.0);
        self.attempts.push(i64::from(moved.again.attempt));
        self.short.push(0);
        self.states.push(WAITING);
        self.outcomes.push(None);
        self.reasons.push(None);
    }

    /// The values of [`INSERT`].
    pub(super) fn values(&self) -> [Value<'_>; 17] {
        [
            &self.ids,
            &self.legs,
            &self.firsts,
            &self.lasts,
            &self.members,
            &self.n,
            &self.providers,
            &self.channels,
            &self.lanes,
            &self.principals,
            &self.due_at,
            &self.attempts,
            &self.short,
            &self.states,
            &self.outcomes,
            &self.reasons,
            &self.epoch,
        ]
    }
}

/// What a settlement needs of a batch whose fence held.
pub(super) struct Held {
    pub(super) leg: i64,
    pub(super) n: i64,
    pub(super) provider: ProviderId,
    pub(super) channel: i64,
    pub(super) lane: i64,
    pub(super) principal: i64,
}

/// A batch as claims and cancels see it.
pub(super) struct Stored {
    pub(super) id: i64,
    pub(super) leg: LegId,
    pub(super) first: u32,
    pub(super) last: u32,
    own: Option<Vec<u8>>,
    pub(super) short: bool,
}

impl Stored {
    /// The columns that [`Stored::read`] wants first.
    pub(super) const COLUMNS: &'static str =
        "batch.id, batch.leg_id, batch.ord_min, batch.ord_max, batch.members, batch.short";

    /// A row that begins with [`Stored::COLUMNS`].
    pub(super) fn read(row: &Row) -> Result<Stored> {
        Ok(Stored {
            id: get(row, 0)?,
            leg: LegId(get(row, 1)?),
            first: small(row, 2)?,
            last: small(row, 3)?,
            own: get(row, 4)?,
            short: get::<i64>(row, 5)? != 0,
        })
    }
}

/// Who is in some batches, as far as it was read.
pub(super) struct Members {
    segments: HashMap<(i64, u32), Set>,
    prior: HashMap<i64, Set>,
}

impl Members {
    /// Reads what [`Members::pending`] needs of these batches: two statements in one flight.
    pub(super) async fn read(session: &Session, batches: &[Stored]) -> Result<Members> {
        let mut wanted = Vec::new();
        let mut ids = Vec::new();
        for batch in batches.iter().filter(|batch| !batch.short) {
            ids.push(batch.id);
            if batch.own.is_none() {
                let message = batch.leg.message().0;
                wanted.extend((segment_of(batch.first)..=segment_of(batch.last)).map(|segment| (message, segment)));
            }
        }
        wanted.sort_unstable();
        wanted.dedup();
        let (segments, prior) = futures::try_join!(segments(session, &wanted), prior(session, &ids))?;
        Ok(Members { segments, prior })
    }

    /// Who of a batch is neither settled nor moved to another one.
    pub(super) fn pending(&self, batch: &Stored) -> Result<Set> {
        let members = match &batch.own {
            Some(bytes) => set_of(bytes)?,
            None if batch.short => [batch.first].into_iter().collect(),
            None => self.between(batch.leg.message(), batch.first, batch.last),
        };
        Ok(match self.prior.get(&batch.id) {
            Some(prior) => members - prior,
            None => members,
        })
    }

    fn between(&self, message: MessageId, first: u32, last: u32) -> Set {
        let mut whole = Set::new();
        for segment in segment_of(first)..=segment_of(last) {
            if let Some(part) = self.segments.get(&(message.0, segment)) {
                let (low, high) = (segment * SEGMENT, segment * SEGMENT + (SEGMENT - 1));
                whole |= set::within(part, first.max(low), last.min(high));
            }
        }
        whole
    }
}

async fn segments(session: &Session, wanted: &[(i64, u32)]) -> Result<HashMap<(i64, u32), Set>> {
    const SQL: &str = "select message_id, segment, members from audience_segment \
                       join unnest($1::bigint[], $2::bigint[]) as wanted (message_id, segment) \
                       using (message_id, segment)";
    if wanted.is_empty() {
        return Ok(HashMap::new());
    }
    let (messages, segments): (Vec<i64>, Vec<i64>) =
        wanted.iter().map(|(message, segment)| (*message, i64::from(*segment))).unzip();
    let rows = session.rows(SQL, &[&messages, &segments]).await?;
    rows.iter().map(|row| Ok(((get(row, 0)?, small(row, 1)?), set_in(row, 2)?))).collect()
}

/// Who of some batches was settled or moved to another one, as long as they are not closed.
async fn prior(session: &Session, ids: &[i64]) -> Result<HashMap<i64, Set>> {
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    prior_of(&session.rows(PRIOR, &[&ids]).await?)
}

/// The sets of settled and moved members of batches that are not closed.
pub(super) const PRIOR: &str = "select batch_id, members from settlement where batch_id = any($1::bigint[])";

/// The rows of [`PRIOR`] by batch.
pub(super) fn prior_of(rows: &[Row]) -> Result<HashMap<i64, Set>> {
    let mut found: HashMap<i64, Set> = HashMap::new();
    for row in rows {
        *found.entry(get(row, 0)?).or_default() |= set_in(row, 1)?;
    }
    Ok(found)
}

/// The members of a message between two ordinals.
pub(super) async fn members_between(session: &Session, message: MessageId, first: u32, last: u32) -> Result<Set> {
    const SQL: &str = "select members from audience_segment where message_id = $1 and segment between $2 and $3";
    let (low, high) = (i64::from(segment_of(first)), i64::from(segment_of(last)));
    let mut whole = Set::new();
    for row in session.rows(SQL, &[&message.0, &low, &high]).await? {
        whole |= set_in(&row, 0)?;
    }
    Ok(if (first, last) == (0, u32::MAX) { whole } else { set::within(&whole, first, last) })
}

/// The snapshot of a message to two or more people.
pub(super) async fn snapshot(session: &Session, message: MessageId) -> Result<Set> {
    members_between(session, message, 0, u32::MAX).await
}

/// The next `n` ids of batches.
pub(super) async fn take_ids(session: &Session, n: usize) -> Result<std::vec::IntoIter<i64>> {
    let rows = session.rows(IDS, &[&signed(n as u64)]).await?;
    Ok(rows.iter().map(|row| get(row, 0)).collect::<Result<Vec<i64>>>()?.into_iter())
}
