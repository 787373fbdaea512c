//! The second person: what reviewers are asked about a message, what they are shown, and what their decision does.
//! A message that needs them is stored as held, with its snapshot, in the commit that accepts it; the last
//! approval puts it among the scheduled ones in the transaction of the vote, and from there it takes the road of
//! all scheduled messages, which asks for its rights once more.

mod again;
mod decide;
mod deputy;
mod list;
pub(super) mod notices;
mod status;
pub(super) mod sweep;

pub use decide::Deciding;
pub use list::ReviewItem;
pub use notices::Notices;
pub use status::{Approved, ReviewStatus};

use self::status::Alarm;
use super::accept::{Receipt, Warning};
use super::{Parts, Publisher};
use crate::access::Caller;
use crate::access::review::fingerprint::Shown;
use crate::access::review::{Need, Reviewers};
use crate::domain::access::{Mode, Principal};
use crate::domain::content::Content;
use crate::domain::message::MessageFacts;
use crate::domain::refusal::{Reason, Refusal};
use crate::domain::relation::RelationKind;
use crate::domain::review::{Deputy, Opening, Review, ReviewState, Timing, Told};
use crate::domain::set::Set;
use crate::domain::time::At;
use crate::store::MessageRow;

/// Messages that are looked at for an all-clear.
const REFERRING_MAX: usize = 100;

impl Parts {
    /// What reviewers will be asked about a message that is accepted now.
    pub(super) fn opening(
        &self,
        need: Need,
        (facts, content, people): (&MessageFacts, &Content, &Set),
        tolerance_percent: u32,
        now: At,
    ) -> Opening {
        let count = facts.members_n;
        Opening {
            timing: need.timing,
            panel: need.panel,
            approvals: need.approvals,
            fingerprint: Shown::of(facts, content, people, count).fingerprint(),
            people: count,
            tolerance_percent,
            opened_at: now,
            lapse_at: now.plus(self.rules.lapse).min(facts.expire_at),
        }
    }

    /// Who may decide about a message, with these deputies.
    fn reviewers(&self, facts: &MessageFacts, opening: &Opening, deputies: &[Deputy]) -> Reviewers {
        let (snapshot, now) = (self.index.snapshot(), self.clock.now());
        let members = self.panels.members(opening.panel, facts.department_id, snapshot.tree(), now);
        Reviewers::of(facts, members, deputies)
    }

    /// The same with the deputies of now.
    async fn reviewers_now(&self, facts: &MessageFacts, opening: &Opening) -> Result<Reviewers, Refusal> {
        let deputies = self.store.reviews.deputies(self.clock.now()).await?;
        Ok(self.reviewers(facts, opening, &deputies))
    }

    /// Puts into the answer to a publish who is asked. Deputies are not in it yet.
    pub(super) fn tell_of_review(&self, receipt: &mut Receipt, facts: &MessageFacts, opening: &Opening) {
        let reviewers = self.reviewers(facts, opening, &[]);
        if reviewers.members.is_empty() {
            receipt.warnings.push(Warning {
                reason: "NO_REVIEWER",
                text:
                    "Nobody may review this message: ask an administrator to name a reviewer before its time runs out."
                        .to_owned(),
                channel: None,
            });
        }
        let review = just_opened(facts, opening);
        let alarm = Alarm::of(&review, false);
        receipt.review = Some(self.status(facts, (&review, alarm), &reviewers, None));
    }

    /// A message with its review, as a person sees it who may decide; everybody else gets the plain fingerprint.
    async fn status_for(
        &self,
        caller: &Caller,
        row: &MessageRow,
        review: &Review,
    ) -> Result<(ReviewStatus, bool), Refusal> {
        let reviewers = self.reviewers_now(&row.facts, &review.opening).await?;
        let may_decide = self.decides(caller, &reviewers).filter(|_| review.state == ReviewState::Open);
        let alarm = Alarm::of(review, self.is_clear(review).await?);
        Ok((self.status(&row.facts, (review, alarm), &reviewers, may_decide), may_decide.is_some()))
    }

    /// Whether an emergency has its all-clear.
    async fn is_clear(&self, review: &Review) -> Result<bool, Refusal> {
        if review.opening.timing == Timing::Before {
            return Ok(false);
        }
        let referring = self.store.relations.referring(review.message, REFERRING_MAX).await?;
        let clears = |row: &MessageRow| row.facts.relation.is_some_and(|tie| tie.kind == RelationKind::AllClearFor);
        Ok(referring.iter().any(clears))
    }

    /// The caller, if she may decide.
    fn decides(&self, caller: &Caller, reviewers: &Reviewers) -> Option<u32> {
        match caller.principal {
            Principal::Person(person) if caller.mode() == Mode::Live => Some(person).filter(|one| reviewers.has(*one)),
            _ => None,
        }
    }
}

impl Publisher {
    /// Where the review of a message stands; `None` if it needs none.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn review_status(&self, caller: &Caller, row: &MessageRow) -> Result<Option<ReviewStatus>, Refusal> {
        let Some(review) = self.parts.store.reviews.review(row.facts.id).await? else { return Ok(None) };
        Ok(Some(self.parts.status_for(caller, row, &review).await?.0))
    }

    /// A message that the caller is asked about, or has been.
    ///
    /// # Errors
    /// `NOT_FOUND` for all others.
    pub async fn reviewable(&self, caller: &Caller, id: crate::domain::id::MessageId) -> Result<MessageRow, Refusal> {
        let not_found = || {
            Refusal::new(Reason::NotFound, format!("There is no message {id} that you may read.")).field("message_id")
        };
        let store = &self.parts.store;
        let Some(review) = store.reviews.review(id).await? else { return Err(not_found()) };
        let Some(row) = store.messages.message(id).await? else { return Err(not_found()) };
        let reviewers = self.parts.reviewers_now(&row.facts, &review.opening).await?;
        match self.parts.decides(caller, &reviewers) {
            Some(_) if caller.may(crate::domain::access::KeyScope::Read) => Ok(row),
            _ => Err(not_found()),
        }
    }

    /// The answer to a publish with the deputies in it. That they could not be read is no reason to withhold it: the
    /// message is stored.
    pub(super) async fn with_deputies(&self, mut receipt: Receipt) -> Receipt {
        if let (Some(status), Some(id)) = (&receipt.review, receipt.message_id)
            && let Ok(Some(row)) = self.parts.store.messages.message(id).await
            && let Ok(Some(review)) = self.parts.store.reviews.review(id).await
            && let Ok(reviewers) = self.parts.reviewers_now(&row.facts, &review.opening).await
        {
            receipt.review = Some(ReviewStatus { reviewer_ids: self.parts.names(&reviewers), ..status.clone() });
        }
        receipt
    }
}

/// A review as the commit will store it.
fn just_opened(facts: &MessageFacts, opening: &Opening) -> Review {
    Review {
        message: facts.id,
        round: 1,
        opening: opening.clone(),
        state: ReviewState::Open,
        decided_at: None,
        votes: Vec::new(),
        told: Told::Nobody,
    }
}
