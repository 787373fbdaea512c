//! [`Sources`] on SQLite.

use std::collections::HashSet;
use std::sync::Arc;

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension};

use super::reader::snapshot;
use super::{Sqlite, fault, leaving, member, tag, upsert};
use crate::domain::directory::{TagKind, UserDraft, UserKind};
use crate::domain::set::Set;
use crate::domain::time::At;
use crate::store::members::MemberChanges;
use crate::store::users::NO_SOURCE;
use crate::store::{Difference, Result, Sources};

#[async_trait]
impl Sources for Sqlite {
    async fn people(&self, source: &str) -> Result<Set> {
        const SQL: &str = "select ordinal from user where source_id = ?1 and status in (1, 2)";
        let source = source.to_owned();
        let read = move |connection: &Connection| {
            let Some(id) = id_of(connection, &source)? else { return Ok(Set::new()) };
            let mut statement = connection.prepare_cached(SQL).map_err(fault)?;
            let mut rows = statement.query([id]).map_err(fault)?;
            let mut people = Set::new();
            while let Some(row) = rows.next().map_err(fault)? {
                people.insert(row.get::<_, u32>(0).map_err(fault)?);
            }
            Ok(people)
        };
        self.readers.read(move |connection| snapshot(connection, read)).await
    }

    async fn compare(&self, source: &str, rows: Vec<UserDraft>, coming: Arc<HashSet<String>>) -> Result<Difference> {
        let source = source.to_owned();
        let read = move |connection: &Connection| {
            let id = id_of(connection, &source)?.unwrap_or(NO_SOURCE);
            Ok(Difference::of(&upsert::plan(connection, rows, Some(id), &coming)?))
        };
        self.readers.read(move |connection| snapshot(connection, read)).await
    }

    async fn put(&self, source: &str, rows: Vec<UserDraft>, at: At) -> Result<Difference> {
        let source = source.to_owned();
        let write = move |connection: &Connection| {
            let plan = upsert::plan(connection, rows, Some(made(connection, &source)?), &HashSet::new())?;
            let found = Difference::of(&plan);
            let written = upsert::write(connection, plan, at)?;
            Ok(Difference { ended: written.ended, seq: written.seq, ..found })
        };
        self.writer.write(write).await
    }

    async fn leave(&self, source: &str, people: Set, at: At) -> Result<Difference> {
        let source = source.to_owned();
        self.writer.write(move |connection| leave(connection, &source, &people, at)).await
    }
}

fn leave(connection: &Connection, source: &str, people: &Set, at: At) -> Result<Difference> {
    const SQL: &str = "update user set status = 4, version = version + 1 \
                       where ordinal = ?1 and source_id = ?2 and status in (1, 2) returning kind";
    let mut found = Difference::default();
    let Some(id) = id_of(connection, source)? else { return Ok(found) };
    let everyone = tag::id_of(connection, TagKind::Everyone, "")?;
    let mut changes = MemberChanges::default();
    for ordinal in people {
        let kind: Option<i64> = connection
            .prepare_cached(SQL)
            .and_then(|mut statement| statement.query_row((ordinal, id), |row| row.get(0)).optional())
            .map_err(fault)?;
        let Some(kind) = kind else { continue };
        found.leaving.insert(ordinal);
        if let Some(everyone) = everyone.filter(|_| kind == UserKind::Person as i64) {
            changes.remove(everyone, ordinal);
        }
    }
    member::write(connection, changes, at)?;
    found.ended = leaving::end(connection, &found.leaving, at)?;
    found.seq = super::encode::head(connection, "change")?;
    Ok(found)
}

/// The number of a source, which is made if it is new.
fn made(connection: &Connection, name: &str) -> Result<i64> {
    if let Some(id) = id_of(connection, name)? {
        return Ok(id);
    }
    connection
        .prepare_cached("insert into source (name) values (?1) returning id")
        .and_then(|mut statement| statement.query_row([name], |row| row.get(0)))
        .map_err(fault)
}

fn id_of(connection: &Connection, name: &str) -> Result<Option<i64>> {
    connection
        .prepare_cached("select id from source where name = ?1")
        .and_then(|mut statement| statement.query_row([name], |row| row.get(0)).optional())
        .map_err(fault)
}
