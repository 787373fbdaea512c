//! How many, as far as the caller may know.

use crate::audience::parse::parse;
use crate::audience::show::terms_of;
use crate::audience::{Usable, resolve};
use crate::domain::audience::{Audience, Expression};
use crate::domain::refusal::Refusal;
use crate::domain::set::Set;
use crate::publish::decide::Survey;

/// Counts below this are withheld outside the caller's grants.
const SHOWN_MIN: u64 = 5;
/// Departments that a preview lists.
const DEPARTMENTS_MAX: usize = 100;

/// A number of people, or that it is withheld.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Count {
    /// So many.
    Exactly(u64),
    /// One to four whom no grant of the caller covers, or as few of a rule that is about somebody whom none covers.
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
    pub count: u64,
}

impl Count {
    /// A number of people, of whom the caller may know all or not.
    pub(super) fn of(n: u64, covered: bool) -> Count {
        if !covered && n < SHOWN_MIN { Count::BelowFive } else { Count::Exactly(n) }
    }
}

/// What is counted, and for whom.
pub(super) struct View<'a> {
    pub(super) survey: &'a Survey,
    pub(super) usable: Usable,
    /// How many of some people lie outside the caller's grants.
    pub(super) outside: &'a (dyn Fn(&Set) -> u64 + Sync),
}

impl View<'_> {
    /// Each different term of an expression. A right to the audience is a right to a term only as far as the term
    /// lies within it.
    pub(super) fn clauses(&self, audience: &Audience) -> Result<Vec<ClauseCount>, Refusal> {
        let Audience::Expression(text) = audience else { return Ok(Vec::new()) };
        let tree = parse(text)?;
        let count = |term: &crate::domain::audience::Term| {
            let (tree, snapshot) = (Expression::Term(term.clone()), &self.survey.snapshot);
            let people = resolve::expression(&tree, snapshot, &self.usable)?;
            let covered = (self.outside)(&resolve::named(&tree, snapshot, &self.usable)?) == 0;
            Ok(ClauseCount { clause: term.to_string(), count: Count::of(people.len(), covered) })
        };
        terms_of(&tree).into_iter().map(count).collect()
    }

    /// The departments with most of the people. Outside the caller's grants small ones are not even named: that
    /// somebody is in one would tell where she is.
    pub(super) fn departments(&self, covered: bool) -> Vec<DepartmentCount> {
        let Survey { snapshot, people, .. } = self.survey;
        let least = if covered { 1 } else { SHOWN_MIN };
        let count = |id: i64| people.intersection_len(snapshot.exactly(id));
        let all = snapshot.tree().iter().map(|one| (count(one.id), one));
        let mut rows: Vec<_> = all.filter(|(n, _)| *n >= least).collect();
        rows.sort_by(|(n, one), (m, other)| m.cmp(n).then_with(|| one.external_id.cmp(&other.external_id)));
        rows.truncate(DEPARTMENTS_MAX);
        let row = |(count, one): (u64, &crate::domain::directory::Department)| DepartmentCount {
            department_id: one.external_id.clone(),
            name: one.name.clone(),
            count,
        };
        rows.into_iter().map(row).collect()
    }
}
