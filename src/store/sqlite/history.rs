//! [`History`] on SQLite.

use async_trait::async_trait;
use rusqlite::{Connection, Row};

use super::encode::{known, set_of};
use super::reader::snapshot;
use super::{Sqlite, batch, fault, row};
use crate::domain::id::LegId;
use crate::domain::outcome::ReceiptKind;
use crate::domain::set::{self, Set};
use crate::domain::time::At;
use crate::store::history::{FirstReceipts, HistoryIds, LOOKED_MAX};
use crate::store::leg::OutcomeColumns;
use crate::store::{History, HistoryPage, HistoryQuery, OutcomeRow, Result};

#[async_trait]
impl History for Sqlite {
    async fn messages(&self, query: HistoryQuery) -> Result<HistoryPage> {
        self.readers.read(move |connection| snapshot(connection, |moment| page(moment, &query))).await
    }

    async fn outcomes(&self, ordinal: u32, legs: Vec<LegId>) -> Result<Vec<(LegId, OutcomeRow)>> {
        let read = move |connection: &_| {
            let mut found = Vec::new();
            for leg in legs {
                found.extend(outcomes(connection, ordinal, leg)?.into_iter().map(|row| (leg, row)));
            }
            Ok(found)
        };
        self.readers.read(move |connection| snapshot(connection, read)).await
    }

    async fn receipts(&self, ordinal: u32, legs: Vec<LegId>) -> Result<Vec<(LegId, ReceiptKind, At)>> {
        let read = move |connection: &_| {
            let mut found = FirstReceipts::default();
            for leg in legs {
                receipts(connection, ordinal, leg, &mut found)?;
            }
            Ok(found.rows())
        };
        self.readers.read(move |connection| snapshot(connection, read)).await
    }
}

fn page(connection: &Connection, query: &HistoryQuery) -> Result<HistoryPage> {
    let (ids, next) = find(connection, query)?.page(query.limit);
    let mut rows = Vec::with_capacity(ids.len());
    for id in ids {
        rows.extend(row::by_id(connection, id)?);
    }
    Ok(HistoryPage { rows, next })
}

fn find(connection: &Connection, query: &HistoryQuery) -> Result<HistoryIds> {
    const PERSONAL: &str = "select message_id from personal \
                            where ordinal = ?1 and message_id >= ?2 and message_id < ?3 order by message_id desc limit ?4";
    const BROADCAST: &str = "select message_id, members from audience_segment \
                             where segment = ?1 and message_id >= ?2 and message_id < ?3 \
                             order by message_id desc limit ?4";
    let (from, to) = query.ids();
    let personal = batch::rows(connection, PERSONAL, (query.ordinal, from, to, query.reach()), |row| row.get(0))?;
    let mut found = HistoryIds { personal, ..HistoryIds::default() };
    let mut statement = connection.prepare_cached(BROADCAST).map_err(fault)?;
    let mut rows = statement.query((set::segment_of(query.ordinal), from, to, LOOKED_MAX)).map_err(fault)?;
    let (mut looked, reach) = (0, query.limit.saturating_add(1));
    while let Some(row) = rows.next().map_err(fault)? {
        let id = row.get(0).map_err(fault)?;
        looked += 1;
        if set_of(row.get_ref(1).and_then(|value| Ok(value.as_blob()?)).map_err(fault)?)?.contains(query.ordinal) {
            found.broadcast.push(id);
        }
        if found.broadcast.len() == reach {
            break;
        }
        found.looked_to = (looked == LOOKED_MAX).then_some(id);
    }
    Ok(found)
}

/// A short message's leg is its batch; of a leg to many, her batches and what befell it as a whole.
fn outcomes(connection: &Connection, ordinal: u32, leg: LegId) -> Result<Vec<OutcomeRow>> {
    const SQL: &str = "select settlement.outcome, settlement.reason, settlement.at, settlement.attempt, settlement.detail, \
         settlement.members, null, null, null, 2, settlement.id \
         from settlement where leg_id = ?1 and batch_id is null and outcome <> 0 \
         union all \
         select settlement.outcome, settlement.reason, settlement.at, settlement.attempt, settlement.detail, \
         settlement.members, batch.ord_min, batch.ord_max, batch.provider_id, 2, settlement.id \
         from batch join settlement on settlement.batch_id = batch.id \
         where batch.leg_id = ?1 and batch.ord_min <= ?2 and batch.ord_max >= ?2 and settlement.outcome <> 0 \
         union all \
         select outcome, reason, settled_at, attempt, detail, members, ord_min, ord_max, \
         case when short = 0 or claims > 0 then provider_id end, 1, id \
         from batch where leg_id = ?1 and ord_min <= ?2 and ord_max >= ?2 and outcome is not null \
         order by 3, 10, 11";
    let her: Set = [ordinal].into_iter().collect();
    let mut found = Vec::new();
    for (columns, provider) in batch::rows(connection, SQL, (leg.0, ordinal), outcome)? {
        found.extend(columns.decode(&her, provider.as_deref())?);
    }
    Ok(found)
}

fn outcome(row: &Row<'_>) -> rusqlite::Result<(OutcomeColumns, Option<String>)> {
    let (first, last): (Option<u32>, Option<u32>) = (row.get(6)?, row.get(7)?);
    let columns = OutcomeColumns {
        outcome: row.get(0)?,
        reason: row.get(1)?,
        at: row.get(2)?,
        attempt: row.get(3)?,
        detail: row.get(4)?,
        members: row.get(5)?,
        span: first.zip(last),
    };
    Ok((columns, row.get(8)?))
}

fn receipts(connection: &Connection, ordinal: u32, leg: LegId, found: &mut FirstReceipts) -> Result<()> {
    const SQL: &str = "select kind, at, null from receipt where leg_id = ?1 and ord_min = ?2 and ord_min = ord_max \
                       union all \
                       select kind, at, members from receipt \
                       where leg_id = ?1 and ord_min <= ?2 and ord_max >= ?2 and ord_min <> ord_max";
    let mut statement = connection.prepare_cached(SQL).map_err(fault)?;
    let mut rows = statement.query((leg.0, ordinal)).map_err(fault)?;
    while let Some(row) = rows.next().map_err(fault)? {
        let members = row.get_ref(2).and_then(|value| Ok(value.as_blob_or_null()?)).map_err(fault)?;
        let hers = match members {
            Some(bytes) => set_of(bytes)?.contains(ordinal),
            None => true,
        };
        if hers {
            let kind = known(ReceiptKind::from_code(row.get(0).map_err(fault)?), "receipt")?;
            found.add(leg, kind, At(row.get(1).map_err(fault)?));
        }
    }
    Ok(())
}
