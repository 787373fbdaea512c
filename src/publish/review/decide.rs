//! A reviewer's decision.

use super::list::live;
use crate::access::Caller;
use crate::access::review::fingerprint::Shown;
use crate::access::review::not_found;
use crate::access::review::view::View;
use crate::domain::access::KeyScope;
use crate::domain::audit::{Action, Deed, Object};
use crate::domain::id::MessageId;
use crate::domain::line;
use crate::domain::refusal::{Reason, Refusal};
use crate::domain::review::{Decision, Review, ReviewState, Vote};
use crate::domain::set::Set;
use crate::domain::time::At;
use crate::publish::release::plans_to_end;
use crate::publish::{Parts, Publisher};
use crate::store::{Ballot, Cast, MessageRow};

/// The longest remark, in characters.
const COMMENT_CHARS_MAX: usize = 2_000;

/// What a reviewer decides.
#[derive(Clone, Debug)]
pub struct Deciding {
    /// The message.
    pub message: MessageId,
    /// The fingerprint as the reviewer was given it.
    pub fingerprint: String,
    /// What.
    pub decision: Decision,
    /// A remark; required unless it is an approval.
    pub comment: String,
    /// A later time to send than was asked for.
    pub release_at: Option<At>,
}

impl Publisher {
    /// Counts a reviewer's decision on exactly what she was shown; answers the message, in the state that it gave it.
    ///
    /// # Errors
    /// `PERSON_REQUIRED`, `TEST_KEY`, `SCOPE_MISSING`, `NOT_FOUND` (absent, and not hers to decide, alike),
    /// `OWN_MESSAGE`, `REVIEW_CHANGED`, `REVIEW_LAPSED`, `FIELD_REQUIRED`, `FIELD_TOO_LONG`, `FIELD_INVALID`,
    /// `PAST_SEND_AT`, `EXPIRE_BEFORE_SEND`.
    pub async fn review(&self, caller: &Caller, wanted: Deciding) -> Result<MessageRow, Refusal> {
        let store = &self.parts.store;
        let (ballot, review) = self.ballot(caller, &wanted).await?;
        let deed = Deed::of(Action::ReviewDecide).on(Object::Message(wanted.message));
        let detail = format!("{:?} {:?} {:?}", wanted.decision, ballot.vote.in_place_of, ballot.fingerprint);
        self.parts.audit.record(caller, deed.over([detail])).await?;
        match store.reviews.vote(ballot).await? {
            Cast::Counted(state) => {
                tracing::info!(message = %wanted.message, decision = ?wanted.decision, ?state, "a reviewer decided");
                let row = store.messages.message(wanted.message).await?.ok_or_else(not_found)?;
                // What is due may have been released since: that is no work of this decision.
                Ok(MessageRow { state, ..row })
            }
            Cast::Changed => Err(changed(&review)),
            Cast::Closed => Err(over()),
        }
    }

    /// The vote that the caller may cast, and the review that it is about.
    async fn ballot(&self, caller: &Caller, wanted: &Deciding) -> Result<(Ballot, Review), Refusal> {
        let person = caller.require_person()?;
        live(caller)?;
        caller.require(KeyScope::Publish)?;
        remark(wanted)?;
        let (store, now) = (&self.parts.store, self.parts.clock.now());
        let row = store.messages.message(wanted.message).await?.ok_or_else(not_found)?;
        let review = store.reviews.review(wanted.message).await?.ok_or_else(not_found)?;
        let reviewers = self.parts.reviewers_now(&row.facts, &review.opening).await?;
        let said = |of| review.votes.iter().any(|vote| vote.stands_for() == of);
        let in_place_of = reviewers.seat(person, said)?;
        if review.state != ReviewState::Open {
            return Err(over());
        }
        self.parts.shown(&row, &review, wanted, person, now).await?;
        release_at(wanted, &row, now)?;
        let (decision, comment) = (wanted.decision, wanted.comment.clone());
        let ballot = Ballot {
            message: wanted.message,
            fingerprint: review.opening.fingerprint,
            vote: Vote { reviewer: person, in_place_of, decision, comment, at: now },
            release_at: wanted.release_at,
            plans: plans_to_end(&row.facts),
        };
        Ok((ballot, review))
    }
}

impl Parts {
    /// Goes on if the reviewer was shown, not long ago, exactly what would be sent.
    async fn shown(
        &self,
        row: &MessageRow,
        review: &Review,
        wanted: &Deciding,
        person: u32,
        now: At,
    ) -> Result<(), Refusal> {
        let opening = &review.opening;
        let view = View::verify(&wanted.fingerprint, row.facts.id, person, &self.seal);
        let fresh = |view: &View| view.at <= now && now.since(view.at) <= self.rules.view;
        if !view.is_some_and(|view| view.fingerprint == opening.fingerprint && fresh(&view)) {
            return Err(changed(review));
        }
        let people = self.listed(row).await?;
        match Shown::of(&row.facts, &row.content, &people, opening.people).fingerprint() == opening.fingerprint {
            true => Ok(()),
            false => Err(changed(review)),
        }
    }

    /// The people of a message that names them by a list; of an expression they are not needed.
    pub(super) async fn listed(&self, row: &MessageRow) -> Result<Set, Refusal> {
        match row.facts.audience_text.is_empty() {
            true => Ok(self.store.messages.members(row.facts.id).await?),
            false => Ok(Set::new()),
        }
    }
}

fn remark(wanted: &Deciding) -> Result<(), Refusal> {
    let length = wanted.comment.chars().count();
    if length > COMMENT_CHARS_MAX {
        let message = format!("The remark has {length} characters; write at most {COMMENT_CHARS_MAX}.");
        let refusal = Refusal::new(Reason::FieldTooLong, message).field("comment");
        return Err(refusal.with("limit", COMMENT_CHARS_MAX).with("actual", length).with("unit", "characters"));
    }
    line::lines("comment", &wanted.comment)?;
    if wanted.decision != Decision::Approve && wanted.comment.trim().is_empty() {
        let message = "Say why, so that the author knows what to change.";
        return Err(Refusal::new(Reason::FieldRequired, message).field("comment"));
    }
    Ok(())
}

fn release_at(wanted: &Deciding, row: &MessageRow, now: At) -> Result<(), Refusal> {
    let Some(at) = wanted.release_at else { return Ok(()) };
    if wanted.decision != Decision::Approve {
        let message = "Only what is approved is sent later; leave the time out.";
        return Err(Refusal::new(Reason::FieldInvalid, message).field("release_at"));
    }
    if at < row.facts.send_at.max(now) {
        let message = "A reviewer may delay a message, not send it before it was asked for, nor in the past.";
        return Err(Refusal::new(Reason::PastSendAt, message).field("release_at"));
    }
    if at >= row.facts.expire_at {
        let message = "The message would have expired by then; choose an earlier time, or send it back.";
        return Err(Refusal::new(Reason::ExpireBeforeSend, message).field("release_at"));
    }
    Ok(())
}

fn changed(review: &Review) -> Refusal {
    let message = "You were shown something else, or more than the allowed time ago. Look at the message again.";
    let fingerprint: String = review.opening.fingerprint.iter().map(|byte| format!("{byte:02x}")).collect();
    Refusal::new(Reason::ReviewChanged, message).field("fingerprint").with("fingerprint", fingerprint)
}

fn over() -> Refusal {
    let message = "The review of this message is over; look where the message stands.";
    Refusal::new(Reason::ReviewLapsed, message).field("message_id")
}
