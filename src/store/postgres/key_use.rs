//! [`KeyUses`] on PostgreSQL.

use std::collections::{BTreeMap, HashMap};

use async_trait::async_trait;

use super::Postgres;
use super::encode::get;
use crate::domain::id::KeyId;
use crate::domain::time::At;
use crate::store::{KeyUse, KeyUses, Result};

#[async_trait]
impl KeyUses for Postgres {
    async fn note(&self, uses: Vec<KeyUse>) -> Result<()> {
        const SQL: &str = "insert into key_use (key_id, used_at, address) \
                           select * from unnest($1::bigint[], $2::bigint[], $3::text[]) on conflict (key_id) \
                           do update set used_at = excluded.used_at, address = excluded.address \
                           where excluded.used_at > key_use.used_at";
        // Each key once and in order, as one statement wants it and as two nodes that write at once must.
        let mut latest: BTreeMap<i64, &KeyUse> = BTreeMap::new();
        for one in &uses {
            let known = latest.entry(one.key.0).or_insert(one);
            if one.at > known.at {
                *known = one;
            }
        }
        if latest.is_empty() {
            return Ok(());
        }
        let keys: Vec<i64> = latest.keys().copied().collect();
        let times: Vec<i64> = latest.values().map(|one| one.at.0).collect();
        let addresses: Vec<&str> = latest.values().map(|one| one.address.as_str()).collect();
        self.session().await?.execute(SQL, &[&keys, &times, &addresses]).await.map(|_| ())
    }

    async fn of(&self, keys: Vec<KeyId>) -> Result<HashMap<KeyId, KeyUse>> {
        const SQL: &str = "select key_id, used_at, address from key_use where key_id = any($1)";
        let keys: Vec<i64> = keys.into_iter().map(|key| key.0).collect();
        let rows = self.session().await?.rows(SQL, &[&keys]).await?;
        rows.iter()
            .map(|row| {
                let key = KeyId(get(row, 0)?);
                Ok((key, KeyUse { key, at: At(get(row, 1)?), address: get(row, 2)? }))
            })
            .collect()
    }
}
