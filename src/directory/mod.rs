//! Departments, users and tags as callers write and read them, and what keeps this node's memory of them true.
//!
//! Every write returns its number in the change feed, after this node's own index has it: whoever wrote
//! something may use it in the next call. Another node waits for the number if the call names it.

mod bulk;
mod check;
mod departments;
mod erase;
mod expiry;
mod follow;
mod leaving;
mod members;
mod moving;
mod sync;
mod tag_write;
mod tags;
mod topics;
mod users;

use std::sync::Arc;

use tokio::sync::Semaphore;

pub use bulk::{UserBulk, UsersUpserted};
pub use departments::{DepartmentView, DepartmentWritten};
pub use erase::ErasureReceipt;
pub use follow::{Follower, Heed, Memory};
pub use members::{MemberEdit, MembersEdited};
pub use moving::{DepartmentMoved, GrantChange};
pub use sync::{
    ENDED_MAX, NO_ROW, SHARE_DEFAULT, SyncDifference, SyncDone, SyncDraft, SyncProgress, SyncRun, SyncTotals,
};
pub use tag_write::TagWritten;
pub use tags::{TagFilter, TagView};
pub use topics::{TopicDraft, TopicView};
pub use users::UserQuery;

pub use crate::store::{DepartmentDraft, RowError, TagDraft};

use crate::access::{Audit, Caller, Policy};
use crate::domain::access::KeyScope;
use crate::domain::refusal::Refusal;
use crate::runtime::clock::SharedClock;
use crate::runtime::ids::IdSource;
use crate::runtime::tasks::Tasks;
use crate::store::Store;

/// Refused rows that an answer lists; the others are only counted.
pub const ROW_ERRORS_MAX: usize = 1_000;

/// The use-cases of the directory; cheap to clone.
#[derive(Clone)]
pub struct Registrar {
    parts: Arc<RegistrarParts>,
    /// Who takes over a whole source at the moment.
    syncing: Arc<Semaphore>,
}

/// What the use-cases of the directory are made of.
#[derive(Clone)]
pub struct RegistrarParts {
    /// The truth.
    pub store: Store,
    /// This node's memory of it.
    pub memory: Memory,
    /// Who did what.
    pub audit: Audit,
    /// What keeps the memory true.
    pub follower: Follower,
    /// Whom grants reach.
    pub policy: Arc<Policy>,
    /// The time.
    pub clock: SharedClock,
    /// Where ids come from.
    pub ids: Arc<IdSource>,
    /// Where what must be done to its end runs.
    pub tasks: Tasks,
}

impl Registrar {
    /// The use-cases over these parts.
    #[must_use]
    pub fn new(parts: RegistrarParts) -> Registrar {
        Registrar { parts: Arc::new(parts), syncing: Arc::new(Semaphore::new(1)) }
    }
}

/// Goes on if the caller may edit tags: with the scope, and with a live key.
fn may_tag(caller: &Caller) -> Result<(), Refusal> {
    caller.require(KeyScope::Tags)?;
    caller.require_live()
}

impl Registrar {
    /// Goes on if the caller may change people and departments: a platform administrator with a live key.
    fn may_write(&self, caller: &Caller) -> Result<(), Refusal> {
        caller.require(KeyScope::Admin)?;
        caller.require_live()?;
        caller.require_platform(self.parts.clock.now())
    }
}

/// The first refused rows, and how many there are.
#[derive(Debug, Default)]
struct Refused {
    errors: Vec<RowError>,
    count: u64,
}

impl Refused {
    fn add(&mut self, row: usize, refusal: Refusal) {
        self.count += 1;
        if self.errors.len() < ROW_ERRORS_MAX {
            self.errors.push(RowError { row, refusal });
        }
    }
}
