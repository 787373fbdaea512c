//! Reads the metrics from their owners.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::keeper::Deeds;
use crate::audience::Index;
use crate::coordination::Mode;
use crate::delivery::{self, ProviderReport, ProviderState};
use crate::domain::channel::Channel;
use crate::domain::outcome::Outcome;
use crate::inbox::Inboxes;
use crate::operations::BooksView;
use crate::telemetry::health::ReadFigures;
use crate::telemetry::metrics::{ChannelOutcome, Figures, ModeName, ProviderName};

/// Who knows the figures.
pub(super) struct Sources {
    pub(super) engine: delivery::Handle,
    pub(super) inboxes: Inboxes,
    pub(super) index: Arc<Index>,
    pub(super) books: BooksView,
    pub(super) deeds: Arc<Deeds>,
    pub(super) mode: Arc<dyn Fn() -> Mode + Send + Sync>,
}

impl Sources {
    /// A reader for the metrics page.
    pub(super) fn reader(self) -> ReadFigures {
        Arc::new(move || self.read())
    }

    fn read(&self) -> Figures {
        let Sources { engine, inboxes, index, books, deeds, mode } = self;
        let now = mode();
        let activity = engine.activity();
        let pairs = Channel::ALL.into_iter().flat_map(|channel| Outcome::ALL.map(|outcome| (channel, outcome)));
        let verdicts = pairs.filter_map(|(channel, outcome)| {
            let n = activity.verdicts(channel, outcome);
            (n > 0).then(|| (ChannelOutcome { channel: channel.name(), outcome: outcome.name() }, n))
        });
        Figures {
            calls_total: activity.calls(),
            verdicts_total: verdicts.collect(),
            fences_dropped_total: activity.fences_dropped(),
            settle_failures_total: activity.settle_failures(),
            providers_held: engine.providers().into_iter().map(held).collect(),
            coordination_modes: Mode::ALL.map(|one| (ModeName { mode: one.name() }, u64::from(one == now))).into(),
            leases_lost_total: deeds.lost.load(Ordering::Relaxed),
            nodes_taken_over_total: deeds.taken_over.load(Ordering::Relaxed),
            node_epoch: u64::try_from(engine.epoch()).unwrap_or(0),
            calls_open: activity.open(),
            batches_held: activity.held(),
            inbox_streams: inboxes.streams() as u64,
            directory_seq: u64::try_from(index.seq()).unwrap_or(0),
            books_unbalanced: books.unbalanced(),
            books_balanced_at_s: u64::try_from(books.balanced_at_ms() / 1_000).unwrap_or(0),
        }
    }
}

fn held(report: ProviderReport) -> (ProviderName, u64) {
    let held = matches!(report.state, ProviderState::Held | ProviderState::OnTrial);
    (ProviderName { provider: report.id.to_string() }, u64::from(held))
}
