//! A dry run: whom a publish would name, how each channel would do, and whether it would be allowed. Nothing
//! is stored. Counts below five are withheld from a caller whose right does not cover the people.

use super::Publisher;
use super::decide::{Survey, UsedToday};
use super::plan::{self, ChannelPlan};
use crate::access::Caller;
use crate::audience::parse::parse;
use crate::audience::{Snapshot, Usable, resolve};
use crate::domain::access::KeyScope;
use crate::domain::audience::{Audience, Expression, Term};
use crate::domain::id::GrantId;
use crate::domain::message::Draft;
use crate::domain::refusal::Refusal;

/// Counts below this are withheld outside the caller's right.
const SHOWN_MIN: u64 = 5;
/// Departments that a preview lists.
const DEPARTMENTS_MAX: usize = 100;

/// What a publish would do.
#[derive(Clone, Debug)]
pub struct Preview {
    /// How many people.
    pub recipient_count: Count,
    /// The audience read back in words.
    pub in_words: String,
    /// Each different term of the expression.
    pub clauses: Vec<ClauseCount>,
    /// The departments with most of the people, at most 100; a person counts in each of hers.
    pub departments: Vec<DepartmentCount>,
    /// What each channel would do; empty while the caller may not send and the count is withheld.
    pub channels: Vec<ChannelPlan>,
    /// Ids of a list that nobody has and that would be left out.
    pub unknown_user_ids: Vec<String>,
    /// The caller may send this.
    pub allowed: bool,
    /// The grant that allows it.
    pub grant_id: Option<GrantId>,
    /// How many people lie outside the grant that comes nearest.
    pub outside: Count,
    /// Why the caller may not.
    pub refusal: Option<Refusal>,
}

/// A number of people, or that it is withheld.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Count {
    /// So many.
    Exactly(u64),
    /// One to four, in whom the caller has no right.
    BelowFive,
}

/// How many people one term names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClauseCount {
    /// The term in its canonical form.
    pub clause: String,
    /// How many.
    pub count: Count,
}

/// How many people of an audience are direct members of a department.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DepartmentCount {
    /// External id.
    pub department_id: String,
    /// The shown name.
    pub name: String,
    /// How many.
    pub count: Count,
}

impl Count {
    fn of(n: u64, allowed: bool) -> Count {
        if !allowed && (1..SHOWN_MIN).contains(&n) { Count::BelowFive } else { Count::Exactly(n) }
    }
}

impl Publisher {
    /// Decides about a draft as [`Publisher::publish`] would and shows what it saw. Content, times, the
    /// expected number and the idempotency key do not matter.
    ///
    /// Errors: `SCOPE_MISSING` and those of the audience. A right that is missing is part of the answer.
    pub async fn preview(&self, caller: &Caller, draft: Draft) -> Result<Preview, Refusal> {
        caller.require(KeyScope::Publish)?;
        if let Some(seq) = draft.min_directory_seq {
            self.see(seq).await?;
        }
        let parts = &self.parts;
        let channels = parts.channels(caller, &draft)?;
        let survey = parts.survey(caller, &draft, channels, parts.clock.now())?;
        let (grant_id, refusal) = match parts.authorise(caller, &draft, &survey, &UsedToday::new()) {
            Ok(authorised) => (Some(authorised.grant.0), None),
            Err(refusal) => (None, Some(refusal)),
        };
        let allowed = refusal.is_none();
        let usable = parts.grants.usable(caller.principal, survey.now);
        let total = survey.people.len();
        let withheld = !allowed && total < SHOWN_MIN;
        let channels = legs_or_none(parts, caller, &draft, &survey, withheld)?;
        Ok(Preview {
            recipient_count: Count::of(total, allowed),
            in_words: in_words(&draft.audience, &survey),
            clauses: clauses(&draft.audience, &survey, &usable, allowed)?,
            departments: if withheld { Vec::new() } else { departments(&survey, allowed) },
            channels,
            unknown_user_ids: survey.unknown_user_ids,
            allowed,
            grant_id,
            outside: refusal.as_ref().map_or(Count::Exactly(0), outside),
            refusal,
        })
    }
}

fn legs_or_none(
    parts: &super::Parts,
    caller: &Caller,
    draft: &Draft,
    survey: &Survey,
    withheld: bool,
) -> Result<Vec<ChannelPlan>, Refusal> {
    if withheld {
        return Ok(Vec::new());
    }
    let (providers, delivery) = (&*parts.providers, &*parts.delivery);
    let legs = plan::legs(&survey.channels, caller.mode(), draft.class, survey.people.len(), providers, delivery)?;
    Ok(plan::channels(&legs, &survey.snapshot, &survey.people))
}

/// The number that the policy gives with `AUDIENCE_OUTSIDE_GRANT`; it withholds a small one itself.
fn outside(refusal: &Refusal) -> Count {
    let number = refusal.metadata.iter().find(|(key, _)| *key == "outside").map(|(_, n)| n.parse());
    match number {
        Some(Ok(n)) => Count::Exactly(n),
        Some(Err(_)) => Count::BelowFive,
        None => Count::Exactly(0),
    }
}

fn in_words(audience: &Audience, survey: &Survey) -> String {
    match audience {
        Audience::Users { .. } => match survey.people.len() {
            1 => "one listed person".to_owned(),
            n => format!("{n} listed people"),
        },
        // It was parsed before; a text that cannot be read never gets here.
        Audience::Expression(text) => parse(text).map_or_else(|_| text.clone(), |tree| words(&tree, &survey.snapshot)),
    }
}

fn words(tree: &Expression, snapshot: &Snapshot) -> String {
    let joined = |parts: &[Expression], word: &str| {
        parts.iter().map(|part| operand(part, snapshot)).collect::<Vec<_>>().join(word)
    };
    match tree {
        Expression::Term(term) => term_words(term, snapshot),
        Expression::Not(inner) => format!("not {}", operand(inner, snapshot)),
        Expression::And(parts) => joined(parts, " and "),
        Expression::Or(parts) => joined(parts, " or "),
    }
}

fn operand(tree: &Expression, snapshot: &Snapshot) -> String {
    match tree {
        Expression::And(_) | Expression::Or(_) => format!("({})", words(tree, snapshot)),
        Expression::Term(_) | Expression::Not(_) => words(tree, snapshot),
    }
}

fn term_words(term: &Term, snapshot: &Snapshot) -> String {
    let department = |id: &String| snapshot.tree().by_external_id(id).map_or(id.clone(), |one| one.name.clone());
    match term {
        Term::Everyone => "everyone".to_owned(),
        Term::Tag(name) => match snapshot.tag(name).map(|entry| entry.tag.title.as_str()) {
            Some(title) if !title.is_empty() => format!("those tagged {title} ({name})"),
            _ => format!("those tagged {name}"),
        },
        Term::Under(id) => format!("members of {} and all below it", department(id)),
        Term::Exactly(id) => format!("direct members of {}", department(id)),
        Term::User(id) => format!("the user {id}"),
    }
}

fn clauses(audience: &Audience, survey: &Survey, usable: &Usable, allowed: bool) -> Result<Vec<ClauseCount>, Refusal> {
    let Audience::Expression(text) = audience else { return Ok(Vec::new()) };
    let mut terms = Vec::new();
    collect(&parse(text)?, &mut terms);
    terms
        .into_iter()
        .map(|term| {
            let clause = term.to_string();
            let named = resolve::expression(&Expression::Term(term), &survey.snapshot, usable)?;
            // A right to the audience is a right to a term only as far as the term lies within it.
            let allowed = allowed && named.is_subset(&survey.people);
            Ok(ClauseCount { clause, count: Count::of(named.len(), allowed) })
        })
        .collect()
}

fn collect(tree: &Expression, terms: &mut Vec<Term>) {
    match tree {
        Expression::Term(term) if terms.contains(term) => {}
        Expression::Term(term) => terms.push(term.clone()),
        Expression::Not(inner) => collect(inner, terms),
        Expression::And(parts) | Expression::Or(parts) => parts.iter().for_each(|part| collect(part, terms)),
    }
}

fn departments(survey: &Survey, allowed: bool) -> Vec<DepartmentCount> {
    let snapshot = &survey.snapshot;
    let count = |id: i64| survey.people.intersection_len(snapshot.exactly(id));
    let mut rows: Vec<_> = snapshot.tree().iter().map(|one| (count(one.id), one)).filter(|(n, _)| *n > 0).collect();
    rows.sort_by(|(n, one), (m, other)| m.cmp(n).then_with(|| one.external_id.cmp(&other.external_id)));
    rows.truncate(DEPARTMENTS_MAX);
    rows.into_iter()
        .map(|(n, one)| DepartmentCount {
            department_id: one.external_id.clone(),
            name: one.name.clone(),
            count: Count::of(n, allowed),
        })
        .collect()
}
