//! Batches and settlements: claim, open, settle, recover.

use std::sync::Arc;

use async_trait::async_trait;

use super::Result;
use super::encode::known;
use crate::domain::address::AddressState;
use crate::domain::batch::{Claimed, Fence, ProviderId, Settlement};
use crate::domain::channel::Channel;
use crate::domain::class::Lane;
use crate::domain::content::Content;
use crate::domain::id::{LegId, MessageId};
use crate::domain::message::MessageFacts;
use crate::domain::time::At;

/// Batches and settlements.
#[async_trait]
pub trait Deliveries: Send + Sync {
    /// Takes up to `max` due batches of one provider and lane, fairly over the publishers that have some,
    /// each publisher's oldest first. Members come without what is settled already; a batch of which nothing
    /// is left is closed and left out.
    async fn claim(&self, claim: Claim) -> Result<Vec<Claimed>>;

    /// Notes, before a hand-over, that calls up to an ordinal may have begun. Returns for each whether its
    /// fence held; a call whose fence did not hold must not be made.
    async fn open(&self, calls: Vec<(Fence, u32)>) -> Result<Vec<bool>>;

    /// The settle commit: one transaction for the group. For every item whose fence holds: outcome rows, new
    /// batches for retries, counters, closing of the batch, and, when nothing of a leg is left, the fold of
    /// its counts into the leg and the rollup, and the end of its message. Of a message that is cancelled by
    /// then nothing is tried again: its retries are settled as cancelled. Items whose fence does not hold
    /// are dropped. Returns for each whether it was written. Settling the same fence again after `done` is
    /// not written.
    async fn settle(&self, group: Vec<Settlement>) -> Result<Vec<bool>>;

    /// Closes up to `limit` open legs of which nothing is left, and ends their messages: those at which a
    /// crash fell between a settle commit and the closing. Returns how many it closed. Where the settle commit
    /// closes legs itself there are none.
    async fn close_complete(&self, limit: usize) -> Result<usize>;

    /// Gives batches back unharmed: they wait again, due at once.
    async fn release(&self, fences: Vec<Fence>) -> Result<()>;

    /// The fences of every batch that an epoch holds, in the order of their ids. What its node does not know of,
    /// it took in a commit whose answer was lost.
    async fn owned(&self, epoch: i64) -> Result<Vec<Fence>>;

    /// What a call of this message needs. `None` if there is no such message.
    async fn material(&self, message: MessageId) -> Result<Option<LegMaterial>>;

    /// Where people can be reached, in the order of `ordinals`.
    async fn reach(&self, channel: Channel, ordinals: Vec<u32>) -> Result<Vec<Reach>>;

    /// How many batches wait or are held, by provider and lane.
    async fn depth(&self) -> Result<Vec<Depth>>;

    /// How many batches of a leg a node holds.
    async fn held(&self, leg: LegId) -> Result<u64>;
}

/// What to claim.
#[derive(Clone, Debug)]
pub struct Claim {
    /// For this provider.
    pub provider: ProviderId,
    /// In this lane.
    pub lane: Lane,
    /// Due by now.
    pub now: At,
    /// At most so many batches.
    pub max: usize,
    /// The claiming node's epoch.
    pub epoch: i64,
    /// Only batches of messages that have ended by `now`, due or not: for a provider that takes no calls.
    pub expired_only: bool,
}

/// What a call needs to know of a message.
#[derive(Clone, Debug)]
pub struct LegMaterial {
    /// The facts.
    pub facts: MessageFacts,
    /// What it says.
    pub content: Arc<Content>,
    /// The name of the department that speaks.
    pub department_name: String,
    /// When it was cancelled.
    pub cancelled_at: Option<At>,
}

/// Where one person can be reached on a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reach {
    /// Who.
    pub ordinal: u32,
    /// The best address, if there is one, and whether it may be used.
    pub address: Option<(Box<str>, AddressState)>,
    /// The person's status lets her receive.
    pub receives: bool,
    /// The person was erased.
    pub erased: bool,
}

/// The address of two columns that both may be absent.
pub(super) fn best(address: Option<String>, state: Option<i64>) -> Result<Option<(Box<str>, AddressState)>> {
    let Some((address, state)) = address.zip(state) else { return Ok(None) };
    let state = known(AddressState::from_code(state), "state of an address")?;
    Ok(Some((address.into_boxed_str(), state)))
}

/// How much waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Depth {
    /// The provider.
    pub provider: ProviderId,
    /// The lane.
    pub lane: Lane,
    /// Batches that nobody holds.
    pub waiting: u64,
    /// Batches that a node holds.
    pub claimed: u64,
    /// The earliest due time of those that wait.
    pub due_at: Option<At>,
}
