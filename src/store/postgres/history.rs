//! [`History`] on PostgreSQL.

use std::collections::HashMap;

use async_trait::async_trait;

use super::encode::{get, known};
use super::session::Session;
use super::{Postgres, leg, row};
use crate::domain::id::LegId;
use crate::domain::outcome::ReceiptKind;
use crate::domain::set::{self, Set};
use crate::domain::time::At;
use crate::store::encode::set_of;
use crate::store::facts;
use crate::store::history::{FirstReceipts, HistoryIds, LOOKED_MAX};
use crate::store::{History, HistoryPage, HistoryQuery, OutcomeRow, Result};

/// Sets that are fetched at a time; each has at most 8 KiB.
const STEP: i64 = 250;

#[async_trait]
impl History for Postgres {
    async fn messages(&self, query: HistoryQuery) -> Result<HistoryPage> {
        let session = self.snapshot().await?;
        let (ids, next) = find(&session, &query).await?.page(query.limit);
        let sql = format!("select {} from message where id = any($1) order by id desc", facts::COLUMNS);
        let ids: Vec<i64> = ids.into_iter().map(|id| id.0).collect();
        let rows = session.rows(&sql, &[&ids]).await?.iter().map(row::read).collect::<Result<_>>()?;
        Ok(HistoryPage { rows, next })
    }

    async fn outcomes(&self, ordinal: u32, legs: Vec<LegId>) -> Result<Vec<(LegId, OutcomeRow)>> {
        outcomes(&self.session().await?, ordinal, &legs).await
    }

    async fn receipts(&self, ordinal: u32, legs: Vec<LegId>) -> Result<Vec<(LegId, ReceiptKind, At)>> {
        const SQL: &str = "select leg_id, kind, at, null::bytea from receipt \
             where leg_id = any($1) and ord_min = $2 and ord_min = ord_max \
             union all \
             select leg_id, kind, at, members from receipt \
             where leg_id = any($1) and ord_min <= $2 and ord_max >= $2 and ord_min <> ord_max";
        let mut found = FirstReceipts::default();
        for row in self.session().await?.rows(SQL, &[&numbers(&legs), &i64::from(ordinal)]).await? {
            let hers = match get::<Option<&[u8]>>(&row, 3)? {
                Some(bytes) => set_of(bytes)?.contains(ordinal),
                None => true,
            };
            if hers {
                let kind = known(ReceiptKind::from_code(get(&row, 1)?), "receipt")?;
                found.add(LegId(get(&row, 0)?), kind, At(get(&row, 2)?));
            }
        }
        Ok(found.rows())
    }
}

fn numbers(legs: &[LegId]) -> Vec<i64> {
    legs.iter().map(|leg| leg.0).collect()
}

async fn find(session: &Session, query: &HistoryQuery) -> Result<HistoryIds> {
    const PERSONAL: &str = "select message_id from personal \
                            where ordinal = $1 and message_id >= $2 and message_id < $3 order by message_id desc limit $4";
    const BROADCAST: &str = "select message_id, members from audience_segment \
                             where segment = $1 and message_id >= $2 and message_id < $3 \
                             order by message_id desc limit $4";
    let ((from, mut to), reach) = (query.ids(), query.reach());
    let rows = session.rows(PERSONAL, &[&i64::from(query.ordinal), &from, &to, &reach]).await?;
    let personal = rows.iter().map(|row| get(row, 0)).collect::<Result<_>>()?;
    let mut found = HistoryIds { personal, ..HistoryIds::default() };
    let segment = i64::from(set::segment_of(query.ordinal));
    for looked in 1..=LOOKED_MAX / STEP {
        let rows = session.rows(BROADCAST, &[&segment, &from, &to, &STEP]).await?;
        for row in &rows {
            to = get(row, 0)?;
            if set_of(get(row, 1)?)?.contains(query.ordinal) {
                found.broadcast.push(to);
            }
        }
        if found.broadcast.len() > query.limit || (rows.len() as i64) < STEP {
            return Ok(found);
        }
        found.looked_to = (looked == LOOKED_MAX / STEP).then_some(to);
    }
    Ok(found)
}

/// A short message's leg is its batch; of a leg to many, her batches and what befell it as a whole.
async fn outcomes(session: &Session, ordinal: u32, legs: &[LegId]) -> Result<Vec<(LegId, OutcomeRow)>> {
    const SQL: &str = "select settlement.outcome, settlement.reason, settlement.at, settlement.attempt, settlement.detail, \
         settlement.members, null::bigint, null::bigint, null::text, settlement.leg_id, 2, settlement.id \
         from settlement where leg_id = any($1) and batch_id is null and outcome <> 0 \
         union all \
         select settlement.outcome, settlement.reason, settlement.at, settlement.attempt, settlement.detail, \
         settlement.members, batch.ord_min, batch.ord_max, batch.provider_id, batch.leg_id, 2, settlement.id \
         from batch join settlement on settlement.batch_id = batch.id \
         where batch.leg_id = any($1) and batch.ord_min <= $2 and batch.ord_max >= $2 and settlement.outcome <> 0 \
         union all \
         select outcome, reason, settled_at, attempt, detail, members, ord_min, ord_max, \
         case when short = 0 or claims > 0 then provider_id end, leg_id, 1, id \
         from batch where leg_id = any($1) and ord_min <= $2 and ord_max >= $2 and outcome is not null \
         order by 3, 11, 12";
    let her: Set = [ordinal].into_iter().collect();
    let mut by_leg: HashMap<i64, Vec<OutcomeRow>> = HashMap::new();
    for row in session.rows(SQL, &[&numbers(legs), &i64::from(ordinal)]).await? {
        let provider: Option<&str> = get(&row, 8)?;
        by_leg.entry(get(&row, 9)?).or_default().extend(leg::outcome(&row)?.decode(&her, provider)?);
    }
    let mut found = Vec::new();
    for leg in legs {
        found.extend(by_leg.remove(&leg.0).unwrap_or_default().into_iter().map(|row| (*leg, row)));
    }
    Ok(found)
}
