//! Tags that are expressions: evaluated at use, each once per edition of the directory.

use std::collections::HashSet;
use std::sync::Arc;

use super::resolve::{Binder, Usable, expression};
use super::show::{tags_of, terms_of};
use super::snapshot::{Snapshot, TagEntry};
use crate::domain::audience::{DEPTH_MAX, Expression};
use crate::domain::refusal::{Reason, Refusal};
use crate::domain::set::Set;
use crate::domain::time::At;

/// The members of a rule tag that is used within the rules `outer` (the store's keys, outermost first).
///
/// A rule speaks for those who made it: which tags it uses is not held against the caller.
pub(super) fn members(entry: &TagEntry, snapshot: &Snapshot, now: At, outer: &[i64]) -> Result<Arc<Set>, Refusal> {
    let tag = &entry.tag;
    if outer.contains(&tag.id) {
        return Err(cycle(&tag.name));
    }
    if outer.len() == DEPTH_MAX {
        return Err(too_deep(&tag.name));
    }
    let expired = snapshot.expired(now);
    if let Some((known, kept)) = snapshot.rules.lock().get(&tag.id)
        && *known == expired
    {
        return Ok(Arc::clone(kept));
    }
    let tree = match &entry.rule {
        Some(Ok(tree)) => tree,
        Some(Err(_)) | None => return Err(broken(&tag.name)),
    };
    let mut rules = outer.to_vec();
    rules.push(tag.id);
    let plan =
        Binder { snapshot, usable: &Usable::any(now), rules }.plan(tree).map_err(|inner| match inner.reason {
            Reason::TagCycle | Reason::AudienceTooComplex => inner,
            // What the rule uses may be none of the caller's business.
            _ => broken(&tag.name),
        })?;
    let set = Arc::new(plan.evaluate(snapshot.everyone()));
    snapshot.rules.lock().insert(tag.id, (expired, Arc::clone(&set)));
    Ok(set)
}

/// Everybody about whom the number of a rule tag's members tells something: all whom its terms name, and those of the
/// rule tags within it. What cannot be read names nobody.
#[must_use]
pub fn told(entry: &TagEntry, snapshot: &Snapshot, now: At) -> Set {
    let (mut all, mut seen, mut waiting) = (Set::new(), HashSet::from([entry.tag.id]), vec![entry]);
    while let Some(one) = waiting.pop() {
        let Some(Ok(tree)) = &one.rule else { continue };
        for term in terms_of(tree) {
            all |= expression(&Expression::Term(term.clone()), snapshot, &Usable::any(now)).unwrap_or_default();
        }
        let inner = tags_of(tree).into_iter().filter_map(|name| snapshot.tag(name));
        waiting.extend(inner.filter(|inner| inner.rule.is_some() && seen.insert(inner.tag.id)));
    }
    all
}

/// Whether a tag with this name may have this rule: every term exists, and the tag does not use itself, by
/// whatever way round.
///
/// # Errors
/// `TAG_CYCLE`, `AUDIENCE_TOO_COMPLEX`, or those of [`super::resolve::expression`].
pub fn check(name: &str, rule: &Expression, snapshot: &Snapshot, usable: &Usable) -> Result<(), Refusal> {
    let mut seen: Vec<&str> = Vec::new();
    let mut level = tags_of(rule);
    for _ in 0..DEPTH_MAX {
        if level.contains(&name) {
            return Err(cycle(name));
        }
        seen.extend(&level);
        let mut below: Vec<&str> = Vec::new();
        for entry in level.iter().filter_map(|used| snapshot.tag(used)) {
            if let Some(Ok(tree)) = &entry.rule {
                below.extend(tags_of(tree));
            }
        }
        below.sort_unstable();
        below.dedup();
        below.retain(|used| *used == name || !seen.contains(used));
        if below.is_empty() {
            let binder = Binder { snapshot, usable, rules: Vec::new() };
            return binder.plan(rule).map(drop);
        }
        level = below;
    }
    Err(too_deep(name))
}

fn cycle(name: &str) -> Refusal {
    let message = format!("The rule of tag `{name}` uses the tag itself. Change one of the rules in the ring.");
    Refusal::new(Reason::TagCycle, message).with("tag", name)
}

fn too_deep(name: &str) -> Refusal {
    let message = format!("Rule tags lie more than {DEPTH_MAX} deep at `{name}`. Name the people more directly.");
    Refusal::new(Reason::AudienceTooComplex, message).with("limit", DEPTH_MAX).with("tag", name)
}

fn broken(name: &str) -> Refusal {
    let message = format!("The rule of tag `{name}` names something that no longer exists. Its owner must mend it.");
    Refusal::new(Reason::UnknownTag, message).field(super::parse::FIELD).with("tag", name)
}
