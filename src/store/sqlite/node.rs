//! [`Nodes`] on SQLite. The lock on the file proves that no other process is there, so joining ends every
//! other epoch at once.

use std::time::Duration;

use async_trait::async_trait;
use rusqlite::{Connection, Row};

use super::batch;
use super::encode::{advance, known, unsigned};
use super::{Sqlite, fault};
use crate::domain::node::{NodeState, Roles};
use crate::domain::time::At;
use crate::store::node::{REMEMBERED, lease_left, millis};
use crate::store::release::WAITING;
use crate::store::{NodeDraft, NodeRow, Nodes, Result};

/// The store's time in milliseconds.
pub(super) const CLOCK: &str = "cast(unixepoch('subsec') * 1000 as integer)";

#[async_trait]
impl Nodes for Sqlite {
    async fn join(&self, node: NodeDraft, lease: Duration) -> Result<i64> {
        self.writer.write(move |connection| join(connection, &node, lease)).await
    }

    async fn renew(&self, epoch: i64, lease: Duration) -> Result<bool> {
        self.writer.write(move |connection| renew(connection, epoch, lease)).await
    }

    async fn take_over(&self) -> Result<Vec<i64>> {
        self.writer.write(take_over).await
    }

    async fn leave(&self, epoch: i64) -> Result<()> {
        self.writer.write(move |connection| leave(connection, epoch)).await
    }

    async fn nodes(&self) -> Result<Vec<NodeRow>> {
        self.readers.read(nodes).await
    }
}

fn join(connection: &Connection, node: &NodeDraft, lease: Duration) -> Result<i64> {
    let now = clock(connection)?;
    let epoch = advance(connection, "epoch", 1)?;
    connection.execute("update node set state = ?1 where state = 1", [NodeState::Dead as i64]).map_err(fault)?;
    connection.execute("update batch set state = ?1, owner_epoch = null where state = 2", [WAITING]).map_err(fault)?;
    connection
        .execute("delete from node where state <> 1 and lease_until < ?1", [now - millis(REMEMBERED)])
        .map_err(fault)?;
    connection
        .execute(
            "insert into node (id, name, roles, state, started_at, lease_until) values (?1, ?2, ?3, 1, ?4, ?5)",
            (epoch, &node.name, node.roles.text(), now, now + millis(lease)),
        )
        .map_err(fault)?;
    Ok(epoch)
}

fn renew(connection: &Connection, epoch: i64, lease: Duration) -> Result<bool> {
    let until = clock(connection)? + millis(lease);
    let renewed = connection
        .prepare_cached("update node set lease_until = ?2 where id = ?1 and state = 1")
        .and_then(|mut statement| statement.execute((epoch, until)))
        .map_err(fault)?;
    Ok(renewed == 1)
}

fn take_over(connection: &Connection) -> Result<Vec<i64>> {
    let now = clock(connection)?;
    let sql = "update node set state = 3 where state = 1 and lease_until <= ?1 returning id";
    let mut dead: Vec<i64> = batch::rows(connection, sql, [now], |row| row.get(0))?;
    connection
        .prepare_cached(
            "update batch set state = 1, owner_epoch = null \
             where state = 2 and owner_epoch not in (select id from node where state = 1)",
        )
        .and_then(|mut statement| statement.execute([]))
        .map_err(fault)?;
    dead.sort_unstable();
    Ok(dead)
}

fn leave(connection: &Connection, epoch: i64) -> Result<()> {
    let now = clock(connection)?;
    connection
        .execute("update node set state = 2, lease_until = ?2 where id = ?1 and state = 1", (epoch, now))
        .map_err(fault)?;
    connection
        .execute("update batch set state = 1, owner_epoch = null where state = 2 and owner_epoch = ?1", [epoch])
        .map(|_| ())
        .map_err(fault)
}

fn nodes(connection: &Connection) -> Result<Vec<NodeRow>> {
    let now = clock(connection)?;
    let sql = "select id, name, roles, state, started_at, lease_until, \
               (select count(*) from batch where batch.state = 2 and owner_epoch = node.id) from node order by id";
    let mut statement = connection.prepare_cached(sql).map_err(fault)?;
    let mut rows = statement.query([]).map_err(fault)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next().map_err(fault)? {
        found.push(read(row, now)?);
    }
    Ok(found)
}

fn read(row: &Row<'_>, now: i64) -> Result<NodeRow> {
    let number = |column: usize| row.get::<_, i64>(column).map_err(fault);
    let state = known(NodeState::from_code(number(3)?), "node state")?;
    let lease_until = At(number(5)?);
    Ok(NodeRow {
        epoch: number(0)?,
        name: row.get(1).map_err(fault)?,
        roles: Roles::from_text(&row.get::<_, String>(2).map_err(fault)?),
        state,
        started_at: At(number(4)?),
        lease_until,
        lease_left: lease_left(state, lease_until, At(now)),
        held: unsigned(number(6)?),
    })
}

fn clock(connection: &Connection) -> Result<i64> {
    connection.query_row(&format!("select {CLOCK}"), [], |row| row.get(0)).map_err(fault)
}
