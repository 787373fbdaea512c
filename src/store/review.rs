//! Reviews: what reviewers are asked, what they said, and what follows from it in the same transaction.

use async_trait::async_trait;

use super::encode::{known, unsigned};
use super::{Error, LegPlan, Result};
use crate::domain::id::MessageId;
use crate::domain::message::MessageState;
use crate::domain::review::{Decision, Deputy, Fingerprint, Opening, Panel, Review, ReviewState, Timing, Told, Vote};
use crate::domain::time::At;

/// The reviews of messages. A review is opened by [`super::Messages::accept`] in the transaction that stores its
/// message, and dropped by [`super::Messages::cancel`] in the one that stops it.
#[async_trait]
pub trait Reviews: Send + Sync {
    /// The review of a message in its present round, with that round's votes.
    async fn review(&self, id: MessageId) -> Result<Option<Review>>;

    /// At most `limit` open reviews after a place in their order: those that lapse first at the top, then by id.
    async fn open(&self, after: Option<(At, MessageId)>, limit: usize) -> Result<Vec<Review>>;

    /// Counts a vote and does what follows from it, in one transaction. The last approval that was needed puts a
    /// held or paused message among the scheduled ones, due at `release_at` if that is given, otherwise at its
    /// send time, and not before the vote. A refusal, or sending back, ends it as rejected: its legs are made by
    /// the plans and every member is settled as suppressed. A review afterwards changes nothing about its
    /// message. A second vote of the same person, or one in the same person's place, does not count.
    async fn vote(&self, ballot: Ballot) -> Result<Cast>;

    /// At most `limit` held or paused messages whose review is open and past its time, oldest first.
    async fn lapsed(&self, now: At, limit: usize) -> Result<Vec<MessageId>>;

    /// Ends a held or paused message whose review is open and past its time: as expired, every member settled
    /// by the plans. `false`, and nothing written, for any other.
    async fn lapse(&self, id: MessageId, plans: Vec<LegPlan>, at: At) -> Result<bool>;

    /// Pauses a scheduled message and asks for a new review in a new round. `false`, and nothing written, for a
    /// message that is not scheduled or was never reviewed.
    async fn pause(&self, id: MessageId, opening: Opening) -> Result<bool>;

    /// At most `limit` reviews of which somebody is to be told now, by id: reviewers were not asked yet, half of
    /// the time is over and nobody was reminded, or the author does not know that it ended.
    async fn untold(&self, now: At, limit: usize) -> Result<Vec<Review>>;

    /// Notes that somebody was told in a round. Never takes back what was noted before.
    async fn tell(&self, id: MessageId, round: u32, told: Told) -> Result<()>;

    /// Names a deputy, in place of the one that a person may have.
    async fn depute(&self, deputy: Deputy) -> Result<()>;

    /// A person has no deputy any more.
    async fn recall_deputy(&self, of: u32) -> Result<()>;

    /// The deputies whose time has not ended, by the person in whose place they are.
    async fn deputies(&self, now: At) -> Result<Vec<Deputy>>;
}

/// A vote on its way into the store.
#[derive(Clone, Debug)]
pub struct Ballot {
    /// The message.
    pub message: MessageId,
    /// Of what the reviewer was shown.
    pub fingerprint: Fingerprint,
    /// The vote.
    pub vote: Vote,
    /// A later time to send.
    pub release_at: Option<At>,
    /// How legs are made if the message ends.
    pub plans: Vec<LegPlan>,
}

/// What became of a vote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cast {
    /// It counts, or did already; the message is in this state now.
    Counted(MessageState),
    /// The review asks about something else than the reviewer was shown.
    Changed,
    /// There is no review, or it is over.
    Closed,
}

/// The columns of [`Columns`], in its order.
pub(super) const COLUMNS: &str = "message_id, round, timing, panel, approvals, fingerprint, people, tolerance, \
     opened_at, lapse_at, state, decided_at, told";

/// A row of the table of reviews as it is read.
pub(super) struct Columns {
    pub(super) message_id: i64,
    pub(super) round: i64,
    pub(super) timing: i64,
    pub(super) panel: i64,
    pub(super) approvals: i64,
    pub(super) fingerprint: Vec<u8>,
    pub(super) people: i64,
    pub(super) tolerance: i64,
    pub(super) opened_at: i64,
    pub(super) lapse_at: i64,
    pub(super) state: i64,
    pub(super) decided_at: Option<i64>,
    pub(super) told: i64,
}

impl Columns {
    /// The review, without its votes. Errors: what was stored does not read back.
    pub(super) fn decode(self) -> Result<Review> {
        let small = |number: i64| known(u32::try_from(number).ok(), "review");
        let fingerprint = Fingerprint::try_from(self.fingerprint.as_slice());
        Ok(Review {
            message: MessageId(self.message_id),
            round: small(self.round)?,
            opening: Opening {
                timing: known(Timing::from_code(self.timing), "timing")?,
                panel: known(Panel::from_code(self.panel), "panel")?,
                approvals: small(self.approvals)?,
                fingerprint: fingerprint.map_err(|_| Error::Damaged("a fingerprint".into()))?,
                people: unsigned(self.people),
                tolerance_percent: small(self.tolerance)?,
                opened_at: At(self.opened_at),
                lapse_at: At(self.lapse_at),
            },
            state: known(ReviewState::from_code(self.state), "state of a review")?,
            decided_at: self.decided_at.map(At),
            votes: Vec::new(),
            told: known(Told::from_code(self.told), "notice")?,
        })
    }
}

/// The columns of a vote, in the order of [`vote_of`].
pub(super) const VOTE_COLUMNS: &str = "reviewer, stands_for, decision, comment, at";

/// A vote from its columns. Errors: what was stored does not read back.
pub(super) fn vote_of(reviewer: i64, stands_for: i64, decision: i64, comment: String, at: i64) -> Result<Vote> {
    let person = |ordinal: i64| known(u32::try_from(ordinal).ok(), "user");
    let reviewer = person(reviewer)?;
    Ok(Vote {
        reviewer,
        in_place_of: Some(person(stands_for)?).filter(|one| *one != reviewer),
        decision: known(Decision::from_code(decision), "decision")?,
        comment,
        at: At(at),
    })
}

/// What a vote comes to.
pub(super) enum Judged {
    /// Nothing is written.
    Not(Cast),
    /// The vote is written; the review may be decided by it.
    Counts(Option<ReviewState>),
}

/// Decides about a vote on a review whose message is in this state.
pub(super) fn judge(review: &Review, state: MessageState, ballot: &Ballot) -> Judged {
    let (opening, vote) = (&review.opening, &ballot.vote);
    let held = matches!(state, MessageState::Held | MessageState::Paused);
    let in_time = opening.timing == Timing::Afterwards || (held && vote.at < opening.lapse_at);
    if review.state != ReviewState::Open || !in_time {
        return Judged::Not(Cast::Closed);
    }
    if opening.fingerprint != ballot.fingerprint {
        return Judged::Not(Cast::Changed);
    }
    let same = |one: &Vote| one.reviewer == vote.reviewer || one.stands_for() == vote.stands_for();
    if review.votes.iter().any(same) {
        return Judged::Not(Cast::Counted(state));
    }
    let approvals = review.approvals().count() + 1;
    let enough = approvals >= usize::try_from(opening.approvals).unwrap_or(usize::MAX);
    Judged::Counts((vote.decision != Decision::Approve || enough).then(|| vote.decision.state()))
}

/// When an approved message is due.
pub(super) fn due_at(send_at: At, ballot: &Ballot) -> At {
    ballot.release_at.unwrap_or(send_at).max(ballot.vote.at)
}
