//! Who holds which right to send, as files say it and as the service has it.

use std::collections::BTreeSet;

use serde::Deserialize;

use super::super::print;
use campanile::api::v1;
use campanile::api::v1::principal::Subject;

/// A right to send, as a file says it: one holder, and lists by name.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SaidGrant {
    #[serde(default)]
    pub(super) application: String,
    #[serde(default)]
    pub(super) user: String,
    #[serde(default)]
    pub(super) departments: Vec<String>,
    #[serde(default)]
    pub(super) audience: String,
    #[serde(default)]
    pub(super) channels: Vec<String>,
    #[serde(default)]
    pub(super) classes: Vec<String>,
    #[serde(default)]
    pub(super) tags: Vec<String>,
    #[serde(default)]
    pub(super) edit_tags: Vec<String>,
    #[serde(default)]
    pub(super) per_day: i32,
    #[serde(default)]
    pub(super) per_message: i32,
    #[serde(default)]
    pub(super) may_act_for: bool,
}

/// Who holds a grant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Holder {
    /// The application with this title.
    Application(String),
    /// The person with this id.
    User(String),
}

/// A right to send and who holds it; the grant names no principal.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Held {
    pub(super) holder: Holder,
    pub(super) grant: v1::Grant,
}

impl Held {
    /// Whether one of these grants is the same right of the same holder.
    pub(super) fn is_among(&self, grants: &[v1::Grant], applications: &[v1::Application]) -> bool {
        grants.iter().any(|there| is_held_by(there, &self.holder, applications) && says_same(there, &self.grant))
    }

    /// The grant with its principal; `None` for an application that is not there.
    pub(super) fn of(&self, applications: &[v1::Application]) -> Option<v1::Grant> {
        let subject = match &self.holder {
            Holder::User(id) => Subject::UserId(id.clone()),
            Holder::Application(title) => {
                Subject::ApplicationId(applications.iter().find(|one| one.title == *title)?.application_id.clone())
            }
        };
        let principal = Some(v1::Principal { subject: Some(subject), ..Default::default() });
        Some(v1::Grant { principal, ..self.grant.clone() })
    }
}

/// Reads what was said. The error says which part cannot be meant.
pub(super) fn read(said: SaidGrant) -> Result<Held, String> {
    let holder = match (said.application.is_empty(), said.user.is_empty()) {
        (false, true) => Holder::Application(said.application),
        (true, false) => Holder::User(said.user),
        _ => return Err("name one holder, `application` or `user`".to_owned()),
    };
    let classes = said.classes.iter().map(|name| print::parse_class(name).map(i32::from));
    let grant = v1::Grant {
        department_ids: said.departments,
        audience: said.audience,
        channels: channels(&said.channels).map_err(|word| format!("channels: {word}"))?,
        classes: classes.collect::<Result<_, _>>().map_err(|word| format!("classes: {word}"))?,
        tags: said.tags,
        edit_tags: said.edit_tags,
        per_day: said.per_day,
        per_message: said.per_message,
        may_act_for: said.may_act_for,
        ..Default::default()
    };
    Ok(Held { holder, grant })
}

/// Channels by their names.
pub(super) fn channels(names: &[String]) -> Result<Vec<i32>, String> {
    names.iter().map(|name| print::parse_channel(name).map(i32::from)).collect()
}

fn is_held_by(grant: &v1::Grant, holder: &Holder, applications: &[v1::Application]) -> bool {
    match (grant.principal.as_ref().and_then(|principal| principal.subject.as_ref()), holder) {
        (Some(Subject::UserId(there)), Holder::User(said)) => there == said,
        (Some(Subject::ApplicationId(there)), Holder::Application(title)) => {
            applications.iter().any(|one| one.application_id == *there && one.title == *title)
        }
        _ => false,
    }
}

fn says_same(there: &v1::Grant, said: &v1::Grant) -> bool {
    set(&there.department_ids) == set(&said.department_ids)
        && there.audience == said.audience
        && all_channels(there) == all_channels(said)
        && classes(there) == classes(said)
        && set(&there.tags) == set(&said.tags)
        && set(&there.edit_tags) == set(&said.edit_tags)
        && (there.per_day, there.per_message, there.may_act_for) == (said.per_day, said.per_message, said.may_act_for)
}

/// The channels of a grant; none said are all.
fn all_channels(grant: &v1::Grant) -> BTreeSet<i32> {
    if grant.channels.is_empty() {
        return (1..).map_while(|number| v1::Channel::try_from(number).ok()).map(i32::from).collect();
    }
    grant.channels.iter().copied().collect()
}

/// The classes of a grant; none said are the default ones.
fn classes(grant: &v1::Grant) -> BTreeSet<i32> {
    if grant.classes.is_empty() {
        return [v1::MessageClass::Notice, v1::MessageClass::Transactional].map(i32::from).into();
    }
    grant.classes.iter().copied().collect()
}

/// Items in no order.
pub(super) fn set<T: Ord>(items: &[T]) -> BTreeSet<&T> {
    items.iter().collect()
}
