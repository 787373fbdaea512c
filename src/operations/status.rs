//! One moment's picture of the service.

use std::time::Duration;

use super::checks::{self, Check};
use super::{OperationsParts, ProviderWord, providers};
use crate::domain::batch::STUB_PROVIDER;
use crate::domain::channel::Channel;
use crate::domain::class::Lane;
use crate::domain::id::LegId;
use crate::domain::node::{NodeState, Roles};
use crate::domain::refusal::Refusal;
use crate::domain::time::At;
use crate::store::{Description, Legs, NodeRow, Waiting};

/// Legs whose faults are spelled out.
const FAULTS_SHOWN: usize = 10;

/// How the service is.
#[derive(Clone, Debug)]
pub struct Picture {
    /// This node's epoch.
    pub epoch: i64,
    /// What the store is.
    pub store: Description,
    /// By how many milliseconds this node's clock is ahead of the store's; negative when behind.
    pub skew_ms: i64,
    /// How nodes agree at the moment: `alone`, `redis` or `apart`.
    pub coordination: &'static str,
    /// What waits, by provider, channel and lane.
    pub waiting: Vec<Waiting>,
    /// The providers, by id.
    pub providers: Vec<ProviderView>,
    /// The nodes that the store remembers, by epoch.
    pub nodes: Vec<NodeView>,
    /// When the books were last found balanced, in the store's time.
    pub balanced_at: Option<At>,
    /// The legs that did not balance at the last check and do not now, with what does not add up.
    pub unbalanced: Vec<(LegId, String)>,
    /// The store's time when it was asked.
    pub now: At,
    /// All of it judged, one sentence each.
    pub checks: Vec<Check>,
}

/// A provider with what waits for it.
#[derive(Clone, Debug)]
pub struct ProviderView {
    /// What the nodes say of it.
    pub word: ProviderWord,
    /// Deliveries that wait for it and that no node holds.
    pub waiting: u64,
    /// It is its channel's default and gets what is not routed elsewhere.
    pub is_default: bool,
}

/// A node.
#[derive(Clone, Debug)]
pub struct NodeView {
    /// Its epoch.
    pub epoch: i64,
    /// What operators call it.
    pub name: String,
    /// What it does.
    pub roles: Roles,
    /// Whether it may own work.
    pub state: NodeState,
    /// When it joined.
    pub started_at: At,
    /// When its lease ends or ended.
    pub lease_until: At,
    /// How long that still is; zero: it is over.
    pub lease_left: Duration,
    /// Batches it holds.
    pub held: u64,
}

/// Takes the picture.
///
/// # Errors
/// Those of the store.
pub(super) async fn picture(parts: &OperationsParts) -> Result<Picture, Refusal> {
    let store = &parts.store.inspection;
    let asked_at = parts.clock.now();
    let now = store.now().await?;
    let answered_at = parts.clock.now();
    let description = store.describe().await?;
    let waiting = store.waiting().await?;
    let words = providers::gathered(&**store, &parts.delivery).await?;
    let nodes = parts.store.nodes.nodes().await?;
    let last = store.last_check().await?;
    let some = last.unbalanced.into_iter().take(FAULTS_SHOWN).collect();
    let books = store.books(Legs::These(some)).await?;
    let mut picture = Picture {
        epoch: parts.delivery.epoch(),
        store: description,
        skew_ms: i64::midpoint(asked_at.0, answered_at.0) - now.0,
        coordination: (parts.coordination)(),
        providers: views(words, &waiting),
        waiting,
        nodes: nodes.into_iter().map(NodeView::from).collect(),
        balanced_at: last.balanced_at,
        unbalanced: books.iter().filter_map(|books| Some((books.leg, books.fault()?))).collect(),
        now,
        checks: Vec::new(),
    };
    picture.checks = checks::of(&picture);
    Ok(picture)
}

fn views(words: Vec<ProviderWord>, waiting: &[Waiting]) -> Vec<ProviderView> {
    let mut served: Vec<Channel> = Vec::new();
    let view = |word: ProviderWord| {
        let is_default = !served.contains(&word.channel);
        served.push(word.channel);
        let of_it = waiting.iter().filter(|row| *row.provider == *word.id);
        ProviderView { waiting: of_it.map(|row| row.waiting).sum(), is_default, word }
    };
    words.into_iter().map(view).collect()
}

impl From<NodeRow> for NodeView {
    fn from(row: NodeRow) -> NodeView {
        let NodeRow { epoch, name, roles, state, started_at, lease_until, lease_left, held } = row;
        NodeView { epoch, name, roles, state, started_at, lease_until, lease_left, held }
    }
}

impl Picture {
    /// How much of a lane waits for providers other than those that are held, and since when the oldest of it
    /// could have gone.
    pub(super) fn overdue(&self, lane: Lane) -> Option<(u64, Duration)> {
        let held = |row: &&Waiting| {
            let provider = self.providers.iter().find(|provider| provider.word.id == *row.provider);
            provider.is_some_and(|provider| provider.word.health >= super::ProviderHealth::OnTrial)
        };
        let rows = self.waiting.iter().filter(|row| row.lane == lane && row.waiting > 0);
        let free: Vec<&Waiting> = rows.filter(|row| !held(row)).collect();
        let oldest = free.iter().filter_map(|row| row.due_at).min()?;
        Some((free.iter().map(|row| row.waiting).sum(), self.now.since(oldest)))
    }

    /// Deliveries that wait for providers which no node is configured with.
    pub(super) fn orphans(&self) -> Vec<(&str, u64)> {
        let known = |id: &str| id == STUB_PROVIDER || self.providers.iter().any(|provider| provider.word.id == id);
        let mut found: Vec<(&str, u64)> = Vec::new();
        for row in self.waiting.iter().filter(|row| row.waiting > 0 && !known(&row.provider)) {
            match found.iter_mut().find(|(id, _)| *id == &*row.provider) {
                Some((_, n)) => *n += row.waiting,
                None => found.push((&row.provider, row.waiting)),
            }
        }
        found
    }
}
