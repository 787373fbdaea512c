//! All roles, by who has them.

use std::collections::HashMap;
use std::sync::Arc;

use super::table::Table;
use crate::audience::tree::Tree;
use crate::domain::access::Principal;
use crate::domain::directory::ADMINISTRATOR;
use crate::domain::role::{Assignment, Role};
use crate::domain::time::At;

/// What one person has, by role and department.
pub type Held = Arc<[Assignment]>;

/// What the service's own administrator has, in no store.
const OWN: Assignment = Assignment {
    ordinal: ADMINISTRATOR,
    role: Role::PlatformAdministrator,
    department_id: None,
    expire_at: None,
    given_by: Principal::Person(ADMINISTRATOR),
    given_at: At(0),
};

/// All roles, also those that ran out.
#[derive(Debug)]
pub struct Roles {
    /// With the number of the change after which it was read.
    table: Table<u32, (i64, Held)>,
}

impl Roles {
    /// These roles.
    #[must_use]
    pub fn new(assignments: Vec<Assignment>) -> Roles {
        let mut held = HashMap::from([(ADMINISTRATOR, vec![OWN])]);
        for one in assignments {
            held.entry(one.ordinal).or_default().push(one);
        }
        Roles { table: Table::new(held.into_iter().map(|(ordinal, roles)| (ordinal, (0, roles.into())))) }
    }

    /// Enters all that a person has, as read after a change. What was read after an earlier one never takes the
    /// place of it.
    pub fn put(&self, ordinal: u32, held: Vec<Assignment>, seq: i64) {
        let held: Held = held.into();
        self.table.change(&ordinal, |old| old.is_none_or(|(known, _)| *known <= seq).then(|| (seq, Arc::clone(&held))));
    }

    /// What somebody has or had; nothing for an application.
    #[must_use]
    pub fn of(&self, principal: Principal) -> Held {
        match principal {
            Principal::Person(ordinal) => {
                self.table.get(&ordinal).map_or_else(|| Arc::new([]) as Held, |(_, held)| held)
            }
            Principal::Application(_) => Arc::new([]),
        }
    }

    /// Every role that is held at this moment, in no order.
    #[must_use]
    pub fn all(&self, now: At) -> Vec<Assignment> {
        self.table.all().values().flat_map(|(_, held)| held.iter()).filter(|one| one.is_valid(now)).copied().collect()
    }

    /// Who has a role for a department, there or above it, ascending; without a department: who has it everywhere.
    /// Of a department the whole institution's are left out.
    #[must_use]
    pub fn holders(&self, role: Role, department_id: Option<i64>, tree: &Tree, now: At) -> Vec<u32> {
        let above = department_id.map(|id| tree.ancestors(id));
        let fits = |one: &Assignment| match (&above, one.department_id) {
            (Some(line), Some(id)) => line.contains(&id),
            (None, None) => true,
            _ => false,
        };
        let all = self.all(now);
        let mut found: Vec<u32> =
            all.iter().filter(|one| one.role == role && fits(one)).map(|one| one.ordinal).collect();
        found.sort_unstable();
        found.dedup();
        found
    }

    /// Whether somebody runs the whole service. The service's own administrator always does.
    #[must_use]
    pub fn runs_the_platform(&self, principal: Principal, now: At) -> bool {
        self.of(principal).iter().any(|one| one.role == Role::PlatformAdministrator && one.is_valid(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::directory::Department;

    fn role(ordinal: u32, role: Role, department_id: Option<i64>) -> Assignment {
        let given_by = Principal::Person(ADMINISTRATOR);
        Assignment { ordinal, role, department_id, expire_at: None, given_by, given_at: At(0) }
    }

    #[test]
    fn a_department_has_those_of_the_departments_above_it_too() {
        let department = |id, parent_id| Department {
            id,
            external_id: format!("d{id}"),
            parent_id,
            name: String::new(),
            version: 1,
        };
        let tree = Tree::new([department(1, None), department(2, Some(1)), department(3, Some(2))]);
        let over = Assignment { expire_at: Some(At(5)), ..role(30, Role::Reviewer, Some(3)) };
        let roles = Roles::new(vec![
            role(20, Role::Reviewer, Some(2)),
            role(21, Role::Reviewer, None),
            role(22, Role::Auditor, Some(3)),
            over,
        ]);
        assert_eq!(roles.holders(Role::Reviewer, Some(3), &tree, At(4)), [20, 30]);
        assert_eq!(roles.holders(Role::Reviewer, Some(3), &tree, At(5)), [20]);
        assert_eq!(roles.holders(Role::Reviewer, Some(1), &tree, At(5)), [0_u32; 0]);
        assert_eq!(roles.holders(Role::Reviewer, None, &tree, At(5)), [21]);
    }

    #[test]
    fn what_is_put_takes_the_place_of_all_that_was_held() {
        let roles = Roles::new(vec![role(20, Role::PlatformAdministrator, None)]);
        assert!(roles.runs_the_platform(Principal::Person(20), At(0)));
        roles.put(20, Vec::new(), 8);
        roles.put(20, vec![role(20, Role::PlatformAdministrator, None)], 7);
        assert!(!roles.runs_the_platform(Principal::Person(20), At(0)));
        assert!(roles.runs_the_platform(Principal::Person(ADMINISTRATOR), At(0)));
    }
}
