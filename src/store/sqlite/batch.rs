//! Batches as rows: making them, and who is in one.

use rusqlite::{Connection, Row};

use super::encode::{known, set_of, signed, union};
use super::fault;
use crate::domain::batch::{Claimed, Fence, Pending};
use crate::domain::channel::Channel;
use crate::domain::class::Lane;
use crate::domain::id::{BatchId, LegId, MessageId};
use crate::domain::leg::Slice;
use crate::domain::outcome::{Outcome, Reason};
use crate::domain::set::{self, SEGMENT, Set, segment_of};
use crate::domain::time::At;
use crate::store::{LegPlan, Result};

/// State of a batch that nobody holds.
pub(super) const WAITING: i64 = 1;
/// State of a batch that a node holds.
pub(super) const CLAIMED: i64 = 2;
/// State of a batch of which nothing is left.
pub(super) const CLOSED: i64 = 3;

/// What a fresh batch has in common with the others of its leg.
pub(super) struct Fresh<'a> {
    pub(super) leg: LegId,
    pub(super) plan: &'a LegPlan,
    pub(super) principal: i64,
    pub(super) at: At,
    pub(super) short: bool,
}

/// Makes a batch; with an `epoch` this node holds it from birth. Returns its id.
pub(super) fn insert(connection: &Connection, fresh: &Fresh<'_>, slice: Slice, epoch: Option<i64>) -> Result<BatchId> {
    connection
        .prepare_cached(
            "insert into batch (leg_id, ord_min, ord_max, n, provider_id, channel, lane, principal, due_at, attempt, \
             claims, state, owner_epoch, short) values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, 1, ?10, ?11, ?12, ?13)",
        )
        .and_then(|mut statement| {
            statement.insert(rusqlite::params![
                fresh.leg.0,
                slice.first,
                slice.last,
                signed(slice.n),
                &*fresh.plan.provider,
                fresh.plan.channel.code(),
                fresh.plan.lane.code(),
                fresh.principal,
                fresh.at.0,
                i64::from(epoch.is_some()),
                if epoch.is_some() { CLAIMED } else { WAITING },
                epoch,
                fresh.short,
            ])
        })
        .map(BatchId)
        .map_err(fault)
}

/// The batch row of a short message's app leg: in the inbox from the start.
pub(super) fn insert_delivered(connection: &Connection, fresh: &Fresh<'_>, ordinal: u32) -> Result<()> {
    connection
        .prepare_cached(
            "insert into batch (leg_id, ord_min, ord_max, n, provider_id, channel, lane, principal, due_at, attempt, \
             claims, state, short, outcome, reason, settled_at) \
             values (?1, ?2, ?2, 1, ?3, ?4, ?5, ?6, ?7, 1, 0, 3, 1, ?8, ?9, ?7)",
        )
        .and_then(|mut statement| {
            statement.execute(rusqlite::params![
                fresh.leg.0,
                ordinal,
                &*fresh.plan.provider,
                fresh.plan.channel.code(),
                fresh.plan.lane.code(),
                fresh.principal,
                fresh.at.0,
                Outcome::Sent.code(),
                Reason::None.code(),
            ])
        })
        .map(|_| ())
        .map_err(fault)
}

/// A fresh batch as its first holder sees it.
pub(super) fn claimed(fresh: &Fresh<'_>, id: BatchId, epoch: i64, members: Pending) -> Claimed {
    Claimed {
        fence: Fence { batch: id, epoch, claims: 1 },
        leg: fresh.leg,
        channel: fresh.plan.channel,
        provider: fresh.plan.provider.clone(),
        principal: fresh.principal,
        lane: fresh.plan.lane,
        attempt: 1,
        members,
        opened_to: None,
        short: fresh.short,
    }
}

/// The snapshot of a message to two or more people.
pub(super) fn snapshot(connection: &Connection, message: MessageId) -> Result<Set> {
    union(connection, "select members from audience_segment where message_id = ?1", message.0)
}

/// The members of a leg between two ordinals.
pub(super) fn members_between(connection: &Connection, leg: LegId, first: u32, last: u32) -> Result<Set> {
    let mut whole = Set::new();
    for segment in segment_of(first)..=segment_of(last) {
        let mut statement = connection
            .prepare_cached("select members from audience_segment where message_id = ?1 and segment = ?2")
            .map_err(fault)?;
        let mut rows = statement.query((leg.message().0, segment)).map_err(fault)?;
        if let Some(row) = rows.next().map_err(fault)? {
            let part = set_of(row.get_ref(0).and_then(|value| Ok(value.as_blob()?)).map_err(fault)?)?;
            let (low, high) = (segment * SEGMENT, segment * SEGMENT + (SEGMENT - 1));
            whole |=
                if low >= first && high <= last { part } else { set::within(&part, first.max(low), last.min(high)) };
        }
    }
    Ok(whole)
}

/// A batch as recovery, cancel and reports see it.
pub(super) struct Stored {
    pub(super) id: BatchId,
    pub(super) leg: LegId,
    pub(super) first: u32,
    pub(super) last: u32,
    pub(super) own: Option<Vec<u8>>,
    pub(super) short: bool,
}

impl Stored {
    /// The columns that [`Stored::read`] wants.
    pub(super) const COLUMNS: &'static str = "id, leg_id, ord_min, ord_max, members, short";

    /// A row with [`Stored::COLUMNS`].
    pub(super) fn read(row: &Row<'_>) -> rusqlite::Result<Stored> {
        Ok(Stored {
            id: BatchId(row.get("id")?),
            leg: LegId(row.get("leg_id")?),
            first: row.get("ord_min")?,
            last: row.get("ord_max")?,
            own: row.get("members")?,
            short: row.get("short")?,
        })
    }

    /// Who the batch was made for.
    pub(super) fn members(&self, connection: &Connection) -> Result<Set> {
        match &self.own {
            Some(bytes) => set_of(bytes),
            None if self.short => Ok([self.first].into_iter().collect()),
            None => members_between(connection, self.leg, self.first, self.last),
        }
    }

    /// Who of them is neither settled nor moved to another batch.
    pub(super) fn pending(&self, connection: &Connection) -> Result<Set> {
        let mut open = self.members(connection)?;
        let mut statement =
            connection.prepare_cached("select members from settlement where batch_id = ?1").map_err(fault)?;
        let mut rows = statement.query([self.id.0]).map_err(fault)?;
        while let Some(row) = rows.next().map_err(fault)? {
            match row.get_ref(0).and_then(|value| Ok(value.as_blob_or_null()?)).map_err(fault)? {
                Some(bytes) => open -= set_of(bytes)?,
                None => open.clear(),
            }
        }
        Ok(open)
    }
}

/// Some rows of a query as values.
pub(super) fn rows<T>(
    connection: &Connection,
    sql: &str,
    parameters: impl rusqlite::Params,
    read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
) -> Result<Vec<T>> {
    let mut statement = connection.prepare_cached(sql).map_err(fault)?;
    let found = statement.query_map(parameters, read).map_err(fault)?;
    found.collect::<rusqlite::Result<Vec<T>>>().map_err(fault)
}

/// The lane and channel with stored codes.
pub(super) fn lane_and_channel(lane: i64, channel: i64) -> Result<(Lane, Channel)> {
    Ok((known(Lane::from_code(lane), "lane")?, known(Channel::from_code(channel), "channel")?))
}
