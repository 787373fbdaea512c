//! May this caller publish this, in the name of this department and perhaps of this person? Decided from
//! memory; what it was decided by is in the answer, for the commit to verify.

mod checks;
#[cfg(test)]
pub(super) mod tests;

use std::sync::Arc;

use super::grants::Grants;
use super::scope::{Scopes, stands};
use crate::audience::Snapshot;
use crate::domain::access::{Grant, Principal};
use crate::domain::channel::Channel;
use crate::domain::class::Class;
use crate::domain::id::GrantId;
use crate::domain::refusal::{Reason, Refusal};
use crate::domain::set::Set;
use crate::domain::time::At;

/// What somebody wants to publish, as far as rights go.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    /// Who calls.
    pub principal: Principal,
    /// The person acted for, if that is not the caller.
    pub sender: Option<u32>,
    /// Urgency.
    pub class: Class,
    /// Over which channels.
    pub channels: &'a [Channel],
    /// The department that speaks (the store's key).
    pub department_id: i64,
    /// The department that owns the calling application (the store's key): it may always speak.
    pub owner_id: Option<i64>,
    /// Names of the tags that the expression uses.
    pub tags: &'a [String],
    /// Who it is for.
    pub audience: &'a Set,
    /// The directory that the audience was resolved by.
    pub snapshot: &'a Snapshot,
    /// The present time.
    pub now: At,
    /// How many people each grant has reached today, UTC; asked only for grants with a daily quota.
    pub used_today: &'a (dyn Fn(GrantId) -> u64 + Sync),
}

/// By what right a publish may be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authorised {
    /// The caller's grant and its version.
    pub grant: (GrantId, i64),
    /// The grants of the person acted for, with their versions.
    pub also: Vec<(GrantId, i64)>,
}

/// Decides about publishes.
#[derive(Debug)]
pub struct Policy {
    grants: Arc<Grants>,
    scopes: Scopes,
}

/// One question to one holder of grants.
pub(super) struct Asked<'a> {
    pub(super) request: &'a Request<'a>,
    scopes: &'a Scopes,
    /// The holder wants to act for somebody else.
    acts_for: bool,
    /// The department that may speak without being granted.
    owner_id: Option<i64>,
}

impl Policy {
    /// A policy over these grants.
    #[must_use]
    pub fn new(grants: Arc<Grants>) -> Policy {
        Policy { grants, scopes: Scopes::default() }
    }

    /// By what right this may be published.
    ///
    /// # Errors
    /// `GRANT_MISSING`; or why the grant that comes nearest does not cover it: `CLASS_NOT_GRANTED`,
    /// `CHANNEL_NOT_GRANTED`, `DEPARTMENT_NOT_GRANTED`, `UNKNOWN_TAG`, `AUDIENCE_OUTSIDE_GRANT`,
    /// `QUOTA_EXHAUSTED`; or `SENDER_NOT_GRANTED` if it is the person acted for who may not.
    pub fn decide(&self, request: &Request<'_>) -> Result<Authorised, Refusal> {
        let held = self.grants.of(request.principal);
        let grant = best(&held, &self.caller(request))?;
        let mut authorised = Authorised { grant: (grant.id, grant.version), also: Vec::new() };
        if let Some(sender) = sender(request) {
            let held = self.grants.of(sender);
            let grant = best(&held, &self.sender(request)).map_err(sender_lacks)?;
            authorised.also.push((grant.id, grant.version));
        }
        Ok(authorised)
    }

    /// `GRANT_MISSING` if somebody holds no valid grant at all. Such a caller may use no tag either, and would hear
    /// of an unknown tag what is really a missing grant.
    #[must_use]
    pub fn nothing_held(&self, principal: Principal, snapshot: &Snapshot, now: At) -> Option<Refusal> {
        let held = self.grants.of(principal);
        let nothing = held.iter().all(|grant| !stands(grant, snapshot, now));
        nothing.then(|| grant_missing(&held))
    }

    /// How many of these people lie outside the valid grant that reaches most of them; all of them without one.
    #[must_use]
    pub fn outside(&self, principal: Principal, people: &Set, snapshot: &Snapshot, now: At) -> u64 {
        let held = self.grants.of(principal);
        let valid = held.iter().filter(|grant| stands(grant, snapshot, now));
        valid.map(|grant| self.scopes.of(grant, snapshot, now).outside(people)).min().unwrap_or(people.len())
    }

    /// Whether a person lies in the scope of a grant, in force or not.
    #[must_use]
    pub fn reaches(&self, grant: &Grant, ordinal: u32, snapshot: &Snapshot, now: At) -> bool {
        self.scopes.of(grant, snapshot, now).outside(&Set::from_iter([ordinal])) == 0
    }

    /// One of these people whom no valid grant reaches.
    #[must_use]
    pub fn stranger(&self, principal: Principal, mut people: Set, snapshot: &Snapshot, now: At) -> Option<u32> {
        let held = self.grants.of(principal);
        for grant in held.iter().filter(|grant| stands(grant, snapshot, now)) {
            self.scopes.of(grant, snapshot, now).reduce(&mut people);
        }
        people.min()
    }

    pub(super) fn grants(&self) -> &Grants {
        &self.grants
    }

    pub(super) fn caller<'a>(&'a self, request: &'a Request<'a>) -> Asked<'a> {
        let acts_for = sender(request).is_some();
        Asked { request, scopes: &self.scopes, acts_for, owner_id: request.owner_id }
    }

    /// That the owner may speak is the application's right, not the person's.
    pub(super) fn sender<'a>(&'a self, request: &'a Request<'a>) -> Asked<'a> {
        Asked { request, scopes: &self.scopes, acts_for: false, owner_id: None }
    }
}

/// The person acted for; nobody acts for herself.
pub(super) fn sender(request: &Request<'_>) -> Option<Principal> {
    request.sender.map(Principal::Person).filter(|sender| *sender != request.principal)
}

impl Asked<'_> {
    /// Every way in which a grant does not cover the request: how near it comes, and the refusal.
    pub(super) fn misses<'b>(&'b self, grant: &'b Grant) -> impl Iterator<Item = (usize, Refusal)> + 'b {
        checks::ALL
            .iter()
            .enumerate()
            .filter_map(move |(rank, check)| Some((rank, check(self, grant)?.with("grant_id", grant.id))))
    }
}

/// The first grant that covers the request, or why the nearest one does not.
fn best<'a>(held: &'a [Arc<Grant>], asked: &Asked<'_>) -> Result<&'a Grant, Refusal> {
    let mut nearest: Option<(usize, Refusal)> = None;
    for grant in held.iter().filter(|grant| stands(grant, asked.request.snapshot, asked.request.now)) {
        match asked.misses(grant).next() {
            None => return Ok(grant),
            Some((rank, refusal)) if nearest.as_ref().is_none_or(|(known, _)| rank > *known) => {
                nearest = Some((rank, refusal));
            }
            Some(_) => {}
        }
    }
    Err(nearest.map_or_else(|| grant_missing(held), |(_, refusal)| refusal))
}

pub(super) fn grant_missing(held: &[Arc<Grant>]) -> Refusal {
    let message = if held.is_empty() {
        "There is no grant to publish by. Ask an administrator for one."
    } else {
        "Every grant was taken back, has run out or is not valid yet. Ask an administrator for a new one."
    };
    Refusal::new(Reason::GrantMissing, message)
}

pub(super) fn sender_lacks(inner: Refusal) -> Refusal {
    let message = format!("The person acted for may not publish this. {}", inner.message);
    let mut refusal = Refusal::new(Reason::SenderNotGranted, message)
        .field("sender_user_id")
        .with("sender_reason", inner.reason.text());
    refusal.metadata.extend(inner.metadata);
    refusal.retry_after = inner.retry_after;
    refusal
}
