//! How far a caller's offices reach. A key's scope says what the key is for, the person's roles say where: an
//! administrator needs both.

use super::keyring::Caller;
use super::scope::beneath;
use crate::audience::Snapshot;
use crate::audience::tree::Tree;
use crate::domain::access::{Grant, KeyScope, Mode, Principal};
use crate::domain::class::Class;
use crate::domain::directory::ADMINISTRATOR;
use crate::domain::refusal::{Reason, Refusal};
use crate::domain::role::{Assignment, Role};
use crate::domain::set::Set;
use crate::domain::time::At;

/// Where an office holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reach {
    /// In the whole institution.
    Everywhere,
    /// In these departments (the store's keys) and all below them; none: nowhere.
    Departments(Vec<i64>),
}

impl Reach {
    /// Whether it holds nowhere.
    #[must_use]
    pub fn is_nowhere(&self) -> bool {
        matches!(self, Reach::Departments(ids) if ids.is_empty())
    }

    /// Whether it holds in the whole institution.
    #[must_use]
    pub fn is_everywhere(&self) -> bool {
        *self == Reach::Everywhere
    }

    /// Whether a department (the store's key) lies in it.
    #[must_use]
    pub fn covers(&self, department_id: i64, tree: &Tree) -> bool {
        match self {
            Reach::Everywhere => true,
            Reach::Departments(ids) => tree.ancestors(department_id).iter().any(|above| ids.contains(above)),
        }
    }

    /// Whether a person lies in it; groups and the service's own users only in the whole.
    #[must_use]
    pub fn has(&self, ordinal: u32, snapshot: &Snapshot) -> bool {
        match self {
            Reach::Everywhere => true,
            Reach::Departments(ids) => ids.iter().any(|id| snapshot.under(*id).contains(ordinal)),
        }
    }

    /// Those of these people who lie in it.
    #[must_use]
    pub fn within(&self, people: &Set, snapshot: &Snapshot) -> Set {
        match self {
            Reach::Everywhere => people.clone(),
            Reach::Departments(ids) => beneath(people, ids, snapshot),
        }
    }

    /// Whether whoever holds this office could give all that a grant gives.
    #[must_use]
    pub fn holds(&self, grant: &Grant, tree: &Tree) -> bool {
        let under = |ids: &[i64]| !ids.is_empty() && ids.iter().all(|id| self.covers(*id, tree));
        let bounded = match &grant.ceiling {
            Some(ceiling) => under(ceiling),
            // Whose the tags are that it edits was asked when it was given, if an office gave it.
            None => grant.audience.is_none() && grant.edit_tags.is_empty() && under(&grant.department_ids),
        };
        self.is_everywhere() || (bounded && !grant.classes.contains(&Class::Emergency))
    }

    /// Whether whoever holds this office could give a role.
    #[must_use]
    pub fn gives(&self, role: &Assignment, tree: &Tree) -> bool {
        self.is_everywhere() || role.department_id.is_some_and(|id| self.covers(id, tree))
    }
}

impl Caller {
    /// Where the caller is an administrator; nowhere without the scope `ADMIN`.
    #[must_use]
    pub fn administered(&self, now: At) -> Reach {
        if !self.key.scopes.has(KeyScope::Admin) {
            return Reach::Departments(Vec::new());
        }
        match self.principal == Principal::Person(ADMINISTRATOR) || self.holds(Role::PlatformAdministrator, now) {
            true => Reach::Everywhere,
            false => self.reach(&[Role::DepartmentAdministrator], now),
        }
    }

    /// Where the caller may read what others did: as an administrator, or as an auditor whose key may read.
    #[must_use]
    pub fn audited(&self, now: At) -> Reach {
        let administered = self.administered(now);
        if administered.is_everywhere() || !self.may(KeyScope::Read) {
            return administered;
        }
        match (administered, self.reach(&[Role::Auditor], now)) {
            (Reach::Departments(mut ids), Reach::Departments(more)) => {
                ids.extend(more);
                Reach::Departments(ids)
            }
            _ => Reach::Everywhere,
        }
    }

    /// Where the caller is an auditor by office, whatever else; for what only auditors and the platform's
    /// administrators may read.
    ///
    /// # Errors
    /// `SCOPE_MISSING` without `READ`, `ROLE_MISSING`.
    pub fn require_auditor(&self, now: At) -> Result<(), Refusal> {
        self.require(KeyScope::Read)?;
        let audits = self.reach(&[Role::Auditor], now).is_everywhere();
        if audits || self.administered(now).is_everywhere() { Ok(()) } else { Err(role_missing(Role::Auditor)) }
    }

    /// Where the caller administers something.
    ///
    /// # Errors
    /// `SCOPE_MISSING`, `ROLE_MISSING` if that is nowhere.
    pub fn require_administrator(&self, now: At) -> Result<Reach, Refusal> {
        self.require(KeyScope::Admin)?;
        let reach = self.administered(now);
        if reach.is_nowhere() { Err(role_missing(Role::DepartmentAdministrator)) } else { Ok(reach) }
    }

    /// Goes on if the caller runs the whole service.
    ///
    /// # Errors
    /// `SCOPE_MISSING`, `ROLE_MISSING`.
    pub fn require_platform(&self, now: At) -> Result<(), Refusal> {
        self.require(KeyScope::Admin)?;
        match self.administered(now) {
            Reach::Everywhere => Ok(()),
            Reach::Departments(_) => Err(role_missing(Role::PlatformAdministrator)),
        }
    }

    /// Goes on with a live key: a test key changes nothing that live keys stand on.
    ///
    /// # Errors
    /// `TEST_KEY`.
    pub fn require_live(&self) -> Result<(), Refusal> {
        match self.mode() {
            Mode::Live => Ok(()),
            Mode::Test => Err(Refusal::new(Reason::TestKey, "A test key may not administer; use a live one.")),
        }
    }

    fn holds(&self, role: Role, now: At) -> bool {
        self.roles.iter().any(|one| one.role == role && one.is_valid(now))
    }

    /// Where the caller has one of these roles.
    #[must_use]
    pub fn reach(&self, roles: &[Role], now: At) -> Reach {
        let held = self.roles.iter().filter(|one| roles.contains(&one.role) && one.is_valid(now));
        let departments: Option<Vec<i64>> = held.map(|one| one.department_id).collect();
        departments.map_or(Reach::Everywhere, Reach::Departments)
    }
}

/// The role that would be needed.
#[must_use]
pub fn role_missing(role: Role) -> Refusal {
    let message = format!("This needs the role {} here. Ask an administrator for it.", role.name());
    Refusal::new(Reason::RoleMissing, message).with("role", role.name())
}

/// More than the caller could give.
#[must_use]
pub fn exceeds(what: &str) -> Refusal {
    let message = format!("{what} reaches beyond what you administer. Narrow it, or ask a platform administrator.");
    Refusal::new(Reason::ExceedsOwnRights, message)
}
