//! The write of departments, decided without a database.

use std::collections::HashMap;

use super::{DepartmentDraft, Result, refuse};
use crate::domain::directory::Department;

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
            Some(parent) => Some(tree.id_of(parent)?),
            None => None,
        };
        let (place, new) = match tree.places.get(&row.external_id) {
            Some(place) => {
                let department = &tree.all[*place];
                if department.parent_id == parent_id && department.name == row.name {
                    continue;
                }
                tree.refuse_cycle(department, parent_id)?;
                (*place, false)
            }
            None => {
                let id = ids.next().ok_or_else(|| super::Error::Unavailable("no department id is left".into()))?;
                let department = Department { id, external_id: row.external_id, parent_id: None, name: String::new() };
                (tree.put(department), true)
            }
        };
        let department = &mut tree.all[place];
        department.parent_id = parent_id;
        department.name = row.name;
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

    fn id_of(&self, external_id: &str) -> Result<i64> {
        let place = self.places.get(external_id);
        let place = place.ok_or_else(|| refuse::unknown_department(external_id, "department.parent_id"))?;
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
