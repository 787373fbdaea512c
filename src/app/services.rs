//! The use-cases over what a node stands on, for the servers to speak to.

use std::sync::Arc;

use tokio::sync::Notify;

use super::agreement::Agreement;
use super::news::News;
use super::{Base, Error, audit, publishing, siblings, uses};
use crate::access::{Admin, AdminParts, Audit, Policy, Rate};
use crate::api::Services;
use crate::delivery;
use crate::directory::{Follower, Registrar, RegistrarParts};
use crate::inbox::{InboxParts, Inboxes};
use crate::operations::{Operations, OperationsParts};
use crate::report::{Reporter, ReporterParts};

fn operations(base: &Base, engine: &delivery::Handle) -> Operations {
    let parts = OperationsParts {
        store: base.store.clone(),
        delivery: Arc::new(siblings::Engines(engine.clone())),
        coordination: mode(&base.agreement),
        clock: base.clock.clone(),
    };
    Operations::start(parts, &base.tasks)
}

fn mode(agreement: &Agreement) -> Arc<dyn Fn() -> &'static str + Send + Sync> {
    let mode = agreement.mode.clone();
    Arc::new(move || mode().name())
}

async fn inboxes(base: &Base, audit: &Audit) -> Result<Inboxes, Error> {
    let Base { store, memory, clock, tasks, .. } = base;
    let started = Inboxes::start(InboxParts {
        store: store.clone(),
        audit: audit.clone(),
        index: memory.index.clone(),
        applications: memory.applications.clone(),
        clock: clock.clone(),
        tasks: tasks.clone(),
        seal: memory.seal.clone(),
    })
    .await?;
    Ok(started)
}

/// Everything that the servers speak to.
pub(super) async fn services(base: &Base, engine: &delivery::Handle) -> Result<Services, Error> {
    let Base { store, memory, clock, tasks, .. } = base;
    let behind = Arc::new(Notify::new());
    let hints = &base.agreement.hints;
    let (news, heed) = News::new(engine, hints, &behind);
    let follower = Follower::start(store.clone(), memory.clone(), behind.clone(), heed, tasks);
    let policy = Arc::new(Policy::new(memory.grants.clone()));
    uses::keep(store, &memory.keyring, tasks);
    let limits = &base.settings.limits;
    if let Some(rate) = Rate::of(limits.publishes_per_second, limits.publishes_at_once) {
        memory.keyring.limit(rate);
    }
    let audit = audit::start(base, engine)?;
    let inboxes = inboxes(base, &audit).await?;
    news.start(&inboxes, clock, base.settings.store.url.is_some(), tasks);
    let (publisher, announcer) = publishing::start(base, engine, (&inboxes, &audit), (policy.clone(), behind));
    let admin = admin(base, policy.clone(), &audit);
    admin.start_notices(announcer, tasks);
    Ok(Services {
        keyring: memory.keyring.clone(),
        roles: memory.roles.clone(),
        index: memory.index.clone(),
        publisher,
        reporter: reporter(base, &audit),
        inboxes,
        operations: operations(base, engine),
        admin,
        applications: memory.applications.clone(),
        registrar: registrar(base, &follower, policy, &audit),
        follower,
        audit,
        clock: clock.clone(),
        stop: tasks.stop_token(),
    })
}

fn reporter(base: &Base, audit: &Audit) -> Reporter {
    let Base { store, memory, clock, tasks, .. } = base;
    Reporter::new(ReporterParts {
        store: store.clone(),
        index: memory.index.clone(),
        audit: audit.clone(),
        clock: clock.clone(),
        tasks: tasks.clone(),
    })
}

fn admin(base: &Base, policy: Arc<Policy>, audit: &Audit) -> Admin {
    let Base { store, memory, ids, clock, .. } = base;
    Admin::new(AdminParts {
        store: store.clone(),
        index: memory.index.clone(),
        audit: audit.clone(),
        keyring: memory.keyring.clone(),
        grants: memory.grants.clone(),
        roles: memory.roles.clone(),
        policy,
        applications: memory.applications.clone(),
        topics: memory.topics.clone(),
        seal: memory.seal.clone(),
        ids: ids.clone(),
        clock: clock.clone(),
    })
}

fn registrar(base: &Base, follower: &Follower, policy: Arc<Policy>, audit: &Audit) -> Registrar {
    let Base { store, memory, clock, tasks, .. } = base;
    let registrar = Registrar::new(RegistrarParts {
        store: store.clone(),
        memory: memory.clone(),
        audit: audit.clone(),
        follower: follower.clone(),
        policy,
        clock: clock.clone(),
        ids: base.ids.clone(),
        tasks: tasks.clone(),
    });
    registrar.sweep(tasks);
    registrar
}
