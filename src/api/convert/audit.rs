//! The audit trail, both ways. The trail knows people, departments and tags by numbers; callers know them by the
//! institution's own ids.

use super::{invalid, message, time};
use crate::access::audit::{Event, EventQuery, Verdict};
use crate::api::v1;
use crate::audience::Snapshot;
use crate::domain::access::Principal;
use crate::domain::audit::{Action, Broken, Fault, Object};
use crate::domain::refusal::{Reason, Refusal};

/// Which events.
///
/// # Errors
/// `FIELD_INVALID` for what names no action or object, `UNKNOWN_USER`, `UNKNOWN_DEPARTMENT`.
pub fn query(wanted: &v1::ListAuditEventsRequest, directory: &Snapshot) -> Result<EventQuery, Refusal> {
    let action = match wanted.action.as_str() {
        "" => None,
        name => {
            Some(Action::from_name(name).ok_or_else(|| invalid("action", "names no action, such as grant.create"))?)
        }
    };
    Ok(EventQuery {
        actor: actor(&wanted.actor, directory)?,
        action,
        object: object(&wanted.object_id, directory)?,
        after: time::at_if("after", wanted.after.as_ref())?,
        before: time::at_if("before", wanted.before.as_ref())?,
    })
}

fn actor(text: &str, directory: &Snapshot) -> Result<Option<Principal>, Refusal> {
    if text.is_empty() {
        return Ok(None);
    }
    match text.parse() {
        Ok(id) => Ok(Some(Principal::Application(id))),
        Err(_) => user("actor", text, directory).map(|ordinal| Some(Principal::Person(ordinal))),
    }
}

fn user(path: &str, id: &str, directory: &Snapshot) -> Result<u32, Refusal> {
    directory.users().ordinal(id).ok_or_else(|| {
        Refusal::new(Reason::UnknownUser, "There is no such user. Correct the id.").field(path).with("count", 1)
    })
}

fn object(text: &str, directory: &Snapshot) -> Result<Option<Object>, Refusal> {
    const PATH: &str = "object_id";
    let object = match text.split_once([':', '_']) {
        _ if text.is_empty() => return Ok(None),
        Some(("msg", _)) => Object::Message(message::id(PATH, text)?),
        Some(("app", _)) => Object::Application(message::id(PATH, text)?),
        Some(("key", _)) => Object::Key(message::id(PATH, text)?),
        Some(("grt", _)) => Object::Grant(message::id(PATH, text)?),
        Some(("user", id)) => Object::User(match id.strip_prefix('#') {
            Some(ordinal) => ordinal.parse().map_err(|_| invalid(PATH, "names no user by number"))?,
            None => user(PATH, id, directory)?,
        }),
        Some(("department", id)) => {
            let unknown = || Refusal::new(Reason::UnknownDepartment, "There is no such department.").field(PATH);
            Object::Department(directory.tree().by_external_id(id).ok_or_else(unknown)?.id)
        }
        Some(("tag", name)) => {
            let unknown = || Refusal::new(Reason::UnknownTag, "There is no such tag. Correct the name.").field(PATH);
            Object::Tag(directory.tag(name).ok_or_else(unknown)?.tag.id)
        }
        Some(("req", _)) => Object::Request(message::id(PATH, text)?),
        _ => return Err(invalid(PATH, "names nothing; give an id, or user:ID, department:ID or tag:NAME")),
    };
    Ok(Some(object))
}

/// An event with the ids that the institution knows. What is not in the directory any more keeps its number.
#[must_use]
pub fn event(event: &Event, directory: &Snapshot) -> v1::AuditEvent {
    let person = |ordinal: u32| {
        let known = directory.users().external_id(ordinal);
        known.map_or_else(|| format!("#{ordinal}"), |id| id.to_string())
    };
    let actor = match event.actor {
        Some(Principal::Application(id)) => id.to_string(),
        Some(Principal::Person(ordinal)) => person(ordinal),
        None => String::new(),
    };
    let object_id = match event.object {
        Object::None => String::new(),
        Object::Message(id) => id.to_string(),
        Object::Application(id) => id.to_string(),
        Object::Key(id) => id.to_string(),
        Object::Grant(id) => id.to_string(),
        Object::User(ordinal) => format!("user:{}", person(ordinal)),
        Object::Department(id) => format!("department:{}", message::department(directory, id)),
        Object::Tag(id) => {
            let known = directory.tag_by_id(id);
            format!("tag:{}", known.map_or_else(|| format!("#{id}"), |entry| entry.tag.name.clone()))
        }
        Object::Request(id) => id.to_string(),
    };
    v1::AuditEvent {
        node_id: event.epoch.to_string(),
        sequence: event.sequence,
        at: Some(time::stamp(event.at)),
        actor,
        action: event.action.to_owned(),
        object_id,
        digest: event.hash.to_vec(),
        key_id: event.key.map(|id| id.to_string()).unwrap_or_default(),
        denied: event.denied,
    }
}

/// What a check found.
#[must_use]
pub fn verdict(found: &Verdict) -> v1::AuditVerdict {
    let node = found.broken.as_ref().filter(|broken| broken.fault != Fault::Checkpoint);
    v1::AuditVerdict {
        intact: found.broken.is_none(),
        checked: found.checked,
        broken_node_id: node.map(|broken| broken.epoch.to_string()).unwrap_or_default(),
        broken_sequence: node.map_or(0, |broken| broken.sequence),
        checkpoint_at: found.checkpoint_at.map(time::stamp),
        sentence: found.broken.as_ref().map(Broken::sentence).unwrap_or_default(),
    }
}
