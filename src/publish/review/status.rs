//! Where a review stands, in words and names.

use crate::access::Caller;
use crate::access::review::view::View;
use crate::access::review::{Need, Reviewers};
use crate::audience::Snapshot;
use crate::domain::message::{Draft, MessageFacts};
use crate::domain::refusal::Refusal;
use crate::domain::review::{Decision, Panel, Review, ReviewState, Timing};
use crate::domain::time::At;
use crate::publish::decide::Survey;
use crate::publish::{Parts, Publisher};

/// Where the review of a message stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReviewStatus {
    /// A second person has to agree before it is sent, or had to.
    pub needed: bool,
    /// Of what is decided on; signed for those who may decide, who give it back with their decision.
    pub fingerprint: String,
    /// How many people have to agree in all.
    pub approvals_needed: u32,
    /// Who has agreed so far.
    pub approvals: Vec<Approved>,
    /// The people who may decide.
    pub reviewer_ids: Vec<String>,
    /// When the review ends undecided; `None` unless it is open.
    pub lapse_at: Option<At>,
    /// Why, and how it stands, in a sentence.
    pub why: String,
}

/// One person's agreement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Approved {
    /// Who.
    pub user_id: String,
    /// When.
    pub at: At,
    /// The remark.
    pub comment: String,
}

/// Whether a message is an alarm that somebody has yet to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Alarm {
    /// It is none, or has its all-clear.
    Off,
    /// No all-clear refers to it.
    On,
}

impl Alarm {
    /// What is reviewed beforehand is no alarm.
    pub(super) fn of(review: &Review, is_clear: bool) -> Alarm {
        if review.opening.timing == Timing::Afterwards && !is_clear { Alarm::On } else { Alarm::Off }
    }
}

impl Parts {
    /// Where a review stands; with a signed fingerprint for a person who may decide.
    pub(super) fn status(
        &self,
        facts: &MessageFacts,
        (review, alarm): (&Review, Alarm),
        reviewers: &Reviewers,
        person: Option<u32>,
    ) -> ReviewStatus {
        let (opening, snapshot) = (&review.opening, self.index.snapshot());
        let fingerprint = match person {
            Some(person) => {
                let view = View { fingerprint: opening.fingerprint, at: self.clock.now() };
                view.sign(facts.id, person, &self.seal)
            }
            None => hex(&opening.fingerprint),
        };
        let approved = |vote: &crate::domain::review::Vote| Approved {
            user_id: name(&snapshot, vote.reviewer),
            at: vote.at,
            comment: vote.comment.clone(),
        };
        let is_open = review.state == ReviewState::Open;
        ReviewStatus {
            needed: opening.timing == Timing::Before,
            fingerprint,
            approvals_needed: opening.approvals,
            approvals: review.approvals().map(approved).collect(),
            reviewer_ids: self.names(reviewers),
            lapse_at: is_open.then_some(opening.lapse_at),
            why: why(review, alarm, &self.department_name(facts.department_id)),
        }
    }

    /// The ids of everybody who may decide.
    pub(super) fn names(&self, reviewers: &Reviewers) -> Vec<String> {
        let snapshot = self.index.snapshot();
        reviewers.all().into_iter().map(|person| name(&snapshot, person)).collect()
    }
}

impl Publisher {
    /// Whether a publish of this draft would be reviewed, and by whom.
    pub(in crate::publish) async fn foreseen(
        &self,
        caller: &Caller,
        draft: &Draft,
        survey: &Survey,
        covered: bool,
    ) -> Result<ReviewStatus, Refusal> {
        let parts = &self.parts;
        let Survey { people, snapshot, department_id, sender, now, .. } = survey;
        let Some(need) = parts.need(caller, draft.class, *department_id, (people, snapshot)) else {
            return Ok(ReviewStatus { why: "Nobody else has to agree to this.".to_owned(), ..ReviewStatus::default() });
        };
        let mut reviewer_ids = Vec::new();
        if covered {
            let members = parts.panels.members(need.panel, *department_id, snapshot.tree(), *now);
            let deputies = parts.store.reviews.deputies(*now).await?;
            reviewer_ids = parts.names(&Reviewers::besides(caller.principal, *sender, members, &deputies));
        }
        Ok(ReviewStatus {
            needed: need.timing == Timing::Before,
            approvals_needed: need.approvals,
            reviewer_ids,
            why: asked(need, people.len(), &parts.department_name(*department_id)),
            ..ReviewStatus::default()
        })
    }
}

/// The id of a person, for whom the directory may have none any more.
fn name(snapshot: &Snapshot, person: u32) -> String {
    snapshot.users().external_id(person).map_or_else(String::new, |id| id.to_string())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What is asked, in a sentence.
fn asked(need: Need, people: u64, department: &str) -> String {
    let Need { timing, panel, approvals } = need;
    let of = |whose: &str| match approvals {
        1 => format!("one of {whose} reviewers has"),
        n => format!("{n} of {whose} reviewers have"),
    };
    match (timing, panel) {
        (Timing::Afterwards, _) => {
            format!("An emergency goes out at once; {} to look at it afterwards.", of("the institution's"))
        }
        (Timing::Before, Panel::Department) => format!(
            "It goes to {people} people of {department}: {} to agree before it is sent.",
            of("the department's")
        ),
        (Timing::Before, Panel::Campus) => format!(
            "It goes to {people} people, some of them outside {department}: {} to agree before it is sent.",
            of("the institution's")
        ),
    }
}

/// How a review stands, in a sentence.
fn why(review: &Review, alarm: Alarm, department: &str) -> String {
    let opening = &review.opening;
    let need = Need { timing: opening.timing, panel: opening.panel, approvals: opening.approvals };
    let missing = match alarm {
        Alarm::On => " An all-clear message is still missing.",
        Alarm::Off => "",
    };
    match review.state {
        ReviewState::Open if review.round > 1 => {
            format!("What was approved is no longer what would be sent. {}", asked(need, opening.people, department))
        }
        ReviewState::Open => format!("{}{missing}", asked(need, opening.people, department)),
        ReviewState::Approved => format!("Enough reviewers agreed.{missing}"),
        ReviewState::Refused => format!("A reviewer refused it{}{missing}", remark(review, Decision::Refuse)),
        ReviewState::SentBack => format!("A reviewer sent it back{}{missing}", remark(review, Decision::SendBack)),
        ReviewState::Lapsed => "Nobody decided in time, so it was not sent.".to_owned(),
        ReviewState::Dropped => "It was cancelled before anybody decided.".to_owned(),
    }
}

/// What the reviewer said who decided so.
pub(super) fn remark(review: &Review, decision: Decision) -> String {
    let said = review.votes.iter().find(|vote| vote.decision == decision).map(|vote| vote.comment.trim());
    match said {
        Some(comment) if !comment.is_empty() => format!(": {comment}"),
        _ => ".".to_owned(),
    }
}
