//! The audit trail as the use-cases see it: they say what somebody does ([`Audit::record`]) after they decided that
//! the caller may and before they do it. So there is no deed without a record; a record without a deed is possible,
//! when the node died or the store refused in between.
//!
//! Records are chained a moment later ([`sealer`]), checkpoints are signed every hour ([`checkpoint`]), and anybody
//! who has the signing key's public half can check an exported file ([`mod@file`]).

mod checkpoint;
mod export;
pub mod file;
mod line;
mod list;
mod sealer;
mod signer;
mod verify;

use std::sync::Arc;

pub use list::{Event, EventQuery};
pub use signer::{Signer, is_signed};
pub use verify::Verdict;

use super::Caller;
use crate::domain::audit::chain::{SERVICE, START};
use crate::domain::audit::{Action, Deed, Entry};
use crate::domain::refusal::{Kind, Refusal};
use crate::domain::time::At;
use crate::runtime::clock::SharedClock;
use crate::store;

/// What the audit trail is kept with.
#[derive(Clone)]
pub struct AuditParts {
    /// Where it is.
    pub store: Arc<dyn store::Audit>,
    /// The epoch of this node, whose chain it writes.
    pub epoch: Arc<dyn Fn() -> i64 + Send + Sync>,
    /// Signs checkpoints.
    pub signer: Arc<Signer>,
    /// The clock.
    pub clock: SharedClock,
}

/// Writes, reads and checks the audit trail; cheap to clone.
#[derive(Clone)]
pub struct Audit {
    parts: Arc<AuditParts>,
}

impl Audit {
    /// The trail over these parts.
    #[must_use]
    pub fn new(parts: AuditParts) -> Audit {
        Audit { parts: Arc::new(parts) }
    }

    /// Writes down what a caller does, before it is done.
    ///
    /// # Errors
    /// Those of the store; the deed must not be done then.
    pub async fn record(&self, caller: &Caller, deed: Deed) -> Result<(), Refusal> {
        self.append(caller.principal.code(), caller.key.id.0, deed).await
    }

    /// Writes down what the service does by itself.
    ///
    /// # Errors
    /// Those of the store; the deed must not be done then.
    pub async fn record_own(&self, deed: Deed) -> Result<(), Refusal> {
        self.append(SERVICE, 0, deed).await
    }

    /// Hands on what came of something that a caller wanted, and writes it down if it was refused for want of a
    /// right; a foreign object and none at all are the same here too. What was denied stays denied, also when it
    /// cannot be written down.
    ///
    /// # Errors
    /// Those of what is handed on.
    pub async fn denied<T>(&self, caller: &Caller, deed: Deed, came: Result<T, Refusal>) -> Result<T, Refusal> {
        let is_denial = |refusal: &Refusal| matches!(refusal.reason.kind(), Kind::PermissionDenied | Kind::NotFound);
        if came.as_ref().is_err_and(is_denial)
            && let Err(fault) = self.record(caller, Deed { denied: true, ..deed }).await
        {
            tracing::warn!(action = deed.action.name(), %fault, "a denied deed could not be written down");
        }
        came
    }

    async fn append(&self, actor: i64, key: i64, deed: Deed) -> Result<(), Refusal> {
        let entry = entry((self.parts.epoch)(), self.parts.clock.now(), (actor, key), deed);
        Ok(self.parts.store.append(entry).await?)
    }

    /// Whether a caller may read the audit trail; that is written down too.
    async fn read_by(&self, caller: &Caller) -> Result<(), Refusal> {
        let deed = Deed::of(Action::AuditRead);
        let may = caller.require_live().and_then(|()| caller.require_auditor(self.parts.clock.now()));
        self.denied(caller, deed, may).await?;
        self.record(caller, deed).await
    }
}

/// What the service does before it is a node; whoever becomes one chains it.
pub(super) fn before_any_node(at: At, deed: Deed) -> Entry {
    entry(0, at, (SERVICE, 0), deed)
}

/// A deed as an entry that is to be chained, with the codes of the actor and the key.
fn entry(epoch: i64, at: At, (actor, key): (i64, i64), deed: Deed) -> Entry {
    let Deed { action, object, denied, digest } = deed;
    Entry {
        epoch,
        sequence: 0,
        at,
        actor,
        key,
        action: action.code(),
        object: object.codes(),
        messages: Vec::new(),
        denied,
        digest,
        hash: START,
    }
}
