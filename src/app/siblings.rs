//! Adapters between use-cases that may not know one another.

use crate::delivery::{self, ProviderReport, ProviderState};
use crate::domain::id::LegId;
use crate::inbox::{self, Inboxes};
use crate::operations::{Delivery, ProviderHealth, ProviderWord};
use crate::publish::{Released, ShownLeg};

/// Tells the inboxes what publishing released.
pub(super) struct Streams(pub(super) Inboxes);

impl Released for Streams {
    fn shown(&self, leg: ShownLeg) {
        let ShownLeg { leg, facts, content, members, visible_at } = leg;
        self.0.shown(inbox::ShownLeg { leg, visible_at, facts, content, members });
    }

    fn hidden(&self, leg: LegId) {
        self.0.hidden(leg);
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
