//! [`Nodes`] on PostgreSQL. Leases run in the server's time; every write tests that its node is still alive.

use std::time::Duration;

use async_trait::async_trait;
use tokio_postgres::Row;

use super::Postgres;
use super::encode::{get, known, unsigned};
use super::session::Session;
use crate::domain::node::{NODES_MAX, NodeState, Roles};
use crate::domain::time::At;
use crate::store::node::{REMEMBERED, lease_left, millis};
use crate::store::{NodeDraft, NodeRow, Nodes, Result};

/// The server's time in milliseconds, as it goes on inside a transaction.
macro_rules! clock {
    () => {
        "(extract(epoch from clock_timestamp()) * 1000)::bigint"
    };
}

/// Gives back what an epoch holds, in the order in which settlements lock it.
const GIVE_BACK: &str = "with held as (select id from batch where state = 2 and owner_epoch = $1 order by id for update) \
                         update batch set state = 1, owner_epoch = null from held where batch.id = held.id";

#[async_trait]
impl Nodes for Postgres {
    async fn join(&self, node: NodeDraft, lease: Duration) -> Result<i64> {
        const FORGET: &str = concat!("delete from node where state <> 1 and lease_until < ", clock!(), " - $1");
        const INSERT: &str = concat!(
            "insert into node (id, name, roles, state, started_at, lease_until) \
             select $1, $2, $3, 1, now, now + $4 from (select ",
            clock!(),
            " as now) as clock"
        );
        let session = self.transaction().await?;
        let epoch = next_epoch(&session).await?;
        session.execute(FORGET, &[&millis(REMEMBERED)]).await?;
        session.execute(INSERT, &[&epoch, &node.name, &node.roles.text(), &millis(lease)]).await?;
        session.commit().await?;
        Ok(epoch)
    }

    async fn renew(&self, epoch: i64, lease: Duration) -> Result<bool> {
        const SQL: &str = concat!("update node set lease_until = ", clock!(), " + $2 where id = $1 and state = 1");
        Ok(self.session().await?.execute(SQL, &[&epoch, &millis(lease)]).await? == 1)
    }

    async fn take_over(&self) -> Result<Vec<i64>> {
        // Of a node that others are renewing or taking over at this moment nobody else need know.
        const BURY: &str = concat!(
            "update node set state = 3 where id = (select id from node where state = 1 and lease_until <= ",
            clock!(),
            " order by id limit 1 for update skip locked) returning id"
        );
        let mut dead = Vec::new();
        loop {
            let session = self.transaction().await?;
            let Some(row) = session.maybe(BURY, &[]).await? else { break };
            let epoch: i64 = get(&row, 0)?;
            session.execute(GIVE_BACK, &[&epoch]).await?;
            session.commit().await?;
            dead.push(epoch);
        }
        self.take_from_strays().await?;
        dead.sort_unstable();
        Ok(dead)
    }

    async fn leave(&self, epoch: i64) -> Result<()> {
        const SQL: &str =
            concat!("update node set state = 2, lease_until = ", clock!(), " where id = $1 and state = 1");
        let session = self.transaction().await?;
        session.execute(SQL, &[&epoch]).await?;
        session.execute(GIVE_BACK, &[&epoch]).await?;
        session.commit().await
    }

    async fn nodes(&self) -> Result<Vec<NodeRow>> {
        const SQL: &str = concat!(
            "select id, name, roles, state, started_at, lease_until, ",
            clock!(),
            ", (select count(*) from batch where batch.state = 2 and owner_epoch = node.id) from node order by id"
        );
        self.session().await?.rows(SQL, &[]).await?.iter().map(read).collect()
    }
}

impl Postgres {
    /// Gives back what nodes took that were not living any more. An epoch that has ended never begins again,
    /// so what is read first and given back later can only be theirs.
    async fn take_from_strays(&self) -> Result<()> {
        const STRAYS: &str = "select distinct owner_epoch from batch where state = 2 \
                              and owner_epoch not in (select id from node where state = 1)";
        let session = self.session().await?;
        for row in session.rows(STRAYS, &[]).await? {
            session.execute(GIVE_BACK, &[&get::<i64>(&row, 0)?]).await?;
        }
        Ok(())
    }
}

/// The next epoch whose number no living node has. Holds all others who join until the commit.
async fn next_epoch(session: &Session) -> Result<i64> {
    const NEXT: &str = "update head set value = value + 1 where name = 'epoch' returning value";
    const TAKEN: &str = "select 1 from node where state = 1 and id % $2 = $1 % $2";
    loop {
        let epoch: i64 = get(&session.one(NEXT, &[]).await?, 0)?;
        if session.maybe(TAKEN, &[&epoch, &NODES_MAX]).await?.is_none() {
            return Ok(epoch);
        }
    }
}

fn read(row: &Row) -> Result<NodeRow> {
    let state = known(NodeState::from_code(get(row, 3)?), "node state")?;
    let lease_until = At(get(row, 5)?);
    Ok(NodeRow {
        epoch: get(row, 0)?,
        name: get(row, 1)?,
        roles: Roles::from_text(get(row, 2)?),
        state,
        started_at: At(get(row, 4)?),
        lease_until,
        lease_left: lease_left(state, lease_until, At(get(row, 6)?)),
        held: unsigned(get(row, 7)?),
    })
}
