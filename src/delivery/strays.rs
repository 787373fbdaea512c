//! Batches that the store says this node holds and the node does not know of: the answer to the commit that
//! took them was lost, to a server that restarted or a connection that broke. Nobody else takes them while this
//! node lives, so it gives them back itself.
//!
//! A batch is a stray when it is still unknown long after the first look that found it so. That is longer than any
//! call of the store takes, so what was on its way at the first look is here by the last.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use tracing::warn;

use super::engine::{Engine, Event};
use crate::domain::batch::Fence;
use crate::store;

/// How soon the store is asked after it failed at something.
const DOUBT: Duration = Duration::from_secs(1);

/// What the looks so far have found.
pub(super) struct Strays {
    look_at: Duration,
    /// Since when each was unknown.
    suspects: HashMap<Fence, Duration>,
}

impl Strays {
    /// The first look comes at this moment.
    pub(super) fn new(look_at: Duration) -> Strays {
        Strays { look_at, suspects: HashMap::new() }
    }

    /// The store failed at something, so an answer may be lost.
    pub(super) fn doubt(&mut self, now: Duration) {
        self.look_at = self.look_at.min(now + DOUBT);
    }
}

impl Engine {
    /// Asks the store what this node holds, if it is time.
    pub(super) fn look_for_strays(&mut self, now: Duration) {
        if now < self.strays.look_at || self.stop_at.is_some() {
            return;
        }
        // Also after an answer that never comes: a late one does no harm.
        self.strays.look_at = now + self.settings.strays_every;
        let epoch = self.shared.lease().epoch;
        let (store, events) = (Arc::clone(&self.deps.store), self.events.clone());
        self.deps.tasks.spawn(async move {
            let result = store.owned(epoch).await;
            let _ = events.send(Event::Owned(result)).await;
        });
    }

    pub(super) fn on_owned(&mut self, result: store::Result<Vec<Fence>>) {
        let now = self.deps.clock.monotonic();
        let Ok(owned) = result else {
            // The next look starts anew.
            self.strays.suspects.clear();
            return self.strays.doubt(now);
        };
        let known: HashSet<Fence> = self.works.values().map(|work| work.claimed.fence).collect();
        let since = |fence: &Fence| self.strays.suspects.get(fence).copied().unwrap_or(now);
        let unknown = owned.into_iter().filter(|fence| !known.contains(fence)).map(|fence| (fence, since(&fence)));
        let every = self.settings.strays_every;
        let (strays, suspects): (HashMap<_, _>, HashMap<_, _>) = unknown.partition(|(_, since)| now >= *since + every);
        if !strays.is_empty() {
            warn!(batches = strays.len(), "the store holds batches for this node that it never heard of; given back");
            self.releases.add(strays.into_keys().collect());
        }
        self.strays.look_at = suspects.values().min().map_or(now, |since| *since) + every;
        self.strays.suspects = suspects;
    }
}
