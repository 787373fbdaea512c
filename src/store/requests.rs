//! Requests for grants.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::encode::{json, unjson};
use super::{Result, grant};
use crate::domain::access::{Grant, Principal};
use crate::domain::id::{GrantId, RequestId};
use crate::domain::request::{Request, RequestState, RequestVote};
use crate::domain::time::At;

/// Requests for grants.
#[async_trait]
pub trait Requests: Send + Sync {
    /// Stores a new request.
    async fn make(&self, request: Request) -> Result<()>;

    /// One request.
    async fn request(&self, id: RequestId) -> Result<Option<Request>>;

    /// At most `limit` requests with ids below `before`, newest first.
    async fn list(&self, filter: RequestFilter, before: Option<RequestId>, limit: usize) -> Result<Vec<Request>>;

    /// Writes down a decision and, with it in one transaction, the grant that the request becomes. `false`, and
    /// nothing written, if the request is not open any more or has another version than the decision was made on.
    async fn decide(&self, decided: Decided) -> Result<bool>;

    /// Ends at most `limit` open requests whose time is over, the oldest first, and returns them.
    async fn lapse(&self, now: At, limit: usize) -> Result<Vec<RequestId>>;
}

/// Which requests to list; `None` is no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RequestFilter {
    /// Asked for by this person.
    pub requester: Option<u32>,
    /// In this state.
    pub state: Option<RequestState>,
}

/// A decision on a request.
#[derive(Clone, Debug)]
pub struct Decided {
    /// The request.
    pub id: RequestId,
    /// The version that was decided on.
    pub version: i64,
    /// Where it stands now.
    pub state: RequestState,
    /// The decision.
    pub vote: RequestVote,
    /// The grant that it becomes.
    pub grant: Option<Grant>,
}

#[derive(Serialize, Deserialize)]
struct Body {
    wanted: String,
    holder: i64,
    why: String,
    votes: Vec<RequestVote>,
}

/// The columns of a request beside its text.
pub(super) struct Columns {
    pub(super) id: i64,
    pub(super) requester: u32,
    pub(super) home: i64,
    pub(super) state: RequestState,
    pub(super) due_at: i64,
    pub(super) grant_id: Option<i64>,
    pub(super) version: i64,
}

/// The text of what has no column.
pub(super) fn body(request: &Request) -> Result<String> {
    let Request { wanted, why, votes, .. } = request;
    json(&Body {
        wanted: grant::body(wanted)?,
        holder: wanted.principal.code(),
        why: why.clone(),
        votes: votes.clone(),
    })
}

/// The text with one more decision in it.
pub(super) fn voted(body: &str, vote: RequestVote) -> Result<String> {
    let mut body: Body = unjson(body, "a request")?;
    body.votes.push(vote);
    json(&body)
}

/// The request of a row.
pub(super) fn read(columns: Columns, body: &str) -> Result<Request> {
    let body: Body = unjson(body, "a request")?;
    let principal = Principal::from_code(body.holder);
    Ok(Request {
        id: RequestId(columns.id),
        requester: columns.requester,
        wanted: grant::read(GrantId(columns.id), principal, None, 1, &body.wanted)?,
        home: columns.home,
        why: body.why,
        state: columns.state,
        due_at: At(columns.due_at),
        votes: body.votes,
        grant_id: columns.grant_id.map(GrantId),
        version: columns.version,
    })
}
