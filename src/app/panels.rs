//! Who reviews, from what is known of people's roles.

use std::sync::Arc;

use crate::access::Roles;
use crate::access::review::Panels;
use crate::audience::tree::Tree;
use crate::domain::access::Principal;
use crate::domain::directory::ADMINISTRATOR;
use crate::domain::review::Panel;
use crate::domain::role::Role;
use crate::domain::time::At;

/// Those who have a role for it. The institution's reviewers and the platform's administrators sit on every panel.
pub(super) struct Offices(pub(super) Arc<Roles>);

impl Panels for Offices {
    fn members(&self, panel: Panel, department_id: i64, tree: &Tree, now: At) -> Vec<u32> {
        let mut found = vec![ADMINISTRATOR];
        found.extend(self.0.holders(Role::PlatformAdministrator, None, tree, now));
        found.extend(self.0.holders(Role::Reviewer, None, tree, now));
        if panel == Panel::Department {
            found.extend(self.0.holders(Role::Reviewer, Some(department_id), tree, now));
        }
        found.sort_unstable();
        found.dedup();
        found
    }

    fn sits(&self, person: u32, now: At) -> bool {
        let reviews = |one: &crate::domain::role::Assignment| one.role == Role::Reviewer && one.is_valid(now);
        let principal = Principal::Person(person);
        self.0.runs_the_platform(principal, now) || self.0.of(principal).iter().any(reviews)
    }

    fn keepers(&self, department_id: i64, tree: &Tree, now: At) -> Vec<u32> {
        self.0.holders(Role::DepartmentAdministrator, Some(department_id), tree, now)
    }

    fn auditors(&self, tree: &Tree, now: At) -> Vec<u32> {
        self.0.holders(Role::Auditor, None, tree, now)
    }
}
