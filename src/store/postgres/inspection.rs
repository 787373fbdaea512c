//! [`Inspection`] on PostgreSQL.

use std::collections::HashMap;
use std::time::Duration;

use async_trait::async_trait;
use tokio_postgres::Row;

use super::encode::{CLOCK, get, known, millis, set_in, unsigned};
use super::session::Session;
use super::{Durability, Postgres};
use crate::domain::channel::Channel;
use crate::domain::class::Lane;
use crate::domain::id::LegId;
use crate::domain::outcome::{Counts, Outcome};
use crate::domain::set::SEGMENT;
use crate::domain::time::At;
use crate::store::inspection::{LegHead, PERSONAL_AMONG, legs_of, legs_text};
use crate::store::{Description, Inspection, LastCheck, LegBooks, Legs, Result, Waiting};

#[async_trait]
impl Inspection for Postgres {
    async fn describe(&self) -> Result<Description> {
        let connection = super::pool::connection(&self.pool).await?;
        let now = Durability::read(&connection).await?;
        let (major, minor) = (now.server / 10_000, now.server % 10_000);
        Ok(Description {
            kind: "postgres",
            version: format!("{major}.{minor}"),
            weak: !now.keeps(),
            durability: vec![
                ("synchronous_commit", now.synchronous_commit),
                ("fsync", now.fsync),
                ("full_page_writes", now.full_page_writes),
            ],
            disk_free: None,
            shared: true,
        })
    }

    async fn now(&self) -> Result<At> {
        let row = self.session().await?.one(&format!("select {CLOCK}"), &[]).await?;
        get(&row, 0).map(At)
    }

    async fn waiting(&self) -> Result<Vec<Waiting>> {
        const SQL: &str = "select provider_id, channel, lane, coalesce(sum(n) filter (where state = 1), 0)::bigint, \
                           coalesce(sum(n) filter (where state = 2), 0)::bigint, \
                           min(due_at) filter (where state = 1) \
                           from batch where state in (1, 2) group by 1, 2, 3 order by 1, 2, 3";
        let rows = self.session().await?.rows(SQL, &[]).await?;
        rows.iter().map(waiting).collect()
    }

    async fn books(&self, legs: Legs) -> Result<Vec<LegBooks>> {
        let snapshot = self.snapshot().await?;
        let rows = match legs {
            Legs::Personal(limit) => return personal(&snapshot, limit).await,
            Legs::Below { before, limit } => {
                let sql = format!("{} where id < $1 order by id desc limit $2", LegHead::SELECT);
                let (before, limit) = (before.map_or(i64::MAX, |leg| leg.0), number(limit));
                snapshot.rows(&sql, &[&before, &limit]).await?
            }
            Legs::These(ids) => {
                let ids: Vec<i64> = ids.iter().map(|leg| leg.0).collect();
                let sql = format!("{} where id = any($1) order by id desc", LegHead::SELECT);
                snapshot.rows(&sql, &[&ids]).await?
            }
        };
        let heads: Vec<LegHead> = rows.iter().map(head).collect::<Result<_>>()?;
        of_legs(&snapshot, LegHead::bounded(heads)).await
    }

    async fn begin_check(&self, every: Duration) -> Result<bool> {
        // One who waits for another's row sees the other's time when it gets there.
        let sql = format!("update books_check set began_at = {CLOCK} where began_at <= {CLOCK} - $1");
        Ok(self.session().await?.execute(&sql, &[&millis(every)]).await? == 1)
    }

    async fn end_check(&self, unbalanced: Vec<LegId>) -> Result<()> {
        let sql = format!(
            "update books_check set unbalanced = $1, \
             balanced_at = case when $1 = '' then {CLOCK} else balanced_at end"
        );
        self.session().await?.execute(&sql, &[&legs_text(&unbalanced)]).await.map(|_| ())
    }

    async fn last_check(&self) -> Result<LastCheck> {
        let row = self.session().await?.one("select balanced_at, unbalanced from books_check", &[]).await?;
        let unbalanced: &str = get(&row, 1)?;
        Ok(LastCheck { balanced_at: get::<Option<i64>>(&row, 0)?.map(At), unbalanced: legs_of(unbalanced) })
    }

    async fn say(&self, epoch: i64, word: String) -> Result<()> {
        const SQL: &str = "update node set report = $2 where id = $1 and state = 1";
        self.session().await?.execute(SQL, &[&epoch, &word]).await.map(|_| ())
    }

    async fn words(&self) -> Result<Vec<(i64, String)>> {
        const SQL: &str = "select id, report from node where state = 1 and report is not null order by id";
        let rows = self.session().await?.rows(SQL, &[]).await?;
        rows.iter().map(|row| Ok((get(row, 0)?, get(row, 1)?))).collect()
    }
}

fn waiting(row: &Row) -> Result<Waiting> {
    Ok(Waiting {
        provider: get::<&str>(row, 0)?.into(),
        channel: known(Channel::from_code(get(row, 1)?), "channel")?,
        lane: known(Lane::from_code(get(row, 2)?), "lane")?,
        waiting: unsigned(get(row, 3)?),
        held: unsigned(get(row, 4)?),
        due_at: get::<Option<i64>>(row, 5)?.map(At),
    })
}

fn head(row: &Row) -> Result<LegHead> {
    LegHead::decode((get(row, 0)?, get(row, 1)?, get(row, 2)?, get(row, 3)?, get(row, 4)?, get(row, 5)?))
}

async fn of_legs(snapshot: &Session, heads: Vec<LegHead>) -> Result<Vec<LegBooks>> {
    const RUNNING: &str = "select leg_id, outcome, n from leg_count where leg_id = any($1)";
    const RECORDED: &str = "select leg_id, outcome, sum(n)::bigint from (\
                            select leg_id, outcome, n from settlement where leg_id = any($1) and outcome <> 0 \
                            union all select leg_id, outcome, n from batch \
                            where leg_id = any($1) and outcome is not null) row group by leg_id, outcome";
    const LEFT: &str = "select leg_id, sum(n - coalesce((select sum(settlement.n) from settlement \
                        where settlement.batch_id = batch.id), 0))::bigint \
                        from batch where leg_id = any($1) and state in (1, 2) group by leg_id";
    let ids: Vec<i64> = heads.iter().map(|head| head.leg.0).collect();
    let running = counts(&snapshot.rows(RUNNING, &[&ids]).await?)?;
    let recorded = counts(&snapshot.rows(RECORDED, &[&ids]).await?)?;
    let mut left: HashMap<i64, i64> = HashMap::new();
    for row in snapshot.rows(LEFT, &[&ids]).await? {
        left.insert(get(&row, 0)?, get(&row, 1)?);
    }
    let mut books = Vec::with_capacity(heads.len());
    for head in heads {
        let id = head.leg.0;
        let counts = |found: &HashMap<i64, Counts>| found.get(&id).copied().unwrap_or_default();
        let uncut = match head.uncut_from() {
            Some(from) => uncut(snapshot, head.leg, from).await?,
            None => 0,
        };
        let left = unsigned(left.get(&id).copied().unwrap_or(0));
        books.push(head.books(counts(&running), counts(&recorded), left, uncut));
    }
    Ok(books)
}

fn counts(rows: &[Row]) -> Result<HashMap<i64, Counts>> {
    let mut by_leg: HashMap<i64, Counts> = HashMap::new();
    for row in rows {
        let outcome = known(Outcome::from_code(get(row, 1)?), "outcome")?;
        by_leg.entry(get(row, 0)?).or_default().add(outcome, unsigned(get(row, 2)?));
    }
    Ok(by_leg)
}

async fn uncut(snapshot: &Session, leg: LegId, from: u32) -> Result<u64> {
    const SQL: &str = "select members from audience_segment where message_id = $1 and segment >= $2";
    let rows = snapshot.rows(SQL, &[&leg.message().0, &i64::from(from / SEGMENT)]).await?;
    rows.iter().map(|row| Ok(set_in(row, 0)?.range_cardinality(from..))).sum()
}

/// A short message's leg is its batch.
async fn personal(snapshot: &Session, limit: usize) -> Result<Vec<LegBooks>> {
    const SQL: &str = "select leg_id, state, outcome from batch where short = 1 \
                       and id > (select max(id) from batch) - $2 order by id desc limit $1";
    let limits = (number(limit), number(limit).saturating_mul(PERSONAL_AMONG as i64));
    let rows = snapshot.rows(SQL, &[&limits.0, &limits.1]).await?;
    rows.iter().map(|row| LegBooks::of_one(get(row, 0)?, get(row, 1)?, get(row, 2)?)).collect()
}

fn number(n: usize) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}
