//! [`Relations`] on SQLite.

use async_trait::async_trait;
use rusqlite::Connection;

use super::reader::snapshot;
use super::{Sqlite, batch, fault, row};
use crate::domain::id::MessageId;
use crate::domain::message::MessageFacts;
use crate::store::{MessageRow, Relations, Result};

#[async_trait]
impl Relations for Sqlite {
    async fn referring(&self, id: MessageId, limit: usize) -> Result<Vec<MessageRow>> {
        self.readers.read(move |connection| snapshot(connection, |moment| referring(moment, id, limit))).await
    }
}

fn referring(connection: &Connection, id: MessageId, limit: usize) -> Result<Vec<MessageRow>> {
    const SQL: &str = "select message_id from relation where other_id = ?1 order by message_id limit ?2";
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut found = Vec::new();
    for id in batch::rows(connection, SQL, (id.0, limit), |row| row.get(0).map(MessageId))? {
        found.extend(row::by_id(connection, id)?);
    }
    Ok(found)
}

/// Remembers to which message a new one refers.
pub(super) fn insert(connection: &Connection, facts: &MessageFacts) -> Result<()> {
    let Some(relation) = facts.relation else { return Ok(()) };
    connection
        .prepare_cached("insert into relation (other_id, message_id, kind) values (?1, ?2, ?3)")
        .and_then(|mut statement| statement.execute((relation.message.0, facts.id.0, relation.kind as i64)))
        .map(|_| ())
        .map_err(fault)
}
