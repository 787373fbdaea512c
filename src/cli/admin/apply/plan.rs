//! What has to be done so that everything a file says is so. What the file does not mention is left alone.

use std::collections::{BTreeSet, HashMap};

use super::super::held::{Held, Holder, set};
use super::file::{SaidDepartment, SaidTopic, Wanted};
use campanile::api::v1;

/// What there is.
#[derive(Clone, Debug, Default)]
pub(super) struct Known {
    pub(super) departments: Vec<v1::Department>,
    pub(super) topics: Vec<v1::Topic>,
    pub(super) applications: Vec<v1::Application>,
    pub(super) roles: Vec<v1::RoleAssignment>,
    /// Those in force.
    pub(super) grants: Vec<v1::Grant>,
}

/// What is to be done, in this order.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Plan {
    /// New or changed departments, parents first, and whether each is new.
    pub(super) departments: Vec<(v1::Department, bool)>,
    /// New or changed topics, and whether each is new.
    pub(super) topics: Vec<(v1::Topic, bool)>,
    /// New or changed applications, and whether each is new.
    pub(super) applications: Vec<(v1::Application, bool)>,
    /// New roles.
    pub(super) roles: Vec<v1::RoleAssignment>,
    /// New grants.
    pub(super) grants: Vec<Held>,
    /// What is so already.
    pub(super) unchanged: usize,
}

impl Plan {
    /// How much is to be done.
    pub(super) fn len(&self) -> usize {
        self.departments.len() + self.topics.len() + self.applications.len() + self.roles.len() + self.grants.len()
    }

    /// Enters what a file says, which is there as `old` or not yet.
    fn enter<T: Clone + PartialEq>(&mut self, old: Option<&T>, said: T, place: fn(&mut Plan) -> &mut Vec<(T, bool)>) {
        if old == Some(&said) {
            self.unchanged += 1;
        } else {
            place(self).push((said, old.is_none()));
        }
    }
}

/// Compares what should be with what is. The error is a sentence that says what the file must not ask for.
pub(super) fn plan(wanted: &Wanted, known: &Known) -> Result<Plan, String> {
    let mut plan = Plan::default();
    departments(wanted, known, &mut plan)?;
    for topic in &wanted.topics {
        let old = known.topics.iter().find(|one| one.topic == topic.topic);
        plan.enter(old, topic_onto(old, topic), |plan| &mut plan.topics);
    }
    for application in &wanted.applications {
        let old = known.applications.iter().find(|one| one.title == application.title);
        if let Some(old) = old.filter(|old| old.department_id != application.department_id) {
            let (title, id, owner) = (&old.title, &old.application_id, &old.department_id);
            return Err(format!("the application {title:?} is there as {id} and stays with its department {owner:?}"));
        }
        plan.enter(old, application_onto(old, application), |plan| &mut plan.applications);
    }
    for role in &wanted.roles {
        match known.roles.iter().any(|there| v1::RoleAssignment { expire_at: None, ..there.clone() } == *role) {
            true => plan.unchanged += 1,
            false => plan.roles.push(role.clone()),
        }
    }
    for held in &wanted.grants {
        if let Holder::Application(title) = &held.holder
            && !known.applications.iter().chain(&wanted.applications).any(|one| one.title == *title)
        {
            return Err(format!("a grant is for the application {title:?}, which is neither there nor in the file"));
        }
        match held.is_among(&known.grants, &known.applications) {
            true => plan.unchanged += 1,
            false => plan.grants.push(held.clone()),
        }
    }
    Ok(plan)
}

/// Departments, each after the one above it.
fn departments(wanted: &Wanted, known: &Known, plan: &mut Plan) -> Result<(), String> {
    let there: HashMap<&str, &v1::Department> =
        known.departments.iter().map(|one| (one.department_id.as_str(), one)).collect();
    let mut placed: BTreeSet<String> = there.keys().map(|id| (*id).to_owned()).collect();
    let said = |one: &SaidDepartment| (one.id.clone(), department_onto(there.get(one.id.as_str()).copied(), one));
    let mut left: Vec<(String, v1::Department)> = wanted.departments.iter().map(said).collect();
    while !left.is_empty() {
        let before = left.len();
        left.retain(|(id, department)| {
            let ready = department.parent_id.is_empty() || placed.contains(&department.parent_id);
            if ready {
                placed.insert(id.clone());
                plan.enter(there.get(id.as_str()).copied(), department.clone(), |plan| &mut plan.departments);
            }
            !ready
        });
        if left.len() == before {
            let (id, one) = &left[0];
            return Err(format!("the department {id:?} lies under {:?}, which is nowhere", one.parent_id));
        }
    }
    Ok(())
}

/// What a file does not say of a department stays.
fn department_onto(old: Option<&v1::Department>, said: &SaidDepartment) -> v1::Department {
    let old = old.cloned().unwrap_or_default();
    v1::Department {
        department_id: said.id.clone(),
        parent_id: said.under.clone().unwrap_or_else(|| old.parent_id.clone()),
        name: said.name.clone(),
        ..old
    }
}

/// What a file does not say of a topic stays.
fn topic_onto(old: Option<&v1::Topic>, said: &SaidTopic) -> v1::Topic {
    let there = old.map_or(&[][..], |old| &old.default_channels);
    v1::Topic {
        topic: said.topic.clone(),
        title: said.title.clone(),
        department_id: said.department.clone(),
        default_on: said.default_on.or(old.and_then(|old| old.default_on)).or(Some(true)),
        may_mute: said.may_mute.or(old.and_then(|old| old.may_mute)).or(Some(true)),
        default_channels: said.channels.as_deref().map_or_else(|| there.to_vec(), |said| as_there(there, said)),
    }
}

/// What a file does not say of an application stays.
fn application_onto(old: Option<&v1::Application>, said: &v1::Application) -> v1::Application {
    let Some(old) = old else { return said.clone() };
    let or = |said: &String, old: &String| if said.is_empty() { old.clone() } else { said.clone() };
    v1::Application {
        contact: or(&said.contact, &old.contact),
        default_topic: or(&said.default_topic, &old.default_topic),
        default_channels: as_there(&old.default_channels, &said.default_channels),
        inbox_gateway_department_ids: as_there(&old.inbox_gateway_department_ids, &said.inbox_gateway_department_ids),
        ..old.clone()
    }
}

/// A list as a file says it, in the order in which it is there if it is there in another one.
fn as_there<T: Ord + Clone>(there: &[T], said: &[T]) -> Vec<T> {
    if set(there) == set(said) { there.to_vec() } else { said.to_vec() }
}

#[cfg(test)]
mod tests {
    use super::super::file::parse;
    use super::*;
    use campanile::api::v1::principal::Subject;

    const FILE: &str = "[[department]]\nid = \"lab\"\nname = \"Lab\"\nunder = \"library\"\n\
                        [[department]]\nid = \"library\"\nname = \"Library\"\n\
                        [[application]]\ntitle = \"Loans\"\ndepartment = \"library\"\ntopic = \"loans\"\n\
                        [[topic]]\ntopic = \"loans\"\ntitle = \"Loans\"\ndepartment = \"library\"\n\
                        [[role]]\nuser = \"1001\"\nrole = \"reviewer\"\ndepartment = \"library\"\n\
                        [[grant]]\napplication = \"Loans\"\ndepartments = [\"library\"]\n\
                        [[grant]]\nuser = \"1001\"\ndepartments = [\"lab\"]\n";

    #[test]
    fn parents_come_first_and_what_is_there_is_left() {
        let wanted = parse(FILE).unwrap();
        let first = plan(&wanted, &Known::default()).unwrap();
        let order: Vec<_> = first.departments.iter().map(|(one, new)| (one.department_id.as_str(), *new)).collect();
        assert_eq!(order, [("library", true), ("lab", true)]);
        assert_eq!((first.applications.len(), first.grants.len(), first.unchanged), (1, 2, 0));
        assert_eq!((first.topics[0].1, first.roles.len(), first.len()), (true, 1, 7));

        let holder = |subject| Some(v1::Principal { subject: Some(subject), ..Default::default() });
        let application = v1::Application { application_id: "app_1".into(), ..wanted.applications[0].clone() };
        let grants = [Subject::ApplicationId("app_1".into()), Subject::UserId("1001".into())];
        let grants = wanted.grants.iter().zip(grants);
        let grants = grants.map(|(held, subject)| v1::Grant { principal: holder(subject), ..held.grant.clone() });
        let known = Known {
            departments: first.departments.iter().map(|(one, _)| one.clone()).collect(),
            applications: vec![application],
            grants: grants.collect(),
            topics: first.topics.iter().map(|(one, _)| one.clone()).collect(),
            roles: wanted.roles.clone(),
        };
        let second = plan(&wanted, &known).unwrap();
        assert_eq!(second.len(), 0);
        assert_eq!(second.unchanged, 7);

        let later = FILE.replace("topic = \"loans\"\n[[topic]]", "contact = \"8000\"\n[[topic]]");
        let third = plan(&parse(&later).unwrap(), &known).unwrap();
        assert_eq!((third.unchanged, third.len()), (6, 1));
        let (changed, new) = &third.applications[0];
        assert_eq!((changed.application_id.as_str(), changed.contact.as_str(), *new), ("app_1", "8000", false));
        assert_eq!(changed.default_topic, "loans");

        // What is left out stays: the place of a department, whether people may mute a topic.
        let mut known = known;
        known.topics[0].may_mute = Some(false);
        let short = FILE.replace("under = \"library\"\n", "").replace("name = \"Lab\"", "name = \"Laboratory\"");
        let fourth = plan(&parse(&short).unwrap(), &known).unwrap();
        let (lab, _) = &fourth.departments[0];
        assert_eq!((fourth.len(), lab.name.as_str(), lab.parent_id.as_str()), (1, "Laboratory", "library"));
    }

    #[test]
    fn what_cannot_be_done_is_said_before_anything_is_done() {
        for (file, word) in [
            ("[[department]]\nid = \"a\"\nname = \"A\"\nunder = \"b\"\n", "which is nowhere"),
            ("[[grant]]\napplication = \"None\"\ndepartments = [\"a\"]\n", "neither there nor in the file"),
        ] {
            let fault = plan(&parse(file).unwrap(), &Known::default()).unwrap_err();
            assert!(fault.contains(word), "{fault}");
        }
        let known = Known {
            applications: vec![v1::Application {
                title: "Loans".into(),
                department_id: "other".into(),
                ..Default::default()
            }],
            ..Known::default()
        };
        assert!(plan(&parse(FILE).unwrap(), &known).unwrap_err().contains("stays with its department"));
    }
}
