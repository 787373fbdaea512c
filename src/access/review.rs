//! Who is asked before a large message is sent, and who may answer. Pure: the callers bring what is to be known.

pub mod fingerprint;
#[cfg(test)]
mod tests;
pub mod view;

use std::time::Duration;

use crate::audience::tree::Tree;
use crate::domain::access::{Mode, Principal};
use crate::domain::class::Class;
use crate::domain::message::MessageFacts;
use crate::domain::refusal::{Reason, Refusal};
use crate::domain::review::{Deputy, Panel, Timing};
use crate::domain::time::At;

/// How far the number of people may be off when a message fires, in per cent, unless its author said otherwise.
pub const TOLERANCE_PERCENT: u32 = 10;
/// How long after the send time an approval still holds.
pub const HOLDS_AFTER_SEND_AT: Duration = Duration::from_secs(3_600);
/// The longest time for which a deputy is named.
pub const DEPUTY_MAX: Duration = Duration::from_secs(90 * 86_400);

/// The installation's rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    /// Messages to more people than this are reviewed; `None`: none are.
    pub threshold: Option<u64>,
    /// How many reviewers of the department have to agree.
    pub department_approvals: u32,
    /// How many of the whole institution's reviewers have to agree.
    pub campus_approvals: u32,
    /// How long reviewers have.
    pub lapse: Duration,
    /// For how long what a reviewer was shown may be decided on.
    pub view: Duration,
}

impl Default for Rules {
    fn default() -> Rules {
        Rules {
            threshold: Some(1_000),
            department_approvals: 1,
            campus_approvals: 1,
            lapse: Duration::from_secs(3 * 86_400),
            view: Duration::from_secs(1_800),
        }
    }
}

/// What a message needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Need {
    /// Before it is sent, or afterwards.
    pub timing: Timing,
    /// Who decides.
    pub panel: Panel,
    /// How many of them have to agree.
    pub approvals: u32,
}

impl Rules {
    /// What a message to so many people needs; `inside` says that none of them is outside the department that
    /// speaks. Test messages reach nobody and need nothing. What is dangerous to people does not wait.
    #[must_use]
    pub fn need(&self, mode: Mode, class: Class, people: u64, inside: impl FnOnce() -> bool) -> Option<Need> {
        #[cfg(feature = "sabotage")]
        if crate::runtime::sabotage::chosen().skip_review {
            return None;
        }
        let timing = match class {
            _ if mode == Mode::Test => return None,
            Class::Emergency => Timing::Afterwards,
            _ if self.threshold.is_some_and(|most| people > most) => Timing::Before,
            _ => return None,
        };
        // Whoever may send at once is answered for by the whole institution.
        let panel = if timing == Timing::Before && inside() { Panel::Department } else { Panel::Campus };
        let approvals = match panel {
            Panel::Department => self.department_approvals,
            Panel::Campus => self.campus_approvals,
        };
        Some(Need { timing, panel, approvals: approvals.max(1) })
    }
}

/// Who sits on panels.
pub trait Panels: Send + Sync {
    /// Who decides about messages of a department (the store's key), ascending.
    fn members(&self, panel: Panel, department_id: i64, tree: &Tree, now: At) -> Vec<u32>;

    /// Whether somebody sits on any panel.
    fn sits(&self, person: u32, now: At) -> bool;

    /// Who looks after what applications say for a department (the store's key), ascending: they are told how a review
    /// of such a message ended.
    fn keepers(&self, department_id: i64, tree: &Tree, now: At) -> Vec<u32>;

    /// Who is told at once of what was sent without a review, ascending.
    fn auditors(&self, tree: &Tree, now: At) -> Vec<u32>;
}

/// Those who may decide about one message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reviewers {
    /// By their own office, ascending.
    pub members: Vec<u32>,
    /// Who stands in for one of them.
    pub deputies: Vec<Deputy>,
    /// Who wrote it or is spoken for.
    authors: Vec<u32>,
}

impl Reviewers {
    /// Of the members of a panel those who are no authors, and of the deputies those of such members who are none
    /// either.
    #[must_use]
    pub fn of(facts: &MessageFacts, members: Vec<u32>, deputies: &[Deputy]) -> Reviewers {
        Reviewers::besides(facts.principal, facts.sender, members, deputies)
    }

    /// The same for a message of this principal that speaks for this person.
    #[must_use]
    pub fn besides(principal: Principal, sender: Option<u32>, members: Vec<u32>, deputies: &[Deputy]) -> Reviewers {
        let mut authors: Vec<u32> = sender.into_iter().collect();
        if let Principal::Person(author) = principal {
            authors.push(author);
        }
        let members: Vec<u32> = members.into_iter().filter(|one| !authors.contains(one)).collect();
        let stands_in = |deputy: &&Deputy| members.contains(&deputy.of) && !authors.contains(&deputy.deputy);
        let deputies = deputies.iter().filter(stands_in).copied().collect();
        Reviewers { members, deputies, authors }
    }

    /// Everybody, deputies included, ascending.
    #[must_use]
    pub fn all(&self) -> Vec<u32> {
        let mut all: Vec<u32> =
            self.members.iter().copied().chain(self.deputies.iter().map(|one| one.deputy)).collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    /// Whether this person may decide.
    #[must_use]
    pub fn has(&self, person: u32) -> bool {
        self.members.contains(&person) || self.deputies.iter().any(|one| one.deputy == person)
    }

    /// In whose place a person decides: `None` by an office of one's own. Of several for whom somebody stands in,
    /// the first who has said nothing yet.
    ///
    /// # Errors
    /// `OWN_MESSAGE`, or `NOT_FOUND` for somebody who is not asked.
    pub fn seat(&self, person: u32, has_voted: impl Fn(u32) -> bool) -> Result<Option<u32>, Refusal> {
        if self.authors.contains(&person) {
            let message = "This message is yours or speaks for you; another reviewer has to decide about it.";
            return Err(Refusal::new(Reason::OwnMessage, message).field("message_id"));
        }
        if self.members.contains(&person) {
            return Ok(None);
        }
        let places: Vec<u32> = self.deputies.iter().filter(|one| one.deputy == person).map(|one| one.of).collect();
        let free = places.iter().find(|of| !has_voted(**of)).or(places.first());
        free.map(|of| Some(*of)).ok_or_else(not_found)
    }
}

/// There is none, or none that the caller may decide about.
#[must_use]
pub fn not_found() -> Refusal {
    Refusal::new(Reason::NotFound, "There is no such message for you to review.").field("message_id")
}
