//! Roles: given, taken, listed.

use super::Admin;
use crate::access::Caller;
use crate::access::authority::{Reach, exceeds};
use crate::domain::access::Principal;
use crate::domain::audit::{Action, Deed, Object};
use crate::domain::directory::ADMINISTRATOR;
use crate::domain::page::{self, Page, PageRequest};
use crate::domain::refusal::{Reason, Refusal};
use crate::domain::role::{Assignment, Role};
use crate::domain::time::At;

/// A role as an administrator wants to give it.
#[derive(Clone, Debug)]
pub struct RoleDraft {
    /// External id of the person.
    pub user_id: String,
    /// What it is.
    pub role: Role,
    /// External id of the department; `None`: everywhere.
    pub department_id: Option<String>,
    /// After this it is none.
    pub expire_at: Option<At>,
}

/// Which roles to list; `None` is no limit.
#[derive(Clone, Debug, Default)]
pub struct RoleFilter {
    /// External id of the person.
    pub user_id: Option<String>,
    /// This role.
    pub role: Option<Role>,
    /// In one of these departments (the store's keys).
    pub departments: Option<Vec<i64>>,
}

impl Admin {
    /// Gives a role; giving it again replaces when it ends. Nobody gives what reaches farther than their own office.
    ///
    /// # Errors
    /// `SCOPE_MISSING`, `TEST_KEY`, `ROLE_MISSING`, `EXCEEDS_OWN_RIGHTS`, `UNKNOWN_USER`, `UNKNOWN_DEPARTMENT`,
    /// `FIELD_REQUIRED`, `FIELD_INVALID`.
    pub async fn assign_role(&self, caller: &Caller, draft: RoleDraft) -> Result<Assignment, Refusal> {
        caller.require_live()?;
        let now = self.parts.clock.now();
        let reach = caller.require_administrator(now)?;
        let assignment = self.assignment(caller, &draft, now)?;
        let snapshot = self.parts.index.snapshot();
        if !reach.gives(&assignment, snapshot.tree()) {
            return Err(exceeds("The role").field("assignment.department_id"));
        }
        if !reach.has(assignment.ordinal, &snapshot) {
            return Err(nobody("assignment.user_id"));
        }
        if !snapshot.everyone().contains(assignment.ordinal) {
            let message = "Roles are for people who are here: not for groups, and not for those who have left.";
            return Err(Refusal::new(Reason::FieldInvalid, message).field("assignment.user_id"));
        }
        let deed = Deed::of(Action::RoleAssign).on(Object::User(assignment.ordinal));
        self.parts.audit.record(caller, deed.over([format!("{assignment:?}")])).await?;
        let seq = self.parts.store.roles.assign(assignment).await?;
        self.see_roles(assignment.ordinal, seq).await?;
        Ok(assignment)
    }

    /// Takes a role.
    ///
    /// # Errors
    /// `SCOPE_MISSING`, `TEST_KEY`, `ROLE_MISSING`, `NOT_FOUND` (also for those out of reach or not there),
    /// `FIELD_INVALID`, `LAST_ADMINISTRATOR`.
    pub async fn withdraw_role(&self, caller: &Caller, draft: RoleDraft) -> Result<(), Refusal> {
        caller.require_live()?;
        let now = self.parts.clock.now();
        let reach = caller.require_administrator(now)?;
        // Whom and what there is not, nobody has; so it is told like what lies out of reach.
        let taken = self.assignment(caller, &RoleDraft { expire_at: None, ..draft }, now).map_err(|refusal| {
            match refusal.reason {
                Reason::UnknownUser | Reason::UnknownDepartment => absent(),
                _ => refusal,
            }
        })?;
        if !reach.gives(&taken, self.parts.index.snapshot().tree()) {
            return Err(absent());
        }
        let person = Principal::Person(taken.ordinal);
        if taken.role == Role::PlatformAdministrator
            && !self.somebody_administers(now, |key| key.principal != person).await?
        {
            let message = "This is the last platform administrator with a key; make another one first.";
            return Err(Refusal::new(Reason::LastAdministrator, message).field("user_id"));
        }
        let deed = Deed::of(Action::RoleWithdraw).on(Object::User(taken.ordinal));
        let detail = format!("{:?} {:?}", taken.role, taken.department_id);
        self.parts.audit.record(caller, deed.over([detail])).await?;
        let seq = self.parts.store.roles.withdraw(taken.ordinal, taken.role, taken.department_id, now).await?;
        self.see_roles(taken.ordinal, seq).await
    }

    /// One page of the roles that are held now, by person. One's own need nothing, all others an office that
    /// reaches them.
    ///
    /// # Errors
    /// `SCOPE_MISSING`, `ROLE_MISSING`, `UNKNOWN_USER`, `PAGE_TOKEN_INVALID`.
    pub fn list_roles(
        &self,
        caller: &Caller,
        filter: &RoleFilter,
        page: &PageRequest,
    ) -> Result<Page<Assignment>, Refusal> {
        let now = self.parts.clock.now();
        let wanted = filter.user_id.as_deref().map(|id| self.person(id)).transpose()?;
        let own = wanted.is_some_and(|ordinal| caller.principal == Principal::Person(ordinal));
        let reach = if own { Reach::Everywhere } else { self.watched(caller, now)? };
        let snapshot = self.parts.index.snapshot();
        let after = page.after.as_deref().map(mark).transpose()?;
        let fits = |one: &Assignment| {
            wanted.is_none_or(|ordinal| one.ordinal == ordinal)
                && filter.role.is_none_or(|role| one.role == role)
                && filter.departments.as_ref().is_none_or(|ids| one.department_id.is_some_and(|id| ids.contains(&id)))
                && reach.gives(one, snapshot.tree())
                && after.is_none_or(|last| place(one) > last)
        };
        let mut found: Vec<Assignment> = self.parts.roles.all(now).into_iter().filter(fits).collect();
        found.sort_unstable_by_key(place);
        Ok(Page::first(found, page.limit(), |one| {
            let (ordinal, role, department_id) = place(one);
            format!("{ordinal}.{role}.{department_id}")
        }))
    }

    /// The roles that somebody holds now, as this node has them.
    #[must_use]
    pub fn roles_of(&self, principal: Principal) -> Vec<Assignment> {
        let now = self.parts.clock.now();
        self.parts.roles.of(principal).iter().filter(|one| one.is_valid(now)).copied().collect()
    }

    fn assignment(&self, caller: &Caller, draft: &RoleDraft, now: At) -> Result<Assignment, Refusal> {
        let refuse = |reason, field: &str, message: &str| Err(Refusal::new(reason, message).field(field));
        let ordinal = self.person(&draft.user_id).map_err(|refusal| refusal.field("assignment.user_id"))?;
        if ordinal == ADMINISTRATOR {
            let message = "The service's own administrator is a platform administrator always, and nothing else.";
            return refuse(Reason::FieldInvalid, "assignment.user_id", message);
        }
        let role = draft.role;
        if !role.fits(draft.department_id.is_some()) {
            let field = "assignment.department_id";
            return match draft.department_id {
                Some(_) => refuse(Reason::FieldInvalid, field, "This role holds everywhere; leave the department out."),
                None => refuse(Reason::FieldRequired, field, "This role is of a department; name it."),
            };
        }
        let department_id =
            draft.department_id.as_deref().map(|id| self.department(id, "assignment.department_id")).transpose()?;
        if draft.expire_at.is_some_and(|end| end <= now) {
            return refuse(Reason::FieldInvalid, "assignment.expire_at", "The role would end before it begins.");
        }
        let (expire_at, given_by) = (draft.expire_at, caller.principal);
        Ok(Assignment { ordinal, role, department_id, expire_at, given_by, given_at: now })
    }

    /// Takes over what a person has after a change of it.
    async fn see_roles(&self, ordinal: u32, seq: i64) -> Result<(), Refusal> {
        let held = self.parts.store.roles.of(ordinal).await?;
        self.parts.roles.put(ordinal, held, seq);
        Ok(())
    }
}

/// The order of lists, and where a page ends.
fn place(one: &Assignment) -> (u32, u8, i64) {
    (one.ordinal, one.role as u8, one.department_id.unwrap_or(0))
}

fn mark(text: &str) -> Result<(u32, u8, i64), Refusal> {
    let mut parts = text.split('.');
    let place = (|| {
        let place = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
        parts.next().is_none().then_some(place)
    })();
    place.ok_or_else(page::invalid)
}

fn absent() -> Refusal {
    Refusal::new(
        Reason::NotFound,
        "The person has not got this role there; list the roles to see which ones there are.",
    )
    .field("role")
}

/// Nobody, or nobody whom the caller looks after: both are told alike.
pub(super) fn nobody(field: &str) -> Refusal {
    let message = "There is no such user; put the person into the directory first.";
    Refusal::new(Reason::UnknownUser, message).field(field).with("count", 1)
}
