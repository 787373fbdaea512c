//! Applications, keys and grants, both ways.

use std::fmt::Display;
use std::str::FromStr;

use super::{absent, count, enums, invalid, message, publish, required, some, time};
use crate::access::KeyUse;
use crate::access::admin::{GrantDraft, KeyDraft, KeyOwner, NewApplication, Question};
use crate::access::explain::Explanation;
use crate::api::v1;
use crate::audience::Snapshot;
use crate::domain::access::{Application, Grant, GrantState, Key, Mode, Principal};
use crate::domain::channel::Channel;
use crate::domain::class::Class;
use crate::domain::id::ApplicationId;
use crate::domain::line;
use crate::domain::refusal::{Reason, Refusal};
use crate::domain::time::At;

/// The most networks of one key.
const NETWORKS_MAX: usize = 32;
/// The most client certificates that one key is bound to.
const CERTIFICATES_MAX: usize = 8;

/// Who is meant.
///
/// # Errors
/// `FIELD_REQUIRED`, `FIELD_INVALID`, or `UNKNOWN_USER` for a person who is not in the directory.
pub fn principal(path: &str, principal: &v1::Principal, directory: &Snapshot) -> Result<Principal, Refusal> {
    match principal.subject.as_ref().ok_or_else(|| required(path))? {
        v1::principal::Subject::ApplicationId(id) => {
            message::id(&format!("{path}.application_id"), id).map(Principal::Application)
        }
        v1::principal::Subject::UserId(id) => {
            let unknown = || {
                let advice = "There is no such user. Correct the id, or enter the user into the directory first.";
                Refusal::new(Reason::UnknownUser, advice).field(format!("{path}.user_id")).with("user_ids", id)
            };
            directory.users().ordinal(id).map(Principal::Person).ok_or_else(unknown)
        }
    }
}

/// A principal with the names that people know it by.
#[must_use]
pub fn shown(principal: Principal, application: Option<&Application>, directory: &Snapshot) -> v1::Principal {
    match principal {
        Principal::Application(id) => v1::Principal {
            subject: Some(v1::principal::Subject::ApplicationId(id.to_string())),
            name: application.map(|one| one.title.clone()).unwrap_or_default(),
            department_id: application.map(|one| message::department(directory, one.department_id)).unwrap_or_default(),
        },
        Principal::Person(ordinal) => v1::Principal {
            subject: Some(v1::principal::Subject::UserId(message::person(directory, ordinal))),
            ..Default::default()
        },
    }
}

/// An application that is to be connected.
///
/// # Errors
/// What is wrong with a field, or `NOT_YET_AVAILABLE` for one that is not served.
pub fn new_application(wanted: Option<v1::Application>, directory: &Snapshot) -> Result<NewApplication, Refusal> {
    let wanted = wanted.ok_or_else(|| required("application"))?;
    absent(wanted.etag.is_empty(), "application.etag")?;
    application_draft(wanted, directory)
}

/// An application that is to be changed: which one, so as it is to be, and the version that is meant.
///
/// # Errors
/// What is wrong with a field, or `NOT_YET_AVAILABLE` for one that is not served.
pub fn changed_application(
    wanted: Option<v1::Application>,
    directory: &Snapshot,
) -> Result<(ApplicationId, NewApplication, Option<i64>), Refusal> {
    let wanted = wanted.ok_or_else(|| required("application"))?;
    let id = message::id("application.application_id", &wanted.application_id)?;
    let version = version("application.etag", &wanted.etag)?;
    Ok((id, application_draft(wanted, directory)?, version))
}

fn application_draft(wanted: v1::Application, directory: &Snapshot) -> Result<NewApplication, Refusal> {
    absent(!wanted.paused, "application.paused")?;
    absent(wanted.weight <= 1, "application.weight")?;
    if wanted.weight < 0 {
        return Err(invalid("application.weight", "is not between 1 and 100"));
    }
    Ok(NewApplication {
        department_id: publish::external_id("application.department_id", wanted.department_id)?
            .ok_or_else(|| required("application.department_id"))?,
        title: wanted.title,
        inbox_gateway: gateway(&wanted.inbox_gateway_department_ids, directory)?,
        default_channels: enums::channels("application.default_channels", &wanted.default_channels)?,
        default_topic: publish::topic_in("application.default_topic", wanted.default_topic)?,
        contact: wanted.contact,
    })
}

/// An inbox gateway serves everybody or nobody yet: a list has to name every root.
fn gateway(departments: &[String], directory: &Snapshot) -> Result<bool, Refusal> {
    const PATH: &str = "application.inbox_gateway_department_ids";
    if departments.is_empty() {
        return Ok(false);
    }
    if let Some(unknown) = departments.iter().find(|id| directory.tree().by_external_id(id).is_none()) {
        let advice = format!("There is no department {unknown:?}; look it up in the directory.");
        return Err(Refusal::new(Reason::UnknownDepartment, advice).field(PATH));
    }
    let mut roots = directory.tree().iter().filter(|one| one.parent_id.is_none());
    match roots.all(|root| departments.contains(&root.external_id)) {
        true => Ok(true),
        false => {
            let message = "An inbox gateway serves the whole institution so far: name every department that has no \
                           parent, or leave the field out.";
            Err(Refusal::new(Reason::NotYetAvailable, message).field(PATH))
        }
    }
}

/// An application as the wire carries it.
#[must_use]
pub fn application(application: &Application, directory: &Snapshot) -> v1::Application {
    let roots = || directory.tree().iter().filter(|one| one.parent_id.is_none());
    let mut gateway: Vec<String> = roots().map(|root| root.external_id.clone()).collect();
    gateway.sort_unstable();
    v1::Application {
        application_id: application.id.to_string(),
        title: application.title.clone(),
        department_id: message::department(directory, application.department_id),
        default_channels: application.default_channels.iter().copied().map(enums::channel_number).collect(),
        inbox_gateway_department_ids: if application.inbox_gateway { gateway } else { Vec::new() },
        weight: i32::try_from(application.weight).unwrap_or(i32::MAX),
        created_at: Some(time::stamp(application.id.made_at())),
        contact: application.contact.clone(),
        default_topic: application.default_topic.clone().unwrap_or_default(),
        paused: false,
        etag: application.version.to_string(),
    }
}

/// A key that is to be made.
///
/// # Errors
/// What is wrong with a field, or `NOT_YET_AVAILABLE` for one that is not served.
pub fn key_draft(wanted: v1::CreateKeyRequest) -> Result<KeyDraft, Refusal> {
    if wanted.scopes.is_empty() {
        return Err(required("scopes"));
    }
    let owner = match wanted.owner.ok_or_else(|| required("application_id"))? {
        v1::create_key_request::Owner::ApplicationId(id) => KeyOwner::Application(message::id("application_id", &id)?),
        v1::create_key_request::Owner::UserId(id) => {
            KeyOwner::Person(publish::external_id("user_id", id)?.ok_or_else(|| required("user_id"))?)
        }
    };
    Ok(KeyDraft {
        owner,
        mode: enums::mode("mode", wanted.mode)?,
        scopes: enums::scopes("scopes", &wanted.scopes)?,
        expire_at: time::at_if("expire_at", wanted.expire_at.as_ref())?,
        networks: each("networks", &wanted.networks, NETWORKS_MAX)?,
        certificates: each("certificates", &wanted.certificates, CERTIFICATES_MAX)?,
    })
}

/// A list of at most `limit` texts of which each is one value.
fn each<T: FromStr<Err: Display>>(path: &str, texts: &[String], limit: usize) -> Result<Vec<T>, Refusal> {
    line::longest(path, texts.len(), limit, "entries")?;
    let value = |(place, text): (usize, &String)| {
        text.parse().map_err(|fault: T::Err| invalid(&format!("{path}[{place}]"), &format!("is {fault}")))
    };
    texts.iter().enumerate().map(value).collect()
}

/// Whose keys to list.
///
/// # Errors
/// `FIELD_INVALID`, also if both are given.
pub fn key_owner(application_id: &str, user_id: String) -> Result<Option<KeyOwner>, Refusal> {
    match (message::id_if("application_id", application_id)?, some(user_id)) {
        (Some(_), Some(_)) => Err(invalid("user_id", "excludes `application_id`; give one of the two")),
        (Some(id), None) => Ok(Some(KeyOwner::Application(id))),
        (None, user_id) => Ok(user_id.map(KeyOwner::Person)),
    }
}

/// A key as the wire carries it, without its secret.
#[must_use]
pub fn key(key: &Key, principal: v1::Principal, last: Option<&KeyUse>) -> v1::Key {
    let prefix = match key.mode {
        Mode::Live => "cpl_live_",
        Mode::Test => "cpl_test_",
    };
    let id = key.id.to_string();
    v1::Key {
        prefix: format!("{prefix}{}", id.trim_start_matches("key_")),
        key_id: id,
        principal: Some(principal),
        mode: enums::mode_number(key.mode),
        scopes: enums::scope_numbers(key.scopes),
        created_at: Some(time::stamp(key.created_at)),
        expire_at: key.expire_at.map(time::stamp),
        revoked_at: key.revoked_at.map(time::stamp),
        last_used_at: last.map(|last| time::stamp(last.at)),
        last_used_address: last.map(|last| last.address.clone()).unwrap_or_default(),
        networks: key.networks.iter().map(ToString::to_string).collect(),
        certificates: key.certificates.iter().map(ToString::to_string).collect(),
    }
}

/// A grant that is to be given. No channels means all of them.
///
/// # Errors
/// What is wrong with a field, or `NOT_YET_AVAILABLE` for one that is not served.
pub fn grant_draft(wanted: Option<v1::Grant>, directory: &Snapshot) -> Result<GrantDraft, Refusal> {
    let wanted = wanted.ok_or_else(|| required("grant"))?;
    absent(wanted.parent_grant_id.is_empty(), "grant.parent_grant_id")?;
    absent(wanted.etag.is_empty(), "grant.etag")?;
    let holder = wanted.principal.ok_or_else(|| required("grant.principal"))?;
    let channels = enums::channels("grant.channels", &wanted.channels)?;
    let class = |(place, number): (usize, &i32)| {
        let path = format!("grant.classes[{place}]");
        enums::class_if(&path, *number)?.ok_or_else(|| invalid(&path, "names no message class"))
    };
    Ok(GrantDraft {
        principal: principal("grant.principal", &holder, directory)?,
        department_ids: wanted.department_ids,
        audience: some(wanted.audience),
        tags: wanted.tags,
        edit_tags: wanted.edit_tags,
        channels: if channels.is_empty() { Channel::ALL.to_vec() } else { channels },
        classes: wanted.classes.iter().enumerate().map(class).collect::<Result<Vec<Class>, _>>()?,
        per_day: limit("grant.per_day", wanted.per_day)?,
        per_message: limit("grant.per_message", wanted.per_message)?,
        may_act_for: wanted.may_act_for,
        valid_after: time::at_if("grant.valid_after", wanted.valid_after.as_ref())?,
        expire_at: time::at_if("grant.expire_at", wanted.expire_at.as_ref())?,
    })
}

fn limit(path: &str, n: i32) -> Result<Option<u64>, Refusal> {
    match u64::try_from(n) {
        Ok(0) => Ok(None),
        Ok(n) => Ok(Some(n)),
        Err(_) => Err(invalid(path, "is negative; give 1 or more, or leave it out for no limit")),
    }
}

/// A state of grants that may be left out.
///
/// # Errors
/// `FIELD_INVALID` for a number that names none.
pub fn grant_state_if(number: i32) -> Result<Option<GrantState>, Refusal> {
    match v1::GrantState::try_from(number) {
        Ok(v1::GrantState::Unspecified) => Ok(None),
        Ok(v1::GrantState::Active) => Ok(Some(GrantState::Active)),
        Ok(v1::GrantState::Future) => Ok(Some(GrantState::Future)),
        Ok(v1::GrantState::Expired) => Ok(Some(GrantState::Expired)),
        Ok(v1::GrantState::Revoked) => Ok(Some(GrantState::Revoked)),
        Err(_) => Err(invalid("state", "names no state of a grant")),
    }
}

fn grant_state(state: GrantState) -> v1::GrantState {
    match state {
        GrantState::Active => v1::GrantState::Active,
        GrantState::Future => v1::GrantState::Future,
        GrantState::Expired => v1::GrantState::Expired,
        GrantState::Revoked => v1::GrantState::Revoked,
    }
}

/// A grant as the wire carries it.
#[must_use]
pub fn grant(grant: &Grant, holder: v1::Principal, giver: v1::Principal, directory: &Snapshot, now: At) -> v1::Grant {
    let limit = |limit: Option<u64>| limit.map_or(0, count);
    v1::Grant {
        grant_id: grant.id.to_string(),
        principal: Some(holder),
        department_ids: grant.department_ids.iter().map(|id| message::department(directory, *id)).collect(),
        audience: grant.audience.clone().unwrap_or_default(),
        channels: grant.channels.iter().copied().map(enums::channel_number).collect(),
        classes: grant.classes.iter().copied().map(enums::class_number).collect(),
        per_day: limit(grant.per_day),
        per_message: limit(grant.per_message),
        may_act_for: grant.may_act_for,
        valid_after: Some(time::stamp(grant.valid_after)),
        expire_at: grant.expire_at.map(time::stamp),
        granted_by: Some(giver),
        parent_grant_id: String::new(),
        state: grant_state(grant.state(now)).into(),
        etag: grant.version.to_string(),
        tags: grant.tags.clone(),
        edit_tags: grant.edit_tags.clone(),
        revoked_at: grant.revoked_at.map(time::stamp),
    }
}

/// A version that is meant, in a field that may be empty.
///
/// # Errors
/// `ETAG_MISMATCH` for what cannot be one: nobody was given it.
pub fn version(path: &str, etag: &str) -> Result<Option<i64>, Refusal> {
    if etag.is_empty() {
        return Ok(None);
    }
    let message = "Give back the etag that was read with it, or none to change any version.";
    etag.parse().map(Some).map_err(|_| Refusal::new(Reason::EtagMismatch, message).field(path))
}

/// The person whom grants are to reach; `None` if the field is empty.
///
/// # Errors
/// `UNKNOWN_USER`.
pub fn reached(user_id: &str, directory: &Snapshot) -> Result<Option<u32>, Refusal> {
    if user_id.is_empty() {
        return Ok(None);
    }
    directory.users().ordinal(user_id).map(Some).ok_or_else(|| {
        let message = "There is no user with this id; look it up in the directory.";
        Refusal::new(Reason::UnknownUser, message).field("reaches_user_id").with("count", 1)
    })
}

/// A question about rights.
///
/// # Errors
/// What is wrong with a field.
pub fn question(wanted: v1::CheckAccessRequest, directory: &Snapshot) -> Result<Question, Refusal> {
    let asked = wanted.principal.map(|one| principal("principal", &one, directory)).transpose()?;
    Ok(Question {
        principal: asked,
        audience: publish::audience(wanted.audience)?,
        channels: enums::channels("channels", &wanted.channels)?,
        class: enums::class_if("message_class", wanted.message_class)?.unwrap_or(Class::Notice),
        department_id: publish::external_id("department_id", wanted.department_id)?,
        sender_user_id: publish::external_id("sender_user_id", wanted.sender_user_id)?,
    })
}

/// The answer to a question about rights.
#[must_use]
pub fn explanation(found: Explanation) -> v1::CheckAccessResponse {
    let missing = |refusal: Refusal| v1::Missing {
        reason: refusal.reason.text().to_owned(),
        sentence: refusal.message,
        metadata: refusal.metadata.into_iter().map(|(key, value)| (key.to_owned(), value)).collect(),
    };
    v1::CheckAccessResponse {
        allowed: found.allowed,
        grant_id: found.grant.filter(|_| found.allowed).map(|id| id.to_string()).unwrap_or_default(),
        missing: found.missing.into_iter().map(missing).collect(),
        sentence: found.sentence,
    }
}
