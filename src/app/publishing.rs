//! Puts publishing together, with who reviews and who is told of it.

use std::sync::Arc;

use tokio::sync::Notify;

use super::{Base, announce, panels, siblings};
use crate::access::announce::Announcer;
use crate::access::{Audit, Policy};
use crate::delivery;
use crate::inbox::Inboxes;
use crate::publish::{Notices, Parts, Publisher};

/// Starts publishing, and gives the voice of the service; `behind` is notified when the directory in memory lags.
pub(super) fn start(
    base: &Base,
    engine: &delivery::Handle,
    (inboxes, audit): (&Inboxes, &Audit),
    (policy, behind): (Arc<Policy>, Arc<Notify>),
) -> (Publisher, Arc<dyn Announcer>) {
    let Base { settings, store, memory, ids, clock, tasks, registry, agreement } = base;
    let hints = &agreement.hints;
    let parts = Parts {
        store: store.clone(),
        index: memory.index.clone(),
        policy,
        audit: audit.clone(),
        grants: memory.grants.clone(),
        rules: settings.review.rules(),
        panels: Arc::new(panels::Offices(memory.roles.clone())),
        seal: memory.seal.clone(),
        applications: memory.applications.clone(),
        topics: memory.topics.clone(),
        ids: ids.clone(),
        clock: clock.clone(),
        delivery: Arc::new(siblings::Batches { engine: engine.clone(), hints: hints.clone() }),
        inbox: Arc::new(siblings::Streams { inboxes: inboxes.clone(), hints: hints.clone() }),
        providers: Arc::new(registry.clone()),
        behind,
        #[cfg(feature = "sabotage")]
        answer_before_commit: settings.sabotage.answer_before_commit,
    };
    let publisher = Publisher::start(parts, tasks);
    let announcer: Arc<dyn Announcer> = Arc::new(announce::Voice(publisher.clone()));
    let time_zone = settings.campus.time_zone.clone();
    publisher.start_notices(Notices { announcer: announcer.clone(), time_zone }, tasks);
    (publisher, announcer)
}
