//! People who leave: with the status of somebody who no longer receives they lose grants, keys, roles and user tokens.
//! The store ends all of it in the transaction that writes the status, so that no crash leaves half of it; here it is
//! seen to that somebody can still administer.

use std::collections::HashSet;

use super::RegistrarParts;
use crate::domain::access::Principal;
use crate::domain::directory::UserDraft;
use crate::domain::refusal::{Reason, Refusal};
use crate::domain::set::Set;
use crate::store::Ended;

/// The places of the rows by which people would leave who alone can administer.
pub(super) fn indispensable(parts: &RegistrarParts, rows: &[UserDraft]) -> HashSet<usize> {
    let leaves = |(_, row): &(usize, &UserDraft)| !row.status.receives();
    let leaving: Vec<(usize, &UserDraft)> = rows.iter().enumerate().filter(leaves).collect();
    if leaving.is_empty() {
        return HashSet::new();
    }
    let ids: Vec<&str> = leaving.iter().map(|(_, row)| row.external_id.as_str()).collect();
    let ordinals = parts.memory.index.snapshot().users().ordinals(&ids);
    let people = last_to_administer(parts, &ordinals.iter().flatten().copied().collect());
    let places = leaving.iter().zip(ordinals).filter(|(_, ordinal)| ordinal.is_some_and(|one| people.contains(one)));
    places.map(|((place, _), _)| *place).collect()
}

/// Those of some people without whom nobody could administer any more.
pub(super) fn last_to_administer(parts: &RegistrarParts, people: &Set) -> Set {
    let (memory, now) = (&parts.memory, parts.clock.now());
    let mut last = Set::new();
    for key in memory.keyring.administrators(now) {
        match key.principal {
            other if !memory.roles.runs_the_platform(other, now) => {}
            Principal::Person(ordinal) if people.contains(ordinal) => {
                last.insert(ordinal);
            }
            _ => return Set::new(),
        }
    }
    last
}

/// Why the last person who can administer does not leave.
pub(super) fn refused() -> Refusal {
    let message = "This person holds the last key that can administer; make another one's first.";
    Refusal::new(Reason::LastAdministrator, message).field("user.status")
}

/// Waits until this node knows which rights ended.
pub(super) async fn follow(parts: &RegistrarParts, ended: &Ended, seq: i64) -> Result<(), Refusal> {
    match *ended == Ended::default() {
        true => Ok(()),
        false => parts.follower.catch_up(seq).await,
    }
}
