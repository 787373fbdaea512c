//! The decision in words: what a caller lacks, for `CheckAccess`.

use std::cmp::Reverse;
use std::sync::Arc;

use super::policy::{Asked, Policy, Request, grant_missing, sender, sender_lacks};
use super::scope::stands;
use crate::domain::access::Grant;
use crate::domain::id::GrantId;
use crate::domain::refusal::Refusal;

/// Whether something may be published, and what is missing if not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// [`Policy::decide`] would agree.
    pub allowed: bool,
    /// The grant that it would be published under, or the one that comes nearest.
    pub grant: Option<GrantId>,
    /// Everything that this grant does not cover; empty if allowed.
    pub missing: Vec<Refusal>,
    /// The whole of it in a sentence or two.
    pub sentence: String,
}

impl Policy {
    /// Explains what [`Policy::decide`] says, with everything that is missing and not only the first.
    #[must_use]
    pub fn explain(&self, request: &Request<'_>) -> Explanation {
        let held = self.grants().of(request.principal);
        let (grant, mut missing) = nearest(&held, &self.caller(request));
        if let Some(sender) = sender(request) {
            let held = self.grants().of(sender);
            missing.extend(nearest(&held, &self.sender(request)).1.into_iter().map(sender_lacks));
        }
        Explanation::of(grant, missing)
    }
}

impl Explanation {
    /// What the nearest grant, if there is one, leaves missing.
    pub(super) fn of(grant: Option<GrantId>, missing: Vec<Refusal>) -> Explanation {
        let all: Vec<&str> = missing.iter().map(|one| one.message.as_str()).collect();
        let sentence = match (all.len(), grant) {
            (0, Some(id)) => format!("Yes, by grant {id}."),
            (0 | 1, _) => format!("No. {}", all.concat()),
            (n, _) => format!("No, {n} things are missing. {}", all.join(" ")),
        };
        Explanation { allowed: missing.is_empty(), grant, missing, sentence }
    }
}

/// The grant with the fewest misses, the later ones counting as nearer, and its misses.
fn nearest(held: &[Arc<Grant>], asked: &Asked<'_>) -> (Option<GrantId>, Vec<Refusal>) {
    held.iter()
        .filter(|grant| stands(grant, asked.request.snapshot, asked.request.now))
        .map(|grant| (grant.id, asked.misses(grant).collect::<Vec<_>>()))
        .min_by_key(|(_, misses)| (misses.len(), Reverse(misses.first().map(|(rank, _)| *rank))))
        .map_or_else(
            || (None, vec![grant_missing(held)]),
            |(id, misses)| (Some(id), misses.into_iter().map(|(_, refusal)| refusal).collect()),
        )
}
