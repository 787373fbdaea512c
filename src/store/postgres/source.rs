//! [`Sources`] on PostgreSQL.

use std::collections::HashSet;
use std::sync::Arc;

use async_trait::async_trait;

use super::encode::{get, head, small};
use super::feed::Feed;
use super::session::Session;
use super::{Postgres, leaving, member, upsert};
use crate::domain::directory::{UserDraft, UserKind};
use crate::domain::set::Set;
use crate::domain::time::At;
use crate::store::members::MemberChanges;
use crate::store::users::NO_SOURCE;
use crate::store::{Difference, Result, Sources};

#[async_trait]
impl Sources for Postgres {
    async fn people(&self, source: &str) -> Result<Set> {
        const SQL: &str = "select ordinal from \"user\" where source_id = $1 and status in (1, 2)";
        let session = self.whole_snapshot().await?;
        let Some(id) = id_of(&session, source).await? else { return Ok(Set::new()) };
        session.rows(SQL, &[&id]).await?.iter().map(|row| small(row, 0)).collect()
    }

    async fn compare(&self, source: &str, rows: Vec<UserDraft>, coming: Arc<HashSet<String>>) -> Result<Difference> {
        let session = self.whole_snapshot().await?;
        let id = id_of(&session, source).await?.unwrap_or(NO_SOURCE);
        let seq = head(&session).await?;
        Ok(Difference::of(&upsert::plan(&session, rows, Some(id), &coming, seq).await?))
    }

    async fn put(&self, source: &str, rows: Vec<UserDraft>, at: At) -> Result<Difference> {
        let session = self.whole_transaction().await?;
        let feed = Feed::lock(&session).await?;
        let id = made(&session, source).await?;
        let plan = upsert::plan(&session, rows, Some(id), &HashSet::new(), feed.seq()).await?;
        let found = Difference::of(&plan);
        let written = upsert::write(&session, feed, plan, at).await?;
        session.commit().await?;
        Ok(Difference { ended: written.ended, seq: written.seq, ..found })
    }

    async fn leave(&self, source: &str, people: Set, at: At) -> Result<Difference> {
        let session = self.whole_transaction().await?;
        let found = leave(&session, source, &people, at).await?;
        session.commit().await?;
        Ok(found)
    }
}

async fn leave(session: &Session, source: &str, people: &Set, at: At) -> Result<Difference> {
    const SQL: &str = "update \"user\" set status = 4, version = version + 1 \
                       where ordinal = any($1) and source_id = $2 and status in (1, 2) returning ordinal, kind";
    const EVERYONE: &str = "select id from tag where kind = 5";
    let mut feed = Feed::lock(session).await?;
    let mut found = Difference::default();
    let Some(id) = id_of(session, source).await? else { return Ok(found) };
    let everyone = session.maybe(EVERYONE, &[]).await?.map(|row| get::<i64>(&row, 0)).transpose()?;
    let ordinals: Vec<i64> = people.iter().map(i64::from).collect();
    let mut changes = MemberChanges::default();
    for row in session.rows(SQL, &[&ordinals, &id]).await? {
        let ordinal = small(&row, 0)?;
        found.leaving.insert(ordinal);
        if let Some(everyone) = everyone.filter(|_| get::<i64>(&row, 1).ok() == Some(UserKind::Person as i64)) {
            changes.remove(everyone, ordinal);
        }
    }
    member::write(session, &mut feed, changes).await?;
    found.ended = leaving::end(session, &mut feed, &found.leaving, at).await?;
    found.seq = feed.write(session, at).await?;
    Ok(found)
}

/// The number of a source, which is made if it is new.
async fn made(session: &Session, name: &str) -> Result<i64> {
    match id_of(session, name).await? {
        Some(id) => Ok(id),
        None => get(&session.one("insert into source (name) values ($1) returning id", &[&name]).await?, 0),
    }
}

async fn id_of(session: &Session, name: &str) -> Result<Option<i64>> {
    let row = session.maybe("select id from source where name = $1", &[&name]).await?;
    row.map(|row| get(&row, 0)).transpose()
}
