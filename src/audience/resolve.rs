//! An audience over a snapshot into a set. Tags that the caller may not use answer exactly like tags that do
//! not exist.

use std::collections::HashSet;
use std::sync::Arc;

use super::nearest::nearest;
use super::parse::{FIELD, parse};
use super::plan::Plan;
use super::rule;
use super::show::{tags_of, terms_of};
use super::snapshot::Snapshot;
use crate::domain::access::Grant;
use crate::domain::audience::{Audience, Expression, Term, USER_LIST_MAX, UnknownUsers};
use crate::domain::directory::is_external_id;
use crate::domain::refusal::{Reason, Refusal};
use crate::domain::set::Set;
use crate::domain::tag::Tag;
use crate::domain::time::At;

/// The field of a list of users.
pub const USERS_FIELD: &str = "audience.users.user_ids";

/// How many unknown ids a refusal lists.
const UNKNOWN_SHOWN: usize = 20;

/// The tags that somebody may use in expressions at one moment. A tag that has expired is none.
#[derive(Clone, Debug)]
pub struct Usable {
    right: Right,
    now: At,
}

/// Why tags may be used.
#[derive(Clone, Debug)]
enum Right {
    /// No right is needed.
    All,
    /// What these give.
    Held(Vec<Arc<Grant>>),
    /// What is not sensitive, what these departments (the store's keys) own, and what these give.
    Office(HashSet<i64>, Vec<Arc<Grant>>),
}

impl Usable {
    /// Every tag that there is at this moment, sensitive ones included.
    #[must_use]
    pub fn any(now: At) -> Usable {
        Usable { right: Right::All, now }
    }

    /// What these grants, all valid at this moment, let their holder use.
    #[must_use]
    pub fn by(grants: Vec<Arc<Grant>>, now: At) -> Usable {
        Usable { right: Right::Held(grants), now }
    }

    /// What may stand in a right that somebody gives or asks for: tags that are not sensitive, those of the departments
    /// (the store's keys) in the office, and what these grants, all valid at this moment, let one use.
    #[must_use]
    pub fn in_office(departments: HashSet<i64>, grants: Vec<Arc<Grant>>, now: At) -> Usable {
        Usable { right: Right::Office(departments, grants), now }
    }

    /// Whether the tag may be used.
    #[must_use]
    pub fn allows(&self, tag: &Tag) -> bool {
        let held = |grants: &[Arc<Grant>]| grants.iter().any(|grant| grant.may_use(tag));
        let owned = |departments: &HashSet<i64>| tag.department_id.is_some_and(|id| departments.contains(&id));
        tag.is_current(self.now)
            && match &self.right {
                Right::All => true,
                Right::Held(grants) => held(grants),
                Right::Office(departments, grants) => !tag.sensitive || owned(departments) || held(grants),
            }
    }

    /// The moment.
    pub(super) fn now(&self) -> At {
        self.now
    }
}

/// What an audience comes to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Resolved {
    /// Who it is.
    pub set: Set,
    /// Ids of a list that nobody has, when they are to be skipped; each once, in the caller's order.
    pub unknown_user_ids: Vec<String>,
    /// How many entries of a list named somebody again.
    pub duplicates: usize,
    /// Names of the tags that an expression uses.
    pub tags: Vec<String>,
}

/// Who an audience is. An expression gives people who receive, and those whom it names as `user:ID`; a list
/// gives all whom it names.
///
/// # Errors
/// Those of [`parse`], [`expression`] and [`users`].
pub fn resolve(audience: &Audience, snapshot: &Snapshot, usable: &Usable) -> Result<Resolved, Refusal> {
    match audience {
        Audience::Expression(text) => {
            let tree = parse(text)?;
            let set = expression(&tree, snapshot, usable)?;
            let tags = tags_of(&tree).into_iter().map(str::to_owned).collect();
            Ok(Resolved { set, tags, ..Resolved::default() })
        }
        Audience::Users { ids, unknown } => users(ids, *unknown, snapshot),
    }
}

/// Who is in an expression.
///
/// # Errors
/// `UNKNOWN_TAG` and `UNKNOWN_DEPARTMENT` with the `nearest` usable one, `UNKNOWN_USER`, and for rule tags
/// `TAG_CYCLE` or `AUDIENCE_TOO_COMPLEX`.
pub fn expression(tree: &Expression, snapshot: &Snapshot, usable: &Usable) -> Result<Set, Refusal> {
    let plan = Binder { snapshot, usable, rules: Vec::new() }.plan(tree)?;
    Ok(plan.evaluate(snapshot.everyone()))
}

/// Everybody whom a term of the expression names, wherever it stands, and within rule tags too: those about whom an
/// answer tells something.
///
/// # Errors
/// Those of [`expression`].
pub fn named(tree: &Expression, snapshot: &Snapshot, usable: &Usable) -> Result<Set, Refusal> {
    let mut all = Set::new();
    for term in terms_of(tree) {
        all |= expression(&Expression::Term(term.clone()), snapshot, usable)?;
        if let Term::Tag(name) = term
            && let Some(entry) = snapshot.tag(name)
        {
            all |= rule::told(entry, snapshot, usable.now());
        }
    }
    Ok(all)
}

/// Those of some people whom each term of the expression names, in the order of [`terms_of`].
///
/// # Errors
/// Those of [`expression`].
pub fn by_term(tree: &Expression, people: &Set, snapshot: &Snapshot, usable: &Usable) -> Result<Vec<Set>, Refusal> {
    let named = |term: &Term| Ok(expression(&Expression::Term(term.clone()), snapshot, usable)? & people);
    terms_of(tree).into_iter().map(named).collect()
}

/// Who is in a list of external ids.
///
/// # Errors
/// `EMPTY_AUDIENCE`, `USER_LIST_TOO_LONG`, `FIELD_INVALID` naming the entry, or `UNKNOWN_USER`.
pub fn users(ids: &[String], unknown: UnknownUsers, snapshot: &Snapshot) -> Result<Resolved, Refusal> {
    if ids.is_empty() {
        return Err(empty().field(USERS_FIELD));
    }
    if ids.len() > USER_LIST_MAX {
        let advice = format!(
            "The list holds {} users; at most {USER_LIST_MAX} are taken. Put them into a tag and name that.",
            ids.len()
        );
        return Err(Refusal::new(Reason::UserListTooLong, advice)
            .field(USERS_FIELD)
            .with("limit", USER_LIST_MAX)
            .with("actual", ids.len()));
    }
    if let Some(place) = ids.iter().position(|id| !is_external_id(id)) {
        let advice = "A user id is 1 to 64 of the characters A-Z a-z 0-9 . _ -; an expression is no user id.";
        return Err(Refusal::new(Reason::FieldInvalid, advice).field(format!("{USERS_FIELD}[{place}]")));
    }
    let mut resolved = Resolved::default();
    let mut missing = HashSet::new();
    for (id, ordinal) in ids.iter().zip(snapshot.users().ordinals(ids)) {
        let new = match ordinal {
            Some(ordinal) => resolved.set.insert(ordinal),
            None => missing.insert(id),
        };
        match ordinal {
            None if new => resolved.unknown_user_ids.push(id.clone()),
            _ => resolved.duplicates += usize::from(!new),
        }
    }
    if unknown == UnknownUsers::Reject && !resolved.unknown_user_ids.is_empty() {
        return Err(unknown_users(&resolved.unknown_user_ids).field(USERS_FIELD));
    }
    Ok(resolved)
}

/// Binds the terms of a tree to sets.
pub(super) struct Binder<'a> {
    /// Where the sets are.
    pub(super) snapshot: &'a Snapshot,
    /// Which tags may be named.
    pub(super) usable: &'a Usable,
    /// The rule tags being evaluated, outermost first.
    pub(super) rules: Vec<i64>,
}

impl Binder<'_> {
    pub(super) fn plan(&self, tree: &Expression) -> Result<Plan, Refusal> {
        match tree {
            Expression::Term(term) => self.term(term),
            Expression::Or(operands) => Ok(Plan::Either(self.plans(operands.iter())?)),
            Expression::And(operands) => {
                let all = self.plans(operands.iter().filter(|one| !matches!(one, Expression::Not(_))))?;
                let none = self.plans(operands.iter().filter_map(|one| match one {
                    Expression::Not(inner) => Some(inner.as_ref()),
                    _ => None,
                }))?;
                if all.is_empty() { Ok(self.all_but(none)) } else { Ok(Plan::Both { all, none }) }
            }
            // The parser refuses these two; a tree built by hand means what the vocabulary says.
            Expression::Not(inner) => Ok(self.all_but(vec![self.plan(inner)?])),
        }
    }

    fn plans<'t>(&self, trees: impl Iterator<Item = &'t Expression>) -> Result<Vec<Plan>, Refusal> {
        trees.map(|one| self.plan(one)).collect()
    }

    fn all_but(&self, none: Vec<Plan>) -> Plan {
        Plan::Both { all: vec![leaf(Arc::clone(self.snapshot.everyone()))], none }
    }

    fn term(&self, term: &Term) -> Result<Plan, Refusal> {
        let snapshot = self.snapshot;
        Ok(match term {
            Term::Everyone => leaf(Arc::clone(snapshot.everyone())),
            Term::Tag(name) => {
                let entry = snapshot.tag(name).filter(|entry| self.usable.allows(&entry.tag));
                let entry = entry.ok_or_else(|| unknown_tag(name, snapshot, self.usable))?;
                match &entry.rule {
                    Some(_) => leaf(rule::members(entry, snapshot, self.usable.now(), &self.rules)?),
                    None => leaf(Arc::clone(snapshot.members(entry.tag.id))),
                }
            }
            Term::Under(id) => leaf(snapshot.under(self.department(id)?)),
            Term::Exactly(id) => leaf(Arc::clone(snapshot.exactly(self.department(id)?))),
            Term::User(id) => {
                let ordinal = snapshot.users().ordinal(id);
                let ordinal = ordinal.ok_or_else(|| unknown_users(std::slice::from_ref(id)).field(FIELD))?;
                Plan::Leaf { set: Arc::new(Set::from_iter([ordinal])), outright: true }
            }
        })
    }

    fn department(&self, external_id: &str) -> Result<i64, Refusal> {
        let tree = self.snapshot.tree();
        if let Some(department) = tree.by_external_id(external_id) {
            return Ok(department.id);
        }
        let near = nearest(external_id, tree.iter().map(|one| one.external_id.as_str()));
        let hint = near.map_or_else(|| "Look it up in the directory.".to_owned(), |id| format!("Is `{id}` meant?"));
        let message = format!("There is no department `{external_id}`. {hint}");
        let refusal = Refusal::new(Reason::UnknownDepartment, message).field(FIELD).with("department", external_id);
        Err(refusal.nearest(near))
    }
}

fn leaf(set: Arc<Set>) -> Plan {
    Plan::Leaf { set, outright: false }
}

/// The refusal of a tag that does not exist, has expired or may not be used: nothing tells them apart.
#[must_use]
pub fn unknown_tag(name: &str, snapshot: &Snapshot, usable: &Usable) -> Refusal {
    let names = snapshot.tags().map(|entry| &entry.tag).filter(|tag| tag.name != name && usable.allows(tag));
    // A slip in a key of the language makes a tag of what was meant to be a department.
    let slip = name.split_once(':').filter(|(key, _)| nearest(key, ["department"].into_iter()).is_some());
    let slip = slip.map(|(_, id)| format!("department:{id}"));
    let near = slip.as_deref().or_else(|| nearest(name, names.map(|tag| tag.name.as_str())));
    let hint = near.map_or_else(
        || "List the tags that you may use, or ask for a grant.".to_owned(),
        |known| format!("Is `{known}` meant?"),
    );
    let message = format!("There is no tag `{name}` that you may use. {hint}");
    Refusal::new(Reason::UnknownTag, message).field(FIELD).with("tag", name).nearest(near)
}

fn unknown_users(ids: &[String]) -> Refusal {
    let some = ids.iter().take(UNKNOWN_SHOWN).map(String::as_str).collect::<Vec<_>>().join(",");
    let message = if ids.len() == 1 {
        format!("There is no user `{some}`. Correct the id, or enter the user into the directory first.")
    } else {
        format!("{} of the ids are nobody's, such as {some}. Correct them, or choose to skip unknown users.", ids.len())
    };
    Refusal::new(Reason::UnknownUser, message).with("user_ids", some).with("count", ids.len())
}

/// The refusal of an audience that is nobody.
#[must_use]
pub fn empty() -> Refusal {
    Refusal::new(Reason::EmptyAudience, "The audience is nobody. Preview it, and name at least one person.")
        .field("audience")
}
