//! What only a store can see and refuse, worded once for all backends.

use super::departments::InUse;
use crate::domain::directory::FIRST_ORDINAL;
use crate::domain::refusal::{Reason, Refusal};

/// Nobody has made this department.
pub(super) fn unknown_department(external_id: &str, field: &str) -> Refusal {
    let message = format!("There is no department {external_id:?}; create it first or correct the id.");
    Refusal::new(Reason::UnknownDepartment, message).field(field).with("department", external_id)
}

/// A department cannot lie under itself.
pub(super) fn department_cycle(external_id: &str) -> Refusal {
    let message = format!("Department {external_id:?} would lie under itself; choose another parent.");
    Refusal::new(Reason::DepartmentCycle, message).field("department.parent_id").with("department", external_id)
}

/// There is no department of this id.
pub(super) fn no_department(external_id: &str) -> Refusal {
    let message = format!("There is no department {external_id:?}; correct the id.");
    Refusal::new(Reason::NotFound, message).field("department_id").with("department", external_id)
}

/// Goes on if no version is meant, or the present one.
pub(super) fn other_version(meant: Option<i64>, present: i64, field: &str) -> Result<(), Refusal> {
    if meant.is_none_or(|meant| meant == present) {
        return Ok(());
    }
    let message = "Somebody changed it in the meantime; read it again and repeat the change.";
    Err(Refusal::new(Reason::EtagMismatch, message).field(field))
}

/// Goes on if nothing stands in the way of a department's end.
pub(super) fn in_use(external_id: &str, found: InUse) -> Result<(), Refusal> {
    let InUse { departments, people, applications, grants, tags, roles, topics } = found;
    let ways = [
        ("departments", departments, "departments below it"),
        ("people", people, "people in it"),
        ("applications", applications, "applications of it"),
        ("grants", grants, "grants over it"),
        ("tags", tags, "tags of it"),
        ("roles", roles, "roles over it"),
        ("topics", topics, "topics of it"),
    ];
    let ways: Vec<_> = ways.into_iter().filter(|(_, n, _)| *n > 0).collect();
    if ways.is_empty() {
        return Ok(());
    }
    let listed: Vec<_> = ways.iter().map(|(_, n, what)| format!("{n} {what}")).collect();
    let message = format!("The department has {}. Move or end them first.", listed.join(", "));
    let refusal = Refusal::new(Reason::DepartmentInUse, message).field("department_id").with("department", external_id);
    Err(ways.into_iter().fold(refusal, |refusal, (key, n, _)| refusal.with(key, n)))
}

/// There is no static or rule tag of this name.
pub(super) fn unknown_tag(name: &str) -> Refusal {
    Refusal::new(Reason::NotFound, format!("There is no tag {name:?}; create it first.")).field("tag").with("tag", name)
}

/// Tags of departments, reachability and everyone are nobody's to write.
pub(super) fn tag_follows_from_others() -> Refusal {
    let message = "Only static and rule tags can be written; the others follow from departments and users.";
    Refusal::new(Reason::FieldInvalid, message).field("tag.kind")
}

/// A static tag stays static, a rule stays a rule.
pub(super) fn tag_of_another_kind(name: &str) -> Refusal {
    let message = format!("A tag {name:?} of another kind exists; choose another name.");
    Refusal::new(Reason::IdTaken, message).field("tag.name").with("tag", name)
}

/// The members of a rule follow from it.
pub(super) fn rule_has_no_members(name: &str) -> Refusal {
    let message = format!("Tag {name:?} is a rule and has no members to edit; edit its rule.");
    Refusal::new(Reason::FieldInvalid, message).field("tag").with("tag", name)
}

/// A row of a user names a rule among its tags.
pub(super) fn rule_takes_nobody(name: &str) -> Refusal {
    let message = format!("Tag {name:?} is a rule; nobody can be put into it by name.");
    Refusal::new(Reason::FieldInvalid, message).field("user.tags").with("tag", name)
}

/// Tags are sets of people.
pub(super) fn groups_have_no_tags(field: &str) -> Refusal {
    Refusal::new(Reason::FieldInvalid, "Tags are sets of people; a group or an administrator takes none.").field(field)
}

/// The administrator and the simulated users are the service's own.
pub(super) fn own_user() -> Refusal {
    let message = "This id belongs to a user that the service has of its own; choose another.";
    Refusal::new(Reason::IdTaken, message).field("user.user_id")
}

/// Somebody who receives stays with the source that she comes from.
pub(super) fn of_another_source() -> Refusal {
    let message = "Another source looks after this person; take the row out, or let the other one end it first.";
    Refusal::new(Reason::IdTaken, message).field("user.user_id")
}

/// Somebody else was first.
pub(super) fn changed_meanwhile(field: &str) -> Refusal {
    Refusal::new(Reason::EtagMismatch, "Somebody changed it in the meantime; read it again, then repeat.").field(field)
}

/// An id is one person's.
pub(super) fn alias_taken(alias: &str) -> Refusal {
    let message = format!("{alias:?} is the id of somebody else; take it from there first, or correct it.");
    Refusal::new(Reason::IdTaken, message).field("user.alias_ids")
}

/// Nobody has this id.
pub(super) fn unknown_user() -> Refusal {
    Refusal::new(Reason::NotFound, "There is no such user. Correct the id.").field("user_id")
}

/// The service cannot do without its own users.
pub(super) fn own_user_stays(ordinal: u32) -> Result<(), Refusal> {
    if ordinal >= FIRST_ORDINAL {
        return Ok(());
    }
    let message = "The administrator and the simulated users belong to the service and stay.";
    Err(Refusal::new(Reason::UserIsOwn, message).field("user_id"))
}

/// There is no such key.
pub(super) fn unknown_key() -> Refusal {
    Refusal::new(Reason::NotFound, "There is no such key.").field("key_id")
}

/// The person has not got this role there.
pub(super) fn unknown_role() -> Refusal {
    let message = "The person has not got this role there; list the roles to see which ones there are.";
    Refusal::new(Reason::NotFound, message).field("role")
}

/// There is no such application.
pub(super) fn unknown_application() -> Refusal {
    Refusal::new(Reason::NotFound, "There is no such application.").field("application.application_id")
}

/// There is no such grant.
pub(super) fn unknown_grant() -> Refusal {
    Refusal::new(Reason::NotFound, "There is no such grant.").field("grant_id")
}

/// Another row has the id or the name.
pub(super) fn id_taken() -> Refusal {
    Refusal::new(Reason::IdTaken, "Something else has this id already; choose another.")
}

/// A grant that was taken back stays so.
pub(super) fn grant_is_over() -> Refusal {
    Refusal::new(Reason::FieldInvalid, "The grant was taken back; give a new one.").field("grant_id")
}
