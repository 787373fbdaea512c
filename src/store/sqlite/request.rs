//! [`Requests`] on SQLite.

use async_trait::async_trait;
use rusqlite::{Connection, Params, Row};

use super::encode::known;
use super::{Sqlite, access, fault, feed};
use crate::domain::change::ChangeCode;
use crate::domain::id::RequestId;
use crate::domain::request::{Request, RequestState};
use crate::domain::time::At;
use crate::store::requests::{self, Columns};
use crate::store::{Decided, RequestFilter, Requests, Result};

const COLUMNS: &str = "select id, requester, home, state, due_at, grant_id, version, body from request";

#[async_trait]
impl Requests for Sqlite {
    async fn make(&self, request: Request) -> Result<()> {
        const SQL: &str = "insert into request (id, requester, home, state, due_at, grant_id, version, body) \
                           values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
        let write = move |connection: &Connection| {
            let body = requests::body(&request)?;
            let Request { id, requester, home, state, due_at, grant_id, version, .. } = request;
            let values = (id.0, requester, home, state as i64, due_at.0, grant_id.map(|grant| grant.0), version, body);
            connection.prepare_cached(SQL).and_then(|mut statement| statement.execute(values)).map_err(fault)?;
            Ok(())
        };
        self.writer.write(write).await
    }

    async fn request(&self, id: RequestId) -> Result<Option<Request>> {
        let read = move |connection: &Connection| Ok(found(connection, "where id = ?1", [id.0])?.pop());
        self.readers.read(read).await
    }

    async fn list(&self, filter: RequestFilter, before: Option<RequestId>, limit: usize) -> Result<Vec<Request>> {
        const WHICH: &str = "where id < ?1 and (?2 is null or requester = ?2) and (?3 is null or state = ?3) \
                             order by id desc limit ?4";
        let before = before.map_or(i64::MAX, |id| id.0);
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let values = (before, filter.requester, filter.state.map(|state| state as i64), limit);
        self.readers.read(move |connection| found(connection, WHICH, values)).await
    }

    async fn decide(&self, decided: Decided) -> Result<bool> {
        self.writer.write(move |connection| decide(connection, decided)).await
    }

    async fn lapse(&self, now: At, limit: usize) -> Result<Vec<RequestId>> {
        const SQL: &str = "update request set state = ?1, version = version + 1 where id in \
                           (select id from request where state = ?2 and due_at <= ?3 order by due_at limit ?4) \
                           returning id";
        let values =
            (RequestState::Lapsed as i64, RequestState::Open as i64, now.0, i64::try_from(limit).unwrap_or(i64::MAX));
        let write = move |connection: &Connection| {
            let mut statement = connection.prepare_cached(SQL).map_err(fault)?;
            let rows = statement.query_map(values, |row| row.get(0).map(RequestId)).map_err(fault)?;
            rows.collect::<rusqlite::Result<Vec<_>>>().map_err(fault)
        };
        self.writer.write(write).await
    }
}

fn decide(connection: &Connection, decided: Decided) -> Result<bool> {
    const SQL: &str = "update request set state = ?2, grant_id = ?3, body = ?4, version = version + 1 where id = ?1";
    let Decided { id, version, state, vote, grant } = decided;
    let Some((body, open)) = text(connection, id, version)? else { return Ok(false) };
    if !open {
        return Ok(false);
    }
    let at = vote.at;
    let body = requests::voted(&body, vote)?;
    let values = (id.0, state as i64, grant.as_ref().map(|grant| grant.id.0), body);
    connection.prepare_cached(SQL).and_then(|mut statement| statement.execute(values)).map_err(fault)?;
    if let Some(grant) = grant {
        access::insert_grant(connection, &grant)?;
        feed::append(connection, at, ChangeCode::Grant, grant.id.0)?;
    }
    Ok(true)
}

/// The text of a request that has this version, and whether it is open.
fn text(connection: &Connection, id: RequestId, version: i64) -> Result<Option<(String, bool)>> {
    let mut statement =
        connection.prepare_cached("select body, state from request where id = ?1 and version = ?2").map_err(fault)?;
    let mut rows = statement.query((id.0, version)).map_err(fault)?;
    let Some(row) = rows.next().map_err(fault)? else { return Ok(None) };
    let state: i64 = row.get(1).map_err(fault)?;
    Ok(Some((row.get(0).map_err(fault)?, state == RequestState::Open as i64)))
}

fn found(connection: &Connection, which: &str, values: impl Params) -> Result<Vec<Request>> {
    let mut statement = connection.prepare_cached(&format!("{COLUMNS} {which}")).map_err(fault)?;
    let mut rows = statement.query(values).map_err(fault)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next().map_err(fault)? {
        found.push(read(row)?);
    }
    Ok(found)
}

fn read(row: &Row<'_>) -> Result<Request> {
    let columns = Columns {
        id: row.get(0).map_err(fault)?,
        requester: row.get(1).map_err(fault)?,
        home: row.get(2).map_err(fault)?,
        state: known(RequestState::from_code(row.get(3).map_err(fault)?), "request")?,
        due_at: row.get(4).map_err(fault)?,
        grant_id: row.get(5).map_err(fault)?,
        version: row.get(6).map_err(fault)?,
    };
    let body: String = row.get(7).map_err(fault)?;
    requests::read(columns, &body)
}
