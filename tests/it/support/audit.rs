//! An audit trail for services that are put together by hand.

use std::sync::Arc;

use campanile::access::{Audit, AuditParts, Seal};
use campanile::runtime::clock::SharedClock;
use campanile::store::Store;

/// The trail of epoch 1. Nobody chains it.
pub fn audit(store: &Store, clock: SharedClock) -> Audit {
    let signer = Arc::new(Seal::new(&[7; 32]).signer().unwrap());
    Audit::new(AuditParts { store: store.audit.clone(), epoch: Arc::new(|| 1), signer, clock })
}
