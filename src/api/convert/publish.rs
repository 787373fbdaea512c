//! A publish from the wire: every field valid, before anybody asked whether the caller may.

use std::collections::BTreeMap;
use std::sync::Arc;

use aws_lc_rs::digest;
use prost::Message;

use super::{absent, content, enums, invalid, message, not_yet, relation, required, some, time};
use crate::api::v1;
use crate::domain::audience::{Audience, USER_LIST_MAX, UnknownUsers};
use crate::domain::channel::Channel;
use crate::domain::class::Class;
use crate::domain::directory::is_external_id;
use crate::domain::line;
use crate::domain::message::{Draft, Expected};
use crate::domain::refusal::{Reason, Refusal};
use crate::domain::relation::{Relation, RelationKind};
use crate::publish::Proof;

const KEY_BYTES_MAX: usize = 128;
const REFERENCE_CHARS_MAX: usize = 128;
const LABELS_MAX: usize = 8;
const LABEL_CHARS_MAX: usize = 128;
const STEPS_MAX: usize = 8;
const TOLERANCE_DEFAULT: u32 = 10;

/// The publish as the use-case takes it.
///
/// # Errors
/// The first thing that is wrong, with the field's path from the request.
pub fn draft(mut request: v1::PublishRequest) -> Result<Draft, Refusal> {
    let idempotency_key = std::mem::take(&mut request.idempotency_key);
    check_key(&idempotency_key)?;
    not_served(&request)?;
    let digest = digest_of(&request);
    let (send_at, expire_at) =
        (time::at_if("send_at", request.send_at.as_ref())?, time::at_if("expire_at", request.expire_at.as_ref())?);
    if let (Some(send), Some(expire)) = (send_at, expire_at)
        && expire <= send
    {
        let message = "`expire_at` is not after `send_at`; give a later expiry or none.";
        return Err(Refusal::new(Reason::ExpireBeforeSend, message).field("expire_at"));
    }
    let expected = expected(request.expected_recipients, request.tolerance_percent)?;
    check_labels(&request.labels)?;
    line::one_line("reference", &request.reference, REFERENCE_CHARS_MAX)?;
    let relation = relation::from_wire(request.relation.as_ref())?;
    Ok(Draft {
        idempotency_key,
        digest,
        audience: audience_beside(relation, request.audience)?,
        relation,
        proof: false,
        content: Arc::new(content::from_wire(request.content.ok_or_else(|| required("content"))?)?),
        class: class_beside(relation, request.message_class)?,
        channels: channels(&request.channels, request.route.as_ref())?,
        topic: topic(request.topic)?,
        department_id: external_id("department_id", request.department_id)?,
        sender_user_id: external_id("sender_user_id", request.sender_user_id)?,
        send_at,
        expire_at,
        expected,
        validate_only: request.validate_only,
        reference: some(request.reference),
        labels: request.labels,
        lost_answer: enums::lost_answer("lost_answer", request.lost_answer)?,
        min_directory_seq: min_directory_seq(request.min_directory_seq)?,
    })
}

/// The trial copy as the use-case takes it.
///
/// # Errors
/// The first thing that is wrong, with the field's path.
pub fn proof(request: v1::SendProofRequest) -> Result<Proof, Refusal> {
    if let Some(place) = request.user_ids.iter().position(|id| !is_external_id(id)) {
        return Err(invalid(&format!("user_ids[{place}]"), "is no user id"));
    }
    Ok(Proof {
        content: content::from_wire(request.content.ok_or_else(|| required("content"))?)?,
        channels: channels(&request.channels, None)?,
        class: enums::class_if("message_class", request.message_class)?.unwrap_or(Class::Notice),
        user_ids: request.user_ids,
        department_id: external_id("department_id", request.department_id)?,
        sender_user_id: external_id("sender_user_id", request.sender_user_id)?,
        proof_of: message::id_if("proof_of_message_id", &request.proof_of_message_id)?,
    })
}

/// Two requests are the same if everything but the key is. Maps are ordered, so equal requests give equal bytes.
fn digest_of(request_without_key: &v1::PublishRequest) -> [u8; 32] {
    let bytes = request_without_key.encode_to_vec();
    let mut digest = [0; 32];
    digest.copy_from_slice(digest::digest(&digest::SHA256, &bytes).as_ref());
    digest
}

fn check_key(key: &str) -> Result<(), Refusal> {
    if key.is_empty() {
        return Err(required("idempotency_key"));
    }
    line::longest("idempotency_key", key.len(), KEY_BYTES_MAX, "bytes")?;
    if key.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
        Ok(())
    } else {
        Err(invalid("idempotency_key", "holds something else than printable ASCII"))
    }
}

fn not_served(request: &v1::PublishRequest) -> Result<(), Refusal> {
    absent(!request.confirmation_required, "confirmation_required")?;
    absent(request.collapse_key.is_empty(), "collapse_key")
}

/// How urgent a message is that may refer to an earlier one: the end of an alarm, if nothing is said, as urgent as that.
///
/// # Errors
/// `FIELD_INVALID` for a number that names no class.
pub fn class_beside(relation: Option<Relation>, number: i32) -> Result<Class, Refusal> {
    let ends_alarm = relation.is_some_and(|relation| relation.kind == RelationKind::AllClearFor);
    let default = if ends_alarm { Class::Emergency } else { Class::Notice };
    Ok(enums::class_if("message_class", number)?.unwrap_or(default))
}

/// Whom a message is for that may refer to an earlier one; nobody yet where that says it.
///
/// # Errors
/// Those of [`audience`], and `FIELD_INVALID` for an audience beside a relation that says whom.
pub fn audience_beside(relation: Option<Relation>, wanted: Option<v1::Audience>) -> Result<Audience, Refusal> {
    match relation {
        Some(relation) if relation.kind.says_whom() => match wanted {
            None => Ok(Audience::Users { ids: Vec::new(), unknown: UnknownUsers::Reject }),
            Some(_) => Err(invalid("audience", "follows from the relation; leave it out")),
        },
        _ => audience(wanted),
    }
}

/// Whom a message is for.
///
/// # Errors
/// `FIELD_REQUIRED`, `FIELD_INVALID` or `USER_LIST_TOO_LONG`. An expression is read later.
pub fn audience(audience: Option<v1::Audience>) -> Result<Audience, Refusal> {
    let target = audience.ok_or_else(|| required("audience"))?.target.ok_or_else(|| required("audience"))?;
    let list = match target {
        v1::audience::Target::Expression(expression) if expression.trim().is_empty() => {
            return Err(required("audience.expression"));
        }
        v1::audience::Target::Expression(expression) => return Ok(Audience::Expression(expression)),
        v1::audience::Target::Users(list) => list,
    };
    if list.user_ids.is_empty() {
        return Err(required("audience.users.user_ids"));
    }
    if list.user_ids.len() > USER_LIST_MAX {
        let message = "The list holds more than 1,000 users; fill a tag and address the tag.";
        let refusal = Refusal::new(Reason::UserListTooLong, message).field("audience.users.user_ids");
        return Err(refusal.with("limit", USER_LIST_MAX).with("actual", list.user_ids.len()));
    }
    if let Some(place) = list.user_ids.iter().position(|id| !is_external_id(id)) {
        let path = format!("audience.users.user_ids[{place}]");
        return Err(invalid(&path, "is no user id; an expression belongs into `audience.expression`"));
    }
    let unknown = match v1::UnknownUsers::try_from(list.unknown_users) {
        Ok(v1::UnknownUsers::Unspecified | v1::UnknownUsers::Reject) => UnknownUsers::Reject,
        Ok(v1::UnknownUsers::Skip) => UnknownUsers::Skip,
        Err(_) => return Err(invalid("audience.users.unknown_users", "names no way to treat unknown users")),
    };
    Ok(Audience::Users { ids: list.user_ids, unknown })
}

/// The channels of a publish, named one by one or as a route that uses all at once.
///
/// # Errors
/// `FIELD_INVALID`, or `NOT_YET_AVAILABLE` for routes with an order.
pub fn channels(numbers: &[i32], route: Option<&v1::Route>) -> Result<Vec<Channel>, Refusal> {
    let Some(route) = route else { return enums::channels("channels", numbers) };
    if !numbers.is_empty() {
        return Err(invalid("route", "excludes `channels`; give one of the two"));
    }
    match v1::RouteMode::try_from(route.mode) {
        Ok(v1::RouteMode::Unspecified | v1::RouteMode::AllAtOnce) => {}
        Ok(v1::RouteMode::FirstReachable | v1::RouteMode::Steps) => return Err(not_yet("route.mode")),
        Err(_) => return Err(invalid("route.mode", "names no way to relate the steps")),
    }
    if route.steps.is_empty() || route.steps.len() > STEPS_MAX {
        return Err(invalid("route.steps", "has to hold 1 to 8 steps"));
    }
    let numbers: Vec<i32> = route.steps.iter().map(|step| step.channel).collect();
    enums::channels("route.steps", &numbers)
}

/// The institution's id in a field that may be empty.
///
/// # Errors
/// `FIELD_INVALID` if the text cannot be one.
pub fn external_id(path: &str, id: String) -> Result<Option<String>, Refusal> {
    if id.is_empty() || is_external_id(&id) {
        Ok(some(id))
    } else {
        Err(invalid(path, "is no id: 1 to 64 ASCII letters, digits, dots, underscores and hyphens"))
    }
}

/// What people may mute, in a field that may be empty.
///
/// # Errors
/// `FIELD_INVALID` if the text cannot be one.
pub fn topic(topic: String) -> Result<Option<String>, Refusal> {
    topic_in("topic", topic)
}

/// A topic in a field that may be empty.
///
/// # Errors
/// `FIELD_INVALID` if the text cannot be one.
pub fn topic_in(path: &str, topic: String) -> Result<Option<String>, Refusal> {
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-".contains(&byte);
    if topic.len() <= 64 && topic.bytes().all(fits) {
        Ok(some(topic))
    } else {
        Err(invalid(path, "is no topic: 1 to 64 ASCII lower-case letters, digits, dots, underscores and hyphens"))
    }
}

fn expected(recipients: Option<i32>, tolerance: Option<i32>) -> Result<Option<Expected>, Refusal> {
    let tolerance_percent = match tolerance {
        None => TOLERANCE_DEFAULT,
        Some(percent @ 0..=100) => percent.unsigned_abs(),
        Some(_) => return Err(invalid("tolerance_percent", "is not between 0 and 100")),
    };
    match recipients {
        None if tolerance.is_some() => Err(required("expected_recipients")),
        None => Ok(None),
        Some(n) if n >= 1 => Ok(Some(Expected { recipients: u64::from(n.unsigned_abs()), tolerance_percent })),
        Some(_) => Err(invalid("expected_recipients", "is less than 1")),
    }
}

fn check_labels(labels: &BTreeMap<String, String>) -> Result<(), Refusal> {
    line::longest("labels", labels.len(), LABELS_MAX, "entries")?;
    for (name, value) in labels {
        if name.is_empty() {
            return Err(invalid("labels", "has an entry without a name"));
        }
        line::one_line("labels", name, LABEL_CHARS_MAX)?;
        line::one_line("labels", value, LABEL_CHARS_MAX)?;
    }
    Ok(())
}

fn min_directory_seq(seq: i64) -> Result<Option<i64>, Refusal> {
    match seq {
        0 => Ok(None),
        1.. => Ok(Some(seq)),
        _ => Err(invalid("min_directory_seq", "is negative")),
    }
}

#[cfg(test)]
#[path = "publish_tests.rs"]
mod tests;
