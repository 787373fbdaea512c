//! Outcomes and retries of some deliveries, merged into as few sets as possible. Pure.

use std::sync::Arc;

use super::decide::{Case, Decision, decide, words};
use super::vitals::Impression;
use crate::domain::batch::{Again, Settled};
use crate::domain::outcome::{Outcome, Reason};
use crate::domain::set::Set;
use crate::domain::time::At;
use crate::domain::verdict::Verdict;

/// Retries that fall due within so many milliseconds of each other share a batch.
const TOGETHER_MS: i64 = 1_000;
/// So many distinct words of a provider are kept for one set of retries.
const WORDS_MAX: usize = 4;
/// How far back a set with the same outcome is looked for.
const LOOK_BACK: usize = 16;

/// What became of some deliveries of one batch.
#[derive(Debug, Default)]
pub struct Tally {
    /// Those with an outcome.
    pub settled: Vec<Settled>,
    /// Those that will be tried again.
    pub again: Vec<Again>,
}

impl Tally {
    /// All of a set got the same outcome without anybody having been asked.
    #[must_use]
    pub fn whole(outcome: Outcome, reason: Reason, set: Set) -> Tally {
        let mut tally = Tally::default();
        tally.settle(outcome, reason, set, None);
        tally
    }

    /// Judges the verdicts of a call, one per ordinal (ascending) and in the same order. Who has none counts
    /// as unknown. Also returns what the call says of the provider.
    #[must_use]
    pub fn of(ordinals: &[u32], verdicts: &[Verdict], case: &Case) -> (Tally, Impression) {
        let missing = Verdict::Unknown { detail: "no verdict".into() };
        let verdict_of = |place: usize| verdicts.get(place).unwrap_or(&missing);
        let mut tally = Tally::default();
        let mut impression = Impression::default();
        let reached = verdicts.iter().any(|verdict| matches!(verdict, Verdict::Accepted { .. }));
        let case = &Case { reached, ..*case };
        let mut from = 0;
        while from < ordinals.len() {
            let verdict = verdict_of(from);
            let mut to = from + 1;
            while to < ordinals.len() && verdict_of(to) == verdict {
                to += 1;
            }
            let ruling = decide(verdict, case);
            impression.add(verdict, &ruling);
            let set: Set = ordinals[from..to].iter().copied().collect();
            let words = words(verdict).cloned();
            match ruling.decision {
                Decision::Settled(outcome, reason) => tally.settle(outcome, reason, set, words),
                Decision::Again { due_at, attempt } => tally.try_again(due_at, attempt, set, words),
            }
            from = to;
        }
        (tally, impression)
    }

    /// Nothing happened.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.settled.is_empty() && self.again.is_empty()
    }

    /// Adds an outcome of some.
    pub fn settle(&mut self, outcome: Outcome, reason: Reason, set: Set, detail: Option<Arc<str>>) {
        if set.is_empty() {
            return;
        }
        let alike = |row: &&mut Settled| row.outcome == outcome && row.reason == reason && row.detail == detail;
        match self.settled.iter_mut().rev().take(LOOK_BACK).find(alike) {
            Some(row) => row.set |= set,
            None => self.settled.push(Settled { outcome, reason, set, detail }),
        }
    }

    /// Adds another try of some.
    pub fn try_again(&mut self, due_at: At, attempt: u32, set: Set, detail: Option<Arc<str>>) {
        if set.is_empty() {
            return;
        }
        let near = |row: &&mut Again| row.attempt == attempt && row.due_at.0.abs_diff(due_at.0) <= TOGETHER_MS as u64;
        match self.again.iter_mut().find(near) {
            Some(row) => {
                row.set |= set;
                row.due_at = row.due_at.max(due_at);
                row.detail = both(row.detail.take(), detail);
            }
            None => self.again.push(Again { set, due_at, attempt, detail }),
        }
    }

    /// Adds all of another.
    pub fn absorb(&mut self, other: Tally) {
        if self.is_empty() {
            *self = other;
            return;
        }
        for row in other.settled {
            self.settle(row.outcome, row.reason, row.set, row.detail);
        }
        for row in other.again {
            self.try_again(row.due_at, row.attempt, row.set, row.detail);
        }
    }
}

/// The words of two answers, one a line, without repeating any.
fn both(mine: Option<Arc<str>>, theirs: Option<Arc<str>>) -> Option<Arc<str>> {
    match (mine, theirs) {
        (Some(mine), Some(theirs)) => {
            let known = mine.lines().any(|line| line == &*theirs) || mine.lines().count() >= WORDS_MAX;
            Some(if known { mine } else { format!("{mine}\n{theirs}").into() })
        }
        (mine, theirs) => mine.or(theirs),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::domain::message::LostAnswer;
    use crate::domain::verdict::Fault;

    fn case() -> Case {
        Case {
            attempt: 1,
            step: Some(Duration::from_secs(5)),
            now: At(0),
            expire_at: At(1_000_000),
            lost_answer: LostAnswer::Never,
            cancelled: false,
            reached: false,
        }
    }

    #[test]
    fn verdicts_become_one_set_per_outcome_reason_and_words() {
        let accepted = Verdict::Accepted { reference: Some("q1".into()) };
        let dead = Verdict::Rejected { reason: Reason::AddressDead, detail: "550".into() };
        let full = Verdict::Retry { after: None, fault: Fault::Recipient, detail: "452".into() };
        let verdicts = [accepted.clone(), accepted.clone(), dead, accepted, full];
        let (tally, impression) = Tally::of(&[3, 5, 7, 9, 11, 13], &verdicts, &case());
        let sets: Vec<_> = tally.settled.iter().map(|s| (s.outcome, s.set.iter().collect::<Vec<_>>())).collect();
        assert_eq!(
            sets,
            [(Outcome::Sent, vec![3, 5, 9]), (Outcome::Failed, vec![7]), (Outcome::Unknown, vec![13])],
            "the last has no verdict"
        );
        assert_eq!(tally.settled[0].detail.as_deref(), Some("q1"));
        assert_eq!((tally.again.len(), tally.again[0].due_at), (1, At(5_000)));
        assert!(impression.works && impression.pause.is_none() && !impression.hold, "{impression:?}");
    }

    #[test]
    fn retries_that_fall_due_together_share_a_batch() {
        let mut tally = Tally::default();
        tally.try_again(At(5_000), 2, Set::from_iter([1]), Some("a".into()));
        tally.absorb(Tally {
            settled: vec![],
            again: vec![
                Again { set: Set::from_iter([2]), due_at: At(5_400), attempt: 2, detail: Some("b".into()) },
                Again { set: Set::from_iter([3]), due_at: At(5_500), attempt: 2, detail: Some("a".into()) },
                Again { set: Set::from_iter([4]), due_at: At(60_000), attempt: 2, detail: None },
            ],
        });
        assert_eq!(tally.again.len(), 2);
        assert_eq!((tally.again[0].set.len(), tally.again[0].due_at), (3, At(5_500)));
        assert_eq!(tally.again[0].detail.as_deref(), Some("a\nb"));
    }
}
