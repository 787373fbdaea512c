//! What people are here for: administrators, reviewers, senders and auditors, each of a department with all below
//! it or of the whole institution. A role says how far a person reaches; what a key may be used for says its scope.

use serde::{Deserialize, Serialize};

use super::access::Principal;
use super::time::At;

/// What a person is here for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[repr(u8)]
pub enum Role {
    /// Runs the whole service; never of a department.
    PlatformAdministrator = 1,
    /// Looks after a department: its applications, grants and requests; always of one.
    DepartmentAdministrator = 2,
    /// Is the second person for large sends.
    Reviewer = 3,
    /// Sends for a department, within grants; always of one.
    Sender = 4,
    /// Reads everything that was done, and changes nothing.
    Auditor = 5,
}

impl Role {
    /// Every role.
    pub const ALL: [Role; 5] =
        [Role::PlatformAdministrator, Role::DepartmentAdministrator, Role::Reviewer, Role::Sender, Role::Auditor];

    /// The name as in the interface.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Role::PlatformAdministrator => "PLATFORM_ADMINISTRATOR",
            Role::DepartmentAdministrator => "DEPARTMENT_ADMINISTRATOR",
            Role::Reviewer => "REVIEWER",
            Role::Sender => "SENDER",
            Role::Auditor => "AUDITOR",
        }
    }

    /// The role with a stored number.
    #[must_use]
    pub fn from_code(code: i64) -> Option<Role> {
        Role::ALL.into_iter().find(|role| *role as i64 == code)
    }

    /// Whether the role can be held so: for a department, or everywhere.
    #[must_use]
    pub fn fits(self, of_department: bool) -> bool {
        match self {
            Role::PlatformAdministrator => !of_department,
            Role::DepartmentAdministrator | Role::Sender => of_department,
            Role::Reviewer | Role::Auditor => true,
        }
    }
}

/// A role that a person has. A person has a role once for each department and once everywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Assignment {
    /// Who has it.
    pub ordinal: u32,
    /// What it is.
    pub role: Role,
    /// The department (the store's key) in which it holds, and in all below; `None`: everywhere.
    pub department_id: Option<i64>,
    /// After this it is none.
    pub expire_at: Option<At>,
    /// Who gave it.
    pub given_by: Principal,
    /// When.
    pub given_at: At,
}

impl Assignment {
    /// Whether the role is held at this moment.
    #[must_use]
    pub fn is_valid(&self, now: At) -> bool {
        self.expire_at.is_none_or(|end| now < end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_is_known_by_its_number_and_held_where_it_means_something() {
        for role in Role::ALL {
            assert_eq!(Role::from_code(role as i64), Some(role));
            assert!(role.fits(true) || role.fits(false));
        }
        assert_eq!(Role::from_code(0), None);
        assert!(!Role::PlatformAdministrator.fits(true) && !Role::DepartmentAdministrator.fits(false));
    }
}
