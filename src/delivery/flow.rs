//! The way of a batch through the engine: waiting, prepared, called, answered.

use std::sync::Arc;
use std::time::Duration;

use super::call::{Answer, Job};
use super::engine::{Engine, Event};
use super::lanes::place;
use super::prepare::{Prepared, Ready, Wanted, prepare};
use super::progress::Stage;
use super::settle::backoff;
use super::tally::Tally;
use super::vitals::Impression;
use crate::domain::class::Lane;
use crate::domain::outcome::{Outcome, Reason};

/// Groups of one provider that are prepared at a time.
const GROUPS: usize = 2;
/// The most deliveries in a group.
const GROUP_MAX: u64 = 4_000;
/// A batch that failed so often is prepared or settled alone, so that it cannot hold others up.
pub(super) const ALONE_AFTER: u32 = 3;

impl Engine {
    /// Reads addresses ahead of the calls: urgent lanes first, publishers in turn.
    pub(super) fn prepare_next(&mut self, at: usize) {
        while self.providers[at].preparing < GROUPS && self.stop_at.is_none() {
            let group = self.next_group(at);
            if group.is_empty() {
                return;
            }
            self.providers[at].preparing += 1;
            let (store, clock) = (Arc::clone(&self.deps.store), self.deps.clock.clone());
            let events = self.events.clone();
            self.deps.tasks.spawn(async move {
                let prepared = prepare(&*store, clock.now(), group).await;
                let _ = events.send(Event::Prepared { provider: at, prepared }).await;
            });
        }
    }

    fn next_group(&mut self, at: usize) -> Vec<Wanted> {
        let provider = &mut self.providers[at];
        let ahead = provider.ahead();
        let (mut group, mut size) = (Vec::new(), 0);
        for lane in Lane::ALL {
            while size < GROUP_MAX && provider.prepared[place(lane)] < ahead {
                let Some(key) = provider.waiting.pop(lane) else { break };
                let Some(work) = self.works.get_mut(&key) else { continue };
                if work.stage != Stage::Waiting {
                    continue;
                }
                let alone = work.failures >= ALONE_AFTER;
                if alone && !group.is_empty() {
                    provider.waiting.push(lane, work.claimed.principal, key);
                    return group;
                }
                let message = work.claimed.leg.message();
                let material = work.material.clone().or_else(|| self.cache.get(message));
                provider.prepared[place(lane)] += work.n;
                size += work.n;
                group.push(Wanted {
                    key,
                    channel: work.claimed.channel,
                    message,
                    members: work.begin_preparing(),
                    opened_to: work.claimed.opened_to,
                    material,
                });
                if alone {
                    return group;
                }
            }
        }
        group
    }

    pub(super) fn on_prepared(&mut self, at: usize, prepared: Prepared) {
        self.providers[at].preparing -= 1;
        for ready in prepared.ready {
            self.on_ready(ready);
        }
        let now = self.deps.clock.monotonic();
        let work_is_held = self.is_held(at);
        for (key, members) in prepared.failed {
            let Some(work) = self.works.get_mut(&key) else { continue };
            work.put_back(members);
            work.failures += 1;
            self.providers[at].prepared[place(work.claimed.lane)] -= work.n;
            if self.stop_at.is_some() || work_is_held || work.giving_back {
                self.give_back(key);
            } else {
                self.delayed.insert((now + backoff(work.failures), key));
            }
        }
    }

    fn on_ready(&mut self, ready: Ready) {
        let Ready { key, material, recipients, tally } = ready;
        if let Some(material) = &material {
            self.cache.put(Arc::clone(material));
        }
        let Some(work) = self.works.get_mut(&key) else { return };
        let (at, lane, publisher) = (work.provider, work.claimed.lane, work.claimed.principal);
        let message = work.claimed.leg.message();
        self.providers[at].prepared[place(lane)] -= work.n - recipients.len() as u64;
        work.failures = 0;
        work.material = material;
        work.prepared(recipients);
        let callable = work.rest_len() > 0;
        self.decided(key, tally);
        let giving_back = self.works.get(&key).is_some_and(|work| work.giving_back);
        if self.stop_at.is_some() || self.is_held(at) || giving_back {
            self.wind_down(key);
            return;
        }
        if self.shared.tombstones.holds(message) {
            self.stop_rest(key, Outcome::Cancelled, Reason::CancelledByPerson);
        } else if callable {
            self.providers[at].ready.push(lane, publisher, key);
        }
        self.touch(key);
    }

    /// Begins every call of a provider that may begin now.
    pub(super) fn dispatch(&mut self, at: usize, now: Duration) {
        let paused = self.is_held(at) || self.providers[at].resumes_at() > now;
        if self.stop_at.is_some() || paused || !self.may_begin(now) {
            return;
        }
        while let Some(lane) = self.providers[at].ready.turn(self.slots.open(at)) {
            if self.is_on_trial(at) && self.slots.begun(at) > 0 {
                return;
            }
            let Some(&key) = self.providers[at].ready.head(lane) else { return };
            let n = self.callable(key);
            if n == 0 {
                self.providers[at].ready.pop(lane);
                continue;
            }
            let cost = u32::try_from(n).unwrap_or(u32::MAX);
            if let Err(wait) = self.deps.limits.acquire(&self.providers[at].id, cost) {
                self.providers[at].limited_until = now + wait;
                return;
            }
            self.begin_call(at, lane, key, n);
        }
    }

    /// How many recipients the next call of a batch has; what may not start any more is settled.
    fn callable(&mut self, key: u64) -> usize {
        let Some(work) = self.works.get(&key) else { return 0 };
        let Some(material) = &work.material else { return 0 };
        if self.shared.tombstones.holds(work.claimed.leg.message()) {
            self.stop_rest(key, Outcome::Cancelled, Reason::CancelledByPerson);
            return 0;
        }
        if self.deps.clock.now() >= material.leg.facts.expire_at {
            self.stop_rest(key, Outcome::Expired, Reason::ExpiredWaiting);
            return 0;
        }
        let provider = &self.providers[work.provider];
        let largest = usize::try_from(self.deps.limits.largest(&provider.id)).unwrap_or(usize::MAX);
        work.rest_len().min(provider.capacity.per_call).min(largest).max(1).min(work.rest_len())
    }

    fn begin_call(&mut self, at: usize, lane: Lane, key: u64, n: usize) {
        let Some(work) = self.works.get_mut(&key) else { return };
        let Some(material) = work.material.clone() else { return };
        let recipients = work.begin_call(n);
        let provider = &mut self.providers[at];
        provider.prepared[place(lane)] -= n as u64;
        provider.ready.charge(lane, u32::try_from(n).unwrap_or(u32::MAX));
        if work.rest_len() == 0 {
            provider.ready.pop(lane);
        } else {
            provider.ready.rotate(lane);
        }
        self.slots.begin(at, lane);
        let job = Job {
            shared: Arc::clone(&self.shared),
            store: Arc::clone(&self.deps.store),
            clock: self.deps.clock.clone(),
            channel: Arc::clone(&provider.channel),
            material,
            fence: work.claimed.fence,
            leg: work.claimed.leg,
            attempt: work.claimed.attempt,
            step: work.step,
            timeout: self.settings.call_timeout,
            grace: self.settings.call_grace,
            margin: self.settings.lease_margin,
            recipients,
        };
        let events = self.events.clone();
        self.deps.tasks.spawn(async move {
            let answer = job.run().await;
            let _ = events.send(Event::Answered { key, answer }).await;
        });
    }

    pub(super) fn on_answer(&mut self, key: u64, answer: Answer) {
        // A batch is not forgotten while a call of it is open.
        let Some(work) = self.works.get_mut(&key) else { return };
        let (at, lane) = (work.provider, work.claimed.lane);
        let made = matches!(answer, Answer::Made { .. });
        work.end_call(made);
        self.slots.answer(at, lane, made);
        match answer {
            Answer::Made { tally, impression } => {
                self.decided(key, tally);
                self.touch(key);
                self.impress(at, &impression);
            }
            Answer::Stopped(tally) => {
                self.decided(key, tally);
                self.touch(key);
            }
            Answer::Lost => self.give_back(key),
        }
    }

    /// What an answer says of its provider.
    fn impress(&mut self, at: usize, impression: &Impression) {
        let now = self.deps.clock.monotonic();
        self.shared.views[at].vitals.lock().note(impression, now, self.deps.clock.now());
        if let Some(pause) = impression.pause {
            let provider = &mut self.providers[at];
            provider.paused_until = provider.paused_until.max(now + pause);
            self.shared.views[at].pause(provider.paused_until);
        }
        match &impression.trouble {
            Some((_, words)) if impression.hold => self.hold(at, words),
            _ if impression.works => self.prove(at),
            _ => {}
        }
    }

    fn decided(&mut self, key: u64, tally: Tally) {
        let Some(work) = self.works.get_mut(&key) else { return };
        let (provider, channel) = (work.provider, work.claimed.channel);
        for row in &tally.settled {
            self.shared.decided(provider, channel, row.outcome, row.set.len());
        }
        for row in &tally.again {
            self.shared.decided(provider, channel, Outcome::Pending, row.set.len());
        }
        work.decide(tally);
    }
}
