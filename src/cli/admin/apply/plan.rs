//! What has to be done so that everything a file says is so. What the file does not mention is left alone.

use std::collections::{BTreeSet, HashMap};

use super::super::held::{Held, Holder, set};
use super::file::Wanted;
use crate::api::v1;

/// What there is.
#[derive(Clone, Debug, Default)]
pub(super) struct Known {
    pub(super) departments: Vec<v1::Department>,
    pub(super) applications: Vec<v1::Application>,
    /// Those in force.
    pub(super) grants: Vec<v1::Grant>,
}

/// What is to be done, in this order.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Plan {
    /// New or changed departments, parents first, and whether each is new.
    pub(super) departments: Vec<(v1::Department, bool)>,
    /// New applications.
    pub(super) applications: Vec<v1::Application>,
    /// New grants.
    pub(super) grants: Vec<Held>,
    /// What is so already.
    pub(super) unchanged: usize,
}

impl Plan {
    /// Nothing is to be done.
    pub(super) fn is_empty(&self) -> bool {
        self.departments.is_empty() && self.applications.is_empty() && self.grants.is_empty()
    }
}

/// Compares what should be with what is. The error is a sentence that says what the file must not ask for.
pub(super) fn plan(wanted: &Wanted, known: &Known) -> Result<Plan, String> {
    let mut plan = Plan::default();
    departments(wanted, known, &mut plan)?;
    for application in &wanted.applications {
        match known.applications.iter().find(|one| one.title == application.title) {
            None => plan.applications.push(application.clone()),
            Some(there) if is_same_application(there, application) => plan.unchanged += 1,
            Some(there) => {
                return Err(format!(
                    "the application {:?} is there as {} and differs from the file; an application cannot be changed yet",
                    application.title, there.application_id
                ));
            }
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
    let mut placed: BTreeSet<&str> = there.keys().copied().collect();
    let mut left: Vec<&v1::Department> = wanted.departments.iter().collect();
    while !left.is_empty() {
        let before = left.len();
        left.retain(|department| {
            let ready = department.parent_id.is_empty() || placed.contains(department.parent_id.as_str());
            if ready {
                placed.insert(&department.department_id);
                let old = there.get(department.department_id.as_str());
                match old.filter(|old| old.name == department.name && old.parent_id == department.parent_id) {
                    Some(_) => plan.unchanged += 1,
                    None => plan.departments.push((onto(old.copied(), department), old.is_none())),
                }
            }
            !ready
        });
        if left.len() == before {
            let one = left[0];
            return Err(format!(
                "the department {:?} lies under {:?}, which is nowhere",
                one.department_id, one.parent_id
            ));
        }
    }
    Ok(())
}

/// What a file does not say of a department stays.
fn onto(old: Option<&v1::Department>, said: &v1::Department) -> v1::Department {
    let old = old.cloned().unwrap_or_default();
    v1::Department {
        department_id: said.department_id.clone(),
        parent_id: said.parent_id.clone(),
        name: said.name.clone(),
        ..old
    }
}

fn is_same_application(there: &v1::Application, said: &v1::Application) -> bool {
    there.department_id == said.department_id
        && set(&there.default_channels) == set(&said.default_channels)
        && set(&there.inbox_gateway_department_ids) == set(&said.inbox_gateway_department_ids)
}

#[cfg(test)]
mod tests {
    use super::super::file::parse;
    use super::*;
    use crate::api::v1::principal::Subject;

    const FILE: &str = "[[department]]\nid = \"lab\"\nname = \"Lab\"\nunder = \"library\"\n\
                        [[department]]\nid = \"library\"\nname = \"Library\"\n\
                        [[application]]\ntitle = \"Loans\"\ndepartment = \"library\"\n\
                        [[grant]]\napplication = \"Loans\"\ndepartments = [\"library\"]\n\
                        [[grant]]\nuser = \"1001\"\ndepartments = [\"lab\"]\n";

    #[test]
    fn parents_come_first_and_what_is_there_is_left() {
        let wanted = parse(FILE).unwrap();
        let first = plan(&wanted, &Known::default()).unwrap();
        let order: Vec<_> = first.departments.iter().map(|(one, new)| (one.department_id.as_str(), *new)).collect();
        assert_eq!(order, [("library", true), ("lab", true)]);
        assert_eq!((first.applications.len(), first.grants.len(), first.unchanged), (1, 2, 0));

        let holder = |subject| Some(v1::Principal { subject: Some(subject), ..Default::default() });
        let application = v1::Application { application_id: "app_1".into(), ..wanted.applications[0].clone() };
        let grants = [Subject::ApplicationId("app_1".into()), Subject::UserId("1001".into())];
        let grants = wanted.grants.iter().zip(grants);
        let grants = grants.map(|(held, subject)| v1::Grant { principal: holder(subject), ..held.grant.clone() });
        let known = Known {
            departments: wanted.departments.clone(),
            applications: vec![application],
            grants: grants.collect(),
        };
        let second = plan(&wanted, &known).unwrap();
        assert!(second.is_empty());
        assert_eq!(second.unchanged, 5);
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
        assert!(plan(&parse(FILE).unwrap(), &known).unwrap_err().contains("cannot be changed yet"));
    }
}
