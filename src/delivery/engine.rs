//! The one task that owns every batch of this node. It never waits for anything but the next event.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::mpsc;
use tracing::{debug, warn};

use super::call::Answer;
use super::handle::{Handle, Inbox, Shared};
use super::lanes::place;
use super::lease::Lease;
use super::material::MaterialCache;
use super::prepare::Prepared;
use super::progress::{Stage, Work};
use super::provider::Provider;
use super::settle::{FlushQueue, Releases, SettleReport};
use super::slots::Slots;
use super::strays::Strays;
use super::{Deps, Settings};
use crate::domain::batch::{Claimed, Fence};
use crate::domain::class::Lane;
use crate::domain::id::MessageId;
use crate::domain::outcome::{Outcome, Reason};
use crate::store;

/// How many messages are remembered for the batches still to come.
const MESSAGES_KEPT: usize = 256;
/// How often a window is measured anew.
const MEASURE_EVERY: Duration = Duration::from_millis(500);

/// What a task reports to the engine.
pub(super) enum Event {
    Answered { key: u64, answer: Answer },
    Prepared { provider: usize, prepared: Prepared },
    Settled(SettleReport),
    Claimed { provider: usize, lane: Lane, max: usize, result: store::Result<Vec<Claimed>> },
    Probed { provider: usize, result: Result<(), String> },
    Released(Result<(), Vec<Fence>>),
    Owned(store::Result<Vec<Fence>>),
}

/// The engine's state.
pub(super) struct Engine {
    pub deps: Deps,
    pub settings: Settings,
    pub shared: Arc<Shared>,
    pub providers: Vec<Provider>,
    pub works: HashMap<u64, Work>,
    pub slots: Slots,
    pub cache: MaterialCache,
    pub flushes: FlushQueue,
    pub releases: Releases,
    pub strays: Strays,
    /// Batches whose preparation failed, and when to try again.
    pub delayed: BTreeSet<(Duration, u64)>,
    pub events: mpsc::Sender<Event>,
    /// The engine stops, at the latest at this moment.
    pub stop_at: Option<Duration>,
    next_key: u64,
    poll_at: Duration,
    measured_at: Duration,
}

impl Engine {
    pub(super) fn start(deps: Deps, settings: Settings) -> Handle {
        let shared = Arc::new(Shared::new(deps.lease, deps.delivers, &deps.registry, deps.clock.clone()));
        let providers: Vec<Provider> = deps
            .registry
            .iter()
            .zip(&shared.views)
            .map(|((id, channel), view)| Provider::new(id.clone(), Arc::clone(channel), view.capacity))
            .collect();
        let concurrency: Vec<usize> = providers.iter().map(|provider| provider.capacity.concurrency).collect();
        // Every open call, and the few other tasks, can report without waiting.
        let (events, inflow) = mpsc::channel(settings.unanswered_max + 64);
        let now = deps.clock.monotonic();
        let tasks = deps.tasks.clone();
        let engine = Engine {
            slots: Slots::new(&concurrency, settings.unanswered_max, settings.unflushed_max),
            deps,
            settings,
            shared: Arc::clone(&shared),
            providers,
            works: HashMap::new(),
            cache: MaterialCache::new(MESSAGES_KEPT),
            flushes: FlushQueue::default(),
            releases: Releases::default(),
            strays: Strays::new(now + settings.strays_every),
            delayed: BTreeSet::new(),
            events,
            stop_at: None,
            next_key: 0,
            poll_at: now,
            measured_at: now,
        };
        tasks.spawn(engine.run(inflow));
        Handle::new(shared)
    }

    async fn run(mut self, mut inflow: mpsc::Receiver<Event>) {
        let stop = self.deps.tasks.stop_token();
        let shared = Arc::clone(&self.shared);
        loop {
            self.step();
            if self.has_ended() {
                break;
            }
            // Results first: what a provider said must never be lost to a shutdown.
            tokio::select! {
                biased;
                Some(event) = inflow.recv() => self.on_event(event),
                () = shared.signal.notified() => {}
                () = stop.cancelled(), if self.stop_at.is_none() => self.begin_stop(self.settings.stop_deadline),
                () = tokio::time::sleep(self.nap()) => {}
            }
            while let Ok(event) = inflow.try_recv() {
                self.on_event(event);
            }
        }
        let clean = self.works.is_empty() && self.releases.is_empty();
        self.shared.ended_clean.store(clean, Ordering::Relaxed);
        self.shared.ended.cancel();
        if !clean {
            warn!(batches = self.works.len(), "delivery ended at its deadline; the next start takes the rest over");
        }
    }

    /// Does everything that can be done now.
    fn step(&mut self) {
        let now = self.deps.clock.monotonic();
        self.empty_inbox();
        if now >= self.poll_at {
            self.poll_at = now + self.settings.poll_every;
            self.expire();
            #[cfg(feature = "sabotage")]
            if crate::runtime::sabotage::chosen().wait_for_hints {
                self.poll_at += std::time::Duration::from_secs(3_600);
            }
            self.claim_more();
        }
        if now >= self.measured_at + MEASURE_EVERY {
            self.measure(now);
        }
        self.resume_delayed(now);
        for provider in 0..self.providers.len() {
            self.probe(provider, now);
            self.prepare_next(provider);
            self.dispatch(provider, now);
            self.claim_next(provider);
            self.shared.views[provider].open.store(self.slots.begun(provider), Ordering::Relaxed);
        }
        self.flush(now);
        self.release(now);
        self.look_for_strays(now);
        self.shared.activity.gauge(self.slots.unanswered(), self.slots.unflushed(), self.works.len());
    }

    fn empty_inbox(&mut self) {
        let Inbox { taken, refused, cancels, wake, lease, stop } = std::mem::take(&mut *self.shared.inbox.lock());
        if let Some(lease) = lease {
            self.renew(lease);
        }
        let epoch = self.shared.lease().epoch;
        for (provider, claimed, material) in taken {
            self.next_key += 1;
            let (key, lane, publisher) = (self.next_key, claimed.lane, claimed.principal);
            let stale = claimed.fence.epoch != epoch;
            self.works.insert(key, Work::new(claimed, provider, material));
            self.providers[provider].waiting.push(lane, publisher, key);
            if stale || self.stop_at.is_some() {
                self.wind_down(key);
            }
        }
        self.releases.add(refused);
        for message in cancels {
            self.cancel(message);
        }
        if wake {
            self.claim_more();
        }
        if let Some(deadline) = stop {
            self.begin_stop(deadline);
        }
    }

    /// Takes over a lease. What was claimed under another epoch belongs to somebody else by now: nothing more
    /// of it starts, and what is decided of it is offered to the store, which knows.
    fn renew(&mut self, lease: Lease) {
        if lease.epoch != self.shared.lease().epoch {
            warn!(batches = self.works.len(), epoch = lease.epoch, "the lease was lost; everything held is dropped");
            let keys: Vec<u64> = self.works.keys().copied().collect();
            for key in keys {
                self.give_back(key);
            }
            self.claim_more();
        }
        self.shared.put_lease(lease);
    }

    /// Whether calls may begin as far as the lease goes.
    pub(super) fn may_begin(&self, now: Duration) -> bool {
        let lease = self.shared.lease();
        lease.lets_begin(lease.epoch, now, self.settings.lease_margin)
    }

    fn on_event(&mut self, event: Event) {
        match event {
            Event::Answered { key, answer } => self.on_answer(key, answer),
            Event::Prepared { provider, prepared } => self.on_prepared(provider, prepared),
            Event::Settled(report) => self.on_settled(report),
            Event::Claimed { provider, lane, max, result } => self.on_claimed(provider, lane, max, result),
            Event::Probed { provider, result } => self.on_probed(provider, result),
            Event::Released(result) => self.releases.ended(result, self.deps.clock.monotonic()),
            Event::Owned(result) => self.on_owned(result),
        }
    }

    /// Settles what did not start of a message as cancelled.
    fn cancel(&mut self, message: MessageId) {
        let keys: Vec<u64> =
            self.works.iter().filter(|(_, work)| work.claimed.leg.message() == message).map(|(key, _)| *key).collect();
        for key in keys {
            self.stop_rest(key, Outcome::Cancelled, Reason::CancelledByPerson);
        }
    }

    /// Settles what waits past its expiry, so that it need not wait for a paused provider to say so.
    fn expire(&mut self) {
        let now = self.deps.clock.now();
        let over = |work: &Work| work.material.as_ref().is_some_and(|material| now >= material.leg.facts.expire_at);
        let keys: Vec<u64> = self.works.iter().filter(|(_, work)| over(work)).map(|(key, _)| *key).collect();
        for key in keys {
            self.stop_rest(key, Outcome::Expired, Reason::ExpiredWaiting);
        }
    }

    /// Gives everything of a batch that did not start an outcome.
    pub(super) fn stop_rest(&mut self, key: u64, outcome: Outcome, reason: Reason) {
        let Some(work) = self.works.get_mut(&key) else { return };
        let prepared = work.rest_len() as u64;
        let n = work.stop_rest(outcome, reason);
        if n == 0 {
            return;
        }
        let (provider, lane, channel) = (work.provider, place(work.claimed.lane), work.claimed.channel);
        self.providers[provider].prepared[lane] -= prepared;
        self.shared.decided(provider, channel, outcome, n);
        self.touch(key);
    }

    /// Removes a batch that is closed or given back.
    pub(super) fn forget(&mut self, key: u64) {
        let Some(work) = self.works.remove(&key) else { return };
        let lane = place(work.claimed.lane);
        self.providers[work.provider].ended[lane] += work.n;
        self.shared.views[work.provider].windows[lane].leave(work.n);
        self.flushes.remove(key, &work);
    }

    /// Lets nothing more of a batch start here.
    pub(super) fn give_back(&mut self, key: u64) {
        let Some(work) = self.works.get_mut(&key) else { return };
        self.providers[work.provider].prepared[place(work.claimed.lane)] -= work.rest_len() as u64;
        work.give_back();
        self.touch(key);
    }

    /// Lets a batch end here if all of it has begun, and gives it back otherwise.
    pub(super) fn wind_down(&mut self, key: u64) {
        match self.works.get(&key) {
            Some(work) if work.stage == Stage::Ready && work.rest_len() == 0 => self.touch(key),
            _ => self.give_back(key),
        }
    }

    fn begin_stop(&mut self, deadline: Duration) {
        if self.stop_at.is_some() {
            return;
        }
        debug!(batches = self.works.len(), open = self.slots.unanswered(), "delivery stops");
        self.shared.stopping.store(true, Ordering::Relaxed);
        self.stop_at = Some(self.deps.clock.monotonic() + deadline);
        let keys: Vec<u64> = self.works.keys().copied().collect();
        for key in keys {
            self.wind_down(key);
        }
    }

    fn has_ended(&self) -> bool {
        let Some(stop_at) = self.stop_at else { return false };
        let claiming = self.providers.iter().any(|provider| provider.claims.iter().any(|claim| claim.under_way));
        let idle = self.works.is_empty() && self.releases.is_empty() && !claiming;
        idle || self.deps.clock.monotonic() >= stop_at
    }

    fn measure(&mut self, now: Duration) {
        let span = now - self.measured_at;
        self.measured_at = now;
        for (provider, view) in self.providers.iter_mut().zip(&self.shared.views) {
            for (ended, window) in provider.ended.iter_mut().zip(&view.windows) {
                window.measure(std::mem::take(ended), span);
            }
        }
    }

    fn resume_delayed(&mut self, now: Duration) {
        while let Some(&(at, key)) = self.delayed.first()
            && at <= now
        {
            self.delayed.pop_first();
            if let Some(work) = self.works.get(&key) {
                let lane = work.claimed.lane;
                self.providers[work.provider].waiting.push(lane, work.claimed.principal, key);
            }
        }
    }

    /// How long nothing is to be done unless something happens.
    fn nap(&self) -> Duration {
        let now = self.deps.clock.monotonic();
        let resumes = self.providers.iter().map(Provider::resumes_at).filter(|at| *at > now);
        let standing = self.providers.iter().filter_map(|provider| provider.standing.next_at());
        let next = [
            Some(self.poll_at),
            self.flushes.next_at(self.settings.settles_max),
            self.releases.next_at(now),
            self.stop_at,
        ]
        .into_iter()
        .flatten()
        .chain(self.delayed.first().map(|(at, _)| *at))
        .chain(resumes)
        .chain(standing)
        .min()
        .unwrap_or(now);
        next.saturating_sub(now).clamp(Duration::from_millis(1), self.settings.nap_max)
    }
}
