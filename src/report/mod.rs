//! What became of messages: one message with its counts, lists, the people of a message one by one, a live
//! view, and totals over time. Reads only, and never counts rows: counts, sets and rollups are kept.

mod explain;
mod history;
mod messages;
mod recipients;
mod totals;
mod watch;

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use parking_lot::Mutex;

pub use explain::{ClauseTest, Explained};
pub use history::{HistoryEntry, HistoryFilter};
pub use messages::{ListFilter, View};
pub use recipients::{DeliveryView, Recipient, RecipientFilter, RecipientState};
pub use totals::{GroupBy, TotalRow, TotalsQuery};
pub use watch::Picture;

use crate::access::{Audit, Caller, Reach};
use crate::audience::{Index, Snapshot};
use crate::domain::access::{KeyScope, Mode};
use crate::domain::id::MessageId;
use crate::domain::message::MessageFacts;
use crate::domain::refusal::{Reason, Refusal};
use crate::domain::set::Set;
use crate::runtime::clock::SharedClock;
use crate::runtime::tasks::Tasks;
use crate::store::{MessageRow, Store};

/// Snapshots of messages kept in memory for paging.
const SNAPSHOTS: usize = 16;

/// Members by message, oldest first.
type Snapshots = Arc<Mutex<VecDeque<(MessageId, Arc<Set>)>>>;

/// Answers questions about messages; cheap to clone.
#[derive(Clone)]
pub struct Reporter {
    store: Store,
    index: Arc<Index>,
    audit: Audit,
    clock: SharedClock,
    tasks: Tasks,
    snapshots: Snapshots,
}

/// What a reporter works with.
pub struct ReporterParts {
    /// The truth.
    pub store: Store,
    /// The directory in memory: people's external ids, and the trees of departments.
    pub index: Arc<Index>,
    /// Who did what.
    pub audit: Audit,
    /// The clock.
    pub clock: SharedClock,
    /// Runs what watches.
    pub tasks: Tasks,
}

impl Reporter {
    /// A reporter over these parts.
    #[must_use]
    pub fn new(parts: ReporterParts) -> Reporter {
        let ReporterParts { store, index, audit, clock, tasks } = parts;
        Reporter { store, index, audit, clock, tasks, snapshots: Arc::default() }
    }

    /// A message that the caller may read: `NOT_FOUND` for absent and foreign ones alike.
    async fn readable(&self, caller: &Caller, id: MessageId) -> Result<MessageRow, Refusal> {
        let row = self.store.messages.message(id).await?;
        let sight = self.sight(caller);
        row.filter(|row| sight.has(&row.facts)).ok_or_else(|| {
            Refusal::new(Reason::NotFound, format!("There is no message {id} that you may read.")).field("message_id")
        })
    }

    fn sight<'a>(&self, caller: &'a Caller) -> Sight<'a> {
        Sight { caller, reach: caller.audited(self.clock.now()), snapshot: self.index.snapshot() }
    }

    /// Who a message is for. A snapshot never changes, so the last few stay in memory.
    async fn members(&self, row: &MessageRow) -> Result<Arc<Set>, Refusal> {
        if let Some(only) = row.only_member {
            return Ok(Arc::new(Set::from_iter([only])));
        }
        let id = row.facts.id;
        if let Some((_, known)) = self.snapshots.lock().iter().find(|(other, _)| *other == id) {
            return Ok(known.clone());
        }
        let members = Arc::new(self.store.messages.members(id).await?);
        let mut snapshots = self.snapshots.lock();
        if snapshots.len() == SNAPSHOTS {
            snapshots.pop_front();
        }
        snapshots.push_back((id, members.clone()));
        Ok(members)
    }
}

impl Reporter {
    /// The store's key of a department. `UNKNOWN_DEPARTMENT` if there is none.
    fn department(&self, external_id: &str) -> Result<i64, Refusal> {
        let snapshot = self.index.snapshot();
        snapshot.tree().by_external_id(external_id).map(|department| department.id).ok_or_else(|| {
            let message = format!("There is no department {external_id:?}; look it up in the directory.");
            Refusal::new(Reason::UnknownDepartment, message).field("department_id")
        })
    }

    /// The store's keys of a department and all below it.
    fn departments_under(&self, external_id: &str) -> Result<BTreeSet<i64>, Refusal> {
        let root = self.department(external_id)?;
        Ok(self.index.snapshot().tree().subtree(root).into_iter().collect())
    }
}

/// What a caller may read: own messages with `READ`, others where an office reaches the department that spoke; a
/// test key sees test messages only.
struct Sight<'a> {
    caller: &'a Caller,
    reach: Reach,
    snapshot: Arc<Snapshot>,
}

impl Sight<'_> {
    fn has(&self, facts: &MessageFacts) -> bool {
        let mode_fits = self.caller.mode() == Mode::Live || facts.mode == Mode::Test;
        let own = self.caller.principal == facts.principal && self.caller.may(KeyScope::Read);
        mode_fits && (own || self.reach.covers(facts.department_id, self.snapshot.tree()))
    }
}
