//! From a call to batches in the store.
//!
//! A [`Draft`] (fields are valid) becomes a decision (`decide`: the audience is resolved, the caller is
//! authorised), becomes an [`crate::store::Accept`] (`accept`), is stored with others in one commit
//! (`committer`) and answered; never before. What a commit released is handed over to delivery and inbox
//! (`handover`). Work that starts later (`release`) and work that is stopped (`cancel`) take the same roads.

mod accept;
mod cancel;
mod committer;
mod decide;
mod defaults;
mod handover;
mod pace;
mod plan;
mod preview;
mod proof;
mod release;
mod review;
mod say;
mod tie;
mod times;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;

pub use accept::{Receipt, Warning};
pub use cancel::CancelAnswer;
use committer::{CommitParts, Committer};
use handover::Handover;
pub use handover::{FreshBatches, Providers, Released, ShownLeg};
use pace::Pace;
pub use plan::{ChannelPlan, INBOX_PROVIDER};
pub use preview::{ClauseCount, Count, DepartmentCount, Person, Preview, SAMPLE_MAX, Wish};
pub use proof::{PROOF_MAX, Proof};
pub use review::{Approved, Deciding, Notices, ReviewItem, ReviewStatus};

use crate::access::review::{Panels, Rules};
use crate::access::{Applications, Audit, Grants, Policy, Seal, Topics};
use crate::audience::Index;
pub use crate::domain::message::Draft;
use crate::runtime::clock::SharedClock;
use crate::runtime::ids::IdSource;
use crate::runtime::tasks::Tasks;
use crate::store::Store;

/// What a publisher works with; cheap to clone.
#[derive(Clone)]
pub struct Parts {
    /// The truth.
    pub store: Store,
    /// The directory in memory.
    pub index: Arc<Index>,
    /// The decision about rights, and the grants in memory that it is made from.
    pub policy: Arc<Policy>,
    /// Who did what; what is published is written down by the commit itself.
    pub audit: Audit,
    /// The same grants, to be refreshed when a commit saw newer ones.
    pub grants: Arc<Grants>,
    /// Which messages need a second person.
    pub rules: Rules,
    /// Who that may be.
    pub panels: Arc<dyn Panels>,
    /// Signs what reviewers were shown.
    pub seal: Arc<Seal>,
    /// The connected applications in memory.
    pub applications: Arc<Applications>,
    /// The declared topics in memory.
    pub topics: Arc<Topics>,
    /// Where message ids come from.
    pub ids: Arc<IdSource>,
    /// The clock.
    pub clock: SharedClock,
    /// Takes fresh batches.
    pub delivery: Arc<dyn FreshBatches>,
    /// Hears of app legs that became visible or hidden.
    pub inbox: Arc<dyn Released>,
    /// The installation's channels.
    pub providers: Arc<dyn Providers>,
    /// Notified when a commit saw that the change feed is ahead of the index; whoever follows the feed waits
    /// for it beside its own interval.
    pub behind: Arc<Notify>,
    /// Breaks the promise that nothing is answered before the commit.
    #[cfg(feature = "sabotage")]
    pub answer_before_commit: bool,
}

impl Parts {
    /// The name of a department (the store's key); empty if there is none.
    fn department_name(&self, id: i64) -> String {
        self.index.snapshot().tree().get(id).map_or_else(String::new, |department| department.name.clone())
    }
}

/// Publishes, previews and cancels; cheap to clone.
#[derive(Clone)]
pub struct Publisher {
    parts: Arc<Parts>,
    committer: Committer,
    paces: Arc<Paces>,
}

/// How often one principal may ask for what is not work of machines.
struct Paces {
    previews: Pace,
    proofs: Pace,
}

impl Publisher {
    /// Starts the committer and the tasks that release and cut. They end with `tasks`: publishes that are
    /// queued by then are still committed, later ones are refused with `DRAINING`.
    #[must_use]
    pub fn start(parts: Parts, tasks: &Tasks) -> Publisher {
        let cut = Arc::new(Notify::new());
        let handover = Handover { delivery: parts.delivery.clone(), inbox: parts.inbox.clone(), cut };
        release::start(&parts, &handover, tasks);
        review::sweep::start(&parts, tasks);
        let commit_parts = CommitParts {
            messages: parts.store.messages.clone(),
            handover,
            #[cfg(feature = "sabotage")]
            answer_before_commit: parts.answer_before_commit,
        };
        let committer = Committer::start(commit_parts, tasks);
        let paces = Paces {
            previews: Pace::of("previews", 120, Duration::from_secs(1)),
            proofs: Pace::of("trial copies", 20, Duration::from_secs(30)),
        };
        Publisher { committer, parts: Arc::new(parts), paces: Arc::new(paces) }
    }
}
