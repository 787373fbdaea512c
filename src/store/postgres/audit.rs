//! [`Audit`] on PostgreSQL. Entries are sealed by one node at a time.

use async_trait::async_trait;
use tokio_postgres::Row;

use super::Postgres;
use super::encode::get;
use super::session::{Session, Value};
use crate::domain::audit::chain::{FITS_NOTHING, START, hash_in, heads_bytes, heads_in};
use crate::domain::audit::{Action, Checkpoint, Entry, Head, Object};
use crate::domain::id::MessageId;
use crate::domain::time::At;
use crate::store::audit::{COMMITS_NEAR, Chains};
use crate::store::encode::signed;
use crate::store::{Audit, EntryFilter, EntryPlace, Result};

/// Writes an unsealed entry; its values are [`Values`].
pub(super) const APPEND: &str = "insert into audit_unsealed (epoch, at, actor, key_id, action, object_kind, object, \
     messages, denied, digest) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";
/// The columns of a sealed entry.
const SEALED: &str = "epoch, sequence, at, actor, key_id, action, object_kind, object, messages, denied, digest, hash";
const CHECKPOINTS: &str = "select number, at, entries, heads, previous, signature from audit_checkpoint";
/// Held while somebody seals; keys and grants are locked by their ids, which are larger.
const SEAL_LOCK: i64 = 4_001;

#[async_trait]
impl Audit for Postgres {
    async fn append(&self, entry: Entry) -> Result<()> {
        let values = Values::of(&entry);
        self.session().await?.execute(APPEND, &values.all()).await.map(|_| ())
    }

    async fn seal(&self, epoch: i64, limit: usize) -> Result<usize> {
        const ANY: &str = "select 1 from audit_unsealed where epoch = $1 \
                           or epoch not in (select id from node where state = 1) limit 1";
        if self.session().await?.maybe(ANY, &[&epoch]).await?.is_none() {
            return Ok(0);
        }
        self.seal_some(epoch, signed(limit as u64)).await
    }

    async fn list(&self, filter: EntryFilter, from: Option<EntryPlace>, limit: usize) -> Result<Vec<Entry>> {
        let (session, from) = (self.session().await?, from.unwrap_or(EntryPlace::LAST));
        if let Some(Object::Message(id)) = filter.object {
            return Ok(filter.about(near(&session, id.0).await?, from, limit));
        }
        let (after, before) = filter.span();
        let action = filter.action.map(Action::code);
        let (kind, object) = filter.object.map(Object::codes).unzip();
        let limit = signed(limit as u64);
        let mut values: Vec<Value<'_>> = vec![&after, &before, &from.at.0, &from.epoch, &from.sequence, &limit];
        let mut wanted = String::new();
        if action.is_some() {
            values.push(&action);
            wanted.push_str(&format!(" and action = ${}", values.len()));
        }
        if object.is_some() {
            values.extend([&object as Value<'_>, &kind]);
            wanted.push_str(&format!(" and object = ${} and object_kind = ${}", values.len() - 1, values.len()));
        }
        let sql = format!(
            "select {SEALED} from audit where at >= $1 and at < $2 and (at, epoch, sequence) <= ($3, $4, $5){wanted} \
             order by at desc, epoch desc, sequence desc limit $6"
        );
        session.rows(&sql, &values).await?.iter().map(sealed).collect()
    }

    async fn chain(&self, after: (i64, i64), limit: usize) -> Result<Vec<Entry>> {
        let sql =
            format!("select {SEALED} from audit where (epoch, sequence) > ($1, $2) order by epoch, sequence limit $3");
        let rows = self.session().await?.rows(&sql, &[&after.0, &after.1, &signed(limit as u64)]).await?;
        rows.iter().map(sealed).collect()
    }

    async fn heads(&self) -> Result<Vec<Head>> {
        const SQL: &str = "select epoch, sequence, hash from audit_head order by epoch";
        self.session().await?.rows(SQL, &[]).await?.iter().map(head).collect()
    }

    async fn put_checkpoint(&self, checkpoint: Checkpoint) -> Result<()> {
        const SQL: &str = "insert into audit_checkpoint (number, at, entries, heads, previous, signature) \
                           values ($1, $2, $3, $4, $5, $6)";
        let Checkpoint { number, at, entries, heads, previous, signature } = checkpoint;
        let (heads, previous) = (heads_bytes(&heads), &previous[..]);
        let values: [Value<'_>; 6] = [&number, &at.0, &entries, &heads, &previous, &signature];
        self.session().await?.execute(SQL, &values).await.map(|_| ())
    }

    async fn checkpoints(&self, after: i64, limit: usize) -> Result<Vec<Checkpoint>> {
        let sql = format!("{CHECKPOINTS} where number > $1 order by number limit $2");
        self.session().await?.rows(&sql, &[&after, &signed(limit as u64)]).await?.iter().map(checkpoint).collect()
    }

    async fn last_checkpoint(&self) -> Result<Option<Checkpoint>> {
        let sql = format!("{CHECKPOINTS} order by number desc limit 1");
        self.session().await?.maybe(&sql, &[]).await?.as_ref().map(checkpoint).transpose()
    }
}

impl Postgres {
    async fn seal_some(&self, epoch: i64, limit: i64) -> Result<usize> {
        const LOCK: &str = "select pg_advisory_xact_lock($1)";
        const WAITING: &str = "select epoch, id, at, actor, key_id, action, object_kind, object, messages, denied, \
                               digest from audit_unsealed where epoch = $1 \
                               or epoch not in (select id from node where state = 1) order by id limit $2";
        const HEADS: &str = "select epoch, sequence, hash from audit_head where epoch = any($1::bigint[])";
        const INSERT: &str = "with gone as (delete from audit_unsealed where id = any($1::bigint[]) returning id, epoch, \
             at, actor, key_id, action, object_kind, object, messages, denied, digest) \
             insert into audit (epoch, sequence, at, actor, key_id, action, object_kind, object, messages, denied, \
             digest, hash) select epoch, sequence, at, actor, key_id, action, object_kind, object, messages, denied, \
             digest, hash from gone join unnest($1::bigint[], $2::bigint[], $3::bytea[]) \
             as place (id, sequence, hash) using (id)";
        const MOVE: &str = "insert into audit_head (epoch, sequence, hash) \
             select * from unnest($1::bigint[], $2::bigint[], $3::bytea[]) \
             on conflict (epoch) do update set sequence = excluded.sequence, hash = excluded.hash";
        let session = self.transaction().await?;
        session.rows(LOCK, &[&SEAL_LOCK]).await?;
        let waiting = session.rows(WAITING, &[&epoch, &limit]).await?;
        let epochs: Vec<i64> = waiting.iter().map(|row| get(row, 0)).collect::<Result<_>>()?;
        let heads = session.rows(HEADS, &[&epochs]).await?;
        let mut chains = Chains::of(heads.iter().map(head).collect::<Result<Vec<_>>>()?);
        let (mut ids, mut sequences, mut hashes) = (Vec::new(), Vec::new(), Vec::new());
        for row in &waiting {
            let mut entry = says(row, get(row, 0)?, 0, START)?;
            chains.seal(&mut entry);
            ids.push(get::<i64>(row, 1)?);
            sequences.push(entry.sequence);
            hashes.push(entry.hash.to_vec());
        }
        session.execute(INSERT, &[&ids, &sequences, &hashes]).await?;
        let heads = chains.heads();
        let epochs: Vec<i64> = heads.iter().map(|head| head.epoch).collect();
        let sequences: Vec<i64> = heads.iter().map(|head| head.sequence).collect();
        let hashes: Vec<&[u8]> = heads.iter().map(|head| &head.hash[..]).collect();
        session.execute(MOVE, &[&epochs, &sequences, &hashes]).await?;
        session.commit().await?;
        Ok(waiting.len())
    }
}

/// The entries that may be about a message: its own, and the publish commits just before it.
async fn near(session: &Session, id: i64) -> Result<Vec<Entry>> {
    let (kind, _) = Object::Message(MessageId(id)).codes();
    let sql = format!("select {SEALED} from audit where object = $1 and object_kind = $2");
    let own = session.rows(&sql, &[&id, &kind]).await?;
    let sql = format!(
        "select {SEALED} from audit where object < $1 and object_kind = $2 and action = $3 \
         order by object desc limit $4"
    );
    let commits = session.rows(&sql, &[&id, &kind, &Action::MessagePublish.code(), &COMMITS_NEAR]).await?;
    own.iter().chain(&commits).map(sealed).collect()
}

/// The values of [`APPEND`].
#[derive(Default)]
pub(super) struct Values {
    numbers: [i64; 8],
    messages: Vec<u8>,
    digest: Vec<u8>,
}

impl Values {
    /// Those of an entry.
    pub(super) fn of(entry: &Entry) -> Values {
        let (kind, object) = entry.object;
        let Entry { epoch, at, actor, key, action, denied, .. } = *entry;
        let numbers = [epoch, at.0, actor, key, action, kind, object, i64::from(denied)];
        Values { numbers, messages: entry.messages.clone(), digest: entry.digest.to_vec() }
    }

    /// In the order of the statement.
    pub(super) fn all(&self) -> [Value<'_>; 10] {
        let [epoch, at, actor, key, action, kind, object, denied] = &self.numbers;
        [epoch, at, actor, key, action, kind, object, &self.messages, denied, &self.digest]
    }
}

fn checkpoint(row: &Row) -> Result<Checkpoint> {
    Ok(Checkpoint {
        number: get(row, 0)?,
        at: At(get(row, 1)?),
        entries: get(row, 2)?,
        heads: heads_in(get(row, 3)?),
        previous: hash_in(get(row, 4)?),
        signature: get(row, 5)?,
    })
}

fn head(row: &Row) -> Result<Head> {
    Ok(Head { epoch: get(row, 0)?, sequence: get(row, 1)?, hash: hash_in(get(row, 2)?) })
}

fn sealed(row: &Row) -> Result<Entry> {
    says(row, get(row, 0)?, get(row, 1)?, hash_in(get(row, 11)?))
}

/// An entry whose columns behind its place begin at the third.
fn says(row: &Row, epoch: i64, sequence: i64, hash: [u8; 32]) -> Result<Entry> {
    let denied: i64 = get(row, 9)?;
    Ok(Entry {
        epoch,
        sequence,
        at: At(get(row, 2)?),
        actor: get(row, 3)?,
        key: get(row, 4)?,
        action: get(row, 5)?,
        object: (get(row, 6)?, get(row, 7)?),
        messages: get(row, 8)?,
        denied: denied != 0,
        digest: hash_in(get(row, 10)?),
        hash: if matches!(denied, 0 | 1) { hash } else { FITS_NOTHING },
    })
}
