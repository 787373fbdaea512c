//! The one place that puts a refusal on the wire: as a gRPC status with `google.rpc` details, or as an `Error`
//! inside a stream.

use std::collections::HashMap;

use prost_types::Duration as WireDuration;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

use super::v1;
use crate::domain::language::Language;
use crate::domain::refusal::{Kind, Reason, Refusal, chinese};

/// The `domain` of every `ErrorInfo`.
pub const DOMAIN: &str = "campanile";

/// The refusal as the status of a call.
#[must_use]
pub fn status(refusal: &Refusal) -> Status {
    let metadata: HashMap<String, String> =
        refusal.metadata.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect();
    let mut details = ErrorDetails::with_error_info(refusal.reason.text(), DOMAIN, metadata);
    if let Some(path) = &refusal.field {
        details.add_bad_request_violation(path.clone(), refusal.message.clone());
    }
    if let Some(span) = refusal.retry_after {
        details.set_retry_info(Some(span));
    }
    Status::with_error_details(code(refusal.reason.kind()), refusal.message.clone(), details)
}

impl From<Refusal> for Status {
    fn from(refusal: Refusal) -> Status {
        status(&refusal)
    }
}

/// The same status with its sentence in the caller's language, if that is not the one it is written in. A status
/// without a reason of ours is left as it is.
#[must_use]
pub fn localized(status: Status, language: Language) -> Status {
    let mut details = status.get_error_details();
    let info = details.error_info().filter(|info| info.domain == DOMAIN);
    let reason = info.and_then(|info| Reason::ALL.iter().find(|reason| reason.text() == info.reason));
    let (Language::Chinese, Some(&reason)) = (language, reason) else { return status };
    let text = chinese(reason, &|key| match key {
        "field" => details.bad_request().and_then(|bad| Some(bad.field_violations.first()?.field.clone())),
        "message" => Some(status.message().to_owned()),
        fact => info.and_then(|info| info.metadata.get(fact).cloned()),
    });
    details.set_localized_message("zh-CN", text);
    Status::with_error_details(status.code(), status.message(), details)
}

/// The refusal as an item of a stream.
#[must_use]
pub fn item(refusal: Refusal) -> v1::Error {
    v1::Error {
        code: code(refusal.reason.kind()) as i32,
        reason: refusal.reason.text().to_owned(),
        field: refusal.field.unwrap_or_default(),
        message: refusal.message,
        retry_after: refusal.retry_after.and_then(|span| WireDuration::try_from(span).ok()),
        metadata: refusal.metadata.into_iter().map(|(key, value)| (key.to_owned(), value)).collect(),
    }
}

/// A status that the transport made itself, with the reason that callers know. A status with details is left
/// as it is.
#[must_use]
pub fn transport(found: Status) -> Status {
    if !found.details().is_empty() {
        return found;
    }
    match reason_of(found.code(), found.message()) {
        Some(reason) => status(&Refusal::new(reason, sentence(reason))),
        None => found,
    }
}

/// The reason behind a status that the transport made itself.
fn reason_of(code: Code, message: &str) -> Option<Reason> {
    match code {
        Code::Unimplemented => Some(Reason::NotYetAvailable),
        Code::OutOfRange | Code::ResourceExhausted => Some(Reason::RequestTooLarge),
        Code::Internal if message.contains("compress") || message.contains("Unexpected EOF") => {
            Some(Reason::FieldInvalid)
        }
        _ => None,
    }
}

fn sentence(reason: Reason) -> &'static str {
    match reason {
        Reason::RequestTooLarge => "The request is larger than 1 MiB; send less at once.",
        Reason::FieldInvalid => "The request cannot be read: its framing or compression is damaged.",
        other => other.meaning(),
    }
}

/// The gRPC status of a kind of refusal.
#[must_use]
pub fn code(kind: Kind) -> Code {
    Code::from_i32(kind.code())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_refusal_keeps_reason_field_facts_and_wait() {
        let refusal = Refusal::new(Reason::UnknownTag, "There is no tag `grad:2021`; did you mean `grade:2021`?")
            .field("audience.expression")
            .with("tag", "grad:2021")
            .after(Duration::from_secs(2));
        let status = status(&refusal);
        let details = status.get_error_details();
        let info = details.error_info().unwrap();
        assert_eq!((status.code(), info.reason.as_str()), (Code::FailedPrecondition, "UNKNOWN_TAG"));
        assert_eq!((info.domain.as_str(), info.metadata["tag"].as_str()), (DOMAIN, "grad:2021"));
        assert_eq!(details.bad_request().unwrap().field_violations[0].field, "audience.expression");
        assert_eq!(details.retry_info().unwrap().retry_delay, Some(Duration::from_secs(2)));
        let item = item(refusal);
        assert_eq!((item.code, item.metadata["tag"].as_str()), (Code::FailedPrecondition as i32, "grad:2021"));
    }

    #[test]
    fn what_the_transport_says_by_itself_gets_a_reason() {
        let large = transport(Status::out_of_range("Error, decoded message length too large"));
        assert_eq!(large.code(), Code::ResourceExhausted);
        assert_eq!(large.get_error_details().error_info().unwrap().reason, "REQUEST_TOO_LARGE");
        let absent = transport(Status::unimplemented("Not yet implemented"));
        assert_eq!(absent.get_error_details().error_info().unwrap().reason, "NOT_YET_AVAILABLE");
        let ours = status(&Refusal::new(Reason::CursorTooOld, "List again."));
        assert_eq!(transport(ours).code(), Code::OutOfRange);
    }
}
