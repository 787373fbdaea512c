//! Claims, fences, settlements, retries and recovery.

use campanile::domain::access::Principal;
use campanile::domain::address::AddressState;
use campanile::domain::batch::{Fence, Settled, Settlement};
use campanile::domain::channel::Channel::{App, Email, Wechat};
use campanile::domain::class::Lane;
use campanile::domain::directory::{UserDraft, UserStatus};
use campanile::domain::id::{ApplicationId, BatchId};
use campanile::domain::leg::LegState;
use campanile::domain::message::MessageState;
use campanile::domain::outcome::{Outcome, Reason};
use campanile::domain::set::Set;
use campanile::domain::time::At;
use campanile::store::{Claim, Reach};

use super::Store;
use super::fixture::{NOW, mailbox, nth, person, set};
use super::publishing::{
    EPOCH, RELAY, accept, again, claim, counts, id, next_epoch, office, people, publish, settle, settled, settlement,
    whole,
};

super::cases! {
    claims_are_fair_over_publishers,
    a_claim_takes_only_its_provider_and_lane,
    what_has_ended_can_be_claimed_alone,
    a_batch_is_claimed_once,
    a_call_is_opened_only_under_its_fence,
    a_settlement_under_a_lost_fence_is_dropped,
    settling_twice_writes_once,
    a_batch_may_be_settled_in_parts,
    a_part_that_is_settled_again_counts_nobody_twice,
    a_retry_moves_people_to_a_later_batch,
    a_retry_that_waits_is_stopped_by_a_cancel,
    a_retry_of_what_was_cancelled_meanwhile_is_called_off,
    a_short_message_is_retried_in_place,
    the_last_outcome_closes_leg_and_message,
    recovery_takes_out_what_is_settled,
    recovery_knows_how_far_calls_had_begun,
    each_person_has_the_words_of_her_own_call,
    a_crash_before_the_closing_loses_nothing,
    a_batch_given_back_is_due_at_once,
    what_an_epoch_owns_is_listed_with_its_fences,
    material_says_what_a_call_needs,
    people_are_reached_at_their_addresses,
    depth_and_held_count_batches,
    what_is_settled_is_closed_already,
}

fn everybody(n: u32) -> Set {
    (nth(1)..=nth(n)).collect()
}

fn first(set: &Set, n: usize) -> Set {
    set.iter().take(n).collect()
}

async fn claims_are_fair_over_publishers(store: &Store) {
    office(store, 50).await;
    accept(store, publish(store, 1, everybody(50), &[Email]).await).await;
    for n in [2, 3] {
        let mut item = publish(store, n, everybody(20), &[Email]).await;
        item.facts.principal = Principal::Application(ApplicationId(n));
        accept(store, item).await;
    }
    let mut messages: Vec<_> = claim(store, NOW, 3, EPOCH).await.iter().map(|batch| batch.leg.message()).collect();
    messages.sort();
    assert_eq!(messages, [id(1), id(2), id(3)], "one each");
    let rest = claim(store, NOW, 99, EPOCH).await;
    assert_eq!(rest.len(), 4 + 1 + 1);
    assert!(rest[..3].iter().any(|batch| batch.leg.message() == id(2)));
}

async fn a_claim_takes_only_its_provider_and_lane(store: &Store) {
    office(store, 5).await;
    let mut item = publish(store, 1, everybody(5), &[Email, Wechat]).await;
    item.plans[1].lane = Lane::Urgent;
    accept(store, item).await;
    let take = async |provider: &str, lane, now| {
        let claim = Claim { provider: provider.into(), lane, now, max: 9, epoch: EPOCH, expired_only: false };
        store.deliveries.claim(claim).await.unwrap().len()
    };
    assert_eq!(take("wechat", Lane::Normal, NOW).await, 0);
    assert_eq!(take("other", Lane::Urgent, NOW).await, 0);
    assert_eq!(take("wechat", Lane::Urgent, At(NOW.0 - 1)).await, 0, "not due");
    assert_eq!(take("wechat", Lane::Urgent, NOW).await, 1);
    assert_eq!(take(RELAY, Lane::Normal, NOW).await, 1);
}

async fn what_has_ended_can_be_claimed_alone(store: &Store) {
    office(store, 15).await;
    let mut brief = publish(store, 1, everybody(15), &[Email]).await;
    brief.facts.expire_at = At(NOW.0 + 1_000);
    accept(store, brief).await;
    let mut one = publish(store, 2, set([1]), &[Email]).await;
    one.facts.expire_at = At(NOW.0 + 1_000);
    accept(store, one).await;
    accept(store, publish(store, 3, everybody(15), &[Email]).await).await;
    let ended = async |now: At, max| {
        let claim = Claim { provider: RELAY.into(), lane: Lane::Normal, now, max, epoch: EPOCH, expired_only: true };
        store.deliveries.claim(claim).await.unwrap()
    };
    assert!(ended(At(NOW.0 + 999), 9).await.is_empty());
    let claimed = ended(At(NOW.0 + 1_000), 2).await;
    assert_eq!(claimed.len(), 2, "no more than asked for");
    let rest = ended(At(NOW.0 + 1_000), 9).await;
    assert_eq!(rest.len(), 1);
    assert!(claimed.iter().chain(&rest).all(|batch| batch.leg.message() != id(3)));
    let whole: Vec<_> = claimed.iter().chain(&rest).map(|batch| whole(batch, Outcome::Expired)).collect();
    assert_eq!(store.deliveries.settle(whole).await.unwrap(), [true; 3]);
    assert_eq!(counts(store, 1, 1).await, [0, 0, 0, 0, 15, 0, 0]);
}

async fn a_batch_is_claimed_once(store: &Store) {
    office(store, 25).await;
    accept(store, publish(store, 1, everybody(25), &[Email]).await).await;
    accept(store, publish(store, 2, set([1]), &[Email]).await).await;
    let claimed = claim(store, NOW, 99, EPOCH).await;
    assert_eq!(claimed.len(), 4);
    assert!(claim(store, NOW, 99, EPOCH).await.is_empty());
    let short: Vec<_> = claimed.iter().filter(|batch| batch.short).collect();
    assert_eq!((short.len(), short[0].leg), (1, id(2).leg(1)));
    for batch in &claimed {
        assert_eq!((batch.fence.epoch, batch.fence.claims, batch.attempt, batch.opened_to), (EPOCH, 1, 1, None));
        assert_eq!((&*batch.provider, batch.channel, batch.lane), (RELAY, Email, Lane::Normal));
    }
}

async fn a_call_is_opened_only_under_its_fence(store: &Store) {
    office(store, 5).await;
    accept(store, publish(store, 1, everybody(5), &[Email]).await).await;
    let batch = claim(store, NOW, 1, EPOCH).await.remove(0);
    let foreign = Fence { epoch: EPOCH + 1, ..batch.fence };
    let older = Fence { claims: 0, ..batch.fence };
    let unknown = Fence { batch: BatchId(999), ..batch.fence };
    let calls = vec![(batch.fence, nth(3)), (foreign, nth(5)), (older, nth(5)), (unknown, nth(5))];
    assert_eq!(store.deliveries.open(calls).await.unwrap(), [true, false, false, false]);
    assert!(settle(store, whole(&batch, Outcome::Sent)).await);
    assert_eq!(store.deliveries.open(vec![(batch.fence, nth(5))]).await.unwrap(), [false], "it is closed");
}

async fn a_settlement_under_a_lost_fence_is_dropped(store: &Store) {
    office(store, 15).await;
    accept(store, publish(store, 1, everybody(15), &[Email]).await).await;
    accept(store, publish(store, 2, set([1]), &[Email]).await).await;
    let old = claim(store, NOW, 9, EPOCH).await;
    let epoch = next_epoch(store).await;
    assert_eq!(epoch, EPOCH + 1);
    let new = claim(store, NOW, 9, epoch).await;
    assert!(new.iter().all(|batch| batch.fence.claims == 2));
    let group = old.iter().map(|batch| whole(batch, Outcome::Failed)).collect();
    assert_eq!(store.deliveries.settle(group).await.unwrap(), [false, false, false]);
    assert_eq!(counts(store, 1, 1).await, [15, 0, 0, 0, 0, 0, 0]);
    let mut group: Vec<_> = new.iter().map(|batch| whole(batch, Outcome::Sent)).collect();
    group.insert(1, whole(&old[0], Outcome::Failed));
    assert_eq!(store.deliveries.settle(group).await.unwrap(), [true, false, true, true], "the others stand");
    assert_eq!(counts(store, 1, 1).await, [0, 15, 0, 0, 0, 0, 0]);
    assert_eq!(counts(store, 2, 1).await, [0, 1, 0, 0, 0, 0, 0]);
}

async fn settling_twice_writes_once(store: &Store) {
    office(store, 15).await;
    accept(store, publish(store, 1, everybody(15), &[Email]).await).await;
    accept(store, publish(store, 2, set([1]), &[Email]).await).await;
    for batch in claim(store, NOW, 9, EPOCH).await {
        let item = whole(&batch, Outcome::Sent);
        assert_eq!(store.deliveries.settle(vec![item.clone(), item.clone()]).await.unwrap(), [true, false]);
        assert!(!settle(store, item).await);
    }
    assert_eq!(counts(store, 1, 1).await, [0, 15, 0, 0, 0, 0, 0]);
    assert_eq!(counts(store, 2, 1).await, [0, 1, 0, 0, 0, 0, 0]);
}

async fn a_batch_may_be_settled_in_parts(store: &Store) {
    office(store, 10).await;
    accept(store, publish(store, 1, everybody(10), &[Email]).await).await;
    let batch = claim(store, NOW, 1, EPOCH).await.remove(0);
    let part = |outcome, numbers: Set, done| Settlement {
        settled: vec![settled(outcome, numbers)],
        done,
        ..settlement(&batch)
    };
    assert!(settle(store, part(Outcome::Sent, first(&everybody(10), 7), false)).await);
    assert_eq!(counts(store, 1, 1).await, [3, 7, 0, 0, 0, 0, 0]);
    assert_eq!(store.messages.legs(id(1)).await.unwrap()[0].state, LegState::Open);
    assert!(settle(store, part(Outcome::Suppressed, set([8, 9, 10]), true)).await);
    assert_eq!(counts(store, 1, 1).await, [0, 7, 0, 3, 0, 0, 0]);
}

async fn a_part_that_is_settled_again_counts_nobody_twice(store: &Store) {
    office(store, 10).await;
    accept(store, publish(store, 1, everybody(10), &[Email]).await).await;
    let batch = claim(store, NOW, 1, EPOCH).await.remove(0);
    let part = Settlement {
        settled: vec![settled(Outcome::Sent, set([1, 2, 3]))],
        again: vec![again(set([4, 5]), At(NOW.0 + 5_000))],
        ..settlement(&batch)
    };
    // The answer to the first was lost, so the node repeats it, and then with what it has learned since.
    assert!(settle(store, part.clone()).await);
    assert!(settle(store, part.clone()).await);
    assert_eq!(counts(store, 1, 1).await, [7, 3, 0, 0, 0, 0, 0]);
    let last = Settlement { settled: vec![settled(Outcome::Sent, everybody(10) - set([4, 5]))], done: true, ..part };
    assert!(settle(store, last).await);
    assert_eq!(counts(store, 1, 1).await, [2, 8, 0, 0, 0, 0, 0]);
    let moved = claim(store, At(i64::MAX), 9, EPOCH).await;
    assert_eq!(moved.iter().map(people).collect::<Vec<_>>(), [set([4, 5])], "moved once");
    assert!(settle(store, whole(&moved[0], Outcome::Failed)).await);
    assert_eq!(store.messages.legs(id(1)).await.unwrap()[0].state, LegState::Closed);
}

async fn a_retry_moves_people_to_a_later_batch(store: &Store) {
    office(store, 10).await;
    accept(store, publish(store, 1, everybody(10), &[Email]).await).await;
    let batch = claim(store, NOW, 1, EPOCH).await.remove(0);
    let (soon, late) = (At(NOW.0 + 5_000), At(NOW.0 + 60_000));
    let item = Settlement {
        settled: vec![settled(Outcome::Sent, first(&everybody(10), 5))],
        again: vec![again(set([6, 8]), soon), again(set([7, 9, 10]), late)],
        done: true,
        ..settlement(&batch)
    };
    assert!(settle(store, item).await);
    assert_eq!(counts(store, 1, 1).await, [5, 5, 0, 0, 0, 0, 0]);
    assert!(claim(store, At(soon.0 - 1), 9, EPOCH).await.is_empty());
    let retried = claim(store, soon, 9, EPOCH).await;
    assert_eq!(retried.iter().map(people).collect::<Vec<_>>(), [set([6, 8])]);
    assert_eq!((retried[0].attempt, retried[0].fence.claims, retried[0].opened_to), (2, 1, None));
    assert!(settle(store, whole(&retried[0], Outcome::Sent)).await);
    let retried = claim(store, late, 9, EPOCH).await.remove(0);
    assert!(settle(store, whole(&retried, Outcome::Failed)).await);
    assert_eq!(counts(store, 1, 1).await, [0, 7, 3, 0, 0, 0, 0]);
    let rows = store.messages.outcomes(id(1).leg(1), nth(6), nth(10)).await.unwrap();
    let rows: Vec<_> = rows.into_iter().map(|row| (row.outcome, row.set, row.attempt)).collect();
    assert_eq!(rows, [(Outcome::Sent, set([6, 8]), 2), (Outcome::Failed, set([7, 9, 10]), 2)], "moves are no outcome");
}

async fn each_person_has_the_words_of_her_own_call(store: &Store) {
    office(store, 20).await;
    accept(store, publish(store, 1, everybody(20), &[Email]).await).await;
    let batch = claim(store, NOW, 1, EPOCH).await.remove(0);
    let said = |set: Set, words: &str| Settled { detail: Some(words.into()), ..settled(Outcome::Sent, set) };
    let mixed = said(set([4, 9]), "queued as C");
    let item = Settlement {
        settled: vec![said(set([6, 7, 8]), "queued as B"), said(set([1, 2, 3]), "queued as A"), mixed],
        ..settlement(&batch)
    };
    assert!(settle(store, item).await);
    assert_eq!(counts(store, 1, 1).await, [12, 8, 0, 0, 0, 0, 0]);
    let words = async |from: u32, to: u32| {
        let rows = store.messages.outcomes(id(1).leg(1), nth(from), nth(to)).await.unwrap();
        let mut rows: Vec<_> = rows.into_iter().map(|row| (row.set, row.detail.unwrap().to_string())).collect();
        rows.sort_by_key(|(_, words)| words.clone());
        rows
    };
    let own = |set: Set, letter: &str| (set, format!("queued as {letter}"));
    let all = [own(set([1, 2, 3]), "A"), own(set([6, 7, 8]), "B"), own(set([4, 9]), "C")];
    assert_eq!(words(1, 10).await, all);
    assert_eq!(words(7, 8).await, [own(set([7, 8]), "B")]);
}

async fn a_retry_that_waits_is_stopped_by_a_cancel(store: &Store) {
    office(store, 20).await;
    accept(store, publish(store, 1, everybody(20), &[Email]).await).await;
    let batch = claim(store, NOW, 1, EPOCH).await.remove(0);
    let item = Settlement {
        settled: vec![settled(Outcome::Sent, first(&everybody(10), 7))],
        again: vec![again(set([8, 9, 10]), At(NOW.0 + 5_000))],
        done: true,
        ..settlement(&batch)
    };
    assert!(settle(store, item).await);
    let cancelled = store.messages.cancel(id(1), NOW).await.unwrap().unwrap();
    assert_eq!((cancelled.sent, cancelled.stopped, cancelled.open), (7, 13, 0));
    assert!(claim(store, At(i64::MAX), 9, EPOCH).await.is_empty());
    assert_eq!(store.messages.message(id(1)).await.unwrap().unwrap().state, MessageState::Cancelled);
}

async fn a_retry_of_what_was_cancelled_meanwhile_is_called_off(store: &Store) {
    office(store, 20).await;
    accept(store, publish(store, 1, everybody(10), &[Email]).await).await;
    accept(store, publish(store, 2, set([1]), &[Email]).await).await;
    let (later, mut group) = (At(NOW.0 + 3_600_000), Vec::new());
    for batch in claim(store, NOW, 9, EPOCH).await {
        let (sent, tried) = if batch.short { (vec![], set([1])) } else { (vec![set([1, 2])], set([7, 8, 9])) };
        let settled = sent.into_iter().map(|sent| settled(Outcome::Sent, sent)).collect();
        group.push(Settlement { settled, again: vec![again(tried, later)], done: batch.short, ..settlement(&batch) });
    }
    for n in [1, 2] {
        assert!(store.messages.cancel(id(n), NOW).await.unwrap().unwrap().open > 0, "the node holds it");
    }
    assert_eq!(store.deliveries.settle(group).await.unwrap(), [true, true]);
    assert_eq!(counts(store, 1, 1).await, [5, 2, 0, 0, 0, 3, 0]);
    assert_eq!(counts(store, 2, 1).await, [0, 0, 0, 0, 0, 1, 0]);
    assert!(claim(store, At(i64::MAX), 9, EPOCH).await.is_empty(), "nothing waits for its time");
}

async fn a_short_message_is_retried_in_place(store: &Store) {
    office(store, 3).await;
    accept(store, publish(store, 1, set([2]), &[Email]).await).await;
    let batch = claim(store, NOW, 1, EPOCH).await.remove(0);
    store.deliveries.open(vec![(batch.fence, nth(2))]).await.unwrap();
    let later = At(NOW.0 + 5_000);
    let item = Settlement { again: vec![again(set([2]), later)], done: true, ..settlement(&batch) };
    assert!(settle(store, item.clone()).await);
    assert!(!settle(store, item).await);
    assert!(claim(store, NOW, 1, EPOCH).await.is_empty());
    let retried = claim(store, later, 1, EPOCH).await.remove(0);
    assert_eq!((retried.attempt, retried.opened_to, people(&retried)), (2, None, set([2])));
    assert!(settle(store, whole(&retried, Outcome::Sent)).await);
    assert_eq!(counts(store, 1, 1).await, [0, 1, 0, 0, 0, 0, 0]);
    assert_eq!(store.messages.outcomes(id(1).leg(1), 0, u32::MAX).await.unwrap()[0].attempt, 2);
}

async fn the_last_outcome_closes_leg_and_message(store: &Store) {
    office(store, 20).await;
    accept(store, publish(store, 1, everybody(20), &[Email, Wechat]).await).await;
    let state = async || store.messages.message(id(1)).await.unwrap().unwrap().state;
    let mail = claim(store, NOW, 9, EPOCH).await;
    assert!(settle(store, whole(&mail[0], Outcome::Sent)).await);
    assert_eq!(store.messages.legs(id(1)).await.unwrap()[0].state, LegState::Open);
    assert!(settle(store, whole(&mail[1], Outcome::Failed)).await);
    assert_eq!(store.messages.legs(id(1)).await.unwrap()[0].state, LegState::Closed);
    assert_eq!((counts(store, 1, 1).await, state().await), ([0, 10, 10, 0, 0, 0, 0], MessageState::Open));
    let wechat =
        Claim { provider: "wechat".into(), lane: Lane::Normal, now: NOW, max: 9, epoch: EPOCH, expired_only: false };
    let wechat = store.deliveries.claim(wechat).await.unwrap();
    let group = wechat.iter().map(|batch| whole(batch, Outcome::Sent)).collect();
    assert_eq!(store.deliveries.settle(group).await.unwrap(), [true, true]);
    assert_eq!((counts(store, 1, 2).await, state().await), ([0, 20, 0, 0, 0, 0, 0], MessageState::Closed));
}

async fn recovery_takes_out_what_is_settled(store: &Store) {
    office(store, 10).await;
    accept(store, publish(store, 1, everybody(10), &[Email]).await).await;
    let batch = claim(store, NOW, 1, EPOCH).await.remove(0);
    let item = Settlement {
        settled: vec![settled(Outcome::Sent, set([1, 2, 3])), settled(Outcome::Failed, set([5]))],
        again: vec![again(set([6]), NOW)],
        ..settlement(&batch)
    };
    assert!(settle(store, item).await);
    let epoch = next_epoch(store).await;
    let mut found: Vec<_> = claim(store, NOW, 9, epoch).await.iter().map(people).collect();
    found.sort_by_key(Set::min);
    assert_eq!(found, [set([4, 7, 8, 9, 10]), set([6])]);
    assert_eq!(counts(store, 1, 1).await, [6, 3, 1, 0, 0, 0, 0]);
}

async fn recovery_knows_how_far_calls_had_begun(store: &Store) {
    office(store, 10).await;
    accept(store, publish(store, 1, everybody(10), &[Email]).await).await;
    let batch = claim(store, NOW, 1, EPOCH).await.remove(0);
    let opened = |to| store.deliveries.open(vec![(batch.fence, to)]);
    assert_eq!(opened(nth(6)).await.unwrap(), [true]);
    assert_eq!(opened(nth(4)).await.unwrap(), [true]);
    let epoch = next_epoch(store).await;
    let recovered = claim(store, NOW, 1, epoch).await.remove(0);
    assert_eq!((recovered.opened_to, people(&recovered)), (Some(nth(6)), everybody(10)), "it never goes back");
}

async fn a_crash_before_the_closing_loses_nothing(store: &Store) {
    office(store, 10).await;
    accept(store, publish(store, 1, everybody(10), &[Email]).await).await;
    let batch = claim(store, NOW, 1, EPOCH).await.remove(0);
    let all = Settlement { done: false, ..whole(&batch, Outcome::Sent) };
    assert!(settle(store, all).await);
    let epoch = next_epoch(store).await;
    assert!(claim(store, NOW, 9, epoch).await.is_empty(), "nothing of it is left");
    assert_eq!(counts(store, 1, 1).await, [0, 10, 0, 0, 0, 0, 0]);
    assert_eq!(store.messages.legs(id(1)).await.unwrap()[0].state, LegState::Closed);
    assert_eq!(store.messages.message(id(1)).await.unwrap().unwrap().state, MessageState::Closed);
}

async fn a_batch_given_back_is_due_at_once(store: &Store) {
    office(store, 10).await;
    accept(store, publish(store, 1, everybody(10), &[Email]).await).await;
    let batch = claim(store, NOW, 1, EPOCH).await.remove(0);
    let foreign = Fence { epoch: 9, ..batch.fence };
    store.deliveries.release(vec![foreign]).await.unwrap();
    assert!(claim(store, NOW, 1, EPOCH).await.is_empty(), "somebody else's fence gives nothing back");
    store.deliveries.release(vec![batch.fence]).await.unwrap();
    let taken = claim(store, NOW, 1, EPOCH).await.remove(0);
    assert_eq!((taken.fence.batch, taken.fence.claims, people(&taken)), (batch.fence.batch, 2, everybody(10)));
    assert!(!settle(store, whole(&batch, Outcome::Sent)).await);
}

async fn what_an_epoch_owns_is_listed_with_its_fences(store: &Store) {
    office(store, 30).await;
    let mut item = publish(store, 1, everybody(30), &[Email]).await;
    item.plans[0].claim_max = 1;
    let mut held: Vec<_> = accept(store, item).await.claimed.iter().map(|batch| batch.fence).collect();
    held.extend(claim(store, NOW, 1, EPOCH).await.iter().map(|batch| batch.fence));
    let foreign = claim(store, NOW, 1, EPOCH + 1).await.remove(0);
    held.sort_by_key(|fence| fence.batch);
    assert_eq!(store.deliveries.owned(EPOCH).await.unwrap(), held);
    assert_eq!(store.deliveries.owned(EPOCH + 1).await.unwrap(), [foreign.fence]);
    store.deliveries.release(vec![held[0]]).await.unwrap();
    assert!(settle(store, whole(&foreign, Outcome::Sent)).await);
    assert_eq!(store.deliveries.owned(EPOCH).await.unwrap(), held[1..]);
    assert!(store.deliveries.owned(EPOCH + 1).await.unwrap().is_empty());
}

async fn material_says_what_a_call_needs(store: &Store) {
    office(store, 10).await;
    let item = publish(store, 1, everybody(10), &[Email]).await;
    accept(store, item.clone()).await;
    let material = store.deliveries.material(id(1)).await.unwrap().unwrap();
    assert_eq!((&material.facts, &material.content), (&item.facts, &item.content));
    assert_eq!((material.department_name.as_str(), material.cancelled_at), ("Department of xjtu", None));
    store.messages.cancel(id(1), At(NOW.0 + 1)).await.unwrap();
    assert_eq!(store.deliveries.material(id(1)).await.unwrap().unwrap().cancelled_at, Some(At(NOW.0 + 1)));
    assert!(store.deliveries.material(id(2)).await.unwrap().is_none());
}

async fn people_are_reached_at_their_addresses(store: &Store) {
    office(store, 1).await;
    let reachable = UserDraft { addresses: vec![mailbox("a@x.cn")], ..person("a", "cs") };
    let left = UserDraft { status: UserStatus::Left, addresses: vec![mailbox("b@x.cn")], ..person("b", "cs") };
    store.directory.upsert_users(vec![reachable, left], NOW).await.unwrap();
    let reach = |n, address: Option<&str>, receives, erased| Reach {
        ordinal: nth(n),
        address: address.map(|address| (address.into(), AddressState::Usable)),
        receives,
        erased,
    };
    let found = store.deliveries.reach(Email, vec![nth(3), nth(1), nth(2), nth(77)]).await.unwrap();
    let expected = [
        reach(3, Some("b@x.cn"), false, false),
        reach(1, None, true, false),
        reach(2, Some("a@x.cn"), true, false),
        reach(77, None, false, true),
    ];
    assert_eq!(found, expected);
    assert_eq!(store.deliveries.reach(App, vec![nth(2)]).await.unwrap(), [reach(2, None, true, false)]);
}

async fn depth_and_held_count_batches(store: &Store) {
    office(store, 30).await;
    accept(store, publish(store, 1, everybody(30), &[Email]).await).await;
    assert_eq!(store.deliveries.held(id(1).leg(1)).await.unwrap(), 0);
    let claimed = claim(store, NOW, 1, EPOCH).await;
    let depth = store.deliveries.depth().await.unwrap();
    let [mail] = &depth[..] else { panic!("{depth:?}") };
    assert_eq!((&*mail.provider, mail.lane, mail.waiting, mail.claimed), (RELAY, Lane::Normal, 2, 1));
    assert_eq!(mail.due_at, Some(NOW));
    assert_eq!(store.deliveries.held(id(1).leg(1)).await.unwrap(), 1);
    assert!(settle(store, whole(&claimed[0], Outcome::Sent)).await);
    assert_eq!(store.deliveries.held(id(1).leg(1)).await.unwrap(), 0);
    for batch in claim(store, NOW, 9, EPOCH).await {
        assert!(settle(store, whole(&batch, Outcome::Sent)).await);
    }
    assert!(store.deliveries.depth().await.unwrap().is_empty());
    let outcome = &store.messages.outcomes(id(1).leg(1), 0, u32::MAX).await.unwrap()[0];
    assert_eq!(outcome.reason, Reason::None);
}

async fn what_is_settled_is_closed_already(store: &Store) {
    office(store, 10).await;
    accept(store, publish(store, 1, everybody(10), &[Email]).await).await;
    assert_eq!(store.deliveries.close_complete(9).await.unwrap(), 0, "nothing of it is settled");
    let batch = claim(store, NOW, 1, EPOCH).await.remove(0);
    assert!(settle(store, whole(&batch, Outcome::Sent)).await);
    assert_eq!(store.deliveries.close_complete(9).await.unwrap(), 0, "the settle commit has closed it");
    assert_eq!(store.messages.legs(id(1)).await.unwrap()[0].state, LegState::Closed);
}
