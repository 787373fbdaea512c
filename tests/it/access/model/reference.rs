//! What administrators may do, said again in the plainest way: departments, people and applications are numbers, and
//! every question is answered by looking at everything. Knows nothing of the code under test.

use std::collections::BTreeSet;

pub const ROOT: usize = usize::MAX;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    Platform,
    Head,
    Reviewer,
    Sender,
    Auditor,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Holder {
    Person(usize),
    Application(usize),
}

#[derive(Clone, Debug)]
pub struct Grant {
    pub holder: Holder,
    pub departments: Vec<usize>,
    pub emergency: bool,
    /// Where the giver was in office; nothing: everywhere.
    pub ceiling: Option<BTreeSet<usize>>,
    /// The person's right while she is here.
    pub while_in: Option<usize>,
    pub revoked: bool,
}

#[derive(Clone, Debug)]
pub struct Request {
    pub asker: usize,
    pub holder: Holder,
    pub departments: Vec<usize>,
    pub home: usize,
    pub agreed: bool,
    pub open: bool,
}

#[derive(Default)]
pub struct Reference {
    pub parents: Vec<Option<usize>>,
    /// The one department of each person.
    pub people: Vec<usize>,
    pub applications: Vec<usize>,
    pub roles: BTreeSet<(usize, Role, Option<usize>)>,
    pub grants: Vec<Grant>,
    pub keys: Vec<Holder>,
    pub requests: Vec<Request>,
}

impl Reference {
    pub fn under(&self, mut department: usize, top: usize) -> bool {
        loop {
            if department == top {
                return true;
            }
            match self.parents[department] {
                Some(parent) => department = parent,
                None => return false,
            }
        }
    }

    /// Where somebody is in office: `None` is everywhere.
    pub fn office(&self, who: usize) -> Option<BTreeSet<usize>> {
        if who == ROOT || self.roles.contains(&(who, Role::Platform, None)) {
            return None;
        }
        let heads = self.roles.iter().filter(|(person, role, _)| *person == who && *role == Role::Head);
        Some(heads.filter_map(|(_, _, department)| *department).collect())
    }

    pub fn covers(&self, who: usize, department: usize) -> bool {
        self.office(who).is_none_or(|tops| tops.iter().any(|top| self.under(department, *top)))
    }

    pub fn in_office(&self, who: usize) -> bool {
        self.office(who).is_none_or(|tops| !tops.is_empty())
    }

    pub fn looks_after(&self, who: usize, holder: Holder) -> bool {
        match holder {
            Holder::Person(person) => self.covers(who, self.people[person]),
            Holder::Application(application) => self.covers(who, self.applications[application]),
        }
    }

    /// Whether somebody could give all of a grant.
    pub fn could_give(&self, who: usize, grant: &Grant) -> bool {
        let within = |all: &[usize]| all.iter().all(|department| self.covers(who, *department));
        let bounded = match &grant.ceiling {
            Some(ceiling) => !ceiling.is_empty() && within(&ceiling.iter().copied().collect::<Vec<_>>()),
            None => within(&grant.departments),
        };
        self.office(who).is_none() || (bounded && !grant.emergency)
    }

    pub fn gives_role(&self, who: usize, role: Role, department: Option<usize>) -> bool {
        let fits = match role {
            Role::Platform => department.is_none(),
            Role::Head | Role::Sender => department.is_some(),
            Role::Reviewer | Role::Auditor => true,
        };
        let reaches = match department {
            Some(department) => self.covers(who, department),
            None => self.office(who).is_none(),
        };
        fits && self.in_office(who) && reaches
    }

    pub fn makes_key(&self, who: usize, owner: Holder) -> bool {
        let grants = self.grants.iter().filter(|grant| grant.holder == owner && !grant.revoked);
        let roles = self.roles.iter().filter(|(person, ..)| owner == Holder::Person(*person));
        self.in_office(who)
            && self.looks_after(who, owner)
            && grants.into_iter().all(|grant| self.could_give(who, grant))
            && roles.into_iter().all(|(_, _, department)| match department {
                Some(department) => self.covers(who, *department),
                None => self.office(who).is_none(),
            })
    }

    /// Whether a grant reaches a person now.
    pub fn reaches(&self, grant: &Grant, person: usize) -> bool {
        let department = self.people[person];
        let here = match (grant.while_in, grant.holder) {
            (Some(top), Holder::Person(holder)) => self.under(self.people[holder], top),
            _ => true,
        };
        let ceiling = grant.ceiling.as_ref().is_none_or(|tops| tops.iter().any(|top| self.under(department, *top)));
        let named = grant.departments.iter().any(|top| self.under(department, *top));
        !grant.revoked && here && ceiling && named
    }
}
