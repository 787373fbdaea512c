//! The unit of claim and recovery, and what a settlement writes about it.

use std::sync::Arc;

use super::channel::Channel;
use super::class::Lane;
use super::id::{BatchId, LegId};
use super::outcome::{Outcome, Reason};
use super::set::Set;
use super::time::At;

/// Names a configured provider: `email.default`, `wechat.default`, `stub`.
pub type ProviderId = Arc<str>;

/// The provider of every leg under a test key.
pub const STUB_PROVIDER: &str = "stub";

/// Proof that a node owns a batch: every settlement is tested against it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Fence {
    /// The batch.
    pub batch: BatchId,
    /// The epoch of the owning node's lease.
    pub epoch: i64,
    /// How often the batch was claimed, this claim included.
    pub claims: u32,
}

/// A batch that this node owns.
#[derive(Clone, Debug)]
pub struct Claimed {
    /// Proof of ownership.
    pub fence: Fence,
    /// The leg.
    pub leg: LegId,
    /// The leg's channel.
    pub channel: Channel,
    /// The provider to call.
    pub provider: ProviderId,
    /// [`super::access::Principal::code`] of the publisher, for fair shares.
    pub principal: i64,
    /// The lane.
    pub lane: Lane,
    /// Which try this is; 1 is the first.
    pub attempt: u32,
    /// What is still to be delivered: members less what is settled.
    pub members: Pending,
    /// Calls up to this ordinal may have begun under an earlier claim; `None` if none has.
    pub opened_to: Option<u32>,
    /// The message is one person's and its batch row holds the single outcome.
    pub short: bool,
}

/// The open members of a claimed batch.
#[derive(Clone, Debug)]
pub enum Pending {
    /// One person.
    One(u32),
    /// Some people.
    Many(Set),
}

impl Pending {
    /// How many people.
    #[must_use]
    pub fn len(&self) -> u64 {
        match self {
            Pending::One(_) => 1,
            Pending::Many(set) => set.len(),
        }
    }

    /// Nobody is left.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The ordinals, ascending.
    pub fn ordinals(&self) -> Box<dyn Iterator<Item = u32> + Send + '_> {
        match self {
            Pending::One(ordinal) => Box::new(std::iter::once(*ordinal)),
            Pending::Many(set) => Box::new(set.iter()),
        }
    }
}

/// Some members of a batch that got the same outcome for the same reason.
#[derive(Clone, Debug, PartialEq)]
pub struct Settled {
    /// The outcome; never `Pending`.
    pub outcome: Outcome,
    /// Why.
    pub reason: Reason,
    /// Who.
    pub set: Set,
    /// The providers' references or words, one a line; no addresses.
    pub detail: Option<Arc<str>>,
}

/// Some members of a batch that will be tried again.
#[derive(Clone, Debug, PartialEq)]
pub struct Again {
    /// Who.
    pub set: Set,
    /// When.
    pub due_at: At,
    /// Which try that will be.
    pub attempt: u32,
    /// The provider's words; no addresses.
    pub detail: Option<Arc<str>>,
}

/// What a flush writes about one batch.
#[derive(Clone, Debug)]
pub struct Settlement {
    /// Proof of ownership; rows are dropped and counted if it no longer holds.
    pub fence: Fence,
    /// The leg.
    pub leg: LegId,
    /// See [`Claimed::short`].
    pub short: bool,
    /// Which try this was.
    pub attempt: u32,
    /// When.
    pub at: At,
    /// Outcomes.
    pub settled: Vec<Settled>,
    /// Moves to new batches of the same leg.
    pub again: Vec<Again>,
    /// Nothing of the batch is left: close it.
    pub done: bool,
}

impl Settlement {
    /// The message was cancelled: whoever would be tried again is not.
    pub fn call_off_retries(&mut self) {
        let called_off = std::mem::take(&mut self.again).into_iter().map(|Again { set, detail, .. }| Settled {
            outcome: Outcome::Cancelled,
            reason: Reason::CancelledByPerson,
            set,
            detail,
        });
        self.settled.extend(called_off);
    }
}
