//! Commits of what was decided: many batches in one transaction, repeated until the store takes them.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tracing::warn;

use super::engine::{Engine, Event};
use super::flow::ALONE_AFTER;
use super::progress::Work;
use crate::domain::batch::{Fence, Settlement};
use crate::runtime::backoff::jitter;

/// The longest wait between two tries of the same commit.
const BACKOFF_MAX: Duration = Duration::from_secs(5);

/// How long to wait after so many failures in a row.
pub(super) fn backoff(failures: u32) -> Duration {
    jitter((Duration::from_millis(100) * 2_u32.pow(failures.saturating_sub(1).min(6))).min(BACKOFF_MAX))
}

/// Batches with something to commit, by when it has to be.
#[derive(Default)]
pub(super) struct FlushQueue {
    /// May be hurried.
    soon: BTreeSet<(Duration, u64)>,
    /// Failed before; not before their time.
    later: BTreeSet<(Duration, u64)>,
    under_way: usize,
}

impl FlushQueue {
    /// When the next commit is due. `None` while none may begin: at most `max` are under way.
    pub(super) fn next_at(&self, max: usize) -> Option<Duration> {
        if self.under_way >= max {
            return None;
        }
        let firsts = [self.soon.first(), self.later.first()];
        firsts.into_iter().flatten().map(|(at, _)| *at).min()
    }

    /// Takes a batch out, wherever it is.
    pub(super) fn remove(&mut self, key: u64, work: &Work) {
        if let Some(at) = work.flush_at {
            self.soon.remove(&(at, key));
            self.later.remove(&(at, key));
        }
    }

    /// Takes the next batch that is due, or any that may be hurried.
    fn pop(&mut self, now: Duration, hurry: bool) -> Option<u64> {
        if self.later.first().is_some_and(|(at, _)| *at <= now) {
            return self.later.pop_first().map(|(_, key)| key);
        }
        let due = self.soon.first().is_some_and(|(at, _)| hurry || *at <= now);
        if due { self.soon.pop_first().map(|(_, key)| key) } else { None }
    }
}

/// What a commit came to: every batch of the group with its answer, or with what was not written.
pub(super) enum SettleReport {
    Written(Vec<(u64, bool, bool)>),
    Failed(Vec<(u64, Settlement)>),
}

impl Engine {
    /// Something of a batch changed: puts it down for a commit, or lets it go.
    pub(super) fn touch(&mut self, key: u64) {
        let Some(work) = self.works.get_mut(&key) else { return };
        if work.giving_back && work.is_idle() {
            self.releases.add(vec![work.claimed.fence]);
            self.forget(key);
            return;
        }
        if !work.can_flush() {
            return;
        }
        let now = self.deps.clock.monotonic();
        let at = if work.is_done() || work.giving_back { now } else { now + self.settings.flush_after };
        match work.flush_at {
            Some(_) if work.failures > 0 => {}
            Some(before) if before <= at => {}
            before => {
                if let Some(before) = before {
                    self.flushes.soon.remove(&(before, key));
                }
                work.flush_at = Some(at);
                self.flushes.soon.insert((at, key));
            }
        }
    }

    /// Begins the commits that are due.
    pub(super) fn flush(&mut self, now: Duration) {
        while self.flushes.under_way < self.settings.settles_max {
            let hurry = self.slots.flush_now() || self.stop_at.is_some();
            let mut group = Vec::new();
            while group.len() < self.settings.settle_group
                && let Some(key) = self.flushes.pop(now, hurry)
            {
                let Some(work) = self.works.get_mut(&key) else { continue };
                let alone = work.failures >= ALONE_AFTER;
                if alone && !group.is_empty() {
                    self.flushes.later.insert((now, key));
                    work.flush_at = Some(now);
                    break;
                }
                let mut settlement = work.begin_flush(self.deps.clock.now());
                if self.shared.tombstones.holds(work.claimed.leg.message()) {
                    settlement.call_off_retries();
                }
                group.push((key, settlement));
                if alone {
                    break;
                }
            }
            if group.is_empty() {
                return;
            }
            self.settle(group);
        }
    }

    fn settle(&mut self, group: Vec<(u64, Settlement)>) {
        self.flushes.under_way += 1;
        let (store, events) = (Arc::clone(&self.deps.store), self.events.clone());
        self.deps.tasks.spawn(async move {
            let settlements = group.iter().map(|(_, settlement)| settlement.clone()).collect();
            let report = match store.settle(settlements).await {
                Ok(held) if held.len() == group.len() => {
                    let rows = group.into_iter().zip(held);
                    SettleReport::Written(rows.map(|((key, settlement), held)| (key, held, settlement.done)).collect())
                }
                Ok(_) => SettleReport::Failed(group),
                Err(error) => {
                    warn!(%error, batches = group.len(), "outcomes could not be committed; they are kept and tried again");
                    SettleReport::Failed(group)
                }
            };
            let _ = events.send(Event::Settled(report)).await;
        });
    }

    pub(super) fn on_settled(&mut self, report: SettleReport) {
        self.flushes.under_way -= 1;
        match report {
            SettleReport::Written(rows) => {
                for (key, held, done) in rows {
                    self.on_written(key, held, done);
                }
            }
            SettleReport::Failed(group) => {
                self.shared.activity.settle_failed();
                let now = self.deps.clock.monotonic();
                for (key, settlement) in group {
                    let Some(work) = self.works.get_mut(&key) else { continue };
                    work.undo_flush(settlement);
                    let at = now + backoff(work.failures);
                    work.flush_at = Some(at);
                    self.flushes.later.insert((at, key));
                }
            }
        }
    }

    fn on_written(&mut self, key: u64, held: bool, done: bool) {
        let Some(work) = self.works.get_mut(&key) else { return };
        self.slots.flushed(work.end_flush());
        if !held {
            self.shared.activity.fence_dropped();
            self.give_back(key);
        } else if done {
            self.forget(key);
        } else {
            self.touch(key);
        }
    }

    /// Gives batches back to the store.
    pub(super) fn release(&mut self, now: Duration) {
        let Some(fences) = self.releases.next(now) else { return };
        let (store, events) = (Arc::clone(&self.deps.store), self.events.clone());
        self.deps.tasks.spawn(async move {
            let result = store.release(fences.clone()).await.map_err(|error| {
                warn!(%error, batches = fences.len(), "batches could not be given back; tried again");
                fences
            });
            let _ = events.send(Event::Released(result)).await;
        });
    }
}

/// Batches on their way back to the store.
#[derive(Default)]
pub(super) struct Releases {
    fences: Vec<Fence>,
    under_way: bool,
    failures: u32,
    not_before: Duration,
}

impl Releases {
    pub(super) fn add(&mut self, fences: Vec<Fence>) {
        self.fences.extend(fences);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.fences.is_empty() && !self.under_way
    }

    pub(super) fn next_at(&self, now: Duration) -> Option<Duration> {
        (!self.fences.is_empty() && !self.under_way).then(|| self.not_before.max(now))
    }

    fn next(&mut self, now: Duration) -> Option<Vec<Fence>> {
        if self.under_way || self.fences.is_empty() || now < self.not_before {
            return None;
        }
        self.under_way = true;
        Some(std::mem::take(&mut self.fences))
    }

    pub(super) fn ended(&mut self, result: Result<(), Vec<Fence>>, now: Duration) {
        self.under_way = false;
        match result {
            Ok(()) => self.failures = 0,
            Err(fences) => {
                self.fences.extend(fences);
                self.failures += 1;
                self.not_before = now + backoff(self.failures);
            }
        }
    }
}
