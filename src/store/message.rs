//! Messages and legs: the publish commit, reading back, release, cutting and cancelling.

use std::sync::Arc;

use async_trait::async_trait;

use super::facts::Texts;
use super::{ClauseMembers, Result};
use crate::domain::access::Principal;
use crate::domain::batch::{Claimed, ProviderId};
use crate::domain::channel::Channel;
use crate::domain::class::Lane;
use crate::domain::content::Content;
use crate::domain::id::{GrantId, KeyId, LegId, MessageId};
use crate::domain::leg::Leg;
use crate::domain::message::{MessageFacts, MessageState};
use crate::domain::outcome::{Outcome, Reason};
use crate::domain::review::{Opening, Timing};
use crate::domain::set::Set;
use crate::domain::time::At;

/// Messages and legs.
///
/// A message to one person takes the short path: content and member in its own row, one batch row per leg
/// that holds the leg's single outcome, one personal row. All other messages have leg rows, segments and
/// batches as slices. Readers see both alike.
#[async_trait]
pub trait Messages: Send + Sync {
    /// The publish commit: one transaction for the group, one answer per item, in order. In this order, for
    /// each item: its key and grants must have the given versions and not be revoked; the change feed must not
    /// be ahead of `directory_seq`; the idempotency key must be new; the day's quota must suffice. Then the
    /// message, its legs and, if it is released, its first batches are stored: an app leg is settled as sent
    /// at once and visible, of any other leg up to 100 batches are cut. Fresh batches of a plan with
    /// `claim_max` are claimed for the node's `epoch` and returned in the answer, lowest ordinals first.
    ///
    /// The group is gathered when the transaction begins, so that what comes in until then need not wait for the
    /// next one.
    async fn accept_gathered(&self, gathering: Gathering, epoch: i64) -> Result<Vec<Accepted>>;

    /// [`Messages::accept_gathered`] of a group that is complete.
    async fn accept(&self, group: Vec<Accept>, epoch: i64) -> Result<Vec<Accepted>> {
        let group = group.into_iter().map(Encoded::of).collect::<Result<Vec<_>>>()?;
        self.accept_gathered(Box::new(|| group), epoch).await
    }

    /// The message that a principal stored under an idempotency key, with the digest of its request.
    async fn by_key(&self, principal: Principal, key: &str) -> Result<Option<(MessageRow, [u8; 32])>>;

    /// One message.
    async fn message(&self, id: MessageId) -> Result<Option<MessageRow>>;

    /// At most `limit` messages with ids below `before`, newest first.
    async fn list(&self, filter: MessageFilter, before: Option<MessageId>, limit: usize) -> Result<Vec<MessageRow>>;

    /// The legs of a message with their counts, by number; none before its release.
    async fn legs(&self, id: MessageId) -> Result<Vec<Leg>>;

    /// Who the message is for; the snapshot.
    async fn members(&self, id: MessageId) -> Result<Set>;

    /// The clauses of a message's expression in which a person of the snapshot was, ascending. Means nothing for
    /// somebody who is not of the snapshot, and is empty where no clauses are kept.
    async fn clauses(&self, id: MessageId, ordinal: u32) -> Result<Vec<u32>>;

    /// Every outcome of a leg's members between two ordinals (both included), oldest first, `Pending` moves
    /// left out. Sets are cut to the range. Who is in no row is pending.
    async fn outcomes(&self, leg: LegId, from: u32, to: u32) -> Result<Vec<OutcomeRow>>;

    /// Scheduled messages whose time has come, oldest first.
    async fn due(&self, now: At, limit: usize) -> Result<Vec<MessageId>>;

    /// Releases a scheduled message as `accept` releases an immediate one. `None` if it is not scheduled any
    /// more.
    async fn release(&self, id: MessageId, plans: Vec<LegPlan>, at: At, epoch: i64) -> Result<Option<Stored>>;

    /// Ends a scheduled message that may not be released: `Rejected` or `Expired`. Its legs are made by the
    /// plans and every member is settled with the reason, as expired or suppressed; nothing becomes visible.
    /// `false`, and nothing written, for a message in another state.
    async fn reject(
        &self,
        id: MessageId,
        plans: Vec<LegPlan>,
        state: MessageState,
        reason: Reason,
        at: At,
    ) -> Result<bool>;

    /// Legs whose batches are not all made, oldest first.
    async fn cutting(&self, limit: usize) -> Result<Vec<LegId>>;

    /// Makes up to `batches_max` more batches of a leg, advancing `cut_to` in the same transaction. Returns
    /// whether more are to be made.
    async fn cut(&self, leg: LegId, batches_max: usize, at: At) -> Result<bool>;

    /// Writes the tombstone (once; the first time stays) and one settlement per leg for every member that no
    /// node holds: unclaimed batches are closed, uncut members settled as cancelled, app legs hidden. Calling
    /// it again only counts. An open review of a message that was not released is dropped. `None` if there is no
    /// such message.
    async fn cancel(&self, id: MessageId, at: At) -> Result<Option<Cancelled>>;
}

/// An authorised, resolved publish on its way into the store.
#[derive(Clone, Debug)]
pub struct Accept {
    /// The facts.
    pub facts: MessageFacts,
    /// Unique per principal.
    pub idempotency_key: String,
    /// SHA-256 of the canonical request.
    pub digest: [u8; 32],
    /// What it says.
    pub content: Arc<Content>,
    /// Whom it is for.
    pub members: Members,
    /// Which of them were in which clause of the expression; empty for lists and for a single clause.
    pub clauses: Vec<ClauseMembers>,
    /// The key's version when it was checked.
    pub key: (KeyId, i64),
    /// The grants used and their versions when they were checked.
    pub grants: Vec<(GrantId, i64)>,
    /// Count these people against a day's quota: the grant, the day, its limit.
    pub quota: Option<(GrantId, i64, u64)>,
    /// Release now; otherwise it waits for `facts.send_at`.
    pub released: bool,
    /// The review that opens with it. One before sending holds the message, whatever `released` says.
    pub review: Option<Opening>,
    /// One plan per channel of `facts.channels`, in the same order.
    pub plans: Vec<LegPlan>,
}

impl Accept {
    /// Whether it waits for reviewers.
    #[must_use]
    pub fn is_held(&self) -> bool {
        self.review.as_ref().is_some_and(|review| review.timing == Timing::Before)
    }

    /// Whether its legs are made at once.
    #[must_use]
    pub fn is_released(&self) -> bool {
        self.released && !self.is_held()
    }
}

/// A publish with what its columns of JSON will hold: encoded before it waits for a commit, by whoever brings it.
#[derive(Clone, Debug)]
pub struct Encoded {
    pub(super) item: Accept,
    pub(super) texts: Texts,
}

impl Encoded {
    /// Encodes a publish.
    ///
    /// # Errors
    /// [`super::Error::Damaged`]: it cannot be said in JSON.
    pub fn of(item: Accept) -> Result<Encoded> {
        Ok(Encoded { texts: Texts::of(&item)?, item })
    }

    /// The publishes and what was encoded of them, in the same order.
    pub(super) fn unzip(group: Vec<Encoded>) -> (Vec<Accept>, Vec<Texts>) {
        group.into_iter().map(|Encoded { item, texts }| (item, texts)).unzip()
    }
}

/// Gives the publishes of one commit; called once, when its transaction begins, and not at all if it cannot begin.
pub type Gathering = Box<dyn FnOnce() -> Vec<Encoded> + Send>;

/// Whom a message is for.
#[derive(Clone, Debug)]
pub enum Members {
    /// One person: the short path.
    One(u32),
    /// Two or more people.
    Many(Arc<Set>),
}

impl Members {
    /// How many people.
    #[must_use]
    pub fn len(&self) -> u64 {
        match self {
            Members::One(_) => 1,
            Members::Many(set) => set.len(),
        }
    }

    /// Nobody.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// How a leg is to be delivered.
#[derive(Clone, Debug)]
pub struct LegPlan {
    /// The channel.
    pub channel: Channel,
    /// Its provider; the inbox needs none, `app` then.
    pub provider: ProviderId,
    /// Its lane.
    pub lane: Lane,
    /// At most so many deliveries in a batch, 1 to [`crate::domain::leg::BATCH_MAX`].
    pub batch_size: u64,
    /// How many fresh batches this node takes at once.
    pub claim_max: usize,
}

/// The answer to one item of a publish commit.
#[derive(Clone, Debug)]
pub enum Accepted {
    /// It is stored.
    Stored(Stored),
    /// The key is known. The request's digest tells whether it is the same request.
    Duplicate {
        /// The stored message.
        message: Box<MessageRow>,
        /// The stored digest equals the given one.
        same: bool,
    },
    /// The API key changed or was revoked since it was checked.
    KeyChanged,
    /// A grant changed or was revoked since it was checked.
    GrantChanged(GrantId),
    /// The directory moved on; resolve again at `head`.
    DirectoryMoved {
        /// The number of the last change.
        head: i64,
    },
    /// The day's quota does not suffice.
    QuotaExhausted {
        /// People reached today.
        used: u64,
    },
}

/// What a commit stored and what is to be done next.
#[derive(Clone, Debug, Default)]
pub struct Stored {
    /// Fresh batches that belong to this node already.
    pub claimed: Vec<Claimed>,
    /// Some batches wait for a claim, or some are not cut yet.
    pub more: bool,
}

/// A message as stored.
#[derive(Clone, Debug)]
pub struct MessageRow {
    /// What never changes.
    pub facts: MessageFacts,
    /// Where it stands.
    pub state: MessageState,
    /// When it was cancelled.
    pub cancelled_at: Option<At>,
    /// What it says.
    pub content: Arc<Content>,
    /// The one member of a short message.
    pub only_member: Option<u32>,
}

/// Which messages to list. `None` is no limit.
#[derive(Clone, Debug, Default)]
pub struct MessageFilter {
    /// Published by.
    pub principal: Option<Principal>,
    /// Spoken by the department with this key.
    pub department_id: Option<i64>,
    /// In one of these states; empty: in any.
    pub states: Vec<MessageState>,
    /// With this reference, exactly.
    pub reference: Option<String>,
    /// Created at or after.
    pub created_after: Option<At>,
    /// Created before.
    pub created_before: Option<At>,
}

/// What became of a cancel so far: `sent + stopped + open` is the members of all released legs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cancelled {
    /// The state now.
    pub closed: bool,
    /// Deliveries that ended in any way but cancelled.
    pub sent: u64,
    /// Deliveries that were cancelled.
    pub stopped: u64,
    /// Deliveries that a node still holds.
    pub open: u64,
}

/// Some members of a leg that share an outcome.
#[derive(Clone, Debug)]
pub struct OutcomeRow {
    /// Who.
    pub set: Set,
    /// What became of them.
    pub outcome: Outcome,
    /// Why.
    pub reason: Reason,
    /// When.
    pub at: At,
    /// Which try it was.
    pub attempt: u32,
    /// The provider; `None` where none was called.
    pub provider: Option<ProviderId>,
    /// References or words of the provider, one a line.
    pub detail: Option<Arc<str>>,
}
