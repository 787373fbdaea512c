//! Reviews: held with the message, voted on, and what follows from it.

use std::time::Duration;

use campanile::domain::channel::Channel;
use campanile::domain::id::MessageId;
use campanile::domain::message::MessageState;
use campanile::domain::outcome::{Outcome, Reason};
use campanile::domain::review::{Decision, Deputy, Opening, Panel, ReviewState, Timing, Told, Vote};
use campanile::domain::time::At;
use campanile::store::{Accept, Ballot, Cast};

use super::Store;
use super::fixture::{NOW, set};
use super::publishing::{EPOCH, accept, counts, id, office, publish, scheduled};

super::cases! {
    a_message_is_held_with_its_review,
    the_last_approval_schedules_the_message,
    a_word_counts_once_and_only_for_what_was_shown,
    a_refusal_settles_everybody,
    a_review_that_nobody_decides_lapses_with_its_message,
    a_message_that_paused_is_asked_about_again,
    a_cancel_drops_the_review,
    a_review_afterwards_changes_nothing,
    open_reviews_are_listed_by_their_end,
    whoever_is_to_be_told_is_named_until_it_is_noted,
    a_person_has_one_deputy_for_a_time,
}

const DAY: Duration = Duration::from_secs(86_400);
const HOUR: Duration = Duration::from_secs(3_600);

fn opening(approvals: u32) -> Opening {
    Opening {
        timing: Timing::Before,
        panel: Panel::Campus,
        approvals,
        fingerprint: [7; 32],
        people: 3,
        tolerance_percent: 10,
        opened_at: NOW,
        lapse_at: NOW.plus(DAY),
    }
}

/// The n-th message, to three people over mail and app, with a review.
async fn reviewed(store: &Store, n: i64, opening: Opening) -> Accept {
    let item = publish(store, n, set([1, 2, 3]), &[Channel::Email, Channel::App]).await;
    Accept { review: Some(opening), ..item }
}

async fn held(store: &Store, approvals: u32) {
    office(store, 5).await;
    accept(store, reviewed(store, 1, opening(approvals)).await).await;
}

fn ballot(n: i64, reviewer: u32, decision: Decision) -> Ballot {
    let vote = Vote { reviewer, in_place_of: None, decision, comment: "seen".into(), at: NOW.plus(HOUR) };
    let plans = [Channel::Email, Channel::App];
    let plans = plans.map(|channel| super::publishing::plan(channel, campanile::domain::access::Mode::Live));
    Ballot { message: id(n), fingerprint: [7; 32], vote, release_at: None, plans: plans.into() }
}

async fn vote(store: &Store, ballot: Ballot) -> Cast {
    store.reviews.vote(ballot).await.unwrap()
}

async fn state(store: &Store, n: i64) -> MessageState {
    store.messages.message(id(n)).await.unwrap().unwrap().state
}

async fn review(store: &Store, n: i64) -> campanile::domain::review::Review {
    store.reviews.review(id(n)).await.unwrap().unwrap()
}

async fn due(store: &Store, at: At) -> Vec<MessageId> {
    store.messages.due(at, 9).await.unwrap()
}

async fn a_message_is_held_with_its_review(store: &Store) {
    held(store, 1).await;
    assert_eq!((state(store, 1).await, store.messages.legs(id(1)).await.unwrap()), (MessageState::Held, vec![]));
    assert_eq!(store.messages.members(id(1)).await.unwrap(), set([1, 2, 3]));
    let kept = review(store, 1).await;
    assert_eq!((kept.opening, kept.round, kept.state, kept.told), (opening(1), 1, ReviewState::Open, Told::Nobody));
    assert_eq!((kept.votes, kept.decided_at), (vec![], None));
    assert_eq!(due(store, NOW.plus(30 * DAY)).await, [], "nothing releases it but a vote");
    assert!(store.messages.release(id(1), vec![], NOW, EPOCH).await.unwrap().is_none());
    assert!(!store.messages.reject(id(1), vec![], MessageState::Expired, Reason::None, NOW).await.unwrap());
    assert_eq!(store.reviews.review(id(2)).await.unwrap(), None);
}

async fn the_last_approval_schedules_the_message(store: &Store) {
    held(store, 2).await;
    assert_eq!(vote(store, ballot(1, 20, Decision::Approve)).await, Cast::Counted(MessageState::Held));
    assert_eq!(vote(store, ballot(1, 21, Decision::Approve)).await, Cast::Counted(MessageState::Scheduled));
    let kept = review(store, 1).await;
    assert_eq!((kept.state, kept.decided_at), (ReviewState::Approved, Some(NOW.plus(HOUR))));
    let votes: Vec<_> = kept.votes.iter().map(|vote| (vote.reviewer, &*vote.comment)).collect();
    assert_eq!(votes, [(20, "seen"), (21, "seen")]);
    let row = store.messages.message(id(1)).await.unwrap().unwrap();
    assert_eq!(row.facts.send_at, NOW.plus(HOUR), "not before it was approved");
    assert_eq!(due(store, NOW.plus(HOUR)).await, [id(1)]);
    accept(store, scheduled(reviewed(store, 2, opening(1)).await, NOW.plus(2 * HOUR))).await;
    assert_eq!(vote(store, ballot(2, 20, Decision::Approve)).await, Cast::Counted(MessageState::Scheduled));
    assert_eq!(due(store, NOW.plus(HOUR)).await, [id(1)], "the second waits for its time");
    accept(store, reviewed(store, 3, opening(1)).await).await;
    let later = Ballot { release_at: Some(NOW.plus(3 * HOUR)), ..ballot(3, 20, Decision::Approve) };
    vote(store, later).await;
    assert_eq!(due(store, NOW.plus(3 * HOUR)).await, [id(1), id(2), id(3)]);
}

async fn a_word_counts_once_and_only_for_what_was_shown(store: &Store) {
    held(store, 3).await;
    let other = Ballot { fingerprint: [8; 32], ..ballot(1, 20, Decision::Approve) };
    assert_eq!(vote(store, other).await, Cast::Changed);
    let late = Vote { at: NOW.plus(DAY), ..ballot(1, 20, Decision::Approve).vote };
    assert_eq!(vote(store, Ballot { vote: late, ..ballot(1, 20, Decision::Approve) }).await, Cast::Closed);
    assert_eq!(vote(store, ballot(9, 20, Decision::Approve)).await, Cast::Closed, "no such message");
    for _ in 0..3 {
        assert_eq!(vote(store, ballot(1, 20, Decision::Approve)).await, Cast::Counted(MessageState::Held));
    }
    let mut deputy = ballot(1, 30, Decision::Approve);
    deputy.vote.in_place_of = Some(20);
    assert_eq!(vote(store, deputy).await, Cast::Counted(MessageState::Held), "20 has spoken already");
    let mut deputy = ballot(1, 30, Decision::Approve);
    deputy.vote.in_place_of = Some(21);
    vote(store, deputy).await;
    assert_eq!(vote(store, ballot(1, 21, Decision::Approve)).await, Cast::Counted(MessageState::Held));
    assert_eq!(review(store, 1).await.votes.iter().map(Vote::stands_for).collect::<Vec<_>>(), [20, 21]);
    assert_eq!(vote(store, ballot(1, 22, Decision::Approve)).await, Cast::Counted(MessageState::Scheduled));
    assert_eq!(vote(store, ballot(1, 23, Decision::Refuse)).await, Cast::Closed);
}

async fn a_refusal_settles_everybody(store: &Store) {
    held(store, 2).await;
    vote(store, ballot(1, 20, Decision::Approve)).await;
    assert_eq!(vote(store, ballot(1, 21, Decision::Refuse)).await, Cast::Counted(MessageState::Rejected));
    assert_eq!((state(store, 1).await, review(store, 1).await.state), (MessageState::Rejected, ReviewState::Refused));
    for leg in [1, 2] {
        assert_eq!(counts(store, 1, leg).await, [0, 0, 0, 3, 0, 0, 0]);
        let rows = store.messages.outcomes(id(1).leg(leg), 0, u32::MAX).await.unwrap();
        assert!(rows.iter().all(|row| (row.outcome, row.reason) == (Outcome::Suppressed, Reason::ReviewRefused)));
    }
    let one = publish(store, 2, set([4]), &[Channel::Email, Channel::App]).await;
    accept(store, Accept { review: Some(opening(1)), ..one }).await;
    assert_eq!(vote(store, ballot(2, 20, Decision::SendBack)).await, Cast::Counted(MessageState::Rejected));
    assert_eq!(review(store, 2).await.state, ReviewState::SentBack);
    assert_eq!(counts(store, 2, 1).await, [0, 0, 0, 1, 0, 0, 0], "also of a message to one person");
}

async fn a_review_that_nobody_decides_lapses_with_its_message(store: &Store) {
    held(store, 1).await;
    let plans = || ballot(1, 1, Decision::Approve).plans;
    let lapsed = |at| store.reviews.lapsed(at, 9);
    assert_eq!(lapsed(NOW.plus(DAY).minus(HOUR)).await.unwrap(), []);
    assert!(!store.reviews.lapse(id(1), plans(), NOW).await.unwrap());
    assert_eq!(lapsed(NOW.plus(DAY)).await.unwrap(), [id(1)]);
    assert!(store.reviews.lapse(id(1), plans(), NOW.plus(DAY)).await.unwrap());
    assert!(!store.reviews.lapse(id(1), plans(), NOW.plus(DAY)).await.unwrap());
    assert_eq!((state(store, 1).await, review(store, 1).await.state), (MessageState::Expired, ReviewState::Lapsed));
    assert_eq!(counts(store, 1, 2).await, [0, 0, 0, 0, 3, 0, 0]);
    assert_eq!(lapsed(NOW.plus(DAY)).await.unwrap(), []);
}

async fn a_message_that_paused_is_asked_about_again(store: &Store) {
    held(store, 1).await;
    let again = Opening { people: 9, fingerprint: [9; 32], opened_at: NOW.plus(HOUR), ..opening(1) };
    assert!(!store.reviews.pause(id(1), again.clone()).await.unwrap(), "it is not scheduled");
    vote(store, ballot(1, 20, Decision::Approve)).await;
    assert!(store.reviews.pause(id(1), again.clone()).await.unwrap());
    assert_eq!((state(store, 1).await, due(store, NOW.plus(DAY)).await), (MessageState::Paused, vec![]));
    let kept = review(store, 1).await;
    assert_eq!((kept.round, kept.state, kept.opening, kept.votes), (2, ReviewState::Open, again, vec![]));
    assert_eq!(vote(store, ballot(1, 20, Decision::Approve)).await, Cast::Changed, "an old view");
    let fresh = Ballot { fingerprint: [9; 32], ..ballot(1, 20, Decision::Approve) };
    assert_eq!(vote(store, fresh).await, Cast::Counted(MessageState::Scheduled), "a new word of the same person");
    accept(store, scheduled(publish(store, 2, set([1, 2]), &[Channel::App]).await, NOW.plus(HOUR))).await;
    assert!(!store.reviews.pause(id(2), opening(1)).await.unwrap(), "it was never reviewed");
}

async fn a_cancel_drops_the_review(store: &Store) {
    held(store, 1).await;
    store.messages.cancel(id(1), NOW.plus(HOUR)).await.unwrap().unwrap();
    let kept = review(store, 1).await;
    assert_eq!((state(store, 1).await, kept.state), (MessageState::Cancelled, ReviewState::Dropped));
    assert_eq!(vote(store, ballot(1, 20, Decision::Approve)).await, Cast::Closed);
    assert_eq!(store.reviews.untold(NOW.plus(DAY), 9).await.unwrap(), [], "whoever cancelled knows it");
}

async fn a_review_afterwards_changes_nothing(store: &Store) {
    office(store, 5).await;
    let afterwards = Opening { timing: Timing::Afterwards, ..opening(1) };
    for n in [1, 2] {
        accept(store, reviewed(store, n, afterwards.clone()).await).await;
        assert_eq!(state(store, n).await, MessageState::Open, "it went out at once");
    }
    assert_eq!(store.reviews.lapsed(NOW.plus(30 * DAY), 9).await.unwrap(), [], "and is never forgotten");
    let mut late = ballot(1, 20, Decision::Refuse);
    late.vote.at = NOW.plus(2 * DAY);
    assert_eq!(vote(store, late).await, Cast::Counted(MessageState::Open));
    assert_eq!(vote(store, ballot(2, 20, Decision::Approve)).await, Cast::Counted(MessageState::Open));
    assert_eq!(
        (review(store, 1).await.state, review(store, 2).await.state),
        (ReviewState::Refused, ReviewState::Approved)
    );
    assert_eq!(counts(store, 1, 2).await, [0, 3, 0, 0, 0, 0, 0]);
}

async fn open_reviews_are_listed_by_their_end(store: &Store) {
    office(store, 5).await;
    for (n, days) in [(1, 3), (2, 1), (3, 2), (4, 2)] {
        accept(store, reviewed(store, n, Opening { lapse_at: NOW.plus(days * DAY), ..opening(1) }).await).await;
    }
    vote(store, ballot(2, 20, Decision::Refuse)).await;
    let listed = store.reviews.open(None, 2).await.unwrap();
    assert_eq!(listed.iter().map(|one| one.message).collect::<Vec<_>>(), [id(3), id(4)]);
    let after = listed.last().map(|one| (one.opening.lapse_at, one.message));
    let rest = store.reviews.open(after, 2).await.unwrap();
    assert_eq!(rest.iter().map(|one| one.message).collect::<Vec<_>>(), [id(1)]);
}

async fn whoever_is_to_be_told_is_named_until_it_is_noted(store: &Store) {
    held(store, 1).await;
    let untold = async |at| store.reviews.untold(at, 9).await.unwrap().len();
    let half = NOW.plus(DAY / 2);
    assert_eq!(untold(NOW).await, 1, "the reviewers");
    store.reviews.tell(id(1), 1, Told::Asked).await.unwrap();
    assert_eq!((untold(half.minus(HOUR)).await, untold(half).await), (0, 1), "a reminder");
    store.reviews.tell(id(1), 1, Told::Reminded).await.unwrap();
    store.reviews.tell(id(1), 1, Told::Asked).await.unwrap();
    assert_eq!(untold(NOW.plus(DAY)).await, 0);
    vote(store, ballot(1, 20, Decision::Refuse)).await;
    assert_eq!(untold(NOW).await, 1, "the author");
    store.reviews.tell(id(1), 2, Told::Author).await.unwrap();
    assert_eq!(untold(NOW).await, 1, "of another round");
    store.reviews.tell(id(1), 1, Told::Author).await.unwrap();
    assert_eq!(untold(NOW).await, 0);
}

async fn a_person_has_one_deputy_for_a_time(store: &Store) {
    let deputy = |of, deputy, until| Deputy { of, deputy, until };
    for one in [deputy(20, 30, NOW.plus(HOUR)), deputy(21, 30, NOW.plus(DAY)), deputy(20, 31, NOW.plus(HOUR))] {
        store.reviews.depute(one).await.unwrap();
    }
    let (first, second) = (deputy(20, 31, NOW.plus(HOUR)), deputy(21, 30, NOW.plus(DAY)));
    assert_eq!(store.reviews.deputies(NOW).await.unwrap(), [first, second]);
    assert_eq!(store.reviews.deputies(NOW.plus(HOUR)).await.unwrap(), [second]);
    store.reviews.recall_deputy(21).await.unwrap();
    assert_eq!(store.reviews.deputies(NOW).await.unwrap(), [first]);
}
