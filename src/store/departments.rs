//! Departments: the trait, and the write of many decided without a database.

use std::collections::HashMap;

use async_trait::async_trait;

use super::{Result, refuse};
use crate::domain::directory::Department;
use crate::domain::time::At;

/// The organisation tree, one department at a time. Every write appends to the change feed and returns its number.
#[async_trait]
pub trait Departments: Send + Sync {
    /// How many departments [`super::Directory::upsert_departments`] would make or change, or its refusal. Writes
    /// nothing.
    async fn check(&self, rows: Vec<DepartmentDraft>) -> Result<u64>;

    /// Hangs a department under another one, or makes it a root. `NOT_FOUND`, `UNKNOWN_DEPARTMENT` for the one above,
    /// `DEPARTMENT_CYCLE`. Where it hangs there already, nothing is written.
    async fn relocate(&self, external_id: &str, parent: Option<&str>, at: At) -> Result<i64>;

    /// Removes a department with the tag of its members. `NOT_FOUND`, `ETAG_MISMATCH` if another version is meant, and
    /// `DEPARTMENT_IN_USE` while there is a department below it, a person in it, or an application, a tag, or a grant
    /// or role that has not ended which names it. Its key is never used again.
    async fn delete(&self, external_id: &str, version: Option<i64>, at: At) -> Result<i64>;
}

/// A department as a caller wants it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DepartmentDraft {
    /// The institution's id.
    pub external_id: String,
    /// The institution's id of the department above.
    pub parent: Option<String>,
    /// The shown name.
    pub name: String,
    /// The version that is meant; `None` is any.
    pub version: Option<i64>,
}

/// What stands in the way of a deletion, by number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct InUse {
    /// Departments directly below.
    pub(super) departments: i64,
    /// People and groups in it.
    pub(super) people: i64,
    /// Applications that it owns.
    pub(super) applications: i64,
    /// Grants over it that were not revoked.
    pub(super) grants: i64,
    /// Tags that it owns.
    pub(super) tags: i64,
    /// Roles over it that have not run out.
    pub(super) roles: i64,
    /// Topics that it answers for.
    pub(super) topics: i64,
}

/// The department as it shall be after a move; `None` if it hangs there already.
pub(super) fn moved(kept: Vec<Department>, external_id: &str, parent: Option<&str>) -> Result<Option<Department>> {
    let tree = Tree::new(kept);
    let place = tree.places.get(external_id).ok_or_else(|| refuse::no_department(external_id))?;
    let parent_id = parent.map(|parent| tree.id_of(parent, "new_parent_id")).transpose()?;
    let department = &tree.all[*place];
    if department.parent_id == parent_id {
        return Ok(None);
    }
    tree.refuse_cycle(department, parent_id)?;
    Ok(Some(Department { parent_id, ..department.clone() }))
}

/// No tree is deeper; a longer walk to the root means that the rows are damaged.
const DEPTH_MAX: usize = 1_000;

/// What is to be written.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// New departments as they shall be, parents first.
    pub(super) created: Vec<Department>,
    /// Departments that are kept, as they shall be.
    pub(super) updated: Vec<Department>,
    /// The changes in order: which department, and whether it is new and gets the tag of its members.
    pub(super) changes: Vec<(i64, bool)>,
}

/// Creates departments or renames and moves them, in order. An unchanged one writes nothing; the first refused
/// row is the error. `ids` are for new departments.
pub(super) fn plan(
    rows: Vec<DepartmentDraft>,
    kept: Vec<Department>,
    mut ids: impl Iterator<Item = i64>,
) -> Result<Plan> {
    let first_new = kept.len();
    let mut tree = Tree::new(kept);
    let mut changed: Vec<usize> = Vec::new();
    let mut plan = Plan::default();
    for row in rows {
        let parent_id = match &row.parent {
            Some(parent) => Some(tree.id_of(parent, "department.parent_id")?),
            None => None,
        };
        let (place, new) = match tree.places.get(&row.external_id) {
            Some(place) => {
                let department = &tree.all[*place];
                refuse::other_version(row.version, department.version, "department.etag")?;
                if department.parent_id == parent_id && department.name == row.name {
                    continue;
                }
                tree.refuse_cycle(department, parent_id)?;
                (*place, false)
            }
            None => {
                // What is not there has no version.
                refuse::other_version(row.version, 0, "department.etag")?;
                let id = ids.next().ok_or_else(|| super::Error::Unavailable("no department id is left".into()))?;
                let (external_id, name) = (row.external_id, String::new());
                (tree.put(Department { id, external_id, parent_id: None, name, version: 0 }), true)
            }
        };
        let department = &mut tree.all[place];
        department.parent_id = parent_id;
        department.name = row.name;
        department.version += 1;
        plan.changes.push((department.id, new));
        if place < first_new && !changed.contains(&place) {
            changed.push(place);
        }
    }
    plan.updated = changed.into_iter().map(|place| tree.all[place].clone()).collect();
    plan.created = tree.all.split_off(first_new);
    Ok(plan)
}

/// The departments as they are after the rows so far.
struct Tree {
    all: Vec<Department>,
    /// By external id.
    places: HashMap<String, usize>,
    /// By key.
    by_id: HashMap<i64, usize>,
}

impl Tree {
    fn new(all: Vec<Department>) -> Tree {
        let places = all.iter().enumerate().map(|(place, one)| (one.external_id.clone(), place)).collect();
        let by_id = all.iter().enumerate().map(|(place, one)| (one.id, place)).collect();
        Tree { all, places, by_id }
    }

    fn put(&mut self, department: Department) -> usize {
        let place = self.all.len();
        self.places.insert(department.external_id.clone(), place);
        self.by_id.insert(department.id, place);
        self.all.push(department);
        place
    }

    fn id_of(&self, external_id: &str, field: &str) -> Result<i64> {
        let place = self.places.get(external_id);
        let place = place.ok_or_else(|| refuse::unknown_department(external_id, field))?;
        Ok(self.all[*place].id)
    }

    fn refuse_cycle(&self, moved: &Department, parent_id: Option<i64>) -> Result<()> {
        let mut above = parent_id;
        for _ in 0..DEPTH_MAX {
            match above {
                None => return Ok(()),
                Some(id) if id == moved.id => break,
                Some(id) => above = self.by_id.get(&id).and_then(|place| self.all[*place].parent_id),
            }
        }
        Err(refuse::department_cycle(&moved.external_id).into())
    }
}
