//! A dry run of an audience.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{count, invalid, message, publish, relation, review, time};
use crate::api::{error, v1};
use crate::domain::content::Content;
use crate::domain::language::Language;
use crate::domain::message::{Draft, LostAnswer};
use crate::domain::refusal::Refusal;
use crate::publish::{Count, Preview, SAMPLE_MAX, Wish};

/// How the preview is to be shown.
///
/// # Errors
/// `FIELD_INVALID`.
pub fn wish(request: &v1::PreviewAudienceRequest, language: Language) -> Result<Wish, Refusal> {
    match u32::try_from(request.sample_size) {
        Ok(sample_size) if sample_size <= SAMPLE_MAX => Ok(Wish { language, sample_size }),
        _ => Err(invalid("sample_size", "is not between 0 and 20")),
    }
}

/// What would be published, without content.
///
/// # Errors
/// The first thing that is wrong, with the field's path.
pub fn draft(request: v1::PreviewAudienceRequest) -> Result<Draft, Refusal> {
    let relation = relation::from_wire(request.relation.as_ref())?;
    Ok(Draft {
        idempotency_key: String::new(),
        digest: [0; 32],
        audience: publish::audience_beside(relation, request.audience)?,
        relation,
        proof: false,
        content: Arc::new(Content::default()),
        class: publish::class_beside(relation, request.message_class)?,
        channels: publish::channels(&request.channels, request.route.as_ref())?,
        topic: publish::topic(request.topic)?,
        department_id: publish::external_id("department_id", request.department_id)?,
        sender_user_id: publish::external_id("sender_user_id", request.sender_user_id)?,
        send_at: time::at_if("send_at", request.send_at.as_ref())?,
        expire_at: None,
        expected: None,
        validate_only: true,
        reference: None,
        labels: BTreeMap::new(),
        lost_answer: LostAnswer::default(),
        min_directory_seq: None,
    })
}

/// What was seen.
#[must_use]
pub fn answer(preview: Preview) -> v1::PreviewAudienceResponse {
    let (recipient_count, under_five) = shown(preview.recipient_count);
    let (outside, outside_under_five) = shown(preview.outside);
    v1::PreviewAudienceResponse {
        recipient_count,
        in_words: preview.in_words,
        clauses: preview
            .clauses
            .into_iter()
            .map(|one| {
                let (count, under_five) = shown(one.count);
                v1::ClauseCount { clause: one.clause, count, under_five }
            })
            .collect(),
        departments: preview
            .departments
            .into_iter()
            .map(|one| v1::DepartmentCount {
                department_id: one.department_id,
                name: one.name,
                count: count(one.count),
                under_five: false,
            })
            .collect(),
        channels: preview.channels.into_iter().map(message::plan).collect(),
        allowed: preview.allowed,
        grant_id: preview.grant_id.map(|id| id.to_string()).unwrap_or_default(),
        outside,
        review: Some(review::status(preview.review)),
        sample: preview
            .sample
            .into_iter()
            .map(|one| v1::Person {
                user_id: one.user_id,
                display_name: one.name.unwrap_or_default(),
                department_id: one.department_id.unwrap_or_default(),
            })
            .collect(),
        under_five,
        unknown_user_ids: preview.unknown_user_ids,
        outside_under_five,
        refusal: preview.refusal.map(error::item),
    }
}

fn shown(n: Count) -> (i32, bool) {
    match n {
        Count::Exactly(n) => (count(n), false),
        Count::BelowFive => (0, true),
    }
}
