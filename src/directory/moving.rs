//! Moves and ends of departments: what they would change first, then the change itself.

use roaring::MultiOps;

use super::departments::not_found;
use super::{Registrar, check};
use crate::access::Caller;
use crate::access::scope::{Scope, Scopes, holder_is_there};
use crate::audience::Snapshot;
use crate::audience::parse::parse;
use crate::audience::show::terms_of;
use crate::audience::tree::Tree;
use crate::domain::access::{Grant, GrantState};
use crate::domain::audience::Term;
use crate::domain::audit::{Action, Deed, Object};
use crate::domain::change::ChangeKind;
use crate::domain::directory::Department;
use crate::domain::id::GrantId;
use crate::domain::refusal::{Reason, Refusal};
use crate::domain::set::Set;
use crate::domain::time::At;

/// What a move of a department changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DepartmentMoved {
    /// Grants that reach others than before, ascending by id.
    pub changes: Vec<GrantChange>,
    /// The change number; `None` when only asked.
    pub seq: Option<i64>,
}

/// How the reach of a grant changes, in people who receive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GrantChange {
    /// The grant.
    pub grant: GrantId,
    /// People it reaches in addition.
    pub gained: u64,
    /// People it no longer reaches.
    pub lost: u64,
}

impl Registrar {
    /// Hangs a department with all below it under another one, or makes it a root, and says which grants that are or
    /// will be rights gain and lose whom by it. With `validate_only` it only says so.
    ///
    /// # Errors
    /// `SCOPE_MISSING` without `ADMIN`, `TEST_KEY`, `ROLE_MISSING`, `NOT_FOUND`, `UNKNOWN_DEPARTMENT` for the one above,
    /// `DEPARTMENT_CYCLE`.
    pub async fn move_department(
        &self,
        caller: &Caller,
        external_id: &str,
        parent: Option<&str>,
        validate_only: bool,
    ) -> Result<DepartmentMoved, Refusal> {
        self.may_write(caller)?;
        check::external_id("department_id", external_id)?;
        let snapshot = self.parts.memory.index.snapshot();
        let moved = moved(snapshot.tree(), external_id, parent)?;
        let deed = Deed::of(Action::DepartmentMove).on(Object::Department(moved.id));
        let changes = self.reach_changed(&snapshot, moved).await;
        if validate_only {
            return Ok(DepartmentMoved { changes, seq: None });
        }
        self.parts.audit.record(caller, deed.over([parent.unwrap_or_default()])).await?;
        let seq = self.parts.store.departments.relocate(external_id, parent, self.parts.clock.now()).await?;
        self.parts.follower.catch_up(seq).await?;
        Ok(DepartmentMoved { changes, seq: Some(seq) })
    }

    /// Removes a department that nothing belongs to and nothing names. Returns the change number.
    ///
    /// # Errors
    /// `SCOPE_MISSING` without `ADMIN`, `TEST_KEY`, `ROLE_MISSING`, `NOT_FOUND`, `ETAG_MISMATCH`, `DEPARTMENT_IN_USE`.
    pub async fn delete_department(
        &self,
        caller: &Caller,
        external_id: &str,
        version: Option<i64>,
    ) -> Result<i64, Refusal> {
        self.may_write(caller)?;
        check::external_id("department_id", external_id)?;
        let snapshot = self.parts.memory.index.snapshot();
        let known = snapshot.tree().by_external_id(external_id).ok_or_else(|| not_found(external_id))?.id;
        // Expressions are read here: to the store they are texts. One that is written a moment later names nobody.
        self.refuse_named(external_id, &snapshot)?;
        let deed = Deed::of(Action::DepartmentDelete).on(Object::Department(known));
        self.parts.audit.record(caller, deed).await?;
        let seq = self.parts.store.departments.delete(external_id, version, self.parts.clock.now()).await?;
        self.parts.follower.catch_up(seq).await?;
        Ok(seq)
    }

    /// The grants whose scope is another set once the department hangs elsewhere.
    async fn reach_changed(&self, before: &Snapshot, moved: Department) -> Vec<GrantChange> {
        let id = moved.id;
        let after = before.supposing(ChangeKind::Department(moved));
        // Only what lies above it, there or here, is another set afterwards.
        let above: Vec<i64> = [before.tree(), after.tree()].iter().flat_map(|tree| tree.ancestors(id)).collect();
        let touched = |grant: &Grant| {
            let ids = grant.department_ids.iter().chain(grant.ceiling.iter().flatten()).chain(&grant.while_in);
            grant.audience.is_some() || ids.into_iter().any(|id| above.contains(id))
        };
        let (scopes, supposed, now) = (Scopes::default(), Scopes::default(), self.parts.clock.now());
        let mut changes = Vec::new();
        for grant in self.parts.memory.grants.all() {
            if !matches!(grant.state(now), GrantState::Active | GrantState::Future) || !touched(&grant) {
                continue;
            }
            let (was, is) = (reached(&grant, &scopes, before, now), reached(&grant, &supposed, &after, now));
            let gained = (&is - &was).intersection_len(before.everyone());
            let lost = (was - is).intersection_len(before.everyone());
            if gained + lost > 0 {
                changes.push(GrantChange { grant: grant.id, gained, lost });
            }
            // Each may be a union over the whole institution.
            tokio::task::yield_now().await;
        }
        changes
    }

    /// Refuses while an expression of a grant or of a rule tag names the department.
    fn refuse_named(&self, external_id: &str, snapshot: &Snapshot) -> Result<(), Refusal> {
        let named = |term: &Term| matches!(term, Term::Under(id) | Term::Exactly(id) if id == external_id);
        let now = self.parts.clock.now();
        let in_audience = |grant: &&std::sync::Arc<Grant>| {
            let tree = grant.audience.as_deref().and_then(|text| parse(text).ok());
            matches!(grant.state(now), GrantState::Active | GrantState::Future)
                && tree.is_some_and(|tree| terms_of(&tree).into_iter().any(named))
        };
        let grants = self.parts.memory.grants.all().iter().filter(in_audience).count();
        let rules = snapshot.tags().filter_map(|entry| entry.rule.as_ref()?.as_ref().ok());
        let tags = rules.filter(|rule| terms_of(rule).into_iter().any(named)).count();
        if grants + tags == 0 {
            return Ok(());
        }
        let message = format!("{grants} grants and {tags} rule tags name the department. End or change them first.");
        let refusal = Refusal::new(Reason::DepartmentInUse, message).field("department_id");
        let ways = [("grants", grants), ("tags", tags)].into_iter().filter(|(_, n)| *n > 0);
        Err(ways.fold(refusal.with("department", external_id), |refusal, (key, n)| refusal.with(key, n)))
    }
}

/// The department as it would be after a move.
fn moved(tree: &Tree, external_id: &str, parent: Option<&str>) -> Result<Department, Refusal> {
    let department = tree.by_external_id(external_id).ok_or_else(|| not_found(external_id))?;
    let mut parent_id = None;
    if let Some(parent) = parent {
        check::external_id("new_parent_id", parent)?;
        let above = tree.by_external_id(parent).ok_or_else(|| {
            let message = format!("There is no department {parent:?}; create it first or correct the id.");
            Refusal::new(Reason::UnknownDepartment, message).field("new_parent_id").with("department", parent)
        })?;
        if tree.is_under(above.id, department.id) {
            let message = format!("Department {external_id:?} would lie under itself; choose another parent.");
            let refusal = Refusal::new(Reason::DepartmentCycle, message).field("new_parent_id");
            return Err(refusal.with("department", external_id));
        }
        parent_id = Some(above.id);
    }
    Ok(Department { parent_id, ..department.clone() })
}

/// Whom a grant reaches.
fn reached(grant: &Grant, scopes: &Scopes, snapshot: &Snapshot, now: At) -> Set {
    if !holder_is_there(grant, snapshot) {
        return Set::new();
    }
    match scopes.of(grant, snapshot, now) {
        Scope::Everything => Set::clone(snapshot.everyone()),
        Scope::Parts(parts) => parts.iter().map(AsRef::as_ref).union(),
    }
}
