//! Whom a grant reaches: the department subtrees and the audience that it names, as sets to subtract.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::audience::parse::parse;
use crate::audience::resolve::{Usable, expression};
use crate::audience::snapshot::Snapshot;
use crate::domain::access::{Grant, Principal};
use crate::domain::id::GrantId;
use crate::domain::set::Set;
use crate::domain::time::At;

/// The most audiences of grants that are kept resolved.
const KEPT_MAX: usize = 4_096;

/// Whom a grant reaches.
#[derive(Debug)]
pub enum Scope {
    /// The whole institution, with groups and those who no longer receive.
    Everything,
    /// The union of these.
    Parts(Vec<Arc<Set>>),
}

impl Scope {
    /// How many of an audience lie outside.
    #[must_use]
    pub fn outside(&self, audience: &Set) -> u64 {
        let Scope::Parts(parts) = self else { return 0 };
        let Some((first, others)) = parts.split_first() else { return audience.len() };
        if audience.is_subset(first) {
            return 0;
        }
        let mut rest = audience - first.as_ref();
        for part in others {
            rest -= part.as_ref();
        }
        rest.len()
    }

    /// Takes away those who lie inside.
    pub fn reduce(&self, audience: &mut Set) {
        match self {
            Scope::Everything => audience.clear(),
            Scope::Parts(parts) => parts.iter().for_each(|part| *audience -= part.as_ref()),
        }
    }
}

/// Whether a grant is over the whole institution.
#[must_use]
pub fn is_everything(grant: &Grant) -> bool {
    grant.audience.as_deref().is_some_and(|text| text.trim().eq_ignore_ascii_case("everyone"))
}

/// Whether a grant is a right at this moment, also by where its holder is.
#[must_use]
pub fn stands(grant: &Grant, snapshot: &Snapshot, now: At) -> bool {
    grant.is_valid(now) && holder_is_there(grant, snapshot)
}

/// Whether the person who holds a grant is where she must be for it.
#[must_use]
pub fn holder_is_there(grant: &Grant, snapshot: &Snapshot) -> bool {
    let is_there = |department_id: i64| match grant.principal {
        Principal::Person(ordinal) => snapshot.under(department_id).contains(ordinal),
        Principal::Application(_) => true,
    };
    grant.while_in.is_none_or(is_there)
}

/// The people of a department as far as they are under the ceiling; usually all are.
fn department(id: i64, ceiling: &[i64], snapshot: &Snapshot) -> Arc<Set> {
    let people = snapshot.under(id);
    if snapshot.tree().ancestors(id).iter().any(|above| ceiling.contains(above)) {
        return people;
    }
    Arc::new(beneath(&people, ceiling, snapshot))
}

/// Those of these people who are under one of these departments (the store's keys).
#[must_use]
pub fn beneath(people: &Set, ceiling: &[i64], snapshot: &Snapshot) -> Set {
    ceiling.iter().map(|id| people & snapshot.under(*id).as_ref()).fold(Set::new(), |all, part| all | part)
}

/// The resolved audiences of grants, each kept as long as grant and directory stay as they are.
#[derive(Debug, Default)]
pub struct Scopes {
    kept: Mutex<HashMap<GrantId, Kept>>,
}

#[derive(Debug)]
struct Kept {
    version: i64,
    edition: i64,
    expired: usize,
    set: Arc<Set>,
}

impl Scopes {
    /// Whom the grant reaches. An audience that can no longer be resolved reaches nobody.
    #[must_use]
    pub fn of(&self, grant: &Grant, snapshot: &Snapshot, now: At) -> Scope {
        let mut parts: Vec<_> = match (&grant.ceiling, is_everything(grant)) {
            (None, true) => return Scope::Everything,
            (Some(ceiling), true) => return Scope::Parts(ceiling.iter().map(|id| snapshot.under(*id)).collect()),
            (None, false) => grant.department_ids.iter().map(|id| snapshot.under(*id)).collect(),
            (Some(ceiling), false) => {
                grant.department_ids.iter().map(|id| department(*id, ceiling, snapshot)).collect()
            }
        };
        if let Some(text) = &grant.audience {
            parts.push(self.audience(grant, text, snapshot, now));
        }
        Scope::Parts(parts)
    }

    fn audience(&self, grant: &Grant, text: &str, snapshot: &Snapshot, now: At) -> Arc<Set> {
        let (version, edition, expired) = (grant.version, snapshot.edition(), snapshot.expired(now));
        if let Some(kept) = self.kept.lock().get(&grant.id)
            && (kept.version, kept.edition, kept.expired) == (version, edition, expired)
        {
            return Arc::clone(&kept.set);
        }
        let resolved = parse(text).and_then(|tree| expression(&tree, snapshot, &Usable::any(now)));
        let found = resolved.unwrap_or_default();
        let set = Arc::new(match &grant.ceiling {
            Some(ceiling) => beneath(&found, ceiling, snapshot),
            None => found,
        });
        let mut kept = self.kept.lock();
        if kept.len() >= KEPT_MAX && !kept.contains_key(&grant.id) {
            kept.clear();
        }
        kept.insert(grant.id, Kept { version, edition, expired, set: Arc::clone(&set) });
        set
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::policy::tests::grant;
    use crate::audience::tests::{campus_index, set};
    use crate::domain::change::{Change, ChangeKind};

    #[test]
    fn a_scope_is_its_departments_and_its_audience_together() {
        let snapshot = campus_index().snapshot();
        let scopes = Scopes::default();
        let both = Grant { department_ids: vec![2], audience: Some("grade:2022".to_owned()), ..grant(1) };
        assert_eq!(scopes.of(&both, &snapshot, At(0)).outside(&set([9, 10, 49, 55, 60])), 2);
        let whole = Grant { audience: Some(" Everyone".to_owned()), ..grant(1) };
        assert_eq!(scopes.of(&whole, &snapshot, At(0)).outside(&set([1, 95, 98])), 0);
        let none = Grant { department_ids: Vec::new(), audience: None, ..grant(1) };
        assert_eq!(scopes.of(&none, &snapshot, At(0)).outside(&set([1])), 1);
        let under = |ids: Vec<i64>| Grant { ceiling: Some(vec![2]), department_ids: ids, ..whole.clone() };
        assert_eq!(
            scopes.of(&under(vec![]), &snapshot, At(0)).outside(&set([10, 49, 95])),
            1,
            "everyone beneath the ceiling"
        );
        let cut = Grant { audience: None, ..under(vec![1, 2]) };
        assert_eq!(scopes.of(&cut, &snapshot, At(0)).outside(&set([10, 49, 95])), 1, "a department above the ceiling");
        let broken = Grant { audience: Some("tag:gone".to_owned()), department_ids: Vec::new(), ..grant(2) };
        assert_eq!(scopes.of(&broken, &snapshot, At(0)).outside(&set([1])), 1, "fails closed");
    }

    #[test]
    fn a_kept_scope_ends_with_the_grant_or_the_directory_that_it_was_made_of() {
        let index = campus_index();
        let scopes = Scopes::default();
        let made = |text: &str, version| Grant {
            audience: Some(text.to_owned()),
            department_ids: Vec::new(),
            version,
            ..grant(1)
        };
        let outside = |grant: &Grant| scopes.of(grant, &index.snapshot(), At(0)).outside(&set([1]));
        assert_eq!(outside(&made("grade:2021", 1)), 1);
        assert_eq!(outside(&made("tag:secret", 2)), 0);
        let removed = ChangeKind::Members { tag_id: 33, segment: 0, added: set([]), removed: set([1]) };
        index.apply(&[Change { seq: 8, at: At(0), what: removed }]);
        assert_eq!(outside(&made("tag:secret", 2)), 1);
    }
}
