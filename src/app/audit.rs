//! The audit trail of this node.

use std::sync::Arc;

use super::{Base, Error};
use crate::access::{Audit, AuditParts};
use crate::delivery;

/// The trail, chained from now on under whatever epoch the node has.
pub(super) fn start(base: &Base, engine: &delivery::Handle) -> Result<Audit, Error> {
    let signer = base.memory.seal.signer().map_err(|_| Error::Store("no signing key can be made".to_owned()))?;
    let engine = engine.clone();
    let audit = Audit::new(AuditParts {
        store: base.store.audit.clone(),
        epoch: Arc::new(move || engine.epoch()),
        signer: Arc::new(signer),
        clock: base.clock.clone(),
    });
    audit.start(&base.tasks);
    Ok(audit)
}
