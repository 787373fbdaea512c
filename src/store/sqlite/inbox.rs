//! Inboxes in SQLite: visible legs, personal rows, receipts. Nothing is written per recipient of a broadcast.
//!
//! Messages under a test key reach nobody, so no inbox shows one.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension, Row};

use super::encode::{known, set_of};
use super::reader::snapshot;
use super::{Sqlite, batch, fault};
use crate::domain::id::{LegId, MessageId};
use crate::domain::outcome::ReceiptKind;
use crate::domain::set::{self, Set};
use crate::domain::time::At;
use crate::store::{Inbox, PERSONAL_LATEST, PersonalLeg, Receipt, Result, VisibleLeg};

#[async_trait]
impl Inbox for Sqlite {
    async fn visible(&self) -> Result<Vec<VisibleLeg>> {
        self.readers.read(|connection| snapshot(connection, visible)).await
    }

    async fn visible_leg(&self, leg: LegId) -> Result<Option<VisibleLeg>> {
        self.readers.read(move |connection| snapshot(connection, |moment| visible_leg(moment, leg))).await
    }

    async fn visible_since(&self, since: At) -> Result<Vec<(LegId, At)>> {
        self.readers.read(move |connection| visible_since(connection, since)).await
    }

    async fn personal_since(&self, ordinals: Vec<u32>, since: At) -> Result<Vec<(u32, PersonalLeg)>> {
        let read = move |connection: &_| {
            let mut found = Vec::new();
            for ordinal in ordinals {
                found.extend(personal_since(connection, ordinal, since)?.into_iter().map(|leg| (ordinal, leg)));
            }
            Ok(found)
        };
        self.readers.read(move |connection| snapshot(connection, read)).await
    }

    async fn personal(&self, ordinal: u32, before: Option<MessageId>, limit: usize) -> Result<Vec<PersonalLeg>> {
        self.readers.read(move |connection| personal(connection, ordinal, before, limit)).await
    }

    async fn add_receipts(&self, receipts: Vec<Receipt>) -> Result<()> {
        let write = move |connection: &_| receipts.iter().try_for_each(|receipt| insert_receipt(connection, receipt));
        self.writer.write(write).await
    }

    async fn receipts(&self, legs: Vec<LegId>) -> Result<Vec<Receipt>> {
        let read = move |connection: &_| {
            let mut found = Vec::new();
            for leg in legs {
                found.extend(receipts_of(connection, leg)?);
            }
            Ok(found)
        };
        self.readers.read(move |connection| snapshot(connection, read)).await
    }

    async fn all_receipts(&self, kind: ReceiptKind) -> Result<Vec<(LegId, Set)>> {
        self.readers.read(move |connection| receipts_from(connection, kind, At(0))).await
    }

    async fn receipts_since(&self, kind: ReceiptKind, since: At) -> Result<Vec<(LegId, Set)>> {
        self.readers.read(move |connection| receipts_from(connection, kind, since)).await
    }

    async fn read_through(&self, ordinal: u32) -> Result<At> {
        self.readers.read(move |connection| read_through(connection, ordinal)).await
    }

    async fn set_read_through(&self, ordinal: u32, at: At) -> Result<()> {
        self.writer.write(move |connection| set_read_through(connection, ordinal, at)).await
    }
}

fn visible(connection: &Connection) -> Result<Vec<VisibleLeg>> {
    const SQL: &str = "select leg.id, leg.visible_at, message.expire_at \
                       from leg join message on message.id = (leg.id & ~15) \
                       where leg.visible_at is not null and leg.hidden_at is null \
                       and message.cancelled_at is null and message.mode = 1 order by leg.visible_at, leg.id";
    let rows = batch::rows(connection, SQL, [], times)?;
    rows.into_iter().map(|times| with_members(connection, times)).collect()
}

fn visible_leg(connection: &Connection, leg: LegId) -> Result<Option<VisibleLeg>> {
    const SQL: &str = "select leg.id, leg.visible_at, message.expire_at \
                       from leg join message on message.id = (leg.id & ~15) \
                       where leg.id = ?1 and leg.visible_at is not null and leg.hidden_at is null \
                       and message.cancelled_at is null and message.mode = 1";
    let rows = batch::rows(connection, SQL, [leg.0], times)?;
    rows.into_iter().next().map(|times| with_members(connection, times)).transpose()
}

fn times(row: &Row<'_>) -> rusqlite::Result<(LegId, At, At)> {
    Ok((LegId(row.get(0)?), At(row.get(1)?), At(row.get(2)?)))
}

fn with_members(connection: &Connection, (leg, visible_at, expire_at): (LegId, At, At)) -> Result<VisibleLeg> {
    let members = Arc::new(batch::snapshot(connection, leg.message())?);
    Ok(VisibleLeg { leg, visible_at, expire_at, members })
}

fn personal(
    connection: &Connection,
    ordinal: u32,
    before: Option<MessageId>,
    limit: usize,
) -> Result<Vec<PersonalLeg>> {
    const SQL: &str = "select batch.leg_id, batch.settled_at from personal \
                       join message on message.id = personal.message_id \
                       join batch on batch.leg_id between message.id + 1 and message.id + 15 \
                       where personal.ordinal = ?1 and personal.message_id < ?2 \
                       and message.only_member = ?1 and message.cancelled_at is null and message.mode = 1 \
                       and batch.channel = 3 and batch.outcome = 1 order by personal.message_id desc limit ?3";
    let before = before.map_or(i64::MAX, |id| id.0);
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    batch::rows(connection, SQL, (ordinal, before, limit), |row| {
        Ok(PersonalLeg { leg: LegId(row.get(0)?), visible_at: At(row.get(1)?) })
    })
}

fn visible_since(connection: &Connection, since: At) -> Result<Vec<(LegId, At)>> {
    const SQL: &str = "select leg.id, leg.visible_at from leg join message on message.id = (leg.id & ~15) \
                       where leg.visible_at >= ?1 and leg.hidden_at is null \
                       and message.cancelled_at is null and message.mode = 1 order by leg.visible_at, leg.id";
    batch::rows(connection, SQL, [since.0], |row| Ok((LegId(row.get(0)?), At(row.get(1)?))))
}

fn personal_since(connection: &Connection, ordinal: u32, since: At) -> Result<Vec<PersonalLeg>> {
    const SQL: &str = "select batch.leg_id, batch.settled_at from \
                       (select message_id from personal where ordinal = ?1 order by message_id desc limit ?3) latest \
                       join message on message.id = latest.message_id \
                       join batch on batch.leg_id between message.id + 1 and message.id + 15 \
                       where message.only_member = ?1 and message.cancelled_at is null and message.mode = 1 \
                       and batch.channel = 3 and batch.outcome = 1 and batch.settled_at >= ?2";
    batch::rows(connection, SQL, (ordinal, since.0, PERSONAL_LATEST), |row| {
        Ok(PersonalLeg { leg: LegId(row.get(0)?), visible_at: At(row.get(1)?) })
    })
}

fn insert_receipt(connection: &Connection, receipt: &Receipt) -> Result<()> {
    const SQL: &str =
        "insert into receipt (leg_id, at, kind, members, ord_min, ord_max) values (?1, ?2, ?3, ?4, ?5, ?6)";
    for (_, part) in set::segments(&receipt.set) {
        let (kind, members) = (receipt.kind.code(), set::to_bytes(&part));
        connection
            .prepare_cached(SQL)
            .and_then(|mut statement| {
                statement.execute((receipt.leg.0, receipt.at.0, kind, members, part.min(), part.max()))
            })
            .map_err(fault)?;
    }
    Ok(())
}

/// The unions of a leg's receipts, by kind.
fn receipts_of(connection: &Connection, leg: LegId) -> Result<Vec<Receipt>> {
    let mut statement =
        connection.prepare_cached("select kind, at, members from receipt where leg_id = ?1").map_err(fault)?;
    let mut rows = statement.query([leg.0]).map_err(fault)?;
    let mut unions: BTreeMap<ReceiptKind, Receipt> = BTreeMap::new();
    while let Some(row) = rows.next().map_err(fault)? {
        let kind = known(ReceiptKind::from_code(row.get(0).map_err(fault)?), "receipt")?;
        let at = At(row.get(1).map_err(fault)?);
        let union = unions.entry(kind).or_insert_with(|| Receipt { leg, kind, set: Set::new(), at });
        union.set |= members(row, 2)?;
        union.at = union.at.max(at);
    }
    Ok(unions.into_values().collect())
}

fn receipts_from(connection: &Connection, kind: ReceiptKind, since: At) -> Result<Vec<(LegId, Set)>> {
    let mut statement =
        connection.prepare_cached("select leg_id, members from receipt where kind = ?1 and at >= ?2").map_err(fault)?;
    let mut rows = statement.query((kind.code(), since.0)).map_err(fault)?;
    let mut unions: BTreeMap<LegId, Set> = BTreeMap::new();
    while let Some(row) = rows.next().map_err(fault)? {
        *unions.entry(LegId(row.get(0).map_err(fault)?)).or_default() |= members(row, 1)?;
    }
    Ok(unions.into_iter().collect())
}

fn members(row: &Row<'_>, column: usize) -> Result<Set> {
    set_of(row.get_ref(column).and_then(|value| Ok(value.as_blob()?)).map_err(fault)?)
}

fn read_through(connection: &Connection, ordinal: u32) -> Result<At> {
    let at: Option<i64> = connection
        .prepare_cached("select read_through from inbox_mark where ordinal = ?1")
        .and_then(|mut statement| statement.query_row([ordinal], |row| row.get(0)).optional())
        .map_err(fault)?;
    Ok(at.map(At).unwrap_or_default())
}

fn set_read_through(connection: &Connection, ordinal: u32, at: At) -> Result<()> {
    const SQL: &str = "insert into inbox_mark (ordinal, read_through) values (?1, ?2) on conflict (ordinal) \
                       do update set read_through = max(read_through, excluded.read_through)";
    connection
        .prepare_cached(SQL)
        .and_then(|mut statement| statement.execute((ordinal, at.0)))
        .map(|_| ())
        .map_err(fault)
}
