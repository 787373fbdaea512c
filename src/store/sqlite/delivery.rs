//! [`Deliveries`] on SQLite.

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension};

use super::batch;
use super::encode::{known, unsigned};
use super::fault;
use super::{Sqlite, claim, leg, row, settle};
use crate::domain::batch::{Claimed, Fence, Settlement};
use crate::domain::channel::Channel;
use crate::domain::class::Lane;
use crate::domain::directory::UserStatus;
use crate::domain::id::{LegId, MessageId};
use crate::domain::time::At;
use crate::store::delivery::best;
use crate::store::{Claim, Deliveries, Depth, LegMaterial, Reach, Result};

#[async_trait]
impl Deliveries for Sqlite {
    async fn claim(&self, claim: Claim) -> Result<Vec<Claimed>> {
        self.writer.write(move |connection| claim::claim(connection, &claim)).await
    }

    async fn open(&self, calls: Vec<(Fence, u32)>) -> Result<Vec<bool>> {
        self.writer.write(move |connection| claim::open(connection, &calls)).await
    }

    async fn settle(&self, group: Vec<Settlement>) -> Result<Vec<bool>> {
        self.writer.write(move |connection| settle::settle(connection, &group)).await
    }

    async fn close_complete(&self, _limit: usize) -> Result<usize> {
        // The settle commit closes legs in its own transaction.
        Ok(0)
    }

    async fn release(&self, fences: Vec<Fence>) -> Result<()> {
        self.writer.write(move |connection| claim::give_back(connection, &fences)).await
    }

    async fn owned(&self, epoch: i64) -> Result<Vec<Fence>> {
        self.readers.read(move |connection| claim::owned(connection, epoch)).await
    }

    async fn material(&self, message: MessageId) -> Result<Option<LegMaterial>> {
        self.readers.read(move |connection| material(connection, message)).await
    }

    async fn reach(&self, channel: Channel, ordinals: Vec<u32>) -> Result<Vec<Reach>> {
        self.readers
            .read(move |connection| {
                ordinals.into_iter().map(|ordinal| reach(connection, channel, ordinal)).collect::<Result<Vec<_>>>()
            })
            .await
    }

    async fn depth(&self) -> Result<Vec<Depth>> {
        self.readers.read(depth).await
    }

    async fn held(&self, leg: LegId) -> Result<u64> {
        self.readers.read(move |connection| leg::held(connection, leg)).await
    }
}

fn material(connection: &Connection, message: MessageId) -> Result<Option<LegMaterial>> {
    let Some(message) = row::by_id(connection, message)? else { return Ok(None) };
    let department_name: Option<String> = connection
        .prepare_cached("select name from department where id = ?1")
        .and_then(|mut statement| statement.query_row([message.facts.department_id], |row| row.get(0)).optional())
        .map_err(fault)?;
    Ok(Some(LegMaterial {
        facts: message.facts,
        content: message.content,
        department_name: department_name.unwrap_or_default(),
        cancelled_at: message.cancelled_at,
    }))
}

fn reach(connection: &Connection, channel: Channel, ordinal: u32) -> Result<Reach> {
    const SQL: &str = "select user.status, address.value, address.state from user left join address \
                       on address.ordinal = user.ordinal and address.channel = ?2 \
                       where user.ordinal = ?1 and user.erased_at is null \
                       order by address.state, address.value limit 1";
    let found: Option<(i64, Option<String>, Option<i64>)> = connection
        .prepare_cached(SQL)
        .and_then(|mut statement| {
            let columns = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?));
            statement.query_row((ordinal, channel.code()), columns).optional()
        })
        .map_err(fault)?;
    Ok(match found {
        Some((status, address, state)) => Reach {
            ordinal,
            address: best(address, state)?,
            receives: known(UserStatus::from_code(status), "user status")?.receives(),
            erased: false,
        },
        None => Reach { ordinal, address: None, receives: false, erased: true },
    })
}

fn depth(connection: &Connection) -> Result<Vec<Depth>> {
    let found = batch::rows(
        connection,
        "select provider_id, lane, sum(state = 1), sum(state = 2), min(case when state = 1 then due_at end) \
         from batch where state in (1, 2) group by provider_id, lane order by provider_id, lane",
        [],
        |row| {
            let provider: String = row.get(0)?;
            let due_at: Option<i64> = row.get(4)?;
            Ok((provider, row.get::<_, i64>(1)?, row.get::<_, i64>(2)?, row.get::<_, i64>(3)?, due_at))
        },
    )?;
    found
        .into_iter()
        .map(|(provider, lane, waiting, claimed, due_at)| {
            Ok(Depth {
                provider: provider.into(),
                lane: known(Lane::from_code(lane), "lane")?,
                waiting: unsigned(waiting),
                claimed: unsigned(claimed),
                due_at: due_at.map(At),
            })
        })
        .collect()
}
