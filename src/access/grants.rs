//! All grants, by who holds them.

use std::collections::HashMap;
use std::sync::Arc;

use super::announce::SERVICE;
use super::table::Table;
use crate::audience::Usable;
use crate::domain::access::{Grant, Principal};
use crate::domain::id::GrantId;
use crate::domain::page::{Page, PageRequest};
use crate::domain::refusal::Refusal;
use crate::domain::time::At;

/// What one principal holds, ascending by id.
type Held = Arc<[Arc<Grant>]>;

/// All grants, revoked ones included.
#[derive(Debug)]
pub struct Grants {
    table: Table<Principal, Held>,
}

impl Grants {
    /// These grants.
    #[must_use]
    pub fn new(grants: Vec<Grant>) -> Grants {
        Grants { table: Table::new(rows(grants)) }
    }

    /// Enters a grant, new or changed. An older version never takes the place of a newer one.
    pub fn put(&self, grant: Grant) {
        let grant = Arc::new(grant);
        self.table.change(&grant.principal, |held| {
            let held = held.map_or(&[][..], |held| held);
            if held.iter().any(|known| known.id == grant.id && known.version > grant.version) {
                return None;
            }
            let others = held.iter().filter(|known| known.id != grant.id).cloned();
            let mut all: Vec<_> = others.chain([Arc::clone(&grant)]).collect();
            all.sort_unstable_by_key(|one| one.id);
            Some(all.into())
        });
    }

    /// The grants that somebody holds or held, ascending by id.
    #[must_use]
    pub fn of(&self, principal: Principal) -> Arc<[Arc<Grant>]> {
        self.table.get(&principal).unwrap_or_else(|| Arc::new([]))
    }

    /// Every grant, ascending by id.
    #[must_use]
    pub fn all(&self) -> Vec<Arc<Grant>> {
        let mut all: Vec<_> = self.table.all().values().flat_map(|held| held.iter().cloned()).collect();
        all.sort_unstable_by_key(|grant| grant.id);
        all
    }

    /// One page of the grants of one holder, or of everybody, that are wanted, ascending by id.
    ///
    /// # Errors
    /// `PAGE_TOKEN_INVALID`.
    pub fn list(
        &self,
        holder: Option<Principal>,
        wanted: impl Fn(&Grant) -> bool,
        page: &PageRequest,
    ) -> Result<Page<Arc<Grant>>, Refusal> {
        let after = page.after::<GrantId>()?;
        let held = match holder {
            Some(principal) => vec![self.of(principal)],
            None => self.table.all().values().cloned().collect(),
        };
        let rest = held.iter().flat_map(|held| held.iter()).filter(|grant| after.is_none_or(|last| grant.id > last));
        // The service's own grant is nobody's to manage.
        let rest = rest.filter(|grant| grant.principal != SERVICE);
        let mut found: Vec<&Arc<Grant>> = rest.filter(|grant| wanted(grant)).collect();
        found.sort_unstable_by_key(|grant| grant.id);
        Ok(Page::first(found, page.limit(), |grant| grant.id.to_string()).map(Arc::clone))
    }

    /// The tags that somebody may name in expressions: those of all valid grants.
    #[must_use]
    pub fn usable(&self, principal: Principal, now: At) -> Usable {
        Usable::by(self.valid_of(principal, now), now)
    }

    /// The grants of somebody that are valid at this moment.
    #[must_use]
    pub fn valid_of(&self, principal: Principal, now: At) -> Vec<Arc<Grant>> {
        self.of(principal).iter().filter(|grant| grant.is_valid(now)).cloned().collect()
    }

    /// Whether somebody may make and edit a tag of this name, by any valid grant.
    #[must_use]
    pub fn may_edit(&self, principal: Principal, tag: &str, now: At) -> bool {
        self.of(principal).iter().any(|grant| grant.is_valid(now) && grant.may_edit(tag))
    }
}

fn rows(grants: Vec<Grant>) -> impl Iterator<Item = (Principal, Held)> {
    let mut held: HashMap<Principal, Vec<Arc<Grant>>> = HashMap::new();
    for grant in grants {
        held.entry(grant.principal).or_default().push(Arc::new(grant));
    }
    held.into_iter().map(|(principal, mut grants)| {
        grants.sort_unstable_by_key(|one| one.id);
        (principal, grants.into())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::policy::tests::grant;
    use crate::domain::tag::{Tag, TagKind};

    #[test]
    fn an_old_version_never_takes_the_place_of_a_newer_one() {
        let first = grant(1);
        let grants = Grants::new(vec![grant(2), first.clone()]);
        grants.put(Grant { version: 5, revoked_at: Some(At(3)), ..first.clone() });
        grants.put(Grant { version: 4, ..first.clone() });
        let held = grants.of(first.principal);
        let seen: Vec<_> = held.iter().map(|one| (one.id, one.version)).collect();
        assert_eq!(seen, [(GrantId(1), 5), (GrantId(2), 1)]);
        assert!(grants.of(Principal::Person(1)).is_empty());
    }

    #[test]
    fn the_tags_of_all_valid_grants_may_be_named() {
        let tags = |id, tags: &[&str]| Grant {
            tags: tags.iter().map(|tag| (*tag).to_owned()).collect(),
            any_tag: false,
            ..grant(id)
        };
        let gone = Grant { revoked_at: Some(At(0)), ..tags(3, &["c"]) };
        let grants = Grants::new(vec![tags(1, &["a"]), tags(2, &["b"]), gone]);
        let principal = grant(1).principal;
        let usable = |principal| {
            let usable = grants.usable(principal, At(1));
            ["a", "b", "c", "d"].map(|name| usable.allows(&Tag::new(1, TagKind::Static, name)))
        };
        assert_eq!(usable(principal), [true, true, false, false]);
        grants.put(Grant { any_tag: true, ..grant(4) });
        assert_eq!(usable(principal), [true; 4]);
        assert_eq!(usable(Principal::Person(1)), [false; 4]);
    }
}
