//! What a refusal says on the wire.

use tonic::{Code, Status};
use tonic_types::StatusExt;

/// The parts of a refusal that clients decide by.
#[derive(Debug, PartialEq, Eq)]
pub struct Refused {
    /// The gRPC status.
    pub code: Code,
    /// The stable reason.
    pub reason: String,
    /// The field at fault; empty for none.
    pub field: String,
}

/// Takes a refusal apart. Every one has a reason, our domain and a sentence.
pub fn refused(status: &Status) -> Refused {
    let details = status.get_error_details();
    let info = details.error_info().unwrap_or_else(|| panic!("no reason in {status:?}"));
    assert_eq!(info.domain, "campanile");
    assert!(status.message().ends_with(['.', '?']), "no sentence: {}", status.message());
    assert!(status.metadata().contains_key("campanile-request-id"), "no request id");
    let field = details.bad_request().and_then(|bad| bad.field_violations.first()).map(|one| one.field.clone());
    Refused { code: status.code(), reason: info.reason.clone(), field: field.unwrap_or_default() }
}

/// The reason of the status with which a stream ends; its request id came with the first answer.
pub fn reason(status: &Status) -> String {
    status.get_error_details().error_info().map(|info| info.reason.clone()).unwrap_or_default()
}

/// A fact of a refusal.
pub fn fact(status: &Status, key: &str) -> Option<String> {
    status.get_error_details().error_info().and_then(|info| info.metadata.get(key).cloned())
}
