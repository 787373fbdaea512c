//! The second person: what is held, who decides, and what a decision does.

use std::sync::Arc;
use std::time::Duration;

use campanile::access::Caller;
use campanile::access::review::{Panels, Rules};
use campanile::audience::tree::Tree;
use campanile::domain::access::{Key, KeyScope, Mode, Principal};
use campanile::domain::channel::Channel;
use campanile::domain::class::Class;
use campanile::domain::id::{GrantId, KeyId, MessageId};
use campanile::domain::message::{Draft, Expected, MessageState};
use campanile::domain::outcome::{Outcome, Reason as Why};
use campanile::domain::refusal::Reason;
use campanile::domain::review::{Decision, Panel, ReviewState};
use campanile::domain::set::Set;
use campanile::domain::time::At;
use campanile::publish::{Deciding, ReviewStatus, Wish};

use super::house::{House, NOW, eventually, house_with, listed, notice, ordinals, refused};
use crate::store::{nth, publishing};

const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(86_400);

/// `u31` reviews for cs; `u32`, `u33` and the administrator for all.
struct Few;

impl Panels for Few {
    fn members(&self, panel: Panel, _: i64, _: &Tree, _: At) -> Vec<u32> {
        match panel {
            Panel::Department => vec![0, nth(31), nth(32)],
            Panel::Campus => vec![0, nth(32), nth(33)],
        }
    }
    fn sits(&self, person: u32, _: At) -> bool {
        [0, nth(31), nth(32), nth(33)].contains(&person)
    }
    fn keepers(&self, _: i64, _: &Tree, _: At) -> Vec<u32> {
        vec![]
    }
    fn auditors(&self, _: &Tree, _: At) -> Vec<u32> {
        vec![nth(34)]
    }
}

/// More than ten people need somebody of the department, or two of the whole house.
async fn reviewing() -> House {
    let rules = Rules { threshold: Some(10), campus_approvals: 2, ..Rules::default() };
    let house = house_with(rules, Arc::new(Few)).await;
    for n in [1, 31, 32, 33, 40] {
        let scopes = [KeyScope::Publish, KeyScope::Read].into_iter().collect();
        let key = Key { principal: Principal::Person(nth(n)), scopes, ..publishing::key(i64::from(n) + 100) };
        house.store.access.create_key(key).await.unwrap();
    }
    house
}

async fn person(house: &House, n: u32) -> Caller {
    let key = house.store.access.key(KeyId(i64::from(n) + 100)).await.unwrap().unwrap();
    Caller::new(Arc::new(key))
}

/// A notice to the thirty people of cs, held.
async fn held(house: &House, key: &str) -> MessageId {
    let receipt = house.publisher.publish(&house.library().await, notice(key, "department:cs")).await.unwrap();
    assert_eq!((receipt.state, receipt.recipient_count), (MessageState::Held, 30));
    receipt.message_id.unwrap()
}

async fn status(house: &House, caller: &Caller, id: MessageId) -> ReviewStatus {
    let row = house.store.messages.message(id).await.unwrap().unwrap();
    house.publisher.review_status(caller, &row).await.unwrap().unwrap()
}

/// A decision on what the caller is shown now.
async fn deciding(house: &House, caller: &Caller, id: MessageId, decision: Decision) -> Deciding {
    let fingerprint = status(house, caller, id).await.fingerprint;
    Deciding { message: id, fingerprint, decision, comment: "too loud".into(), release_at: None }
}

async fn decide(house: &House, n: u32, id: MessageId, decision: Decision) -> Result<MessageState, Reason> {
    let caller = person(house, n).await;
    let wanted = deciding(house, &caller, id, decision).await;
    let row = house.publisher.review(&caller, wanted).await;
    row.map(|row| row.state).map_err(|refusal| refusal.reason)
}

async fn reaches(house: &House, id: MessageId, state: MessageState) {
    eventually(&format!("{state:?}"), async || house.store.messages.message(id).await.unwrap().unwrap().state == state)
        .await;
}

async fn counts(house: &House, id: MessageId, outcome: Outcome) -> Vec<u64> {
    let legs = house.store.messages.legs(id).await.unwrap();
    legs.iter().map(|leg| leg.counts.get(outcome)).collect()
}

#[tokio::test]
async fn a_large_message_waits_and_an_approval_sends_it() {
    let house = reviewing().await;
    let library = house.library().await;
    let receipt = house.publisher.publish(&library, notice("one", "department:cs")).await.unwrap();
    let (id, review) = (receipt.message_id.unwrap(), receipt.review.unwrap());
    assert_eq!((receipt.state, review.needed, review.approvals_needed), (MessageState::Held, true, 1));
    assert_eq!(review.reviewer_ids, ["administrator", "u31", "u32"]);
    assert_eq!(review.lapse_at, Some(NOW.plus(3 * DAY)));
    assert!(review.why.contains("30 people of Department of cs"), "{}", review.why);
    let again = house.publisher.publish(&library, notice("one", "department:cs")).await.unwrap();
    assert_eq!((again.duplicate, again.state, again.message_id), (true, MessageState::Held, Some(id)));
    assert!(again.review.is_some());
    assert!(house.inbox.shown.lock().is_empty() && house.delivery.taken.lock().is_empty());
    assert_eq!(decide(&house, 31, id, Decision::Approve).await, Ok(MessageState::Scheduled));
    reaches(&house, id, MessageState::Open).await;
    // The inboxes are told after the commit that opened it.
    eventually("it is in the inboxes", async || house.inbox.shown.lock().len() == 1).await;
    let after = status(&house, &library, id).await;
    assert_eq!((after.approvals.len(), &*after.approvals[0].user_id, after.lapse_at), (1, "u31", None));
    house.stop().await;
}

#[tokio::test]
async fn small_messages_and_test_messages_wait_for_nobody() {
    let house = reviewing().await;
    let few = house.publisher.publish(&house.library().await, notice("few", "tag:rare")).await.unwrap();
    assert_eq!((few.state, few.review), (MessageState::Open, None));
    let test = house.publisher.publish(&house.tester().await, notice("test", "department:cs")).await.unwrap();
    assert_eq!((test.state, test.review), (MessageState::Open, None));
    let asked = house.publisher.preview(&house.library().await, notice("", "tag:rare"), Wish::default()).await.unwrap();
    assert!(!asked.review.needed && asked.review.reviewer_ids.is_empty());
    house.stop().await;
}

#[tokio::test]
async fn it_is_told_beforehand() {
    let house = reviewing().await;
    let library = house.library().await;
    let told = house.publisher.preview(&library, notice("", "department:cs"), Wish::default()).await.unwrap().review;
    assert_eq!((told.needed, told.approvals_needed), (true, 1));
    assert_eq!(told.reviewer_ids, ["administrator", "u31", "u32"]);
    let beyond = house.publisher.preview(&library, notice("", "everyone"), Wish::default()).await.unwrap().review;
    assert_eq!((beyond.needed, beyond.approvals_needed, beyond.reviewer_ids), (true, 2, vec![]), "beyond the grant");
    let only = Draft { validate_only: true, ..notice("only", "department:cs") };
    let receipt = house.publisher.publish(&library, only).await.unwrap();
    assert_eq!((receipt.message_id, receipt.state), (None, MessageState::Held));
    assert!(receipt.review.unwrap().needed);
    assert_eq!(house.stored().await, 0);
    house.stop().await;
}

#[tokio::test]
async fn beyond_the_department_two_of_the_whole_house_agree() {
    let house = reviewing().await;
    house.grants.put(campanile::domain::access::Grant {
        audience: Some("everyone".into()),
        version: 1,
        ..super::house::grant(9, 1)
    });
    house.store.access.create_grant((*house.grants.of(super::house::LIBRARY)[1]).clone()).await.unwrap();
    let receipt = house.publisher.publish(&house.library().await, notice("all", "everyone")).await.unwrap();
    let (id, review) = (receipt.message_id.unwrap(), receipt.review.unwrap());
    assert_eq!(
        (review.approvals_needed, review.reviewer_ids),
        (2, vec!["administrator".into(), "u32".into(), "u33".into()])
    );
    assert_eq!(decide(&house, 31, id, Decision::Approve).await, Err(Reason::NotFound), "of the department only");
    assert_eq!(decide(&house, 32, id, Decision::Approve).await, Ok(MessageState::Held));
    assert_eq!(decide(&house, 32, id, Decision::Approve).await, Ok(MessageState::Held), "one word each");
    assert_eq!(decide(&house, 33, id, Decision::Approve).await, Ok(MessageState::Scheduled));
    house.stop().await;
}

#[tokio::test]
async fn nobody_else_decides_and_nobody_on_their_own() {
    let house = reviewing().await;
    let id = held(&house, "one").await;
    let library = house.library().await;
    let wanted = deciding(&house, &library, id, Decision::Approve).await;
    assert_eq!(refused(house.publisher.review(&library, wanted).await), Reason::PersonRequired);
    assert_eq!(decide(&house, 40, id, Decision::Approve).await, Err(Reason::NotFound));
    let caller = person(&house, 31).await;
    let absent = Deciding { message: MessageId(16), ..deciding(&house, &caller, id, Decision::Approve).await };
    assert_eq!(refused(house.publisher.review(&caller, absent).await), Reason::NotFound, "absent and foreign alike");
    let key = Key { mode: Mode::Test, ..(*caller.key).clone() };
    let test = Caller { key: Arc::new(key), ..caller.clone() };
    let wanted = deciding(&house, &caller, id, Decision::Approve).await;
    assert_eq!(refused(house.publisher.review(&test, wanted).await), Reason::TestKey);
    // u31 publishes, and u32 is spoken for.
    for (holder, sender) in [(31, None), (1, Some("u32"))] {
        let right = campanile::domain::access::Grant {
            principal: Principal::Person(nth(holder)),
            may_act_for: true,
            ..super::house::grant(20 + i64::from(holder), cs(&house).await)
        };
        house.store.access.create_grant(right.clone()).await.unwrap();
        house.grants.put(right);
        let own = campanile::domain::access::Grant {
            principal: Principal::Person(nth(32)),
            ..super::house::grant(60 + i64::from(holder), cs(&house).await)
        };
        house.store.access.create_grant(own.clone()).await.unwrap();
        house.grants.put(own);
        let draft = Draft {
            department_id: Some("cs".into()),
            channels: vec![Channel::App],
            sender_user_id: sender.map(Into::into),
            ..notice("own", "department:cs")
        };
        let receipt = house.publisher.publish(&person(&house, holder).await, draft).await.unwrap();
        let (id, own) = (receipt.message_id.unwrap(), if sender.is_some() { 32 } else { 31 });
        assert!(!receipt.review.unwrap().reviewer_ids.contains(&format!("u{own}")));
        assert_eq!(decide(&house, own, id, Decision::Approve).await, Err(Reason::OwnMessage));
        assert_eq!(decide(&house, 63 - own, id, Decision::Approve).await, Ok(MessageState::Scheduled));
    }
    house.stop().await;
}

async fn cs(house: &House) -> i64 {
    let image = house.store.directory.load().await.unwrap();
    image.departments.iter().find(|one| one.external_id == "cs").unwrap().id
}

#[tokio::test]
async fn a_decision_is_about_exactly_what_was_shown_and_not_long_ago() {
    let house = reviewing().await;
    let (id, other) = (held(&house, "one").await, held(&house, "other").await);
    let caller = person(&house, 31).await;
    let wanted = deciding(&house, &caller, id, Decision::Approve).await;
    let of_another = deciding(&house, &caller, other, Decision::Approve).await.fingerprint;
    let of_somebody_else = deciding(&house, &person(&house, 32).await, id, Decision::Approve).await.fingerprint;
    let plain = status(&house, &house.library().await, id).await.fingerprint;
    for fingerprint in [of_another, of_somebody_else, plain, "x".into()] {
        let wrong = Deciding { fingerprint, ..wanted.clone() };
        assert_eq!(refused(house.publisher.review(&caller, wrong).await), Reason::ReviewChanged);
    }
    house.clock.advance(Duration::from_secs(1_801));
    assert_eq!(refused(house.publisher.review(&caller, wanted).await), Reason::ReviewChanged, "a stale view");
    let wanted = deciding(&house, &caller, id, Decision::Approve).await;
    house.clock.advance(Duration::from_secs(1_800));
    assert!(house.publisher.review(&caller, wanted).await.is_ok());
    let late = deciding(&house, &caller, id, Decision::Approve).await;
    assert_eq!(refused(house.publisher.review(&caller, late).await), Reason::ReviewLapsed, "decided already");
    house.stop().await;
}

#[tokio::test]
async fn a_refused_message_is_never_sent_and_says_why() {
    let house = reviewing().await;
    for (key, decision, state) in
        [("no", Decision::Refuse, ReviewState::Refused), ("back", Decision::SendBack, ReviewState::SentBack)]
    {
        let id = held(&house, key).await;
        let caller = person(&house, 31).await;
        let silent = Deciding { comment: " ".into(), ..deciding(&house, &caller, id, decision).await };
        assert_eq!(refused(house.publisher.review(&caller, silent).await), Reason::FieldRequired);
        assert_eq!(decide(&house, 31, id, decision).await, Ok(MessageState::Rejected));
        assert_eq!(house.store.reviews.review(id).await.unwrap().unwrap().state, state);
        assert_eq!(counts(&house, id, Outcome::Suppressed).await, [30, 30]);
        let rows = house.store.messages.outcomes(id.leg(1), 0, u32::MAX).await.unwrap();
        assert!(rows.iter().all(|row| row.reason == Why::ReviewRefused));
        assert!(status(&house, &house.library().await, id).await.why.contains("too loud"));
    }
    assert!(house.inbox.shown.lock().is_empty() && house.delivery.taken.lock().is_empty());
    house.stop().await;
}

#[tokio::test]
async fn what_nobody_decides_expires() {
    let house = reviewing().await;
    let id = held(&house, "one").await;
    house.clock.advance(3 * DAY);
    reaches(&house, id, MessageState::Expired).await;
    assert_eq!(counts(&house, id, Outcome::Expired).await, [30, 30]);
    assert_eq!(decide(&house, 31, id, Decision::Approve).await, Err(Reason::ReviewLapsed));
    house.stop().await;
}

#[tokio::test]
async fn a_held_message_can_be_cancelled() {
    let house = reviewing().await;
    let id = held(&house, "one").await;
    let answer = house.publisher.cancel(&house.library().await, id).await.unwrap();
    assert_eq!((answer.state, answer.sent + answer.stopped + answer.open), (MessageState::Cancelled, 0));
    assert_eq!(decide(&house, 31, id, Decision::Approve).await, Err(Reason::ReviewLapsed));
    house.stop().await;
}

#[tokio::test]
async fn a_reviewer_may_delay_but_not_hurry() {
    let house = reviewing().await;
    let draft = Draft { send_at: Some(NOW.plus(HOUR)), ..notice("later", "department:cs") };
    let id = house.publisher.publish(&house.library().await, draft).await.unwrap().message_id.unwrap();
    let caller = person(&house, 31).await;
    let wanted = deciding(&house, &caller, id, Decision::Approve).await;
    for (at, reason) in [(NOW, Reason::PastSendAt), (NOW.plus(8 * DAY), Reason::ExpireBeforeSend)] {
        let wrong = Deciding { release_at: Some(at), ..wanted.clone() };
        assert_eq!(refused(house.publisher.review(&caller, wrong).await), reason);
    }
    let delayed = Deciding { release_at: Some(NOW.plus(2 * HOUR)), ..wanted };
    assert_eq!(house.publisher.review(&caller, delayed).await.unwrap().facts.send_at, NOW.plus(2 * HOUR));
    house.clock.advance(2 * HOUR);
    reaches(&house, id, MessageState::Open).await;
    house.stop().await;
}

#[tokio::test]
async fn an_approved_message_whose_right_is_gone_ends() {
    let house = reviewing().await;
    let id = held(&house, "one").await;
    house.store.access.revoke_grant(GrantId(1), NOW).await.unwrap();
    assert_eq!(decide(&house, 31, id, Decision::Approve).await, Ok(MessageState::Scheduled));
    reaches(&house, id, MessageState::Rejected).await;
    assert_eq!(counts(&house, id, Outcome::Suppressed).await, [30, 30]);
    house.stop().await;
}

#[tokio::test]
async fn an_approved_message_pauses_if_its_people_are_others_by_then() {
    let house = reviewing().await;
    for (key, tolerance, leave, state) in [
        ("within", 10, 3, MessageState::Open),
        ("beyond", 10, 3, MessageState::Paused),
        ("own", 50, 8, MessageState::Open),
    ] {
        let draft = Draft {
            send_at: Some(house.now().plus(HOUR)),
            expected: Some(Expected { recipients: house.people_of_cs(), tolerance_percent: tolerance }),
            ..notice(key, "department:cs")
        };
        let id = house.publisher.publish(&house.library().await, draft).await.unwrap().message_id.unwrap();
        assert_eq!(decide(&house, 31, id, Decision::Approve).await, Ok(MessageState::Scheduled));
        house.leave(leave).await;
        house.clock.advance(HOUR);
        reaches(&house, id, state).await;
        if state == MessageState::Paused {
            let review = house.store.reviews.review(id).await.unwrap().unwrap();
            assert_eq!((review.round, review.opening.people), (2, 24));
            assert!(status(&house, &house.library().await, id).await.why.contains("no longer"));
            assert_eq!(decide(&house, 31, id, Decision::Approve).await, Ok(MessageState::Scheduled), "a fresh look");
            reaches(&house, id, MessageState::Open).await;
        }
    }
    house.stop().await;
}

#[tokio::test]
async fn an_approval_holds_until_an_hour_after_the_send_time() {
    let house = reviewing().await;
    for (key, late, state) in [("hour", HOUR, MessageState::Open), ("more", HOUR + HOUR, MessageState::Paused)] {
        let draft = Draft { send_at: Some(house.now().plus(DAY)), ..notice(key, "department:cs") };
        let id = house.publisher.publish(&house.library().await, draft).await.unwrap().message_id.unwrap();
        decide(&house, 31, id, Decision::Approve).await.unwrap();
        house.clock.advance(DAY + late);
        reaches(&house, id, state).await;
    }
    house.stop().await;
}

#[tokio::test]
async fn a_deputy_decides_in_somebodys_place_and_no_further() {
    let house = reviewing().await;
    let (id, more) = (held(&house, "one").await, held(&house, "more").await);
    let reviewer = person(&house, 31).await;
    let until = |span| Some(("u40".to_owned(), NOW.plus(span)));
    let delegate = |caller: Caller, deputy| {
        let publisher = house.publisher.clone();
        async move { publisher.delegate_reviews(&caller, deputy).await }
    };
    assert_eq!(refused(delegate(reviewer.clone(), until(91 * DAY)).await), Reason::FieldInvalid);
    assert_eq!(
        refused(delegate(reviewer.clone(), Some(("u31".to_owned(), NOW.plus(DAY)))).await),
        Reason::FieldInvalid
    );
    assert_eq!(
        refused(delegate(reviewer.clone(), Some(("nobody".to_owned(), NOW.plus(DAY)))).await),
        Reason::UnknownUser
    );
    assert!(delegate(person(&house, 1).await, until(DAY)).await.is_err(), "no reviewer");
    delegate(reviewer.clone(), until(DAY)).await.unwrap();
    assert!(status(&house, &reviewer, id).await.reviewer_ids.contains(&"u40".to_owned()));
    assert_eq!(decide(&house, 40, id, Decision::Approve).await, Ok(MessageState::Scheduled));
    let vote = house.store.reviews.review(id).await.unwrap().unwrap().votes.remove(0);
    assert_eq!((vote.reviewer, vote.in_place_of), (nth(40), Some(nth(31))));
    house.clock.advance(DAY);
    assert_eq!(decide(&house, 40, more, Decision::Approve).await, Err(Reason::NotFound), "the time is over");
    delegate(reviewer.clone(), None).await.unwrap();
    house.stop().await;
}

#[tokio::test]
async fn an_emergency_goes_out_at_once_and_is_reviewed_afterwards() {
    let house = reviewing().await;
    let right = campanile::domain::access::Grant {
        classes: vec![Class::Emergency],
        ..super::house::grant(9, cs(&house).await)
    };
    house.store.access.create_grant(right.clone()).await.unwrap();
    house.grants.put(right);
    let draft = Draft { class: Class::Emergency, ..notice("fire", "department:cs") };
    let receipt = house.publisher.publish(&house.library().await, draft).await.unwrap();
    let (id, review) = (receipt.message_id.unwrap(), receipt.review.unwrap());
    assert_eq!((receipt.state, review.needed), (MessageState::Open, false));
    assert!(review.why.contains("all-clear"), "{}", review.why);
    assert_eq!(house.inbox.shown.lock().len(), 1);
    let listed = house.publisher.list_reviews(&person(&house, 33).await, true, &Default::default()).await.unwrap();
    assert_eq!(listed.items.iter().map(|one| one.row.facts.id).collect::<Vec<_>>(), [id]);
    house.clock.advance(30 * DAY);
    assert_eq!(decide(&house, 32, id, Decision::Approve).await, Ok(MessageState::Open), "it waits for ever");
    assert_eq!(decide(&house, 33, id, Decision::Refuse).await, Ok(MessageState::Open), "and changes nothing");
    assert_eq!(house.store.reviews.review(id).await.unwrap().unwrap().state, ReviewState::Refused);
    house.stop().await;
}

#[tokio::test]
async fn reviewers_see_what_is_theirs_to_decide() {
    let house = reviewing().await;
    let ids = [held(&house, "a").await, held(&house, "b").await, held(&house, "c").await];
    let reviewer = person(&house, 31).await;
    let page = |after| campanile::domain::page::PageRequest { size: 2, after };
    let first = house.publisher.list_reviews(&reviewer, true, &page(None)).await.unwrap();
    let rest = house.publisher.list_reviews(&reviewer, true, &page(first.next.clone())).await.unwrap();
    let seen: Vec<_> = first.items.iter().chain(&rest.items).map(|one| one.row.facts.id).collect();
    assert_eq!((seen, rest.next), (ids.to_vec(), None));
    let nobody = house.publisher.list_reviews(&person(&house, 40).await, false, &page(None)).await.unwrap();
    assert!(nobody.items.is_empty());
    assert_eq!(
        refused(house.publisher.list_reviews(&house.library().await, true, &page(None)).await),
        Reason::PersonRequired
    );
    assert!(house.publisher.reviewable(&reviewer, ids[0]).await.is_ok());
    assert_eq!(refused(house.publisher.reviewable(&person(&house, 40).await, ids[0]).await), Reason::NotFound);
    house.stop().await;
}

#[tokio::test]
async fn a_list_is_bound_to_its_people() {
    let house = reviewing().await;
    let names: Vec<String> = (1..=12).map(|n| format!("u{n}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let id = house.publisher.publish(&house.library().await, listed("list", &names)).await.unwrap().message_id.unwrap();
    assert_eq!(house.store.messages.members(id).await.unwrap(), ordinals(1..=12));
    assert_eq!(decide(&house, 31, id, Decision::Approve).await, Ok(MessageState::Scheduled));
    reaches(&house, id, MessageState::Open).await;
    assert!(!Set::is_empty(&house.store.messages.members(id).await.unwrap()));
    house.stop().await;
}
