//! The books of one transaction: counts gathered in memory, to be written once per row, in the order of keys.

use std::collections::{BTreeMap, BTreeSet};

use super::facts;
use crate::domain::id::LegId;
use crate::domain::message::MessageFacts;
use crate::domain::outcome::{Counts, Outcome};

/// Day, principal, department, channel, class, outcome.
pub(super) type RollupKey = (i64, i64, i64, i64, i64, i64);

/// What the rollup needs to know of a message.
#[derive(Clone, Copy)]
pub(super) struct Books {
    pub(super) day: i64,
    pub(super) principal: i64,
    pub(super) department_id: i64,
    pub(super) class: i64,
    /// Messages under a test key and trial copies are in no total.
    pub(super) counted: bool,
}

impl Books {
    /// Those of a message.
    pub(super) fn of(facts: &MessageFacts) -> Books {
        Books {
            day: facts.id.made_at().day(),
            principal: facts.principal.code(),
            department_id: facts.department_id,
            class: facts.class.code(),
            counted: facts::counted(facts),
        }
    }
}

/// Counts of one transaction.
#[derive(Default)]
pub(super) struct Tally {
    /// By leg and outcome.
    pub(super) legs: BTreeMap<(i64, i64), u64>,
    /// What goes into the totals.
    pub(super) rollup: BTreeMap<RollupKey, u64>,
    /// Legs that may have become complete.
    pub(super) touched: BTreeSet<LegId>,
}

impl Tally {
    /// Counts outcomes of a leg that has a row of its own.
    pub(super) fn leg(&mut self, leg: LegId, outcome: Outcome, n: u64) {
        if n > 0 {
            *self.legs.entry((leg.0, outcome.code())).or_default() += n;
        }
        self.touched.insert(leg);
    }

    /// A leg may have become complete without a new outcome.
    pub(super) fn touch(&mut self, leg: LegId) {
        self.touched.insert(leg);
    }

    /// Puts final outcomes into the totals.
    pub(super) fn roll_up(&mut self, books: Books, channel: i64, outcome: Outcome, n: u64) {
        if books.counted && n > 0 {
            let key = (books.day, books.principal, books.department_id, channel, books.class, outcome.code());
            *self.rollup.entry(key).or_default() += n;
        }
    }

    /// Puts the final counts of a leg into the totals.
    pub(super) fn fold(&mut self, books: Books, channel: i64, counts: &Counts) {
        for outcome in Outcome::ALL {
            self.roll_up(books, channel, outcome, counts.get(outcome));
        }
    }
}
