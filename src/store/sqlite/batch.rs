//! Batches as rows: making them, and who is in one.

use rusqlite::{Connection, Row};

use super::encode::{set_of, signed, union};
use super::fault;
use crate::domain::id::{BatchId, LegId, MessageId};
use crate::domain::set::{self, SEGMENT, Set, segment_of};
use crate::store::Result;
use crate::store::release::{Birth, NewBatch};

/// Makes a batch; one that is held from birth belongs to `epoch`. Returns its id.
pub(super) fn insert(connection: &Connection, new: &NewBatch<'_>, epoch: i64) -> Result<BatchId> {
    let held = matches!(new.birth, Birth::Held(_));
    let over = match new.birth {
        Birth::Over(outcome, reason) => Some((outcome.code(), reason.code())),
        _ => None,
    };
    connection
        .prepare_cached(
            "insert into batch (leg_id, ord_min, ord_max, n, provider_id, channel, lane, principal, due_at, attempt, \
             claims, state, owner_epoch, short, outcome, reason, settled_at) \
             values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, 1, ?10, ?11, ?12, ?13, ?14, ?15, ?16)",
        )
        .and_then(|mut statement| {
            statement.insert(rusqlite::params![
                new.leg.0,
                new.slice.first,
                new.slice.last,
                signed(new.slice.n),
                &*new.plan.provider,
                new.plan.channel.code(),
                new.plan.lane.code(),
                new.principal,
                new.at.0,
                i64::from(held),
                new.state(),
                held.then_some(epoch),
                new.short,
                over.map(|(outcome, _)| outcome),
                over.map(|(_, reason)| reason),
                over.map(|_| new.at.0),
            ])
        })
        .map(BatchId)
        .map_err(fault)
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
        Ok(self.members(connection)? - settled(connection, self.id)?)
    }
}

/// Who of a batch that is not closed was settled or moved to another batch.
pub(super) fn settled(connection: &Connection, batch: BatchId) -> Result<Set> {
    union(connection, "select members from settlement where batch_id = ?1", batch.0)
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
