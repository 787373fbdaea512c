//! [`Requests`] on PostgreSQL.

use async_trait::async_trait;
use tokio_postgres::Row;

use super::encode::{get, known, small};
use super::{Postgres, access, feed};
use crate::domain::change::ChangeCode;
use crate::domain::id::RequestId;
use crate::domain::request::{Request, RequestState};
use crate::domain::time::At;
use crate::store::requests::{self, Columns};
use crate::store::{Decided, RequestFilter, Requests, Result};

const COLUMNS: &str = "select id, requester, home, state, due_at, grant_id, version, body from request";

#[async_trait]
impl Requests for Postgres {
    async fn make(&self, request: Request) -> Result<()> {
        const SQL: &str = "insert into request (id, requester, home, state, due_at, grant_id, version, body) \
                           values ($1, $2, $3, $4, $5, $6, $7, $8)";
        let body = requests::body(&request)?;
        let Request { id, requester, home, state, due_at, grant_id, version, .. } = request;
        let (requester, state, grant_id) = (i64::from(requester), state as i64, grant_id.map(|grant| grant.0));
        let session = self.session().await?;
        session.execute(SQL, &[&id.0, &requester, &home, &state, &due_at.0, &grant_id, &version, &body]).await?;
        Ok(())
    }

    async fn request(&self, id: RequestId) -> Result<Option<Request>> {
        let row = self.session().await?.maybe(&format!("{COLUMNS} where id = $1"), &[&id.0]).await?;
        row.as_ref().map(read).transpose()
    }

    async fn list(&self, filter: RequestFilter, before: Option<RequestId>, limit: usize) -> Result<Vec<Request>> {
        let sql = format!(
            "{COLUMNS} where id < $1 and ($2::bigint is null or requester = $2) and ($3::bigint is null or state = $3) \
             order by id desc limit $4"
        );
        let before = before.map_or(i64::MAX, |id| id.0);
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let (requester, state) = (filter.requester.map(i64::from), filter.state.map(|state| state as i64));
        let rows = self.session().await?.rows(&sql, &[&before, &requester, &state, &limit]).await?;
        rows.iter().map(read).collect()
    }

    async fn decide(&self, decided: Decided) -> Result<bool> {
        const READ: &str = "select body from request where id = $1 and version = $2 and state = $3 for update";
        const WRITE: &str =
            "update request set state = $2, grant_id = $3, body = $4, version = version + 1 where id = $1";
        let Decided { id, version, state, vote, grant } = decided;
        let session = self.transaction().await?;
        let open = RequestState::Open as i64;
        let Some(row) = session.maybe(READ, &[&id.0, &version, &open]).await? else { return Ok(false) };
        let at = vote.at;
        let body = requests::voted(get(&row, 0)?, vote)?;
        let grant_id = grant.as_ref().map(|grant| grant.id.0);
        session.execute(WRITE, &[&id.0, &(state as i64), &grant_id, &body]).await?;
        if let Some(grant) = grant {
            access::insert_grant(&session, &grant).await?;
            feed::append(&session, at, ChangeCode::Grant, grant.id.0).await?;
        }
        session.commit().await?;
        Ok(true)
    }

    async fn lapse(&self, now: At, limit: usize) -> Result<Vec<RequestId>> {
        const SQL: &str = "update request set state = $1, version = version + 1 where id in \
                           (select id from request where state = $2 and due_at <= $3 order by due_at limit $4 \
                           for update skip locked) returning id";
        let (lapsed, open) = (RequestState::Lapsed as i64, RequestState::Open as i64);
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let rows = self.session().await?.rows(SQL, &[&lapsed, &open, &now.0, &limit]).await?;
        rows.iter().map(|row| get(row, 0).map(RequestId)).collect()
    }
}

fn read(row: &Row) -> Result<Request> {
    let columns = Columns {
        id: get(row, 0)?,
        requester: small(row, 1)?,
        home: get(row, 2)?,
        state: known(RequestState::from_code(get(row, 3)?), "request")?,
        due_at: get(row, 4)?,
        grant_id: get(row, 5)?,
        version: get(row, 6)?,
    };
    requests::read(columns, get(row, 7)?)
}
