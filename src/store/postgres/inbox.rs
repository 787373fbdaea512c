//! Inboxes in PostgreSQL: visible legs, personal rows, receipts. Nothing is written per recipient of a
//! broadcast.
//!
//! Messages under a test key reach nobody, so no inbox shows one.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use async_trait::async_trait;

use super::Postgres;
use super::encode::{get, known, set_in, small};
use super::session::Session;
use crate::domain::id::{LegId, MessageId};
use crate::domain::outcome::ReceiptKind;
use crate::domain::set::{self, Set};
use crate::domain::time::At;
use crate::store::{Inbox, PERSONAL_LATEST, PersonalLeg, Receipt, Result, VisibleLeg};

#[async_trait]
impl Inbox for Postgres {
    async fn visible(&self) -> Result<Vec<VisibleLeg>> {
        visible(&self.whole_snapshot().await?, None).await
    }

    async fn visible_leg(&self, leg: LegId) -> Result<Option<VisibleLeg>> {
        Ok(visible(&self.snapshot().await?, Some(leg)).await?.pop())
    }

    async fn visible_since(&self, since: At) -> Result<Vec<(LegId, At)>> {
        const SQL: &str = "select leg.id, leg.visible_at \
                           from leg join message on message.id = (leg.id & ~15::bigint) \
                           where leg.visible_at >= $1 and leg.hidden_at is null \
                           and message.cancelled_at is null and message.mode = 1 order by leg.visible_at, leg.id";
        let rows = self.session().await?.rows(SQL, &[&since.0]).await?;
        rows.iter().map(|row| Ok((LegId(get(row, 0)?), At(get(row, 1)?)))).collect()
    }

    async fn personal_since(&self, ordinals: Vec<u32>, since: At) -> Result<Vec<(u32, PersonalLeg)>> {
        const SQL: &str = "select who.ordinal, batch.leg_id, batch.settled_at from unnest($1::bigint[]) who (ordinal) \
                           cross join lateral (select message_id from personal \
                             where personal.ordinal = who.ordinal order by message_id desc limit $3) latest \
                           join message on message.id = latest.message_id \
                           join batch on batch.leg_id between message.id + 1 and message.id + 15 \
                           where message.only_member = who.ordinal and message.cancelled_at is null \
                           and message.mode = 1 and batch.channel = 3 and batch.outcome = 1 \
                           and batch.settled_at >= $2";
        let ordinals: Vec<i64> = ordinals.into_iter().map(i64::from).collect();
        let rows = self.session().await?.rows(SQL, &[&ordinals, &since.0, &PERSONAL_LATEST]).await?;
        let leg =
            |row| -> Result<PersonalLeg> { Ok(PersonalLeg { leg: LegId(get(row, 1)?), visible_at: At(get(row, 2)?) }) };
        rows.iter().map(|row| Ok((small(row, 0)?, leg(row)?))).collect()
    }

    async fn personal(&self, ordinal: u32, before: Option<MessageId>, limit: usize) -> Result<Vec<PersonalLeg>> {
        const SQL: &str = "select batch.leg_id, batch.settled_at from personal \
                           join message on message.id = personal.message_id \
                           join batch on batch.leg_id between message.id + 1 and message.id + 15 \
                           where personal.ordinal = $1 and personal.message_id < $2 \
                           and message.only_member = $1 and message.cancelled_at is null and message.mode = 1 \
                           and batch.channel = 3 and batch.outcome = 1 order by personal.message_id desc limit $3";
        let before = before.map_or(i64::MAX, |id| id.0);
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let rows = self.session().await?.rows(SQL, &[&i64::from(ordinal), &before, &limit]).await?;
        rows.iter().map(|row| Ok(PersonalLeg { leg: LegId(get(row, 0)?), visible_at: At(get(row, 1)?) })).collect()
    }

    async fn add_receipts(&self, receipts: Vec<Receipt>) -> Result<()> {
        const SQL: &str = "insert into receipt (leg_id, at, kind, members, ord_min, ord_max) \
                           select * from unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bytea[], \
                           $5::bigint[], $6::bigint[])";
        let (mut legs, mut times, mut kinds, mut sets) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let (mut firsts, mut lasts) = (Vec::new(), Vec::new());
        for receipt in receipts {
            for (_, part) in set::segments(&receipt.set) {
                legs.push(receipt.leg.0);
                times.push(receipt.at.0);
                kinds.push(receipt.kind.code());
                sets.push(set::to_bytes(&part));
                firsts.push(part.min().map_or(0, i64::from));
                lasts.push(part.max().map_or(0, i64::from));
            }
        }
        if !legs.is_empty() {
            self.session().await?.execute(SQL, &[&legs, &times, &kinds, &sets, &firsts, &lasts]).await?;
        }
        Ok(())
    }

    async fn receipts(&self, legs: Vec<LegId>) -> Result<Vec<Receipt>> {
        const SQL: &str = "select leg_id, kind, at, members from receipt where leg_id = any($1)";
        let legs: Vec<i64> = legs.into_iter().map(|leg| leg.0).collect();
        let mut unions: BTreeMap<(i64, ReceiptKind), Receipt> = BTreeMap::new();
        for row in self.session().await?.rows(SQL, &[&legs]).await? {
            let (leg, at) = (LegId(get(&row, 0)?), At(get(&row, 2)?));
            let kind = known(ReceiptKind::from_code(get(&row, 1)?), "receipt")?;
            let empty = || Receipt { leg, kind, set: Set::new(), at };
            let union = unions.entry((leg.0, kind)).or_insert_with(empty);
            union.set |= set_in(&row, 3)?;
            union.at = union.at.max(at);
        }
        Ok(unions.into_values().collect())
    }

    async fn all_receipts(&self, kind: ReceiptKind) -> Result<Vec<(LegId, Set)>> {
        const SQL: &str = "select leg_id, members from receipt where kind = $1";
        let mut unions: BTreeMap<LegId, Set> = BTreeMap::new();
        for row in self.whole_snapshot().await?.rows(SQL, &[&kind.code()]).await? {
            *unions.entry(LegId(get(&row, 0)?)).or_default() |= set_in(&row, 1)?;
        }
        Ok(unions.into_iter().collect())
    }

    async fn receipts_since(&self, kind: ReceiptKind, since: At) -> Result<Vec<(LegId, Set)>> {
        const SQL: &str = "select leg_id, members from receipt where kind = $1 and at >= $2";
        let mut unions: BTreeMap<LegId, Set> = BTreeMap::new();
        for row in self.session().await?.rows(SQL, &[&kind.code(), &since.0]).await? {
            *unions.entry(LegId(get(&row, 0)?)).or_default() |= set_in(&row, 1)?;
        }
        Ok(unions.into_iter().collect())
    }

    async fn read_through(&self, ordinal: u32) -> Result<At> {
        const SQL: &str = "select read_through from inbox_mark where ordinal = $1";
        let row = self.session().await?.maybe(SQL, &[&i64::from(ordinal)]).await?;
        row.map_or(Ok(At::default()), |row| Ok(At(get(&row, 0)?)))
    }

    async fn set_read_through(&self, ordinal: u32, at: At) -> Result<()> {
        const SQL: &str = "insert into inbox_mark (ordinal, read_through) values ($1, $2) on conflict (ordinal) \
                           do update set read_through = greatest(inbox_mark.read_through, excluded.read_through)";
        self.session().await?.execute(SQL, &[&i64::from(ordinal), &at.0]).await.map(|_| ())
    }
}

/// Every visible leg, or the one asked for if it is visible, oldest first.
async fn visible(session: &Session, only: Option<LegId>) -> Result<Vec<VisibleLeg>> {
    const SQL: &str = "select leg.id, leg.visible_at, message.expire_at \
                       from leg join message on message.id = (leg.id & ~15::bigint) \
                       where leg.id between $1 and $2 and leg.visible_at is not null and leg.hidden_at is null \
                       and message.cancelled_at is null and message.mode = 1 order by leg.visible_at, leg.id";
    let (first, last) = only.map_or((0, i64::MAX), |leg| (leg.0, leg.0));
    let rows = session.rows(SQL, &[&first, &last]).await?;
    let mut legs = Vec::with_capacity(rows.len());
    for row in &rows {
        legs.push((LegId(get(row, 0)?), At(get(row, 1)?), At(get(row, 2)?)));
    }
    let snapshots = snapshots(session, legs.iter().map(|(leg, ..)| leg.message().0).collect()).await?;
    let leg = |(leg, visible_at, expire_at): (LegId, At, At)| {
        let members = snapshots.get(&leg.message().0).cloned().unwrap_or_default();
        VisibleLeg { leg, visible_at, expire_at, members }
    };
    Ok(legs.into_iter().map(leg).collect())
}

/// Whom messages are for.
async fn snapshots(session: &Session, messages: Vec<i64>) -> Result<HashMap<i64, Arc<Set>>> {
    const SQL: &str = "select message_id, members from audience_segment where message_id = any($1)";
    let mut sets: HashMap<i64, Set> = HashMap::with_capacity(messages.len());
    for row in session.rows(SQL, &[&messages]).await? {
        *sets.entry(get(&row, 0)?).or_default() |= set_in(&row, 1)?;
    }
    Ok(sets.into_iter().map(|(message, set)| (message, Arc::new(set))).collect())
}
