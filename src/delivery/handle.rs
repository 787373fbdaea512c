//! What the rest of the service holds of the engine.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::{Mutex, RwLock};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::activity::Activity;
use super::cancel::Tombstones;
use super::lanes::place;
use super::lease::Lease;
use super::material::Material;
use super::view::{ProviderReport, View};
use crate::channel::{Capacity, Registry};
use crate::domain::batch::{Claimed, Fence, STUB_PROVIDER};
use crate::domain::channel::Channel;
use crate::domain::class::Lane;
use crate::domain::id::MessageId;
use crate::domain::outcome::Outcome;
use crate::runtime::clock::SharedClock;
use crate::store::LegMaterial;

/// A running engine; cheap to clone.
#[derive(Clone)]
pub struct Handle {
    shared: Arc<Shared>,
}

impl Handle {
    pub(super) fn new(shared: Arc<Shared>) -> Handle {
        Handle { shared }
    }

    /// The epoch under which this node claims.
    #[must_use]
    pub fn epoch(&self) -> i64 {
        self.shared.lease().epoch
    }

    /// How many fresh batches the engine would take now for a provider and lane; 0 for an unknown provider,
    /// while the engine stops and where it does not deliver. Nothing is reserved: what comes beyond twice the room is given back to
    /// the store.
    #[must_use]
    pub fn room(&self, provider: &str, lane: Lane) -> usize {
        if !self.shared.takes() {
            return 0;
        }
        let view = self.shared.view(provider).filter(|(_, view)| !view.is_held());
        view.map_or(0, |(_, view)| view.windows[place(lane)].room())
    }

    /// Whether a provider takes nothing until its settings or credentials are mended.
    #[must_use]
    pub fn is_held(&self, provider: &str) -> bool {
        self.shared.view(provider).is_some_and(|(_, view)| view.is_held())
    }

    /// Hands over batches that are claimed under [`Handle::epoch`]. Never blocks.
    pub fn take(&self, claimed: Vec<Claimed>) {
        self.shared.take_fresh(claimed, None);
    }

    /// The same for batches of one message, when the caller knows already what the engine would have to read
    /// of it.
    pub fn take_with(&self, claimed: Vec<Claimed>, material: LegMaterial) {
        self.shared.take_fresh(claimed, Some(Material::new(material)));
    }

    /// Something waits in the store.
    pub fn wake(&self) {
        self.shared.inbox.lock().wake = true;
        self.shared.signal.notify_one();
    }

    /// From now on nothing of this message starts; what the engine holds of it and did not start is settled
    /// as cancelled. To be called after the store has the tombstone.
    pub fn cancelled(&self, message: MessageId) {
        #[cfg(feature = "sabotage")]
        if crate::runtime::sabotage::chosen().ignore_cancels {
            return;
        }
        self.shared.tombstones.add(message);
        self.shared.inbox.lock().cancels.push(message);
        self.shared.signal.notify_one();
    }

    /// What a provider takes. `None` for an unknown one.
    #[must_use]
    pub fn capacity(&self, provider: &str) -> Option<Capacity> {
        self.shared.view(provider).map(|(_, view)| view.capacity)
    }

    /// The lease was renewed, or the node has joined anew. No call begins that may outlive the lease, and what
    /// is open when it ends is cut off. With another epoch everything held is dropped: it is somebody else's.
    pub fn set_lease(&self, lease: Lease) {
        self.shared.inbox.lock().lease = Some(lease);
        self.shared.signal.notify_one();
    }

    /// Stops gracefully: begins no call, waits for the open ones, commits what is decided and gives the rest
    /// back to the store. Returns whether all that was done within the deadline.
    pub async fn stop(&self, deadline: Duration) -> bool {
        self.shared.stopping.store(true, Ordering::Relaxed);
        self.shared.inbox.lock().stop = Some(deadline);
        self.shared.signal.notify_one();
        let ended = tokio::time::timeout(deadline + Duration::from_secs(1), self.shared.ended.cancelled()).await;
        ended.is_ok() && self.shared.ended_clean.load(Ordering::Relaxed)
    }

    /// How every provider but the stub does.
    #[must_use]
    pub fn providers(&self) -> Vec<ProviderReport> {
        let now = self.shared.clock.monotonic();
        self.shared.views.iter().filter(|view| &*view.id != STUB_PROVIDER).map(|view| view.report(now)).collect()
    }

    /// What the engine did and is doing.
    #[must_use]
    pub fn activity(&self) -> &Activity {
        &self.shared.activity
    }
}

/// What the engine shares with its handles and its calls.
pub(super) struct Shared {
    pub clock: SharedClock,
    pub views: Vec<View>,
    /// Whether this node delivers at all.
    pub delivers: bool,
    pub tombstones: Tombstones,
    pub activity: Activity,
    pub inbox: Mutex<Inbox>,
    pub signal: Notify,
    pub stopping: AtomicBool,
    pub ended: CancellationToken,
    pub ended_clean: AtomicBool,
    lease: RwLock<Lease>,
}

/// What came in since the engine looked last. Bounded by the windows.
#[derive(Default)]
pub(super) struct Inbox {
    /// Batches, with the place of their provider.
    pub taken: Vec<(usize, Claimed, Option<Arc<Material>>)>,
    /// Batches that go back at once.
    pub refused: Vec<Fence>,
    pub cancels: Vec<MessageId>,
    pub wake: bool,
    pub lease: Option<Lease>,
    pub stop: Option<Duration>,
}

impl Shared {
    /// Counts deliveries that were decided. What the stub answers under a test key reached nobody and is not counted.
    pub(super) fn decided(&self, provider: usize, channel: Channel, outcome: Outcome, n: u64) {
        if *self.views[provider].id != *STUB_PROVIDER {
            self.activity.decided(channel, outcome, n);
        }
    }

    pub(super) fn new(lease: Lease, delivers: bool, registry: &Registry, clock: SharedClock) -> Shared {
        Shared {
            views: registry.iter().map(|(id, channel)| View::new(id.clone(), &**channel)).collect(),
            delivers,
            clock,
            tombstones: Tombstones::default(),
            activity: Activity::default(),
            inbox: Mutex::new(Inbox::default()),
            signal: Notify::new(),
            stopping: AtomicBool::new(false),
            ended: CancellationToken::new(),
            ended_clean: AtomicBool::new(false),
            lease: RwLock::new(lease),
        }
    }

    /// The lease as this node knows it.
    pub(super) fn lease(&self) -> Lease {
        *self.lease.read()
    }

    /// From now on this is the lease. Only the engine says so, after it has dropped what is not its own.
    pub(super) fn put_lease(&self, lease: Lease) {
        *self.lease.write() = lease;
    }

    /// Whether batches are taken in.
    fn takes(&self) -> bool {
        self.delivers && !self.stopping.load(Ordering::Relaxed)
    }

    /// Takes batches in that somebody else claimed; what a held provider would have to take goes back.
    fn take_fresh(&self, claimed: Vec<Claimed>, material: Option<Arc<Material>>) {
        let held = |batch: &Claimed| self.view(&batch.provider).is_some_and(|(_, view)| view.is_held());
        let (refused, taken): (Vec<_>, Vec<_>) = claimed.into_iter().partition(held);
        if !refused.is_empty() {
            self.inbox.lock().refused.extend(refused.into_iter().map(|batch| batch.fence));
        }
        self.take(taken, material);
    }

    /// Takes batches in, or notes that they go back.
    pub(super) fn take(&self, claimed: Vec<Claimed>, material: Option<Arc<Material>>) {
        if claimed.is_empty() || self.ended.is_cancelled() {
            return;
        }
        let takes = self.takes();
        let mut inbox = self.inbox.lock();
        for batch in claimed {
            match self.view(&batch.provider) {
                Some((place_of, view)) if takes && view.windows[place(batch.lane)].enter(batch.members.len()) => {
                    inbox.taken.push((place_of, batch, material.clone()));
                }
                _ => inbox.refused.push(batch.fence),
            }
        }
        drop(inbox);
        self.signal.notify_one();
    }

    fn view(&self, provider: &str) -> Option<(usize, &View)> {
        self.views.iter().enumerate().find(|(_, view)| &*view.id == provider)
    }
}
