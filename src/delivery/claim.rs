//! Asking the store for batches, per provider and lane, when there is room for them.

use std::sync::Arc;

use tracing::warn;

use super::engine::{Engine, Event};
use super::lanes::place;
use crate::domain::batch::Claimed;
use crate::domain::class::Lane;
use crate::store::{self, Claim};

impl Engine {
    /// There may be something in the store for everybody.
    pub(super) fn claim_more(&mut self) {
        for provider in &mut self.providers {
            for claim in &mut provider.claims {
                claim.more = true;
            }
        }
    }

    /// Claims for the lanes of a provider that have room and may find something.
    pub(super) fn claim_next(&mut self, at: usize) {
        if self.stop_at.is_some() || !self.shared.delivers || !self.may_begin(self.deps.clock.monotonic()) {
            return;
        }
        let expired_only = self.is_held(at);
        if expired_only && !self.sweep_is_due(at) {
            return;
        }
        let most = if self.is_on_trial(at) { 1 } else { self.settings.claim_max };
        for lane in Lane::ALL {
            let state = &mut self.providers[at].claims[place(lane)];
            let window = &self.shared.views[at].windows[place(lane)];
            let max = window.room().min(most);
            let wanted = if most == 1 { window.is_empty() } else { window.wants_more() || window.is_empty() };
            if state.under_way || !(state.more || expired_only) || max == 0 || !wanted {
                continue;
            }
            state.under_way = true;
            state.more = false;
            let claim = Claim {
                provider: self.providers[at].id.clone(),
                lane,
                now: self.deps.clock.now(),
                max,
                epoch: self.shared.lease().epoch,
                expired_only,
            };
            let (store, events) = (Arc::clone(&self.deps.store), self.events.clone());
            self.deps.tasks.spawn(async move {
                let result = store.claim(claim).await;
                let _ = events.send(Event::Claimed { provider: at, lane, max, result }).await;
            });
        }
    }

    pub(super) fn on_claimed(&mut self, at: usize, lane: Lane, max: usize, result: store::Result<Vec<Claimed>>) {
        let state = &mut self.providers[at].claims[place(lane)];
        state.under_way = false;
        match result {
            Ok(claimed) => {
                state.more |= claimed.len() >= max;
                self.shared.take(claimed, None);
            }
            // The next poll asks again.
            Err(error) => {
                warn!(%error, lane = lane.name(), "batches could not be claimed");
                self.strays.doubt(self.deps.clock.monotonic());
            }
        }
    }
}
