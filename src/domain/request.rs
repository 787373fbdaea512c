//! Requests for grants: somebody asks, somebody else decides.

use serde::{Deserialize, Serialize};

use super::access::Grant;
use super::id::{GrantId, RequestId};
use super::time::At;

/// Where a request stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum RequestState {
    /// Waits for a decision.
    Open = 1,
    /// Became a grant.
    Granted = 2,
    /// Was refused.
    Refused = 3,
    /// Went back to the person who asked.
    SentBack = 4,
    /// Nobody decided in time.
    Lapsed = 5,
}

impl RequestState {
    /// Every state.
    pub const ALL: [RequestState; 5] = [
        RequestState::Open,
        RequestState::Granted,
        RequestState::Refused,
        RequestState::SentBack,
        RequestState::Lapsed,
    ];

    /// The state with a stored number.
    #[must_use]
    pub fn from_code(code: i64) -> Option<RequestState> {
        RequestState::ALL.into_iter().find(|state| *state as i64 == code)
    }
}

/// What somebody decides on a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RequestDecision {
    /// The department agrees; the platform's administrators decide.
    Agree,
    /// It becomes a grant.
    Grant,
    /// It does not.
    Refuse,
    /// The person should ask for something else.
    SendBack,
}

impl RequestDecision {
    /// Where a request stands after this.
    #[must_use]
    pub fn leads_to(self) -> RequestState {
        match self {
            RequestDecision::Agree => RequestState::Open,
            RequestDecision::Grant => RequestState::Granted,
            RequestDecision::Refuse => RequestState::Refused,
            RequestDecision::SendBack => RequestState::SentBack,
        }
    }
}

/// One decision on a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestVote {
    /// Who decided, by ordinal.
    pub ordinal: u32,
    /// What.
    pub decision: RequestDecision,
    /// What the person remarked.
    pub comment: String,
    /// When.
    pub at: At,
}

/// A request for a grant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Its id.
    pub id: RequestId,
    /// Who asks, by ordinal.
    pub requester: u32,
    /// The grant that is asked for; its id, giver and ceiling mean nothing yet.
    pub wanted: Grant,
    /// The department (the store's key) from which it is asked for: its administrators are the first to decide.
    pub home: i64,
    /// What it is for.
    pub why: String,
    /// Where it stands.
    pub state: RequestState,
    /// When it lapses undecided.
    pub due_at: At,
    /// What was decided, oldest first.
    pub votes: Vec<RequestVote>,
    /// The grant that it became.
    pub grant_id: Option<GrantId>,
    /// Raised by every decision.
    pub version: i64,
}

impl Request {
    /// The department has agreed, and the platform's administrators are to decide.
    #[must_use]
    pub fn is_agreed(&self) -> bool {
        self.votes.iter().any(|vote| vote.decision == RequestDecision::Agree)
    }
}
