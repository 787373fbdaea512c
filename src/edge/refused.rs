//! A refusal as JSON: `{code, reason, field, message, metadata, retryAfter}`, under the HTTP status that its gRPC
//! status has everywhere.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::domain::refusal::Refusal;

/// Why a call was refused.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Refused {
    /// The number of the gRPC status.
    code: i32,
    /// The stable reason.
    reason: String,
    /// The path of the field at fault; empty for none.
    field: String,
    /// A sentence for people that says what to do, in the caller's language.
    message: String,
    /// Facts of the refusal.
    metadata: BTreeMap<String, String>,
    /// When it is worth asking again, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after: Option<u64>,
}

impl From<Status> for Refused {
    fn from(status: Status) -> Refused {
        let details = status.get_error_details();
        let info = details.error_info();
        let (reason, metadata) = info.map(|info| (info.reason.clone(), info.metadata.clone())).unwrap_or_default();
        let field = details.bad_request().and_then(|bad| bad.field_violations.first()).map(|one| one.field.clone());
        let retry_after = details.retry_info().and_then(|info| info.retry_delay).map(whole_seconds);
        let local = details.localized_message().map(|local| local.message.clone());
        Refused {
            code: status.code() as i32,
            reason,
            field: field.unwrap_or_default(),
            message: local.unwrap_or_else(|| status.message().to_owned()),
            metadata: metadata.into_iter().collect(),
            retry_after,
        }
    }
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Refused {
        Refused {
            code: refusal.reason.kind().code(),
            reason: refusal.reason.text().to_owned(),
            field: refusal.field.unwrap_or_default(),
            message: refusal.message,
            metadata: refusal.metadata.into_iter().map(|(key, value)| (key.to_owned(), value)).collect(),
            retry_after: refusal.retry_after.map(whole_seconds),
        }
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let wait = self.retry_after.map(HeaderValue::from);
        let mut response = (status(self.code), Json(self)).into_response();
        if let Some(wait) = wait {
            response.headers_mut().insert(header::RETRY_AFTER, wait);
        }
        response
    }
}

/// A wait in seconds that is never shorter than it was.
fn whole_seconds(wait: Duration) -> u64 {
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
}

/// The HTTP status of a gRPC status, as `google/rpc/code.proto` maps them.
fn status(code: i32) -> StatusCode {
    match Code::from_i32(code) {
        Code::Ok => StatusCode::OK,
        Code::InvalidArgument | Code::FailedPrecondition | Code::OutOfRange => StatusCode::BAD_REQUEST,
        Code::Unauthenticated => StatusCode::UNAUTHORIZED,
        Code::PermissionDenied => StatusCode::FORBIDDEN,
        Code::NotFound => StatusCode::NOT_FOUND,
        Code::Aborted | Code::AlreadyExists => StatusCode::CONFLICT,
        Code::ResourceExhausted => StatusCode::TOO_MANY_REQUESTS,
        Code::Unimplemented => StatusCode::NOT_IMPLEMENTED,
        Code::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        Code::DeadlineExceeded => StatusCode::GATEWAY_TIMEOUT,
        Code::Unknown | Code::Internal | Code::DataLoss | Code::Cancelled => StatusCode::INTERNAL_SERVER_ERROR,
    }
}
