//! [`KeyUses`] on SQLite.

use std::collections::HashMap;

use async_trait::async_trait;
use rusqlite::{Connection, Row};

use super::{Sqlite, batch, fault};
use crate::domain::id::KeyId;
use crate::domain::time::At;
use crate::store::{KeyUse, KeyUses, Result};

#[async_trait]
impl KeyUses for Sqlite {
    async fn note(&self, uses: Vec<KeyUse>) -> Result<()> {
        self.writer.write(move |connection| uses.iter().try_for_each(|one| note(connection, one))).await
    }

    async fn of(&self, keys: Vec<KeyId>) -> Result<HashMap<KeyId, KeyUse>> {
        const SQL: &str = "select key_id, used_at, address from key_use where key_id = ?1";
        let read = |row: &Row<'_>| Ok(KeyUse { key: KeyId(row.get(0)?), at: At(row.get(1)?), address: row.get(2)? });
        let look = move |connection: &_| {
            let mut found = HashMap::new();
            for key in keys {
                found.extend(batch::rows(connection, SQL, [key.0], read)?.into_iter().map(|one| (key, one)));
            }
            Ok(found)
        };
        self.readers.read(look).await
    }
}

fn note(connection: &Connection, one: &KeyUse) -> Result<()> {
    const SQL: &str = "insert into key_use (key_id, used_at, address) values (?1, ?2, ?3) on conflict (key_id) \
                       do update set used_at = excluded.used_at, address = excluded.address \
                       where excluded.used_at > key_use.used_at";
    connection
        .prepare_cached(SQL)
        .and_then(|mut statement| statement.execute((one.key.0, one.at.0, &one.address)))
        .map(|_| ())
        .map_err(fault)
}
