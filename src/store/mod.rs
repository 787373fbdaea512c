//! The one truth, behind traits by aggregate. Each trait says what a method writes, in which order rows come
//! back and what happens twice; the conformance suite (`tests/it/store`) holds every backend to it.
//!
//! Only [`Messages::accept`] and [`Deliveries::settle`] span aggregates: the publish commit and the settle
//! commit. Everything is answered after its commit, never before.

mod access;
mod audit;
mod books;
mod clause;
mod credential;
mod delivery;
mod departments;
mod directory;
mod encode;
mod erasure;
mod facts;
mod grant;
mod history;
mod inbox;
mod inspection;
mod key_use;
mod leg;
mod members;
mod message;
mod node;
mod packing;
pub mod postgres;
mod refuse;
mod relation;
mod release;
mod report;
mod requests;
mod review;
mod rights;
mod roles;
mod settling;
mod sources;
pub mod sqlite;
mod tags;
mod topics;
mod users;

use std::sync::Arc;

pub use access::{Access, AccessImage, ApplicationDraft};
pub use audit::{Audit, EntryFilter, EntryPlace};
pub use clause::ClauseMembers;
pub use credential::{Credential, Credentials, Refresh, Turn};
pub use delivery::{Claim, Deliveries, Depth, LegMaterial, Reach};
pub use departments::{DepartmentDraft, Departments};
pub use directory::{Directory, DirectoryImage, Ended, MembersWritten, RowError, TagDraft, UserFilter, UsersWritten};
pub use erasure::{Erased, Erasures};
pub use history::{History, HistoryPage, HistoryQuery};
pub use inbox::{Inbox, PERSONAL_LATEST, PersonalLeg, Receipt, VisibleLeg};
pub use inspection::{Description, Inspection, LastCheck, LegBooks, Legs, Waiting};
pub use key_use::{KeyUse, KeyUses};
pub use message::{
    Accept, Accepted, Cancelled, Encoded, Gathering, LegPlan, Members, MessageFilter, MessageRow, Messages, OutcomeRow,
    Stored,
};
pub use node::{NodeDraft, NodeRow, Nodes};
pub use relation::Relations;
pub use report::{Reports, RollupFilter, RollupRow};
pub use requests::{Decided, RequestFilter, Requests};
pub use review::{Ballot, Cast, Reviews};
pub use roles::Roles;
pub use sources::{Difference, Sources};
pub use topics::Topics;

use crate::domain::refusal::{self, Refusal};

/// A backend's aggregates; cheap to clone.
#[derive(Clone)]
pub struct Store {
    /// Departments, users, tags and the change feed.
    pub directory: Arc<dyn Directory>,
    /// Moves and ends of departments.
    pub departments: Arc<dyn Departments>,
    /// Applications, keys and grants.
    pub access: Arc<dyn Access>,
    /// When keys were used last.
    pub key_uses: Arc<dyn KeyUses>,
    /// Who did what.
    pub audit: Arc<dyn Audit>,
    /// Erasing people.
    pub erasures: Arc<dyn Erasures>,
    /// Access tokens of providers.
    pub credentials: Arc<dyn Credentials>,
    /// Messages and legs.
    pub messages: Arc<dyn Messages>,
    /// Batches and settlements.
    pub deliveries: Arc<dyn Deliveries>,
    /// What people see and what they did about it.
    pub inbox: Arc<dyn Inbox>,
    /// What was sent to one person.
    pub history: Arc<dyn History>,
    /// Which messages refer to which.
    pub relations: Arc<dyn Relations>,
    /// What operators ask.
    pub inspection: Arc<dyn Inspection>,
    /// Nodes and their leases.
    pub nodes: Arc<dyn Nodes>,
    /// Totals.
    pub reports: Arc<dyn Reports>,
    /// The second person of large messages.
    pub reviews: Arc<dyn Reviews>,
    /// Requests for grants.
    pub requests: Arc<dyn Requests>,
    /// Who has which role.
    pub roles: Arc<dyn Roles>,
    /// Declared topics.
    pub topics: Arc<dyn Topics>,
    /// People by the system that they come from.
    pub sources: Arc<dyn Sources>,
}

/// Why the store could not do it. Never says what the data was.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// The disk is full. Nothing was written.
    #[error("the disk is full")]
    Full,
    /// The store did not answer or the transaction failed. Nothing was written.
    #[error("the store is not available: {0}")]
    Unavailable(String),
    /// Stored bytes do not read back.
    #[error("stored data is damaged: {0}")]
    Damaged(String),
    /// The write breaks a rule that only the store can see.
    #[error("{0}")]
    Refused(Refusal),
}

/// What every method of a store returns.
pub type Result<T> = std::result::Result<T, Error>;

impl From<Error> for Refusal {
    fn from(error: Error) -> Refusal {
        use refusal::Reason;
        match error {
            Error::Full => {
                Refusal::new(Reason::StoreFull, "The disk is full; ask the operator to make room, then repeat.")
            }
            Error::Unavailable(_) => {
                Refusal::new(Reason::StoreUnavailable, "The store does not answer; repeat the call with the same key.")
            }
            Error::Damaged(_) => Refusal::new(Reason::Internal, "A fault of the service; the operator's log has it."),
            Error::Refused(refusal) => refusal,
        }
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Error {
        Error::Refused(refusal)
    }
}
