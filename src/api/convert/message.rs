//! Messages, their people and their totals, onto the wire.

use std::str::FromStr;

use super::{content, count, enums, invalid, relation, required, review, time};
use crate::api::v1;
use crate::audience::Snapshot;
use crate::domain::access::{Mode, Principal};
use crate::domain::language::Language;
use crate::domain::leg::Leg;
use crate::domain::message::MessageState;
use crate::domain::outcome::{Outcome, ReceiptKind};
use crate::domain::refusal::Refusal;
use crate::publish::{CancelAnswer, ChannelPlan, Receipt};
use crate::report::{ClauseTest, DeliveryView, Explained, Picture, Recipient, RecipientState, View};

/// The longest words of a provider that are shown, in bytes.
const DETAIL_BYTES_MAX: usize = 512;

/// An id in a required field.
///
/// # Errors
/// `FIELD_REQUIRED`, or `FIELD_INVALID` if it is none.
pub fn id<T: FromStr>(path: &str, text: &str) -> Result<T, Refusal> {
    id_if(path, text)?.ok_or_else(|| required(path))
}

/// An id in a field that may be empty.
///
/// # Errors
/// `FIELD_INVALID` if it is none.
pub fn id_if<T: FromStr>(path: &str, text: &str) -> Result<Option<T>, Refusal> {
    if text.is_empty() {
        return Ok(None);
    }
    text.parse().map(Some).map_err(|_| invalid(path, "is no id of that kind; give back one that you were given"))
}

/// The answer to a publish.
#[must_use]
pub fn receipt(receipt: Receipt) -> v1::PublishResponse {
    let warning = |warning: crate::publish::Warning| v1::Warning {
        reason: warning.reason.to_owned(),
        text: warning.text,
        channel: warning.channel.map_or(0, enums::channel_number),
        metadata: Default::default(),
    };
    v1::PublishResponse {
        message_id: receipt.message_id.map(|id| id.to_string()).unwrap_or_default(),
        state: enums::state_number(receipt.state),
        duplicate: receipt.duplicate,
        recipient_count: count(receipt.recipient_count),
        channels: receipt.channels.into_iter().map(plan).collect(),
        unknown_user_ids: receipt.unknown_user_ids,
        review: receipt.review.map(review::status),
        estimated_finish_at: None,
        warnings: receipt.warnings.into_iter().map(warning).collect(),
        test: receipt.test,
    }
}

/// What one channel is expected to do.
#[must_use]
pub fn plan(plan: ChannelPlan) -> v1::ChannelPlan {
    let counted = |(reason, n): (crate::domain::outcome::Reason, u64)| v1::ReasonCount {
        reason: reason.text().to_owned(),
        count: count(n),
        under_five: false,
    };
    v1::ChannelPlan {
        channel: enums::channel_number(plan.channel),
        reachable: count(plan.reachable),
        dropped: plan.dropped.into_iter().map(counted).collect(),
        delayed: plan.delayed.into_iter().map(counted).collect(),
        provider_id: plan.provider.to_string(),
        estimated_finish_at: None,
    }
}

/// The answer to a cancel.
#[must_use]
pub fn cancelled(answer: CancelAnswer) -> v1::CancelMessageResponse {
    v1::CancelMessageResponse {
        state: enums::state_number(answer.state),
        sent: count(answer.sent),
        stopped: count(answer.stopped),
        open: count(answer.open),
        is_final: answer.is_final,
    }
}

/// A message as it stands. The directory gives departments and people the institution's ids.
#[must_use]
pub fn message(view: &View, directory: &Snapshot, with_content: bool) -> v1::Message {
    let facts = &view.row.facts;
    let application_id = match facts.principal {
        Principal::Application(id) => id.to_string(),
        Principal::Person(_) => String::new(),
    };
    v1::Message {
        message_id: facts.id.to_string(),
        state: enums::state_number(view.row.state),
        // Nothing else pauses a message yet.
        pause_reason: match view.row.state {
            MessageState::Paused => v1::PauseReason::ReviewLapsed.into(),
            _ => v1::PauseReason::Unspecified.into(),
        },
        publish: Some(published(view, directory, with_content)),
        application_id,
        recipient_count: count(facts.members_n),
        snapshot_at: Some(time::stamp(facts.created_at)),
        counts: view.legs.iter().map(|leg| counts(leg, view)).collect(),
        // The people of each leg are the message's, so the leg that sent most tells how many were reached at
        // least.
        reached: count(view.legs.iter().map(|leg| leg.counts.get(Outcome::Sent)).max().unwrap_or(0)),
        review: None,
        created_at: Some(time::stamp(facts.created_at)),
        finished_at: view.row.cancelled_at.filter(|_| view.is_final()).map(time::stamp),
        related: relation::related(view),
        test: facts.mode == Mode::Test,
        proof: facts.proof,
    }
}

/// What was published, with its defaults filled in. A list of users is not kept as a list: ListRecipients
/// tells who they are.
fn published(view: &View, directory: &Snapshot, with_content: bool) -> v1::PublishRequest {
    let facts = &view.row.facts;
    let expression = Some(facts.audience_text.clone()).filter(|text| !text.is_empty());
    v1::PublishRequest {
        audience: expression.map(|text| v1::Audience { target: Some(v1::audience::Target::Expression(text)) }),
        content: with_content.then(|| content::to_wire(&view.row.content)),
        message_class: enums::class_number(facts.class),
        channels: facts.channels.iter().copied().map(enums::channel_number).collect(),
        topic: facts.topic.clone().unwrap_or_default(),
        department_id: department(directory, facts.department_id),
        sender_user_id: facts.sender.map(|ordinal| person(directory, ordinal)).unwrap_or_default(),
        send_at: Some(time::stamp(facts.send_at)),
        expire_at: Some(time::stamp(facts.expire_at)),
        reference: facts.reference.clone().unwrap_or_default(),
        labels: facts.labels.clone(),
        relation: facts.relation.map(|tie| relation::tie(tie, false)),
        lost_answer: enums::lost_answer_number(facts.lost_answer),
        ..Default::default()
    }
}

fn counts(leg: &Leg, view: &View) -> v1::Counts {
    let outcome = |outcome| count(leg.counts.get(outcome));
    let receipt = |kind: ReceiptKind| {
        let of_leg = view.receipts.iter().filter(|(id, known, _)| *id == leg.id && *known == kind);
        count(of_leg.map(|(_, _, n)| n).sum())
    };
    v1::Counts {
        channel: enums::channel_number(leg.channel),
        members: count(leg.members_n),
        pending: outcome(Outcome::Pending),
        sent: outcome(Outcome::Sent),
        failed: outcome(Outcome::Failed),
        suppressed: outcome(Outcome::Suppressed),
        expired: outcome(Outcome::Expired),
        cancelled: outcome(Outcome::Cancelled),
        unknown: outcome(Outcome::Unknown),
        not_needed: 0,
        delivered: receipt(ReceiptKind::Delivered),
        bounced: receipt(ReceiptKind::Bounced),
        complained: receipt(ReceiptKind::Complained),
        read: receipt(ReceiptKind::Read),
        confirmed: receipt(ReceiptKind::Confirmed),
        recalled: receipt(ReceiptKind::Recalled),
    }
}

/// A picture of a followed message.
#[must_use]
pub fn picture(picture: &Picture, directory: &Snapshot) -> v1::WatchMessageResponse {
    v1::WatchMessageResponse {
        message: Some(message(&picture.view, directory, false)),
        per_second: count(picture.per_second),
        estimated_finish_at: picture.estimated_finish_at.map(time::stamp),
        ended: picture.ended,
    }
}

/// One person of a message.
#[must_use]
pub fn recipient(person: &Recipient) -> v1::Recipient {
    v1::Recipient {
        user_id: person.user_id.as_deref().unwrap_or_default().to_owned(),
        display_name: String::new(),
        state: state_number(person.state()),
        because: Vec::new(),
        deliveries: person.deliveries.iter().map(delivery).collect(),
    }
}

/// One person's case.
#[must_use]
pub fn explained(explained: &Explained, user_id: &str, language: Language) -> v1::ExplainRecipientResponse {
    let clause = |one: &ClauseTest| v1::ClauseTest { clause: one.clause.clone(), matched: one.matched };
    v1::ExplainRecipientResponse {
        in_snapshot: explained.recipient.is_some(),
        clauses: explained.clauses.iter().map(clause).collect(),
        recipient: explained.recipient.as_ref().map(recipient),
        sentence: explained.sentence(user_id, language),
        clauses_as_of_now: explained.as_of_now,
    }
}

/// A person's state to filter by.
///
/// # Errors
/// `FIELD_INVALID` for a number that names none.
pub fn recipient_state(path: &str, number: i32) -> Result<RecipientState, Refusal> {
    STATES
        .into_iter()
        .find(|(_, shown)| i32::from(*shown) == number)
        .map(|(state, _)| state)
        .ok_or_else(|| invalid(path, "names no state of a recipient"))
}

const STATES: [(RecipientState, v1::RecipientState); 10] = [
    (RecipientState::Confirmed, v1::RecipientState::Confirmed),
    (RecipientState::Read, v1::RecipientState::Read),
    (RecipientState::Delivered, v1::RecipientState::Delivered),
    (RecipientState::Sent, v1::RecipientState::Sent),
    (RecipientState::Pending, v1::RecipientState::Pending),
    (RecipientState::Unknown, v1::RecipientState::Unknown),
    (RecipientState::Failed, v1::RecipientState::Failed),
    (RecipientState::Expired, v1::RecipientState::Expired),
    (RecipientState::Cancelled, v1::RecipientState::Cancelled),
    (RecipientState::Suppressed, v1::RecipientState::Suppressed),
];

/// A person's state on the wire.
#[must_use]
pub fn state_number(state: RecipientState) -> i32 {
    STATES.into_iter().find(|(known, _)| *known == state).map_or(0, |(_, shown)| shown.into())
}

/// One delivery on the wire.
#[must_use]
pub fn delivery(view: &DeliveryView) -> v1::Delivery {
    let words = view.detail.as_deref().map(cut).unwrap_or_default();
    let (provider_ref, detail) =
        if view.outcome == Outcome::Sent { (words, String::new()) } else { (String::new(), words) };
    let receipt = |(kind, at): &(ReceiptKind, crate::domain::time::At)| {
        let kind = enums::receipt_number(*kind)?;
        Some(v1::Receipt { kind, at: Some(time::stamp(*at)), evidence: String::new() })
    };
    v1::Delivery {
        channel: enums::channel_number(view.channel),
        step: 1,
        provider_id: view.provider.as_deref().unwrap_or_default().to_owned(),
        outcome: enums::outcome_number(view.outcome),
        reason: view.reason.text().to_owned(),
        detail,
        settled_at: view.at.map(time::stamp),
        next_try_at: None,
        calls: i32::try_from(view.attempt).unwrap_or(i32::MAX),
        provider_ref,
        receipts: view.receipts.iter().filter_map(receipt).collect(),
    }
}

/// At most [`DETAIL_BYTES_MAX`], cut at a character.
fn cut(words: &str) -> String {
    words[..words.floor_char_boundary(DETAIL_BYTES_MAX)].to_owned()
}

/// The institution's id of a department; its key if it is unknown by now.
#[must_use]
pub fn department(directory: &Snapshot, id: i64) -> String {
    directory.tree().get(id).map_or_else(|| id.to_string(), |department| department.external_id.clone())
}

/// The institution's id of a person; empty after erasure.
#[must_use]
pub fn person(directory: &Snapshot, ordinal: u32) -> String {
    directory.users().external_id(ordinal).map(|id| id.to_string()).unwrap_or_default()
}
