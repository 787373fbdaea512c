//! Roles, both ways.

use super::{enums, message, publish, required, time};
use crate::access::admin::RoleDraft;
use crate::api::v1;
use crate::audience::Snapshot;
use crate::domain::refusal::Refusal;
use crate::domain::role::Assignment;

/// A role that is to be given.
///
/// # Errors
/// What is wrong with a field.
pub fn draft(wanted: Option<v1::RoleAssignment>) -> Result<RoleDraft, Refusal> {
    let wanted = wanted.ok_or_else(|| required("assignment"))?;
    let path = "assignment.user_id";
    Ok(RoleDraft {
        user_id: publish::external_id(path, wanted.user_id)?.ok_or_else(|| required(path))?,
        role: enums::role("assignment.role", wanted.role)?,
        department_id: publish::external_id("assignment.department_id", wanted.department_id)?,
        expire_at: time::at_if("assignment.expire_at", wanted.expire_at.as_ref())?,
    })
}

/// A role that is to be taken.
///
/// # Errors
/// What is wrong with a field.
pub fn withdrawn(wanted: v1::WithdrawRoleRequest) -> Result<RoleDraft, Refusal> {
    super::why(&wanted.why)?;
    Ok(RoleDraft {
        user_id: publish::external_id("user_id", wanted.user_id)?.ok_or_else(|| required("user_id"))?,
        role: enums::role("role", wanted.role)?,
        department_id: publish::external_id("department_id", wanted.department_id)?,
        expire_at: None,
    })
}

/// A role as the wire carries it.
#[must_use]
pub fn assignment(one: &Assignment, directory: &Snapshot) -> v1::RoleAssignment {
    v1::RoleAssignment {
        user_id: message::person(directory, one.ordinal),
        role: enums::role_number(one.role),
        department_id: one.department_id.map(|id| message::department(directory, id)).unwrap_or_default(),
        expire_at: one.expire_at.map(time::stamp),
    }
}
