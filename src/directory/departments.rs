//! The organisation tree.

use super::{Registrar, check};
use crate::access::Caller;
use crate::audience::tree::Tree;
use crate::domain::access::KeyScope;
use crate::domain::audit::{Action, Deed, Object};
use crate::domain::directory::Department;
use crate::domain::line;
use crate::domain::page::{self, Page, PageRequest};
use crate::domain::refusal::{Reason, Refusal};
use crate::store::DepartmentDraft;

/// The most departments of one write.
pub const DEPARTMENTS_MAX: usize = 10_000;

/// A department with its place in the tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DepartmentView {
    /// The department.
    pub department: Department,
    /// External id of the department above; `None` for a root.
    pub parent: Option<String>,
    /// Distance from the root, which is level 1.
    pub level: u32,
}

/// What a write of one department did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DepartmentWritten {
    /// The department as it is now.
    pub view: DepartmentView,
    /// It did not exist before.
    pub created: bool,
    /// The change number.
    pub seq: i64,
}

impl Registrar {
    /// Creates a department, or renames and moves it.
    ///
    /// # Errors
    /// `SCOPE_MISSING`, `ROLE_MISSING`, `TEST_KEY`, those of a wrong field, `UNKNOWN_DEPARTMENT` for the one above,
    /// `DEPARTMENT_CYCLE`.
    pub async fn upsert_department(&self, caller: &Caller, row: DepartmentDraft) -> Result<DepartmentWritten, Refusal> {
        let id = row.external_id.clone();
        let created = self.tree_has(&id).is_none();
        let seq = self.upsert_departments(caller, vec![row]).await?;
        let view = self.tree_has(&id).ok_or_else(|| not_found(&id))?;
        if created {
            // What it is was not known before.
            let deed = Deed::of(Action::DepartmentUpsert).on(Object::Department(view.department.id));
            self.parts.audit.record(caller, deed).await?;
        }
        Ok(DepartmentWritten { view, created, seq })
    }

    /// Creates or changes departments, all or nothing. A department may stand after the one above it in the same
    /// write. Returns the change number.
    ///
    /// # Errors
    /// As [`Registrar::upsert_department`], for the first row at fault.
    pub async fn upsert_departments(&self, caller: &Caller, rows: Vec<DepartmentDraft>) -> Result<i64, Refusal> {
        self.may_write(caller)?;
        line::longest("departments", rows.len(), DEPARTMENTS_MAX, "entries")?;
        rows.iter().try_for_each(check::department)?;
        let known = match &rows[..] {
            [one] => self.tree_has(&one.external_id).map(|known| Object::Department(known.department.id)),
            _ => None,
        };
        let deed = Deed::of(Action::DepartmentUpsert).on(known.unwrap_or(Object::None)).over([format!("{rows:?}")]);
        self.parts.audit.record(caller, deed).await?;
        let seq = self.parts.store.directory.upsert_departments(rows, self.parts.clock.now()).await?;
        self.parts.follower.catch_up(seq).await?;
        Ok(seq)
    }

    /// One department.
    ///
    /// # Errors
    /// `SCOPE_MISSING` without `READ`, `NOT_FOUND`.
    pub fn department(&self, caller: &Caller, external_id: &str) -> Result<DepartmentView, Refusal> {
        caller.require(KeyScope::Read)?;
        self.tree_has(external_id).ok_or_else(|| not_found(external_id))
    }

    /// The departments of the next level below `parent` (of the roots, if there is none), or of all levels below;
    /// parents before children, each level by id.
    ///
    /// # Errors
    /// `SCOPE_MISSING` without `READ`, `NOT_FOUND` for the parent, `PAGE_TOKEN_INVALID`.
    pub fn departments(
        &self,
        caller: &Caller,
        parent: Option<&str>,
        recursive: bool,
        page: &PageRequest,
    ) -> Result<Page<DepartmentView>, Refusal> {
        caller.require(KeyScope::Read)?;
        let snapshot = self.parts.memory.index.snapshot();
        let tree = snapshot.tree();
        let top = match parent {
            Some(id) => Some(tree.by_external_id(id).ok_or_else(|| not_found(id).field("parent_id"))?.id),
            None => None,
        };
        let wanted = |one: &&Department| match (top, recursive) {
            (_, false) => one.parent_id == top,
            (Some(top), true) => one.id != top && tree.is_under(one.id, top),
            (None, true) => true,
        };
        let place = |one: &'_ Department| (tree.ancestors(one.id).len(), one.external_id.clone());
        let after = match page.after::<String>()? {
            Some(id) => Some(place(tree.by_external_id(&id).ok_or_else(page::invalid)?)),
            None => None,
        };
        let placed = tree.iter().filter(wanted).map(|one| (place(one), one));
        let mut rest: Vec<_> = placed.filter(|(place, _)| after.as_ref().is_none_or(|last| place > last)).collect();
        rest.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        let found = Page::first(rest, page.limit(), |(_, one)| one.external_id.clone());
        Ok(found.map(|(_, one)| view(one, tree)))
    }

    fn tree_has(&self, external_id: &str) -> Option<DepartmentView> {
        let snapshot = self.parts.memory.index.snapshot();
        snapshot.tree().by_external_id(external_id).map(|one| view(one, snapshot.tree()))
    }
}

fn view(department: &Department, tree: &Tree) -> DepartmentView {
    let parent = department.parent_id.and_then(|id| tree.get(id)).map(|one| one.external_id.clone());
    let level = u32::try_from(tree.ancestors(department.id).len()).unwrap_or(u32::MAX);
    DepartmentView { department: department.clone(), parent, level }
}

pub(super) fn not_found(id: &str) -> Refusal {
    let refusal = Refusal::new(Reason::NotFound, "There is no such department. Correct the id.").field("department_id");
    if crate::domain::directory::is_external_id(id) { refusal.with("department", id) } else { refusal }
}
