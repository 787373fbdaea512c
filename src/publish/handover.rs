//! Where publish ends: fresh batches go to delivery, app legs that became visible go to the inbox, and the
//! cutter hears that there is something to cut. Delivery, inbox and the channels stand behind small traits,
//! so that publishing can be tried without them.

use std::sync::Arc;

use tokio::sync::Notify;

use crate::channel::{Registry, wechat};
use crate::delivery;
use crate::domain::access::Mode;
use crate::domain::batch::{Claimed, ProviderId};
use crate::domain::channel::Channel;
use crate::domain::class::Lane;
use crate::domain::content::Content;
use crate::domain::id::{LegId, MessageId};
use crate::domain::leg::BATCH_MAX;
use crate::domain::message::MessageFacts;
use crate::domain::refusal::{Reason, Refusal};
use crate::domain::time::At;
use crate::store::{LegMaterial, Members, Stored};

/// The part of delivery that publishing needs. No method waits.
pub trait FreshBatches: Send + Sync {
    /// The epoch of this node's lease.
    fn epoch(&self) -> i64;

    /// How many fresh batches of a provider and lane this node would start within its lease's short horizon;
    /// what goes beyond stays unowned.
    fn room(&self, provider: &ProviderId, lane: Lane) -> usize;

    /// The most deliveries that a batch of this provider should hold; at least 1.
    fn batch_size(&self, provider: &ProviderId, channel: Channel) -> u64;

    /// Whether the provider takes nothing for now, so that what is meant for it waits.
    fn is_held(&self, provider: &ProviderId) -> bool;

    /// Takes batches of one message that this node owns already, with what its calls need to know.
    fn take(&self, batches: Vec<Claimed>, material: LegMaterial);

    /// Some batches wait for a claim.
    fn wake(&self);

    /// A message was cancelled: start nothing more of it, give its batches up.
    fn cancelled(&self, message: MessageId);
}

/// The engine itself, which drops nothing: what it cannot hold it gives back to the store.
impl FreshBatches for delivery::Handle {
    fn epoch(&self) -> i64 {
        delivery::Handle::epoch(self)
    }

    fn room(&self, provider: &ProviderId, lane: Lane) -> usize {
        delivery::Handle::room(self, provider, lane)
    }

    fn batch_size(&self, provider: &ProviderId, _channel: Channel) -> u64 {
        match self.capacity(provider) {
            // A repeated batch must be the same call, so it must fit one.
            Some(capacity) if capacity.dedupes_identical => capacity.per_call as u64,
            _ => BATCH_MAX,
        }
    }

    fn is_held(&self, provider: &ProviderId) -> bool {
        delivery::Handle::is_held(self, provider)
    }

    fn take(&self, batches: Vec<Claimed>, material: LegMaterial) {
        self.take_with(batches, material);
    }

    fn wake(&self) {
        delivery::Handle::wake(self);
    }

    fn cancelled(&self, message: MessageId) {
        delivery::Handle::cancelled(self, message);
    }
}

/// The part of the inbox that publishing needs. No method waits. Both are hints: the store is the truth.
pub trait Released: Send + Sync {
    /// An app leg became visible to its members.
    fn shown(&self, leg: ShownLeg);

    /// An app leg is hidden again.
    fn hidden(&self, leg: LegId);
}

/// The part of the channels that publishing needs.
pub trait Providers: Send + Sync {
    /// The provider that a channel uses; `None` if the installation has none. Never asked for the inbox.
    fn default_for(&self, channel: Channel) -> Option<ProviderId>;

    /// Whether the content fits the channel's own limits: `FIELD_TOO_LONG` with channel, limit, actual, unit.
    fn check(&self, channel: Channel, content: &Content) -> Result<(), Refusal>;
}

/// The configured providers themselves.
impl Providers for Registry {
    fn default_for(&self, channel: Channel) -> Option<ProviderId> {
        Registry::default_for(self, channel)
    }

    fn check(&self, channel: Channel, content: &Content) -> Result<(), Refusal> {
        match channel {
            Channel::Wechat => wechat::check(content).map_err(|long| {
                let message = format!("The content is {long}. Shorten it, or leave {channel} out.");
                Refusal::new(Reason::FieldTooLong, message)
                    .field(long.field)
                    .with("channel", channel)
                    .with("limit", long.limit)
                    .with("actual", long.actual)
                    .with("unit", long.unit)
            }),
            _ => Ok(()),
        }
    }
}

/// An app leg that became visible, with all that the live stream shows of it.
#[derive(Clone, Debug)]
pub struct ShownLeg {
    /// The leg.
    pub leg: LegId,
    /// The facts of its message.
    pub facts: Arc<MessageFacts>,
    /// What it says.
    pub content: Arc<Content>,
    /// Who sees it.
    pub members: Members,
    /// Since when.
    pub visible_at: At,
}

/// The leg of a message that is an inbox entry. Under a test key there is none: the stub has its app leg.
#[must_use]
pub(super) fn inbox_leg(facts: &MessageFacts) -> Option<LegId> {
    if facts.mode == Mode::Test {
        return None;
    }
    let place = facts.channels.iter().position(|channel| *channel == Channel::App)?;
    u8::try_from(place + 1).ok().map(|number| facts.id.leg(number))
}

/// All of a message that a hand-over may need after its commit.
#[derive(Clone, Debug)]
pub(super) struct Ready {
    pub(super) facts: MessageFacts,
    pub(super) content: Arc<Content>,
    pub(super) department_name: String,
    pub(super) members: Members,
    /// When it was released.
    pub(super) at: At,
}

/// Hands over what a commit made ready; cheap to clone.
#[derive(Clone)]
pub(super) struct Handover {
    pub(super) delivery: Arc<dyn FreshBatches>,
    pub(super) inbox: Arc<dyn Released>,
    pub(super) cut: Arc<Notify>,
}

impl Handover {
    /// After the commit that released one message.
    pub(super) fn done(&self, stored: &mut Stored, ready: Ready) {
        let Ready { facts, content, department_name, members, at: visible_at } = ready;
        if let Some(leg) = inbox_leg(&facts) {
            let (facts, content) = (Arc::new(facts.clone()), content.clone());
            self.inbox.shown(ShownLeg { leg, facts, content, members, visible_at });
        }
        let claimed = std::mem::take(&mut stored.claimed);
        if !claimed.is_empty() {
            self.delivery.take(claimed, LegMaterial { facts, content, department_name, cancelled_at: None });
        }
        if stored.more {
            self.cut.notify_one();
            self.delivery.wake();
        }
    }
}
