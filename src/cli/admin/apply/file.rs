//! What a campus file says, as the interface's own messages.

use std::collections::HashSet;

use serde::Deserialize;

use super::super::held::{self, Held, SaidGrant, channels};
use super::super::role::parse_role;
use campanile::api::v1;

/// The whole file. Unknown names are refused: a misspelt one would silently mean nothing.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Text {
    #[serde(default, rename = "department")]
    departments: Vec<SaidDepartment>,
    #[serde(default, rename = "topic")]
    topics: Vec<Topic>,
    #[serde(default, rename = "application")]
    applications: Vec<Application>,
    #[serde(default, rename = "role")]
    roles: Vec<Role>,
    #[serde(default, rename = "grant")]
    grants: Vec<SaidGrant>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Topic {
    topic: String,
    title: String,
    department: String,
    default_on: Option<bool>,
    may_mute: Option<bool>,
    channels: Option<Vec<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Role {
    user: String,
    role: String,
    #[serde(default)]
    department: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Application {
    title: String,
    department: String,
    #[serde(default)]
    contact: String,
    #[serde(default)]
    topic: String,
    #[serde(default)]
    channels: Vec<String>,
    #[serde(default)]
    inbox_for: Vec<String>,
}

/// What there should be.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Wanted {
    /// Departments, each once.
    pub(super) departments: Vec<SaidDepartment>,
    /// Topics, each once.
    pub(super) topics: Vec<SaidTopic>,
    /// Applications, each title once.
    pub(super) applications: Vec<v1::Application>,
    /// Roles, each of a person in a place once.
    pub(super) roles: Vec<v1::RoleAssignment>,
    /// Who holds what.
    pub(super) grants: Vec<Held>,
}

/// A department; what is `None` stays as it is.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SaidDepartment {
    pub(super) id: String,
    pub(super) name: String,
    /// The one above; empty: it is a root.
    pub(super) under: Option<String>,
}

/// A topic; what is `None` stays as it is.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct SaidTopic {
    pub(super) topic: String,
    pub(super) title: String,
    pub(super) department: String,
    pub(super) default_on: Option<bool>,
    pub(super) may_mute: Option<bool>,
    pub(super) channels: Option<Vec<i32>>,
}

/// Reads a file. The error is a sentence that says where and what.
pub(super) fn parse(text: &str) -> Result<Wanted, String> {
    let text: Text = toml::from_str(text).map_err(|fault| fault.to_string())?;
    let wanted = Wanted {
        departments: text.departments,
        topics: text.topics.into_iter().map(topic).collect::<Result<_, _>>()?,
        applications: text.applications.into_iter().map(application).collect::<Result<_, _>>()?,
        roles: text.roles.into_iter().zip(1..).map(role).collect::<Result<_, _>>()?,
        grants: text.grants.into_iter().zip(1..).map(grant).collect::<Result<_, _>>()?,
    };
    once("department", wanted.departments.iter().map(|one| &one.id))?;
    once("topic", wanted.topics.iter().map(|one| &one.topic))?;
    let roles = wanted.roles.iter().map(|one| format!("{} of {} for {}", one.role, one.department_id, one.user_id));
    once("role", roles.collect::<Vec<_>>().iter())?;
    once("application", wanted.applications.iter().map(|one| &one.title))?;
    Ok(wanted)
}

fn once<'a>(what: &str, names: impl Iterator<Item = &'a String>) -> Result<(), String> {
    let mut seen = HashSet::new();
    for name in names {
        if !seen.insert(name) {
            return Err(format!("the {what} {name:?} is said twice"));
        }
    }
    Ok(())
}

fn topic(said: Topic) -> Result<SaidTopic, String> {
    let Topic { topic, title, department, default_on, may_mute, channels: named } = said;
    let channels = named.as_deref().map(channels).transpose();
    let channels = channels.map_err(|fault: String| format!("topic {topic:?}: channels: {fault}"))?;
    Ok(SaidTopic { topic, title, department, default_on, may_mute, channels })
}

fn role((said, place): (Role, usize)) -> Result<v1::RoleAssignment, String> {
    let role = parse_role(&said.role).map_err(|fault| format!("role {place}: {fault}"))?.into();
    Ok(v1::RoleAssignment { user_id: said.user, role, department_id: said.department, expire_at: None })
}

fn application(said: Application) -> Result<v1::Application, String> {
    let fault = |fault: String| format!("application {:?}: channels: {fault}", said.title);
    Ok(v1::Application {
        default_channels: channels(&said.channels).map_err(fault)?,
        title: said.title,
        department_id: said.department,
        contact: said.contact,
        default_topic: said.topic,
        inbox_gateway_department_ids: said.inbox_for,
        ..Default::default()
    })
}

fn grant((said, place): (SaidGrant, usize)) -> Result<Held, String> {
    held::read(said).map_err(|fault| format!("grant {place}: {fault}"))
}

#[cfg(test)]
mod tests {
    use super::super::super::held::Holder;
    use super::*;

    #[test]
    fn a_file_is_read_and_what_cannot_be_meant_is_refused() {
        let wanted = parse(
            "[[department]]\nid = \"library\"\nname = \"图书馆\"\n[[application]]\ntitle = \"图书馆系统\"\ndepartment = \
             \"library\"\nchannels = [\"email\"]\n[[grant]]\napplication = \"图书馆系统\"\ndepartments = [\"library\"]\n",
        )
        .unwrap();
        assert_eq!((wanted.departments.len(), wanted.applications[0].default_channels.len()), (1, 1));
        assert_eq!(wanted.grants[0].holder, Holder::Application("图书馆系统".to_owned()));
        for (bad, word) in [
            ("[[departement]]\nid = \"x\"\n", "unknown field"),
            ("[[department]]\nid = \"x\"\n", "missing field `name`"),
            ("[[department]]\nid = \"x\"\nname = \"X\"\n[[department]]\nid = \"x\"\nname = \"Y\"\n", "said twice"),
            ("[[application]]\ntitle = \"A\"\ndepartment = \"x\"\nchannels = [\"smoke\"]\n", "known are email"),
            ("[[role]]\nuser = \"1\"\nrole = \"boss\"\n", "role 1: known are platform-administrator"),
            ("[[topic]]\ntopic = \"a\"\ntitle = \"A\"\ndepartment = \"x\"\nmute = true\n", "unknown field `mute`"),
            ("[[grant]]\ndepartments = [\"x\"]\n", "grant 1: name one holder"),
            ("[[grant]]\nuser = \"1\"\nclasses = [\"loud\"]\n", "grant 1: classes: known are"),
        ] {
            let fault = parse(bad).unwrap_err();
            assert!(fault.contains(word), "{fault}");
        }
    }
}
