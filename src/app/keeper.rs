//! Keeps this node's lease: joins, renews, takes over from the dead, joins anew under another epoch when it
//! was itself taken for dead, and sweeps what a crash left half done.

mod schedule;

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use self::schedule::{Schedule, Step};
use crate::coordination::Peers;
use crate::delivery::{Handle, Lease};
use crate::domain::node::{self, NodeState};
use crate::runtime::clock::SharedClock;
use crate::runtime::ids::IdSource;
use crate::runtime::tasks::Tasks;
use crate::store::{Deliveries, Error, NodeDraft, NodeRow, Nodes, Result, Store};

/// How long a node may own work without renewing its lease.
const LEASE: Duration = Duration::from_secs(30);
/// How long the store may take for one of the keeper's questions.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// How long the store may take to give back all batches of the dead.
const TAKE_OVER_WITHIN: Duration = Duration::from_secs(8);
/// Legs that are closed in one go.
const SWEEP_MAX: usize = 100;
/// How long to wait after a failure before joining is tried again.
const REJOIN_AFTER: Duration = Duration::from_secs(1);

/// What the keeper did, as numbers for the metrics.
#[derive(Debug, Default)]
pub(super) struct Deeds {
    /// Dead nodes whose batches this one gave back.
    pub(super) taken_over: AtomicU64,
    /// How often this node was taken for dead.
    pub(super) lost: AtomicU64,
}

/// Joins, and keeps what it got.
pub(super) struct Keeper {
    nodes: Arc<dyn Nodes>,
    deliveries: Arc<dyn Deliveries>,
    clock: SharedClock,
    draft: NodeDraft,
    peers: Peers,
    lease: Lease,
    schedule: Schedule,
}

/// A keeper at work.
#[derive(Clone)]
pub(super) struct Keeping {
    nodes: Arc<dyn Nodes>,
    engine: Handle,
    end: CancellationToken,
    deeds: Arc<Deeds>,
}

impl Keeper {
    /// Joins the nodes on the store.
    ///
    /// # Errors
    /// Those of the store.
    pub(super) async fn join(store: &Store, draft: NodeDraft, clock: SharedClock) -> Result<Keeper> {
        let (nodes, deliveries) = (store.nodes.clone(), store.deliveries.clone());
        let asked_at = clock.monotonic();
        let epoch = nodes.join(draft.clone(), LEASE).await?;
        let lease = Lease { epoch, until: Some(asked_at + LEASE) };
        let (peers, schedule) = (Peers::default(), Schedule::joined(asked_at));
        tell_peers(&peers, &nodes.nodes().await?, epoch);
        Ok(Keeper { nodes, deliveries, clock, draft, peers, lease, schedule })
    }

    /// How many nodes deliver, kept up to date.
    pub(super) fn peers(&self) -> Peers {
        self.peers.clone()
    }

    /// The lease as it is before the keeper starts.
    pub(super) fn lease(&self) -> Lease {
        self.lease
    }

    /// Starts keeping, and tells the engine and the source of ids whenever something changes.
    pub(super) fn start(self, engine: Handle, ids: Arc<IdSource>, tasks: &Tasks) -> Keeping {
        let (end, deeds) = (CancellationToken::new(), Arc::new(Deeds::default()));
        let keeping = Keeping { nodes: self.nodes.clone(), engine: engine.clone(), end, deeds };
        let (ended, deeds) = (keeping.end.clone(), keeping.deeds.clone());
        tasks.spawn(async move {
            // The engine still settles while the service stops, so the stop token is not what ends this.
            tokio::select! {
                () = ended.cancelled() => {}
                () = self.keep(&engine, &ids, &deeds) => {}
            }
        });
        keeping
    }

    async fn keep(mut self, engine: &Handle, ids: &IdSource, deeds: &Deeds) {
        loop {
            match self.schedule.next(self.clock.monotonic()) {
                Step::Renew => {
                    if !self.renew(engine).await {
                        deeds.lost.fetch_add(1, Ordering::Relaxed);
                        self.join_anew(engine, ids).await;
                    }
                }
                Step::TakeOver => self.take_over(engine, deeds).await,
                Step::Sweep => self.sweep().await,
                Step::Wait(span) => tokio::time::sleep(span).await,
            }
        }
    }

    /// Renews. `false`: somebody took over, and nothing belongs to this node any more.
    async fn renew(&mut self, engine: &Handle) -> bool {
        let asked_at = self.clock.monotonic();
        match answer(self.nodes.renew(self.lease.epoch, LEASE), ANSWER_WITHIN).await {
            Ok(true) => {
                self.lease.until = Some(self.schedule.renewed(asked_at));
                engine.set_lease(self.lease);
                true
            }
            Ok(false) => false,
            Err(error) => {
                warn!(%error, epoch = self.lease.epoch, "the lease could not be renewed; tried again");
                self.schedule.failed(self.clock.monotonic());
                true
            }
        }
    }

    async fn join_anew(&mut self, engine: &Handle, ids: &IdSource) {
        loop {
            let asked_at = self.clock.monotonic();
            match answer(self.nodes.join(self.draft.clone(), LEASE), ANSWER_WITHIN).await {
                Ok(epoch) => {
                    warn!(before = self.lease.epoch, epoch, "another node has taken over; joined anew");
                    self.lease = Lease { epoch, until: Some(asked_at + LEASE) };
                    self.schedule = Schedule::joined(asked_at);
                    ids.set_node(node::number(epoch));
                    engine.set_lease(self.lease);
                    return;
                }
                Err(error) => warn!(%error, "the node could not join anew; tried again"),
            }
            tokio::time::sleep(REJOIN_AFTER).await;
        }
    }

    async fn take_over(&mut self, engine: &Handle, deeds: &Deeds) {
        #[cfg(feature = "sabotage")]
        if crate::runtime::sabotage::chosen().leave_the_dead_alone {
            return self.schedule.looked(self.clock.monotonic(), false);
        }
        let dead = answer(self.nodes.take_over(), TAKE_OVER_WITHIN).await.unwrap_or_else(|error| {
            warn!(%error, "dead nodes could not be looked for");
            Vec::new()
        });
        for epoch in dead.iter().filter(|epoch| **epoch != self.lease.epoch) {
            info!(epoch, "a node is dead; its batches are given back");
            deeds.taken_over.fetch_add(1, Ordering::Relaxed);
        }
        if !dead.is_empty() {
            engine.wake();
        }
        match answer(self.nodes.nodes(), ANSWER_WITHIN).await {
            Ok(rows) => tell_peers(&self.peers, &rows, self.lease.epoch),
            Err(error) => warn!(%error, "the nodes could not be counted; limits are shared as before"),
        }
        self.schedule.looked(self.clock.monotonic(), !dead.is_empty());
    }

    async fn sweep(&mut self) {
        loop {
            match answer(self.deliveries.close_complete(SWEEP_MAX), ANSWER_WITHIN).await {
                Ok(closed) => {
                    if closed > 0 {
                        info!(legs = closed, "closed what a crash had left open");
                    }
                    // The rest waits if the lease is to be renewed in the meantime.
                    if closed < SWEEP_MAX || self.schedule.next(self.clock.monotonic()) == Step::Renew {
                        break;
                    }
                }
                Err(error) => {
                    warn!(%error, "legs could not be swept");
                    break;
                }
            }
        }
        self.schedule.swept(self.clock.monotonic());
    }
}

impl Keeping {
    /// What was done so far.
    pub(super) fn deeds(&self) -> &Arc<Deeds> {
        &self.deeds
    }

    /// Renews and takes over no more. The lease lasts a little longer, which is enough to end.
    pub(super) fn end(&self) {
        self.end.cancel();
    }

    /// Gives back whatever the node still holds, at once instead of when its lease runs out.
    pub(super) async fn leave(&self) {
        let epoch = self.engine.epoch();
        if let Err(error) = answer(self.nodes.leave(epoch), ANSWER_WITHIN).await {
            warn!(%error, epoch, "the node could not say that it leaves; the others notice when its lease ends");
        }
    }
}

/// How many nodes call providers, and which of them this one is. One whose lease ran out counts until somebody has
/// taken its work over.
fn tell_peers(peers: &Peers, rows: &[NodeRow], epoch: i64) {
    let mut delivering: Vec<i64> =
        rows.iter().filter(|row| row.state == NodeState::Alive && row.roles.deliver).map(|row| row.epoch).collect();
    delivering.sort_unstable();
    let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    let rank = delivering.iter().position(|one| *one == epoch).unwrap_or(0);
    peers.tell(count(delivering.len()), count(rank));
}

/// The store's answer, within a time.
async fn answer<T>(asked: impl Future<Output = Result<T>>, within: Duration) -> Result<T> {
    let late = |_| Error::Unavailable("no answer in time".into());
    tokio::time::timeout(within, asked).await.map_err(late)?
}
