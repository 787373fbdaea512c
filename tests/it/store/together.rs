//! What several nodes do to one store at the same time. Nodes are epochs here; who is alive is told in `node`.

use campanile::domain::batch::Claimed;
use campanile::domain::channel::Channel::{self, Email, Wechat};
use campanile::domain::class::Lane;
use campanile::domain::id::{GrantId, KeyId};
use campanile::domain::leg::LegState;
use campanile::domain::message::MessageState;
use campanile::domain::outcome::Outcome;
use campanile::domain::set::Set;
use campanile::store::{Accept, Accepted, Claim, MessageFilter, RollupFilter};
use futures::future::join_all;

use super::Store;
use super::fixture::{NOW, nth, set};
use super::publishing::{EPOCH, accept, claim, counts, id, office, people, publish, settle, whole};

super::cases! {
    nodes_that_claim_at_once_get_different_batches,
    a_node_that_lost_its_batches_settles_nothing,
    the_last_batches_of_a_leg_close_it_once,
    the_last_legs_of_a_short_message_close_it_once,
    one_key_gives_one_message_however_many_try,
    nothing_is_accepted_after_a_revocation_has_answered,
    a_quota_holds_however_many_use_it,
    a_cancel_among_settlements_leaves_the_books_balanced,
}

/// Another node.
const OTHER: i64 = EPOCH + 1;

fn everybody(n: u32) -> Set {
    (nth(1)..=nth(n)).collect()
}

fn stored(answers: &[Accepted]) -> usize {
    answers.iter().filter(|answer| matches!(answer, Accepted::Stored(_))).count()
}

/// Claims for a node, from any provider.
async fn claim_of(store: &Store, channel: Channel, max: usize, epoch: i64) -> Vec<Claimed> {
    if channel == Email {
        return claim(store, NOW, max, epoch).await;
    }
    let provider = channel.name().into();
    let claim = Claim { provider, lane: Lane::Normal, now: NOW, max, epoch, expired_only: false };
    store.deliveries.claim(claim).await.unwrap()
}

async fn nodes_that_claim_at_once_get_different_batches(store: &Store) {
    office(store, 200).await;
    for n in 1..=4 {
        accept(store, publish(store, n, everybody(200), &[Email]).await).await;
    }
    let mut found = Vec::new();
    loop {
        let nodes = (0..6).map(|node| claim(store, NOW, 5, EPOCH + node));
        let round: Vec<Claimed> = join_all(nodes).await.into_iter().flatten().collect();
        if round.is_empty() {
            break;
        }
        found.extend(round);
    }
    assert_eq!(found.len(), 80);
    let mut places: Vec<_> = found.iter().map(|batch| (batch.leg, people(batch).min())).collect();
    places.sort_unstable();
    places.dedup();
    assert_eq!(places.len(), 80, "each batch has one owner");
    assert!(found.iter().all(|batch| batch.fence.claims == 1));
}

async fn a_node_that_lost_its_batches_settles_nothing(store: &Store) {
    office(store, 100).await;
    accept(store, publish(store, 1, everybody(100), &[Email]).await).await;
    let lost = claim(store, NOW, 9, EPOCH).await;
    store.nodes.leave(EPOCH).await.unwrap();
    let mut taken = claim(store, NOW, 99, OTHER).await;
    taken.sort_by_key(|batch| batch.fence.batch);
    let stale = lost.iter().map(|batch| settle(store, whole(batch, Outcome::Failed)));
    let calls = lost.iter().map(|batch| (batch.fence, nth(100))).collect();
    let group = taken.iter().map(|batch| whole(batch, Outcome::Sent)).collect();
    let (written, dropped, opened) =
        tokio::join!(store.deliveries.settle(group), join_all(stale), store.deliveries.open(calls));
    assert_eq!((written.unwrap(), dropped, opened.unwrap()), (vec![true; 10], vec![false; 9], vec![false; 9]));
    assert_eq!(counts(store, 1, 1).await, [0, 100, 0, 0, 0, 0, 0]);
}

async fn the_last_batches_of_a_leg_close_it_once(store: &Store) {
    office(store, 20).await;
    for n in 1..=20 {
        accept(store, publish(store, n, everybody(20), &[Email, Wechat]).await).await;
        let mut batches = claim_of(store, Email, 9, EPOCH).await;
        batches.extend(claim_of(store, Wechat, 9, OTHER).await);
        assert_eq!(batches.len(), 4);
        let settled = batches.iter().map(|batch| settle(store, whole(batch, Outcome::Sent)));
        assert_eq!(join_all(settled).await, [true; 4]);
        let legs = store.messages.legs(id(n)).await.unwrap();
        assert!(legs.iter().all(|leg| leg.state == LegState::Closed), "whoever comes last closes, message {n}");
        assert_eq!(counts(store, n, 1).await, [0, 20, 0, 0, 0, 0, 0]);
        assert_eq!(store.messages.message(id(n)).await.unwrap().unwrap().state, MessageState::Closed);
    }
    let rows = store.reports.rollup(RollupFilter { from_day: NOW.day(), to_day: NOW.day() }).await.unwrap();
    assert_eq!(rows.iter().map(|row| row.n).sum::<u64>(), 20 * 2 * 20, "each leg is in the totals once");
}

async fn the_last_legs_of_a_short_message_close_it_once(store: &Store) {
    office(store, 20).await;
    for n in 1..=20 {
        accept(store, publish(store, n, set([3]), &[Email, Wechat]).await).await;
        let mut batches = claim_of(store, Email, 9, EPOCH).await;
        batches.extend(claim_of(store, Wechat, 9, OTHER).await);
        let settled = batches.iter().map(|batch| settle(store, whole(batch, Outcome::Sent)));
        assert_eq!(join_all(settled).await, [true; 2]);
        assert_eq!(store.messages.message(id(n)).await.unwrap().unwrap().state, MessageState::Closed);
    }
    let rows = store.reports.rollup(RollupFilter { from_day: NOW.day(), to_day: NOW.day() }).await.unwrap();
    assert_eq!(rows.iter().map(|row| row.n).sum::<u64>(), 40);
}

async fn one_key_gives_one_message_however_many_try(store: &Store) {
    const KEYS: i64 = 12;
    office(store, 20).await;
    let mut groups = Vec::new();
    for group in 0..64 {
        let mut items = Vec::new();
        for n in 0..KEYS {
            // Every group comes in another order, with ids, people and quotas of its own.
            let n = (n + group) % KEYS;
            let size = if group % 2 == 0 { 1 } else { 15 };
            let mut item = publish(store, 1 + group * KEYS + n, everybody(size), &[Email]).await;
            item.idempotency_key = format!("same{n}");
            item.digest = [7; 32];
            item.quota = (group % 3 == 0).then_some((GrantId(1), 20_000, 1_000));
            items.push(item);
        }
        groups.push(store.messages.accept(items, EPOCH));
    }
    let (mut first, mut second) = (Vec::new(), 0);
    for answers in join_all(groups).await {
        for answer in answers.expect("no group is in the way of another") {
            match answer {
                Accepted::Stored(_) => first.push(()),
                Accepted::Duplicate { same: true, .. } => second += 1,
                other => panic!("{other:?}"),
            }
        }
    }
    assert_eq!((first.len(), second), (12, 63 * 12));
    let all = store.messages.list(MessageFilter::default(), None, 99).await.unwrap();
    assert_eq!(all.len(), 12);
    let batches = claim(store, NOW, 999, EPOCH).await;
    let expected: usize = all.iter().map(|message| if message.only_member.is_some() { 1 } else { 2 }).sum();
    assert_eq!(batches.len(), expected, "and the batches of one message each");
}

async fn nothing_is_accepted_after_a_revocation_has_answered(store: &Store) {
    office(store, 20).await;
    // Fewer than a node has connections: who looks after the answer must not wait until others are done. And in
    // large groups, so that there is time between what a commit has read and its end.
    let publishers = (0..12).map(|publisher| {
        let store = store.clone();
        tokio::spawn(async move {
            let mut done = 0;
            loop {
                let mut group = Vec::new();
                for n in 1..=40 {
                    group.push(publish(&store, publisher * 10_000 + done + n, set([1]), &[Email]).await);
                }
                let answers = store.messages.accept(group, EPOCH).await.unwrap();
                if answers.iter().any(|answer| matches!(answer, Accepted::KeyChanged)) {
                    assert_eq!(stored(&answers), 0, "a group sees one moment");
                    return usize::try_from(done).unwrap();
                }
                assert_eq!(stored(&answers), 40);
                done += 40;
            }
        })
    });
    let publishers: Vec<_> = publishers.collect();
    let all = async || store.messages.list(MessageFilter::default(), None, 99_999).await.unwrap().len();
    while all().await < 400 {
        tokio::task::yield_now().await;
    }
    store.access.revoke_key(KeyId(1), NOW).await.unwrap();
    let at_the_answer = all().await;
    let done: usize = join_all(publishers).await.into_iter().map(Result::unwrap).sum();
    assert_eq!((at_the_answer, all().await), (done, done), "not one more after the answer");
}

async fn a_quota_holds_however_many_use_it(store: &Store) {
    office(store, 20).await;
    let mut groups = Vec::new();
    for group in 0..16 {
        let mut items = Vec::new();
        for n in 0..3 {
            let item = publish(store, 1 + group * 3 + n, everybody(7), &[Email]).await;
            items.push(Accept { quota: Some((GrantId(1), 20_000, 100)), ..item });
        }
        groups.push(store.messages.accept(items, EPOCH));
    }
    let answers: Vec<_> = join_all(groups).await.into_iter().flat_map(Result::unwrap).collect();
    assert_eq!(stored(&answers), 100 / 7, "as many as fit");
    assert_eq!(store.access.used(GrantId(1), 20_000).await.unwrap(), 98);
}

async fn a_cancel_among_settlements_leaves_the_books_balanced(store: &Store) {
    office(store, 20).await;
    let members: Set = (nth(1)..).take(1_500).collect();
    for n in 1..=4 {
        accept(store, publish(store, n, members.clone(), &[Email]).await).await;
        let work = async |epoch| {
            loop {
                let batches = claim(store, NOW, 7, epoch).await;
                if batches.is_empty() {
                    break;
                }
                let group = batches.iter().map(|batch| whole(batch, Outcome::Sent)).collect();
                store.deliveries.settle(group).await.unwrap();
            }
        };
        let stop = async {
            while store.messages.legs(id(n)).await.unwrap()[0].counts.get(Outcome::Sent) == 0 {
                tokio::task::yield_now().await;
            }
            let (one, two) = tokio::join!(store.messages.cancel(id(n), NOW), store.messages.cancel(id(n), NOW));
            let counts = [one, two].map(|counts| counts.unwrap().unwrap());
            assert!(counts.iter().all(|counts| counts.sent + counts.stopped + counts.open == 1_500), "{counts:?}");
        };
        let cut = async { while store.messages.cut(id(n).leg(1), 10, NOW).await.unwrap() {} };
        tokio::join!(work(EPOCH), work(OTHER), stop, cut);
        work(EPOCH).await;
        let [pending, sent, .., cancelled, _] = counts(store, n, 1).await;
        assert_eq!((pending, sent + cancelled), (0, 1_500), "sent {sent}, cancelled {cancelled}");
        assert_eq!(store.messages.legs(id(n)).await.unwrap()[0].state, LegState::Closed);
        let mut seen = Set::new();
        for row in store.messages.outcomes(id(n).leg(1), 0, u32::MAX).await.unwrap() {
            assert!(seen.is_disjoint(&row.set), "nobody has two outcomes");
            seen |= row.set;
        }
        assert_eq!(seen, members);
    }
}
