//! An expression whose terms are bound to sets, and its evaluation.
//!
//! Evaluation never copies a set that is only looked at: terms are borrowed, intersections begin with the
//! smallest operand, and `NOT` is a subtraction from what stands beside it.

use std::borrow::Cow;
use std::sync::Arc;

use roaring::MultiOps;

use crate::domain::set::Set;

/// A bound expression.
#[derive(Debug)]
pub(super) enum Plan {
    /// A term.
    Leaf {
        /// Its set.
        set: Arc<Set>,
        /// It names one user outright, who need not be among those who receive.
        outright: bool,
    },
    /// Those in all of `all` and in none of `none`; `all` is not empty.
    Both {
        /// The operands of `AND` as they stand.
        all: Vec<Plan>,
        /// The operands of `AND` under a `NOT`.
        none: Vec<Plan>,
    },
    /// Those in any.
    Either(Vec<Plan>),
}

impl Plan {
    /// Who is in it: of those who receive, and of those whom it names outright.
    pub(super) fn evaluate(&self, everyone: &Arc<Set>) -> Set {
        let mut outright = Set::new();
        self.outright(&mut outright);
        outright -= everyone.as_ref();
        let named: Set = outright.iter().filter(|ordinal| self.holds_outright(*ordinal)).collect();
        let mut set = match self.value() {
            Cow::Borrowed(set) if std::ptr::eq(set, everyone.as_ref()) => set.clone(),
            Cow::Borrowed(set) => set & everyone.as_ref(),
            Cow::Owned(mut set) => {
                set &= everyone.as_ref();
                set
            }
        };
        set |= named;
        set
    }

    fn value(&self) -> Cow<'_, Set> {
        match self {
            Plan::Leaf { set, .. } => Cow::Borrowed(set.as_ref()),
            Plan::Either(operands) => {
                let values: Vec<Cow<'_, Set>> = operands.iter().map(Plan::value).collect();
                Cow::Owned(values.iter().map(Cow::as_ref).union())
            }
            Plan::Both { all, none } => both(all, none),
        }
    }

    /// Collects the users named outright.
    fn outright(&self, named: &mut Set) {
        match self {
            Plan::Leaf { set, outright: true } => *named |= set.as_ref(),
            Plan::Leaf { .. } => {}
            Plan::Both { all, none } => all.iter().chain(none).for_each(|one| one.outright(named)),
            Plan::Either(operands) => operands.iter().for_each(|one| one.outright(named)),
        }
    }

    /// Whether the expression holds for somebody who does not receive: only terms that name her count.
    fn holds_outright(&self, ordinal: u32) -> bool {
        match self {
            Plan::Leaf { set, outright } => *outright && set.contains(ordinal),
            Plan::Both { all, none } => {
                all.iter().all(|one| one.holds_outright(ordinal)) && !none.iter().any(|one| one.holds_outright(ordinal))
            }
            Plan::Either(operands) => operands.iter().any(|one| one.holds_outright(ordinal)),
        }
    }
}

fn both<'a>(all: &'a [Plan], none: &'a [Plan]) -> Cow<'a, Set> {
    let mut values: Vec<Cow<'_, Set>> = all.iter().map(Plan::value).collect();
    values.sort_by_cached_key(|value| value.len());
    let mut values = values.into_iter();
    let Some(mut result) = values.next() else {
        return Cow::Owned(Set::new());
    };
    for value in values {
        result = match result {
            Cow::Borrowed(set) => Cow::Owned(set & value.as_ref()),
            Cow::Owned(mut set) => {
                set &= value.as_ref();
                Cow::Owned(set)
            }
        };
    }
    for one in none {
        let value = one.value();
        result = match result {
            Cow::Borrowed(set) => Cow::Owned(set - value.as_ref()),
            Cow::Owned(mut set) => {
                set -= value.as_ref();
                Cow::Owned(set)
            }
        };
    }
    result
}
