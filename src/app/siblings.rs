//! Adapters between use-cases that may not know one another.

use std::sync::Arc;

use crate::coordination::{Hint, Hints};
use crate::delivery::{self, ProviderReport, ProviderState};
use crate::domain::batch::{Claimed, ProviderId};
use crate::domain::channel::Channel;
use crate::domain::class::Lane;
use crate::domain::id::{LegId, MessageId};
use crate::inbox::{self, Inboxes};
use crate::operations::{Delivery, ProviderHealth, ProviderWord};
use crate::publish::{FreshBatches, Released, ShownLeg};
use crate::store::{LegMaterial, Members};

/// Tells the inboxes, here and on other nodes, what publishing released.
pub(super) struct Streams {
    pub(super) inboxes: Inboxes,
    pub(super) hints: Arc<dyn Hints>,
}

impl Released for Streams {
    fn shown(&self, leg: ShownLeg) {
        let ShownLeg { leg, facts, content, members, visible_at } = leg;
        let only = match &members {
            Members::One(ordinal) => Some(*ordinal),
            Members::Many(_) => None,
        };
        self.hints.tell(Hint::Shown { leg, visible_at, only });
        self.inboxes.shown(inbox::ShownLeg { leg, visible_at, facts, content, members });
    }

    fn hidden(&self, leg: LegId) {
        self.hints.tell(Hint::Hidden { leg });
        self.inboxes.hidden(leg);
    }
}

/// Gives this node's engine what publishing released, and lets other nodes know of what is left to them.
pub(super) struct Batches {
    pub(super) engine: delivery::Handle,
    pub(super) hints: Arc<dyn Hints>,
}

impl FreshBatches for Batches {
    fn epoch(&self) -> i64 {
        FreshBatches::epoch(&self.engine)
    }

    fn room(&self, provider: &ProviderId, lane: Lane) -> usize {
        FreshBatches::room(&self.engine, provider, lane)
    }

    fn batch_size(&self, provider: &ProviderId, channel: Channel) -> u64 {
        FreshBatches::batch_size(&self.engine, provider, channel)
    }

    fn is_held(&self, provider: &ProviderId) -> bool {
        FreshBatches::is_held(&self.engine, provider)
    }

    fn take(&self, batches: Vec<Claimed>, material: LegMaterial) {
        FreshBatches::take(&self.engine, batches, material);
    }

    fn wake(&self) {
        FreshBatches::wake(&self.engine);
        self.hints.tell(Hint::Wake);
    }

    fn cancelled(&self, message: MessageId) {
        FreshBatches::cancelled(&self.engine, message);
        self.hints.tell(Hint::Cancelled { message });
    }
}

/// Tells operators of this node's delivery.
pub(super) struct Engines(pub(super) delivery::Handle);

impl Delivery for Engines {
    fn epoch(&self) -> i64 {
        self.0.epoch()
    }

    fn providers(&self) -> Vec<ProviderWord> {
        self.0.providers().into_iter().map(word).collect()
    }
}

fn word(report: ProviderReport) -> ProviderWord {
    let health = match report.state {
        ProviderState::Working => ProviderHealth::Working,
        ProviderState::CoolingDown => ProviderHealth::CoolingDown,
        ProviderState::Failing => ProviderHealth::Failing,
        ProviderState::OnTrial => ProviderHealth::OnTrial,
        ProviderState::Held => ProviderHealth::Held,
    };
    ProviderWord {
        id: report.id.to_string(),
        channel: report.channel,
        health,
        since: report.since,
        calls: report.calls,
        recent_calls: report.recent_calls,
        recent_failures: report.recent_failures,
        open: u32::try_from(report.open).unwrap_or(u32::MAX),
        trouble: report.last.map(|(kind, words, at)| (kind.name().to_owned(), words.to_string(), at)),
    }
}
