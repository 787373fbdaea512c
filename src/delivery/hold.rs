//! Providers whose settings or credentials are wrong: nothing is handed over and nothing fails for it, until a
//! person has mended them or the messages end.
//!
//! A held provider's batches go back to the store, where only those whose message has ended are looked for.
//! Every minute the provider is asked whether it believes us by now. If it says so it is *on trial*: one call at
//! a time, until one shows that it takes calls again, or holds it anew.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use tracing::{info, warn};

use super::engine::{Engine, Event};
use super::vitals::Trouble;
use crate::domain::time::At;

/// How a provider stands.
#[derive(Clone, Debug)]
pub(super) enum Standing {
    /// It takes calls.
    Good,
    /// It is held; the times are by the monotonic clock.
    Held {
        since: At,
        /// When it is asked again. `None` while it is being asked.
        probe_at: Option<Duration>,
        /// When the store is asked again for what has ended meanwhile.
        sweep_at: Duration,
    },
    /// It says that it would take calls; the next one shows.
    Trial { since: At },
}

impl Standing {
    /// When something is to be done about it.
    pub(super) fn next_at(&self) -> Option<Duration> {
        match self {
            Standing::Held { probe_at, sweep_at, .. } => Some(probe_at.map_or(*sweep_at, |at| at.min(*sweep_at))),
            Standing::Good | Standing::Trial { .. } => None,
        }
    }
}

impl Engine {
    /// Whether a provider is held.
    pub(super) fn is_held(&self, at: usize) -> bool {
        matches!(self.providers[at].standing, Standing::Held { .. })
    }

    /// Whether a provider is on trial.
    pub(super) fn is_on_trial(&self, at: usize) -> bool {
        matches!(self.providers[at].standing, Standing::Trial { .. })
    }

    /// A call showed that the provider's settings are wrong.
    pub(super) fn hold(&mut self, at: usize, words: &str) {
        let now = self.deps.clock.monotonic();
        let since = match self.providers[at].standing {
            Standing::Held { .. } => return,
            Standing::Trial { since } => since,
            Standing::Good => self.deps.clock.now(),
        };
        let provider = &mut self.providers[at];
        warn!(
            provider = &*provider.id,
            said = words,
            "the provider is held: its settings or credentials are wrong; mend them, nothing fails meanwhile"
        );
        let probe_at = Some(now + self.settings.probe_every);
        provider.standing = Standing::Held { since, probe_at, sweep_at: now + self.settings.sweep_every };
        self.shared.views[at].stand(&provider.standing);
        let keys: Vec<u64> = self.works.iter().filter(|(_, work)| work.provider == at).map(|(key, _)| *key).collect();
        for key in keys {
            self.wind_down(key);
        }
    }

    /// A call showed that the provider takes calls.
    pub(super) fn prove(&mut self, at: usize) {
        let Standing::Trial { since } = self.providers[at].standing else { return };
        let held = self.deps.clock.now().since(since);
        info!(provider = &*self.providers[at].id, held_s = held.as_secs(), "the provider takes calls again");
        self.stand(at, Standing::Good);
    }

    fn stand(&mut self, at: usize, standing: Standing) {
        self.shared.views[at].stand(&standing);
        let provider = &mut self.providers[at];
        provider.standing = standing;
        for claim in &mut provider.claims {
            claim.more = true;
        }
    }

    /// Asks a held provider whether it believes us by now, if it is time.
    pub(super) fn probe(&mut self, at: usize, now: Duration) {
        let provider = &mut self.providers[at];
        let Standing::Held { probe_at, .. } = &mut provider.standing else { return };
        if self.stop_at.is_some() || probe_at.is_none_or(|at| at > now) {
            return;
        }
        *probe_at = None;
        let (channel, events, limit) = (Arc::clone(&provider.channel), self.events.clone(), self.settings.call_timeout);
        self.deps.tasks.spawn(async move {
            let asking = AssertUnwindSafe(async { channel.check().await }).catch_unwind();
            let result = match tokio::time::timeout(limit, asking).await {
                Ok(Ok(result)) => result,
                Ok(Err(_panic)) => Err("the channel failed".to_owned()),
                Err(_late) => Err("no answer in time".to_owned()),
            };
            let _ = events.send(Event::Probed { provider: at, result }).await;
        });
    }

    pub(super) fn on_probed(&mut self, at: usize, result: Result<(), String>) {
        let Standing::Held { since, sweep_at, .. } = self.providers[at].standing else { return };
        match result {
            Ok(()) => self.stand(at, Standing::Trial { since }),
            Err(said) => {
                let id = &*self.providers[at].id;
                warn!(provider = id, said, "the provider is still held; mend its settings or credentials");
                let probe_at = Some(self.deps.clock.monotonic() + self.settings.probe_every);
                self.providers[at].standing = Standing::Held { since, probe_at, sweep_at };
                let mut vitals = self.shared.views[at].vitals.lock();
                vitals.complain(Trouble::Operator, said.into(), self.deps.clock.now());
            }
        }
    }

    /// Whether it is time to look for what has ended while its provider is held.
    pub(super) fn sweep_is_due(&mut self, at: usize) -> bool {
        let now = self.deps.clock.monotonic();
        let Standing::Held { sweep_at, .. } = &mut self.providers[at].standing else { return false };
        let due = *sweep_at <= now;
        if due {
            *sweep_at = now + self.settings.sweep_every;
        }
        due
    }
}
