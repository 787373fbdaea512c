//! The publish commit, reading back, release, cutting and cancelling.

use std::sync::Arc;

use campanile::domain::access::{Mode, Principal};
use campanile::domain::batch::Settlement;
use campanile::domain::change::{Change, ChangeKind};
use campanile::domain::channel::Channel::{App, Email};
use campanile::domain::directory::FIRST_ORDINAL;
use campanile::domain::id::{ApplicationId, GrantId, KeyId};
use campanile::domain::leg::LegState;
use campanile::domain::message::MessageState;
use campanile::domain::outcome::{Outcome, Reason};
use campanile::domain::set::Set;
use campanile::domain::time::At;
use campanile::store::{Accept, Accepted, Cancelled, ClauseMembers, Encoded, MessageFilter};
use parking_lot::Mutex;

use super::Store;
use super::fixture::{NOW, department, nth, set};
use super::publishing::{
    EPOCH, PUBLISHER, accept, claim, counts, grant, id, in_test_mode, key, office, people, plan, publish, scheduled,
    settle, settled, settlement, whole,
};

super::cases! {
    an_accepted_message_reads_back,
    a_revoked_key_stops_the_next_publish,
    a_changed_grant_stops_the_next_publish,
    a_directory_that_moved_on_is_reported,
    an_idempotency_key_gives_one_message,
    a_quota_is_used_up_exactly,
    one_refused_publish_takes_nothing_else_down,
    a_group_is_gathered_when_its_transaction_begins,
    a_message_to_one_takes_the_short_path,
    a_message_to_many_is_cut_into_slices,
    fresh_batches_are_claimed_from_the_lowest,
    an_app_leg_is_sent_at_once,
    a_test_keys_app_leg_is_the_stubs,
    cutting_resumes_until_all_are_covered_once,
    a_scheduled_message_is_released_once,
    a_rejected_message_settles_everybody,
    an_expired_message_settles_everybody,
    a_cancel_accounts_for_everybody,
    a_cancelled_short_message_is_not_sent,
    a_cancelled_scheduled_message_is_never_released,
    a_finished_message_is_not_cancelled,
    a_cancel_is_in_the_change_feed_once,
    messages_are_listed_newest_first,
    outcomes_are_cut_to_a_range,
    clauses_say_who_was_in_which,
}

fn everybody(n: u32) -> Set {
    (nth(1)..=nth(n)).collect()
}

async fn clauses_say_who_was_in_which(store: &Store) {
    office(store, 30).await;
    let some: Set = (nth(1)..=nth(5)).collect();
    let mut item = publish(store, 1, everybody(30), &[Email]).await;
    item.clauses = vec![
        ClauseMembers { clause: 0, members: everybody(30) },
        ClauseMembers { clause: 1, members: some },
        ClauseMembers { clause: 2, members: Set::new() },
    ];
    let mut alone = publish(store, 2, Set::from_iter([nth(3)]), &[Email]).await;
    alone.clauses = vec![ClauseMembers { clause: 1, members: Set::from_iter([nth(3)]) }];
    let listed = publish(store, 3, everybody(30), &[Email]).await;
    for item in [item, alone, listed] {
        accept(store, item).await;
    }
    let held = async |n: i64, ordinal: u32| store.messages.clauses(id(n), ordinal).await.unwrap();
    assert_eq!((held(1, nth(5)).await, held(1, nth(6)).await), (vec![0, 1], vec![0]));
    assert_eq!((held(2, nth(3)).await, held(3, nth(3)).await, held(4, nth(3)).await), (vec![1], vec![], vec![]));
}

async fn state(store: &Store, n: i64) -> MessageState {
    store.messages.message(id(n)).await.unwrap().unwrap().state
}

async fn answer(store: &Store, item: Accept) -> Accepted {
    store.messages.accept(vec![item], EPOCH).await.unwrap().remove(0)
}

async fn an_accepted_message_reads_back(store: &Store) {
    office(store, 30).await;
    let mut item = publish(store, 1, everybody(30), &[Email, App]).await;
    item.facts.reference = Some("ours".into());
    item.facts.topic = Some("library.overdue".into());
    item.facts.labels.insert("term".into(), "spring".into());
    item.facts.sender = Some(nth(2));
    accept(store, item.clone()).await;

    let row = store.messages.message(id(1)).await.unwrap().unwrap();
    assert_eq!((&row.facts, &row.content), (&item.facts, &item.content));
    assert_eq!((row.state, row.cancelled_at, row.only_member), (MessageState::Open, None, None));
    assert_eq!(store.messages.members(id(1)).await.unwrap(), everybody(30));
    let (found, digest) = store.messages.by_key(PUBLISHER, "k1").await.unwrap().unwrap();
    assert_eq!((found.facts, digest), (item.facts, item.digest));
    assert!(store.messages.by_key(Principal::Person(0), "k1").await.unwrap().is_none());
    assert!(store.messages.message(id(2)).await.unwrap().is_none());
    let legs = store.messages.legs(id(1)).await.unwrap();
    assert_eq!(
        legs.iter().map(|leg| (leg.id, leg.channel)).collect::<Vec<_>>(),
        [(id(1).leg(1), Email), (id(1).leg(2), App)]
    );
}

async fn a_revoked_key_stops_the_next_publish(store: &Store) {
    office(store, 3).await;
    store.access.create_key(key(2)).await.unwrap();
    let with = |item: Accept, key, version| Accept { key: (KeyId(key), version), ..item };
    let item = publish(store, 1, everybody(3), &[Email]).await;
    assert!(matches!(answer(store, with(item.clone(), 9, 1)).await, Accepted::KeyChanged));
    assert!(matches!(answer(store, with(item.clone(), 2, 2)).await, Accepted::KeyChanged));
    store.access.revoke_key(KeyId(2), NOW).await.unwrap();
    let item = publish(store, 1, everybody(3), &[Email]).await;
    for version in [1, 2] {
        assert!(matches!(answer(store, with(item.clone(), 2, version)).await, Accepted::KeyChanged));
    }
    assert!(store.messages.message(id(1)).await.unwrap().is_none());
    accept(store, with(item, 1, 1)).await;
}

async fn a_changed_grant_stops_the_next_publish(store: &Store) {
    office(store, 3).await;
    store.access.create_grant(grant(2)).await.unwrap();
    store.access.revoke_grant(GrantId(2), NOW).await.unwrap();
    let item = publish(store, 1, everybody(3), &[Email]).await;
    for version in [1, 2] {
        let both = Accept { grants: vec![(GrantId(1), 1), (GrantId(2), version)], ..item.clone() };
        assert!(matches!(answer(store, both).await, Accepted::GrantChanged(GrantId(2))));
    }
    assert!(store.messages.message(id(1)).await.unwrap().is_none());
}

async fn a_directory_that_moved_on_is_reported(store: &Store) {
    office(store, 3).await;
    let item = publish(store, 1, everybody(3), &[Email]).await;
    let head = store.directory.upsert_departments(vec![department("new", None)], NOW).await.unwrap();
    assert!(matches!(answer(store, item).await, Accepted::DirectoryMoved { head: now } if now == head));
    assert!(store.messages.message(id(1)).await.unwrap().is_none());
    accept(store, publish(store, 1, everybody(3), &[Email]).await).await;
}

async fn an_idempotency_key_gives_one_message(store: &Store) {
    office(store, 30).await;
    let first = publish(store, 1, everybody(30), &[Email]).await;
    let mut second = publish(store, 2, everybody(20), &[Email]).await;
    (second.idempotency_key, second.digest) = (first.idempotency_key.clone(), first.digest);
    let mut other = second.clone();
    other.digest = [99; 32];
    let answers = store.messages.accept(vec![first, second.clone(), other], EPOCH).await.unwrap();
    assert!(matches!(&answers[0], Accepted::Stored(_)));
    for (answer, expected) in answers[1..].iter().zip([true, false]) {
        let Accepted::Duplicate { message, same } = answer else { panic!("{answer:?}") };
        assert_eq!((message.facts.id, *same), (id(1), expected));
    }
    assert!(matches!(answer(store, second).await, Accepted::Duplicate { same: true, .. }), "in a later commit too");
    assert!(store.messages.message(id(2)).await.unwrap().is_none());
    assert_eq!(claim(store, NOW, 99, EPOCH).await.len(), 3, "the batches of one message");
    let mut stranger = publish(store, 3, everybody(2), &[Email]).await;
    (stranger.idempotency_key, stranger.facts.principal) = ("k1".into(), Principal::Application(ApplicationId(8)));
    accept(store, stranger).await;
}

async fn a_quota_is_used_up_exactly(store: &Store) {
    office(store, 30).await;
    let limited = async |n: i64, count: u32| {
        let item = publish(store, n, everybody(count), &[Email, App]).await;
        Accept { quota: Some((GrantId(1), 20_000, 30)), ..item }
    };
    accept(store, limited(1, 20).await).await;
    let over = answer(store, limited(2, 11).await).await;
    assert!(matches!(over, Accepted::QuotaExhausted { used: 20 }));
    assert!(store.messages.message(id(2)).await.unwrap().is_none());
    accept(store, limited(2, 10).await).await;
    assert!(matches!(answer(store, limited(1, 20).await).await, Accepted::Duplicate { same: true, .. }));
    assert!(matches!(answer(store, limited(3, 1).await).await, Accepted::QuotaExhausted { used: 30 }));
    assert_eq!(store.access.used(GrantId(1), 20_000).await.unwrap(), 30, "people, once for all channels");
    assert_eq!(store.access.used(GrantId(1), 20_001).await.unwrap(), 0);
}

async fn one_refused_publish_takes_nothing_else_down(store: &Store) {
    office(store, 30).await;
    let good = publish(store, 1, everybody(30), &[Email]).await;
    let bad = Accept { key: (KeyId(5), 1), ..publish(store, 2, everybody(30), &[Email]).await };
    let last = publish(store, 3, set([1]), &[Email]).await;
    let answers = store.messages.accept(vec![good, bad, last], EPOCH).await.unwrap();
    assert!(matches!(answers[..], [Accepted::Stored(_), Accepted::KeyChanged, Accepted::Stored(_)]));
}

async fn a_group_is_gathered_when_its_transaction_begins(store: &Store) {
    office(store, 3).await;
    let basket = Arc::new(Mutex::new(Vec::new()));
    let put = |item| basket.lock().push(Encoded::of(item).unwrap());
    let commit = || {
        let basket = basket.clone();
        store.messages.accept_gathered(Box::new(move || std::mem::take(&mut *basket.lock())), EPOCH)
    };
    put(publish(store, 1, set([1]), &[Email]).await);
    let under_way = commit();
    put(Accept { key: (KeyId(5), 1), ..publish(store, 2, set([2]), &[Email]).await });
    put(publish(store, 3, set([3]), &[App]).await);
    let answers = under_way.await.unwrap();
    assert!(matches!(answers[..], [Accepted::Stored(_), Accepted::KeyChanged, Accepted::Stored(_)]));
    assert_eq!(store.messages.message(id(3)).await.unwrap().unwrap().only_member, Some(nth(3)));
    assert!(basket.lock().is_empty() && commit().await.unwrap().is_empty(), "and there may be nobody");
}

async fn a_message_to_one_takes_the_short_path(store: &Store) {
    office(store, 3).await;
    let mut item = publish(store, 1, set([2]), &[Email, App]).await;
    item.plans[0].claim_max = 4;
    let stored = accept(store, item).await;
    let [claimed] = &stored.claimed[..] else { panic!("{stored:?}") };
    assert!(claimed.short && !stored.more);
    assert_eq!((claimed.leg, claimed.attempt, people(claimed)), (id(1).leg(1), 1, set([2])));
    assert_eq!(store.messages.message(id(1)).await.unwrap().unwrap().only_member, Some(nth(2)));
    assert_eq!(store.messages.members(id(1)).await.unwrap(), set([2]));
    let legs = store.messages.legs(id(1)).await.unwrap();
    assert_eq!(legs.iter().map(|leg| leg.state).collect::<Vec<_>>(), [LegState::Open, LegState::Closed]);
    assert_eq!((legs[0].visible_at, legs[1].visible_at), (None, Some(NOW)));

    assert!(settle(store, whole(claimed, Outcome::Failed)).await);
    assert_eq!(counts(store, 1, 1).await, [0, 0, 1, 0, 0, 0, 0]);
    assert_eq!(counts(store, 1, 2).await, [0, 1, 0, 0, 0, 0, 0]);
    assert_eq!(state(store, 1).await, MessageState::Closed);
    let outcomes = store.messages.outcomes(id(1).leg(1), 0, u32::MAX).await.unwrap();
    let [outcome] = &outcomes[..] else { panic!("{outcomes:?}") };
    assert_eq!((outcome.outcome, outcome.reason, outcome.attempt), (Outcome::Failed, Reason::RefusedRecipient, 1));
    assert_eq!((outcome.set.clone(), outcome.detail.as_deref()), (set([2]), Some("the provider's words")));
    assert!(store.messages.outcomes(id(1).leg(1), 0, nth(1)).await.unwrap().is_empty());
}

async fn a_message_to_many_is_cut_into_slices(store: &Store) {
    office(store, 25).await;
    let stored = accept(store, publish(store, 1, everybody(25), &[Email]).await).await;
    assert!(stored.claimed.is_empty() && stored.more);
    assert_eq!(counts(store, 1, 1).await, [25, 0, 0, 0, 0, 0, 0]);
    assert_eq!(store.messages.legs(id(1)).await.unwrap()[0].state, LegState::Open);
    let batches = claim(store, NOW, 99, EPOCH).await;
    assert_eq!(batches.iter().map(|batch| batch.members.len()).collect::<Vec<_>>(), [10, 10, 5]);
    assert_eq!(batches.iter().fold(Set::new(), |all, batch| all | people(batch)), everybody(25));
}

async fn fresh_batches_are_claimed_from_the_lowest(store: &Store) {
    office(store, 30).await;
    let mut item = publish(store, 1, everybody(30), &[Email]).await;
    item.plans[0].claim_max = 2;
    let stored = accept(store, item).await;
    assert!(stored.more);
    let first: Vec<_> = stored.claimed.iter().map(|batch| people(batch).min().unwrap()).collect();
    assert_eq!(first, [nth(1), nth(11)]);
    assert!(settle(store, whole(&stored.claimed[1], Outcome::Sent)).await, "they belong to the node");
    let rest = claim(store, NOW, 99, EPOCH).await;
    assert_eq!(rest.iter().map(|batch| people(batch).min().unwrap()).collect::<Vec<_>>(), [nth(21)]);
}

async fn an_app_leg_is_sent_at_once(store: &Store) {
    office(store, 40).await;
    let stored = accept(store, publish(store, 1, everybody(40), &[App]).await).await;
    assert!(stored.claimed.is_empty() && !stored.more);
    assert_eq!(counts(store, 1, 1).await, [0, 40, 0, 0, 0, 0, 0]);
    assert_eq!(state(store, 1).await, MessageState::Closed);
    assert_eq!(store.messages.legs(id(1)).await.unwrap()[0].visible_at, Some(NOW));
    let outcomes = store.messages.outcomes(id(1).leg(1), 0, u32::MAX).await.unwrap();
    assert_eq!((outcomes[0].set.clone(), outcomes[0].outcome), (everybody(40), Outcome::Sent));
    assert_eq!(outcomes[0].provider, None, "no provider was called");
}

async fn a_test_keys_app_leg_is_the_stubs(store: &Store) {
    office(store, 3).await;
    accept(store, in_test_mode(publish(store, 1, everybody(3), &[App]).await)).await;
    let legs = store.messages.legs(id(1)).await.unwrap();
    assert_eq!((legs[0].state, legs[0].visible_at), (LegState::Open, None));
    assert_eq!(counts(store, 1, 1).await, [3, 0, 0, 0, 0, 0, 0]);
}

async fn cutting_resumes_until_all_are_covered_once(store: &Store) {
    office(store, 3).await;
    // Who the ordinals are does not matter for cutting.
    let members: Set = (0..2_600).map(|n| FIRST_ORDINAL + n * 31).collect();
    accept(store, publish(store, 1, members.clone(), &[Email]).await).await;
    let leg = id(1).leg(1);
    assert_eq!(store.messages.legs(id(1)).await.unwrap()[0].state, LegState::Cutting);
    assert_eq!(store.messages.cutting(9).await.unwrap(), vec![leg]);
    let first = claim(store, NOW, 1_000, EPOCH).await;
    assert_eq!(first.len(), 100, "so many in the accepting transaction");
    let mut rounds = 1;
    while store.messages.cut(leg, 60, NOW).await.unwrap() {
        rounds += 1;
    }
    assert_eq!(rounds, 3);
    assert!(!store.messages.cut(leg, 60, NOW).await.unwrap(), "nothing is left");
    assert!(store.messages.cutting(9).await.unwrap().is_empty());
    let mut covered = Set::new();
    for batch in first.into_iter().chain(claim(store, NOW, 1_000, EPOCH).await) {
        assert!(people(&batch).is_disjoint(&covered));
        covered |= people(&batch);
    }
    assert_eq!(covered, members);
}

async fn a_scheduled_message_is_released_once(store: &Store) {
    office(store, 30).await;
    let later = At(NOW.0 + 60_000);
    accept(store, scheduled(publish(store, 1, everybody(30), &[Email, App]).await, later)).await;
    accept(store, scheduled(publish(store, 2, set([1]), &[App]).await, At(later.0 - 1))).await;
    assert_eq!((state(store, 1).await, store.messages.legs(id(1)).await.unwrap()), (MessageState::Scheduled, vec![]));
    assert!(store.inbox.visible().await.unwrap().is_empty());
    assert!(store.messages.due(At(later.0 - 2), 9).await.unwrap().is_empty());
    assert_eq!(store.messages.due(later, 9).await.unwrap(), [id(2), id(1)]);
    assert_eq!(store.messages.due(later, 1).await.unwrap(), [id(2)]);

    let plans = |channels: &[_]| channels.iter().map(|channel| plan(*channel, Mode::Live)).collect();
    let stored = store.messages.release(id(1), plans(&[Email, App]), later, EPOCH).await.unwrap().unwrap();
    assert!(stored.more);
    assert!(store.messages.release(id(1), plans(&[Email, App]), later, EPOCH).await.unwrap().is_none());
    assert_eq!(state(store, 1).await, MessageState::Open);
    assert_eq!(store.inbox.visible().await.unwrap()[0].visible_at, later);
    assert_eq!(claim(store, later, 99, EPOCH).await.len(), 3);
    store.messages.release(id(2), plans(&[App]), later, EPOCH).await.unwrap().unwrap();
    assert_eq!(state(store, 2).await, MessageState::Closed);
    assert!(store.messages.due(later, 9).await.unwrap().is_empty());
}

async fn a_rejected_message_settles_everybody(store: &Store) {
    ends_unreleased(store, MessageState::Rejected, Reason::GrantRevoked, Outcome::Suppressed).await;
}

async fn an_expired_message_settles_everybody(store: &Store) {
    ends_unreleased(store, MessageState::Expired, Reason::ExpiredWaiting, Outcome::Expired).await;
}

async fn ends_unreleased(store: &Store, ended: MessageState, reason: Reason, outcome: Outcome) {
    office(store, 30).await;
    for (n, people) in [(1, everybody(30)), (2, set([5]))] {
        let item = scheduled(publish(store, n, people.clone(), &[Email, App]).await, NOW);
        accept(store, item.clone()).await;
        assert!(store.messages.reject(id(n), item.plans.clone(), ended, reason, NOW).await.unwrap());
        assert!(!store.messages.reject(id(n), item.plans, ended, reason, NOW).await.unwrap());
        assert_eq!(state(store, n).await, ended);
        for leg in [1, 2] {
            let mut expected = [0; 7];
            expected[outcome as usize] = people.len();
            assert_eq!(counts(store, n, leg).await, expected);
            let rows = store.messages.outcomes(id(n).leg(leg), 0, u32::MAX).await.unwrap();
            assert_eq!((rows[0].set.clone(), rows[0].outcome, rows[0].reason), (people.clone(), outcome, reason));
        }
    }
    assert!(store.inbox.visible().await.unwrap().is_empty());
    assert!(store.inbox.personal(nth(5), None, 9).await.unwrap().is_empty());
    assert!(claim(store, NOW, 99, EPOCH).await.is_empty());
}

async fn a_cancel_accounts_for_everybody(store: &Store) {
    office(store, 3).await;
    // 130 batches: 100 are cut, of those one is settled, one half settled, one held; the rest waits or is uncut.
    let members: Set = (FIRST_ORDINAL..).take(1_300).collect();
    accept(store, publish(store, 1, members, &[Email, App]).await).await;
    let held = claim(store, NOW, 3, EPOCH).await;
    assert!(settle(store, whole(&held[0], Outcome::Sent)).await);
    let half: Set = people(&held[1]).iter().take(4).collect();
    assert!(settle(store, Settlement { settled: vec![settled(Outcome::Failed, half)], ..settlement(&held[1]) }).await);

    let first = store.messages.cancel(id(1), NOW).await.unwrap().unwrap();
    assert_eq!(first, Cancelled { closed: false, sent: 1_300 + 14, stopped: 1_270, open: 16 });
    assert_eq!(store.messages.cancel(id(1), At(NOW.0 + 9)).await.unwrap(), Some(first), "again it only counts");
    assert_eq!(store.messages.message(id(1)).await.unwrap().unwrap().cancelled_at, Some(NOW), "the first time stays");
    assert!(
        claim(store, At(i64::MAX), 99, EPOCH).await.is_empty() && store.messages.cutting(9).await.unwrap().is_empty()
    );
    assert!(store.inbox.visible().await.unwrap().is_empty(), "hidden");

    let rest: Set = people(&held[1]).iter().skip(4).collect();
    let last = Settlement { settled: vec![settled(Outcome::Cancelled, rest)], done: true, ..settlement(&held[1]) };
    let answers = store.deliveries.settle(vec![last, whole(&held[2], Outcome::Unknown)]).await.unwrap();
    assert_eq!(answers, [true, true]);
    let end = store.messages.cancel(id(1), NOW).await.unwrap().unwrap();
    assert_eq!(end, Cancelled { closed: true, sent: 1_300 + 24, stopped: 1_276, open: 0 });
    assert_eq!(counts(store, 1, 1).await, [0, 10, 4, 0, 0, 1_276, 10]);
    assert_eq!(state(store, 1).await, MessageState::Cancelled);
    assert_eq!(store.messages.cancel(id(9), NOW).await.unwrap(), None);
}

async fn a_cancelled_short_message_is_not_sent(store: &Store) {
    office(store, 3).await;
    accept(store, publish(store, 1, set([1]), &[Email, App]).await).await;
    let cancelled = store.messages.cancel(id(1), NOW).await.unwrap().unwrap();
    assert_eq!(cancelled, Cancelled { closed: true, sent: 1, stopped: 1, open: 0 });
    assert!(claim(store, NOW, 9, EPOCH).await.is_empty());
    assert!(store.inbox.personal(nth(1), None, 9).await.unwrap().is_empty(), "hidden");
    let rows = store.messages.outcomes(id(1).leg(1), 0, u32::MAX).await.unwrap();
    assert_eq!((rows[0].outcome, rows[0].reason), (Outcome::Cancelled, Reason::CancelledByPerson));
    assert_eq!(state(store, 1).await, MessageState::Cancelled);
}

async fn a_cancelled_scheduled_message_is_never_released(store: &Store) {
    office(store, 3).await;
    let item = scheduled(publish(store, 1, everybody(3), &[Email]).await, NOW);
    accept(store, item.clone()).await;
    let cancelled = store.messages.cancel(id(1), NOW).await.unwrap().unwrap();
    assert!(cancelled.closed);
    assert_eq!(state(store, 1).await, MessageState::Cancelled);
    assert!(store.messages.due(NOW, 9).await.unwrap().is_empty());
    assert!(store.messages.release(id(1), item.plans, NOW, EPOCH).await.unwrap().is_none());
}

async fn a_finished_message_is_not_cancelled(store: &Store) {
    office(store, 3).await;
    accept(store, publish(store, 1, everybody(3), &[App]).await).await;
    let cancelled = store.messages.cancel(id(1), NOW).await.unwrap().unwrap();
    assert_eq!(cancelled, Cancelled { closed: true, sent: 3, stopped: 0, open: 0 });
    assert_eq!(state(store, 1).await, MessageState::Closed);
    assert_eq!(store.messages.message(id(1)).await.unwrap().unwrap().cancelled_at, None);
}

async fn a_cancel_is_in_the_change_feed_once(store: &Store) {
    office(store, 3).await;
    accept(store, publish(store, 1, everybody(3), &[Email]).await).await;
    accept(store, publish(store, 2, everybody(3), &[App]).await).await;
    let before = store.directory.head().await.unwrap();
    for n in [1, 1, 2, 9] {
        store.messages.cancel(id(n), At(NOW.0 + n)).await.unwrap();
    }
    let changes = store.directory.changes_after(before, 9).await.unwrap();
    assert_eq!(changes, [Change { seq: before + 1, at: At(NOW.0 + 1), what: ChangeKind::Cancel { id: id(1) } }]);
}

async fn messages_are_listed_newest_first(store: &Store) {
    office(store, 3).await;
    for n in 1..=5 {
        let mut item = publish(store, n, everybody(3), if n % 2 == 0 { &[App] } else { &[Email] }).await;
        if n == 4 {
            item.facts.reference = Some("four".into());
            item.facts.department_id = 2;
            item.facts.principal = Principal::Person(nth(1));
        }
        accept(store, item).await;
    }
    let list = async |filter: MessageFilter, before: Option<i64>, limit| {
        let rows = store.messages.list(filter, before.map(id), limit).await.unwrap();
        rows.into_iter().map(|row| (row.facts.id.0 - id(0).0) >> 4).collect::<Vec<_>>()
    };
    let all = MessageFilter::default();
    assert_eq!(list(all.clone(), None, 9).await, [5, 4, 3, 2, 1]);
    assert_eq!(list(all.clone(), Some(4), 2).await, [3, 2]);
    assert_eq!(list(MessageFilter { principal: Some(Principal::Person(nth(1))), ..all.clone() }, None, 9).await, [4]);
    assert_eq!(list(MessageFilter { department_id: Some(2), ..all.clone() }, None, 9).await, [4]);
    assert_eq!(list(MessageFilter { reference: Some("four".into()), ..all.clone() }, None, 9).await, [4]);
    assert_eq!(list(MessageFilter { states: vec![MessageState::Closed], ..all.clone() }, None, 9).await, [4, 2]);
    let states = vec![MessageState::Open, MessageState::Rejected];
    assert_eq!(list(MessageFilter { states, ..all.clone() }, None, 9).await, [5, 3, 1]);
    assert_eq!(list(MessageFilter { created_after: Some(NOW), ..all.clone() }, None, 9).await.len(), 5);
    assert_eq!(list(MessageFilter { created_before: Some(NOW), ..all }, None, 9).await, [0; 0]);
}

async fn outcomes_are_cut_to_a_range(store: &Store) {
    office(store, 20).await;
    accept(store, publish(store, 1, everybody(20), &[Email]).await).await;
    let batches = claim(store, NOW, 9, EPOCH).await;
    assert!(settle(store, whole(&batches[1], Outcome::Sent)).await);
    let mixed = Settlement {
        settled: vec![settled(Outcome::Sent, set([1, 2, 3])), settled(Outcome::Failed, set([4, 5]))],
        ..settlement(&batches[0])
    };
    assert!(settle(store, mixed).await);
    let rows = async |from, to| {
        let rows = store.messages.outcomes(id(1).leg(1), nth(from), nth(to)).await.unwrap();
        rows.into_iter().map(|row| (row.outcome, row.set)).collect::<Vec<_>>()
    };
    let (sent, failed) = (Outcome::Sent, Outcome::Failed);
    assert_eq!(
        rows(1, 20).await,
        [(sent, (nth(11)..=nth(20)).collect()), (sent, set([1, 2, 3])), (failed, set([4, 5]))]
    );
    assert_eq!(rows(3, 4).await, [(sent, set([3])), (failed, set([4]))]);
    assert_eq!(rows(12, 12).await, [(sent, set([12]))]);
    assert_eq!(rows(6, 10).await, []);
    let row = &store.messages.outcomes(id(1).leg(1), nth(12), nth(12)).await.unwrap()[0];
    assert_eq!((row.provider.as_deref(), row.attempt), (Some("email.default"), 1));
}
