//! [`Audit`] on SQLite.

use async_trait::async_trait;
use rusqlite::{Connection, Params, Row};

use super::batch::rows;
use super::encode::signed;
use super::{Sqlite, fault};
use crate::domain::audit::chain::{FITS_NOTHING, START, hash_in, heads_bytes, heads_in};
use crate::domain::audit::{Action, Checkpoint, Entry, Head, Object};
use crate::domain::id::MessageId;
use crate::domain::time::At;
use crate::store::audit::{COMMITS_NEAR, Chains};
use crate::store::{Audit, EntryFilter, EntryPlace, Result};

/// The columns of an entry, sealed or not, behind its place.
const SAYS: &str = "at, actor, key_id, action, object_kind, object, messages, denied, digest";
/// Of unsealed entries: those that a node may seal.
const UNSEALED: &str = "audit_unsealed where epoch = ?1 or epoch not in (select id from node where state = 1)";
const CHECKPOINTS: &str = "select number, at, entries, heads, previous, signature from audit_checkpoint";

#[async_trait]
impl Audit for Sqlite {
    async fn append(&self, entry: Entry) -> Result<()> {
        self.writer.write(move |connection| append(connection, &entry)).await
    }

    async fn seal(&self, epoch: i64, limit: usize) -> Result<usize> {
        let waiting = move |connection: &Connection| {
            let sql = format!("select exists (select 1 from {UNSEALED})");
            connection
                .prepare_cached(&sql)
                .and_then(|mut found| found.query_row([epoch], |row| row.get(0)))
                .map_err(fault)
        };
        // Mostly there is nothing to do, and the writer need not stop for that.
        if !self.readers.read(waiting).await? {
            return Ok(0);
        }
        self.writer.write(move |connection| seal(connection, epoch, limit)).await
    }

    async fn list(&self, filter: EntryFilter, from: Option<EntryPlace>, limit: usize) -> Result<Vec<Entry>> {
        let from = from.unwrap_or(EntryPlace::LAST);
        self.readers
            .read(move |connection| match filter.object {
                Some(Object::Message(id)) => Ok(filter.about(near(connection, id.0)?, from, limit)),
                _ => list(connection, &filter, from, limit),
            })
            .await
    }

    async fn chain(&self, after: (i64, i64), limit: usize) -> Result<Vec<Entry>> {
        let (epoch, sequence) = after;
        let sql = format!(
            "select epoch, sequence, {SAYS}, hash from audit where (epoch, sequence) > (?1, ?2) \
             order by epoch, sequence limit ?3"
        );
        self.readers.read(move |connection| rows(connection, &sql, (epoch, sequence, count(limit)), sealed)).await
    }

    async fn heads(&self) -> Result<Vec<Head>> {
        let sql = "select epoch, sequence, hash from audit_head order by epoch";
        self.readers.read(move |connection| rows(connection, sql, [], head)).await
    }

    async fn put_checkpoint(&self, checkpoint: Checkpoint) -> Result<()> {
        self.writer.write(move |connection| put_checkpoint(connection, &checkpoint)).await
    }

    async fn checkpoints(&self, after: i64, limit: usize) -> Result<Vec<Checkpoint>> {
        let sql = format!("{CHECKPOINTS} where number > ?1 order by number limit ?2");
        self.readers.read(move |connection| rows(connection, &sql, (after, count(limit)), checkpoint)).await
    }

    async fn last_checkpoint(&self) -> Result<Option<Checkpoint>> {
        let sql = format!("{CHECKPOINTS} order by number desc limit 1");
        self.readers.read(move |connection| Ok(rows(connection, &sql, [], checkpoint)?.pop())).await
    }
}

/// Writes an unsealed entry.
pub(super) fn append(connection: &Connection, entry: &Entry) -> Result<()> {
    let (kind, object) = entry.object;
    let values = rusqlite::params![
        entry.epoch,
        entry.at.0,
        entry.actor,
        entry.key,
        entry.action,
        kind,
        object,
        entry.messages,
        entry.denied,
        &entry.digest[..],
    ];
    let sql = "insert into audit_unsealed (epoch, at, actor, key_id, action, object_kind, object, messages, denied, \
               digest) values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";
    execute(connection, sql, values)
}

fn seal(connection: &Connection, epoch: i64, limit: usize) -> Result<usize> {
    let sql = format!("select id, epoch, {SAYS} from {UNSEALED} order by id limit ?2");
    let read = |row: &Row<'_>| Ok((row.get::<_, i64>(0)?, says(row, row.get(1)?, 0, 2, START)?));
    let waiting: Vec<(i64, Entry)> = rows(connection, &sql, (epoch, count(limit)), read)?;
    let mut epochs: Vec<i64> = waiting.iter().map(|(_, entry)| entry.epoch).collect();
    epochs.sort_unstable();
    epochs.dedup();
    let mut heads = Vec::with_capacity(epochs.len());
    for epoch in epochs {
        let sql = "select epoch, sequence, hash from audit_head where epoch = ?1";
        heads.extend(rows(connection, sql, [epoch], head)?);
    }
    let mut chains = Chains::of(heads);
    let sealed = waiting.len();
    for (id, mut entry) in waiting {
        chains.seal(&mut entry);
        insert(connection, &entry)?;
        execute(connection, "delete from audit_unsealed where id = ?1", [id])?;
    }
    for Head { epoch, sequence, hash } in chains.heads() {
        let sql = "insert into audit_head (epoch, sequence, hash) values (?1, ?2, ?3) \
                   on conflict (epoch) do update set sequence = excluded.sequence, hash = excluded.hash";
        execute(connection, sql, (epoch, sequence, &hash[..]))?;
    }
    Ok(sealed)
}

fn insert(connection: &Connection, entry: &Entry) -> Result<()> {
    let (kind, object) = entry.object;
    let values = rusqlite::params![
        entry.epoch,
        entry.sequence,
        entry.at.0,
        entry.actor,
        entry.key,
        entry.action,
        kind,
        object,
        entry.messages,
        entry.denied,
        &entry.digest[..],
        &entry.hash[..],
    ];
    let sql = "insert into audit (epoch, sequence, at, actor, key_id, action, object_kind, object, messages, denied, \
               digest, hash) values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)";
    execute(connection, sql, values)
}

/// The entries that may be about a message: its own, and the publish commits just before it.
fn near(connection: &Connection, id: i64) -> Result<Vec<Entry>> {
    let (kind, _) = Object::Message(MessageId(id)).codes();
    let sql = format!("select epoch, sequence, {SAYS}, hash from audit where object = ?1 and object_kind = ?2");
    let mut found = rows(connection, &sql, (id, kind), sealed)?;
    let sql = format!(
        "select epoch, sequence, {SAYS}, hash from audit where object < ?1 and object_kind = ?2 and action = ?3 \
         order by object desc limit ?4"
    );
    found.extend(rows(connection, &sql, (id, kind, Action::MessagePublish.code(), COMMITS_NEAR), sealed)?);
    Ok(found)
}

fn list(connection: &Connection, filter: &EntryFilter, from: EntryPlace, limit: usize) -> Result<Vec<Entry>> {
    let (after, before) = filter.span();
    let mut values = vec![after, before, from.at.0, from.epoch, from.sequence, count(limit)];
    let mut wanted = String::new();
    if let Some(action) = filter.action {
        values.push(action.code());
        wanted.push_str(&format!(" and action = ?{}", values.len()));
    }
    if let Some((kind, id)) = filter.object.map(Object::codes) {
        values.extend([id, kind]);
        wanted.push_str(&format!(" and object = ?{} and object_kind = ?{}", values.len() - 1, values.len()));
    }
    let sql = format!(
        "select epoch, sequence, {SAYS}, hash from audit where at >= ?1 and at < ?2 \
         and (at, epoch, sequence) <= (?3, ?4, ?5){wanted} order by at desc, epoch desc, sequence desc limit ?6"
    );
    rows(connection, &sql, rusqlite::params_from_iter(values), sealed)
}

fn put_checkpoint(connection: &Connection, checkpoint: &Checkpoint) -> Result<()> {
    let Checkpoint { number, at, entries, heads, previous, signature } = checkpoint;
    let sql = "insert into audit_checkpoint (number, at, entries, heads, previous, signature) \
               values (?1, ?2, ?3, ?4, ?5, ?6)";
    execute(connection, sql, (number, at.0, entries, heads_bytes(heads), &previous[..], signature))
}

fn checkpoint(row: &Row<'_>) -> rusqlite::Result<Checkpoint> {
    Ok(Checkpoint {
        number: row.get(0)?,
        at: At(row.get(1)?),
        entries: row.get(2)?,
        heads: heads_in(&row.get::<_, Vec<u8>>(3)?),
        previous: hash_in(&row.get::<_, Vec<u8>>(4)?),
        signature: row.get(5)?,
    })
}

fn head(row: &Row<'_>) -> rusqlite::Result<Head> {
    Ok(Head { epoch: row.get(0)?, sequence: row.get(1)?, hash: hash_in(&row.get::<_, Vec<u8>>(2)?) })
}

fn sealed(row: &Row<'_>) -> rusqlite::Result<Entry> {
    says(row, row.get(0)?, row.get(1)?, 2, hash_in(&row.get::<_, Vec<u8>>(11)?))
}

/// An entry whose columns [`SAYS`] begin at `first`.
fn says(row: &Row<'_>, epoch: i64, sequence: i64, first: usize, hash: [u8; 32]) -> rusqlite::Result<Entry> {
    let denied: i64 = row.get(first + 7)?;
    Ok(Entry {
        epoch,
        sequence,
        at: At(row.get(first)?),
        actor: row.get(first + 1)?,
        key: row.get(first + 2)?,
        action: row.get(first + 3)?,
        object: (row.get(first + 4)?, row.get(first + 5)?),
        messages: row.get(first + 6)?,
        denied: denied != 0,
        digest: hash_in(&row.get::<_, Vec<u8>>(first + 8)?),
        hash: if matches!(denied, 0 | 1) { hash } else { FITS_NOTHING },
    })
}

fn count(limit: usize) -> i64 {
    signed(limit as u64)
}

fn execute(connection: &Connection, sql: &str, values: impl Params) -> Result<()> {
    connection.prepare_cached(sql).and_then(|mut statement| statement.execute(values)).map(|_| ()).map_err(fault)
}
