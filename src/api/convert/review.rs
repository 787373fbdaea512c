//! Reviews, onto the wire and off it.

use super::{invalid, message, required, time};
use crate::api::v1;
use crate::domain::refusal::Refusal;
use crate::domain::review::Decision;
use crate::domain::time::At;
use crate::publish::{Approved, Deciding, ReviewStatus};

/// Where a review stands.
#[must_use]
pub fn status(status: ReviewStatus) -> v1::ReviewStatus {
    let approval = |one: Approved| v1::Approval {
        user_id: one.user_id,
        approved_at: Some(time::stamp(one.at)),
        comment: one.comment,
    };
    v1::ReviewStatus {
        needed: status.needed,
        fingerprint: status.fingerprint,
        approvals_needed: i32::try_from(status.approvals_needed).unwrap_or(i32::MAX),
        approvals: status.approvals.into_iter().map(approval).collect(),
        reviewer_ids: status.reviewer_ids,
        lapse_at: status.lapse_at.map(time::stamp),
        why: status.why,
    }
}

/// What a reviewer decides.
///
/// # Errors
/// `FIELD_REQUIRED`, `FIELD_INVALID`.
pub fn deciding(request: v1::ReviewMessageRequest) -> Result<Deciding, Refusal> {
    if request.fingerprint.is_empty() {
        return Err(required("fingerprint"));
    }
    let decision = match v1::ReviewDecision::try_from(request.decision) {
        Ok(v1::ReviewDecision::Approve) => Decision::Approve,
        Ok(v1::ReviewDecision::Refuse) => Decision::Refuse,
        Ok(v1::ReviewDecision::SendBack) => Decision::SendBack,
        Ok(v1::ReviewDecision::Unspecified) => return Err(required("decision")),
        Err(_) => return Err(invalid("decision", "names no decision")),
    };
    Ok(Deciding {
        message: message::id("message_id", &request.message_id)?,
        fingerprint: request.fingerprint,
        decision,
        comment: request.comment,
        release_at: time::at_if("release_at", request.release_at.as_ref())?,
    })
}

/// A deputy and until when; `None` for nobody.
///
/// # Errors
/// `FIELD_REQUIRED`, `FIELD_INVALID`.
pub fn deputy(request: v1::DelegateReviewsRequest) -> Result<Option<(String, At)>, Refusal> {
    if request.user_id.is_empty() {
        return Ok(None);
    }
    let until = time::at_if("until", request.until.as_ref())?.ok_or_else(|| required("until"))?;
    Ok(Some((request.user_id, until)))
}
