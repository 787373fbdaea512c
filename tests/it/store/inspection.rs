//! What operators ask of a store: itself, its time, what waits, and whether the books balance.

use std::time::Duration;

use campanile::domain::channel::Channel::{App, Email, Wechat};
use campanile::domain::class::Lane;
use campanile::domain::id::LegId;
use campanile::domain::outcome::Outcome;
use campanile::domain::set::Set;
use campanile::domain::time::At;
use campanile::store::{LegBooks, Legs, Waiting};

use super::Store;
use super::fixture::{LEASE, NOW, node, nth, set};
use super::publishing::{
    EPOCH, RELAY, accept, again, claim, id, next_epoch, office, publish, scheduled, settle, settled, settlement, whole,
};

super::cases! {
    a_store_says_what_it_is_and_what_time_it_has,
    what_waits_is_told_by_provider_channel_and_lane,
    books_balance_at_every_step_of_a_leg,
    books_of_a_leg_that_is_being_cut_count_the_uncut,
    books_balance_after_a_cancel,
    the_newest_legs_come_first_and_pages_follow,
    legs_to_one_person_have_books_too,
    one_of_many_gets_the_turn_to_check,
    a_check_remembers_what_it_found,
    a_living_node_says_a_word_about_itself,
}

const HOUR: Duration = Duration::from_secs(3_600);

fn everybody(n: u32) -> Set {
    (nth(1)..=nth(n)).collect()
}

async fn newest(store: &Store, limit: usize) -> Vec<LegBooks> {
    store.inspection.books(Legs::Below { before: None, limit }).await.unwrap()
}

/// The books of one leg: settled, left in batches, uncut; they balance.
async fn balanced(store: &Store, n: i64, leg: u8) -> (u64, u64, u64) {
    let mut found = store.inspection.books(Legs::These(vec![id(n).leg(leg)])).await.unwrap();
    let books = found.remove(0);
    assert_eq!(books.fault(), None, "{books:?}");
    (books.counted.settled(), books.left, books.uncut)
}

async fn a_store_says_what_it_is_and_what_time_it_has(store: &Store) {
    let description = store.inspection.describe().await.unwrap();
    assert!(!description.version.is_empty() && !description.weak);
    assert!(description.durability.len() >= 2);
    match description.kind {
        "sqlite" => assert!(!description.shared && description.disk_free.is_some_and(|bytes| bytes > 0)),
        "postgres" => assert!(description.shared && description.disk_free.is_none()),
        other => panic!("{other}"),
    }
    let (first, second) = (store.inspection.now().await.unwrap(), store.inspection.now().await.unwrap());
    assert!(first >= At(1_700_000_000_000) && second >= first && second.since(first) < HOUR);
}

async fn what_waits_is_told_by_provider_channel_and_lane(store: &Store) {
    assert!(store.inspection.waiting().await.unwrap().is_empty());
    office(store, 25).await;
    accept(store, publish(store, 1, everybody(25), &[Email, Wechat, App]).await).await;
    let mut urgent = publish(store, 2, set([1]), &[Email]).await;
    urgent.plans[0].lane = Lane::Urgent;
    accept(store, urgent).await;
    accept(store, scheduled(publish(store, 3, everybody(9), &[Email]).await, At(NOW.0 + 9_000))).await;
    let held = claim(store, NOW, 2, EPOCH).await;
    assert_eq!(held.len(), 2);
    let row = |provider: &str, channel, lane, waiting, held| Waiting {
        provider: provider.into(),
        channel,
        lane,
        waiting,
        held,
        due_at: Some(NOW),
    };
    let wanted = [
        row(RELAY, Email, Lane::Urgent, 1, 0),
        row(RELAY, Email, Lane::Normal, 5, 20),
        row("wechat", Wechat, Lane::Normal, 25, 0),
    ];
    assert_eq!(store.inspection.waiting().await.unwrap(), wanted);
}

async fn books_balance_at_every_step_of_a_leg(store: &Store) {
    office(store, 25).await;
    accept(store, publish(store, 1, everybody(25), &[Email, App]).await).await;
    assert_eq!((balanced(store, 1, 1).await, balanced(store, 1, 2).await), ((0, 25, 0), (25, 0, 0)));
    let batches = claim(store, NOW, 9, EPOCH).await;
    assert_eq!(balanced(store, 1, 1).await, (0, 25, 0));
    let part = settlement(&batches[0]);
    let part = campanile::domain::batch::Settlement { settled: vec![settled(Outcome::Sent, set([1, 2, 3]))], ..part };
    assert!(settle(store, part).await);
    assert_eq!(balanced(store, 1, 1).await, (3, 22, 0));
    let rest = campanile::domain::batch::Settlement {
        settled: vec![settled(Outcome::Failed, set([4, 5]))],
        again: vec![again((nth(6)..=nth(10)).collect(), NOW)],
        done: true,
        ..settlement(&batches[0])
    };
    assert!(settle(store, rest).await);
    assert_eq!(balanced(store, 1, 1).await, (5, 20, 0));
    assert!(settle(store, whole(&batches[1], Outcome::Sent)).await);
    assert_eq!(balanced(store, 1, 1).await, (15, 10, 0));
    let epoch = next_epoch(store).await;
    for batch in claim(store, NOW, 9, epoch).await {
        assert!(settle(store, whole(&batch, Outcome::Unknown)).await);
    }
    assert_eq!(balanced(store, 1, 1).await, (25, 0, 0));
    let closed = store.inspection.books(Legs::These(vec![id(1).leg(1)])).await.unwrap().remove(0);
    assert!(closed.closed && closed.counted.get(Outcome::Unknown) == 10, "{closed:?}");
}

async fn books_of_a_leg_that_is_being_cut_count_the_uncut(store: &Store) {
    office(store, 1_500).await;
    accept(store, publish(store, 1, everybody(1_500), &[Email]).await).await;
    assert_eq!(balanced(store, 1, 1).await, (0, 1_000, 500), "100 batches of 10 are cut at once");
    assert!(store.messages.cut(id(1).leg(1), 10, NOW).await.unwrap());
    assert_eq!(balanced(store, 1, 1).await, (0, 1_100, 400));
}

async fn books_balance_after_a_cancel(store: &Store) {
    office(store, 30).await;
    accept(store, publish(store, 1, everybody(30), &[Email, App]).await).await;
    let batch = claim(store, NOW, 1, EPOCH).await.remove(0);
    store.messages.cancel(id(1), NOW).await.unwrap().unwrap();
    assert_eq!(balanced(store, 1, 1).await, (20, 10, 0));
    assert!(settle(store, whole(&batch, Outcome::Sent)).await);
    assert_eq!((balanced(store, 1, 1).await, balanced(store, 1, 2).await), ((30, 0, 0), (30, 0, 0)));
}

async fn the_newest_legs_come_first_and_pages_follow(store: &Store) {
    office(store, 12).await;
    for n in 1..=3 {
        accept(store, publish(store, n, everybody(12), &[Email, App]).await).await;
    }
    let all: Vec<LegId> = newest(store, 99).await.iter().map(|books| books.leg).collect();
    assert_eq!(all, [3, 2, 1].map(|n| [id(n).leg(2), id(n).leg(1)]).concat());
    let page = |before: LegId| store.inspection.books(Legs::Below { before: Some(before), limit: 2 });
    assert_eq!(page(all[2]).await.unwrap().iter().map(|books| books.leg).collect::<Vec<_>>(), all[3..5]);
    let unknown = store.inspection.books(Legs::These(vec![LegId(7), all[0]])).await.unwrap();
    assert_eq!(unknown.len(), 1);
}

async fn legs_to_one_person_have_books_too(store: &Store) {
    office(store, 5).await;
    for n in 1..=4 {
        accept(store, publish(store, n, set([1]), &[Email, App]).await).await;
    }
    let batches = claim(store, NOW, 9, EPOCH).await;
    assert!(settle(store, whole(&batches[0], Outcome::Sent)).await);
    let books = store.inspection.books(Legs::Personal(99)).await.unwrap();
    assert!(books.iter().all(|leg| leg.fault().is_none()), "{books:?}");
    assert_eq!((books.len(), books.iter().filter(|leg| leg.closed).count()), (8, 5));
    assert_eq!(store.inspection.books(Legs::Personal(3)).await.unwrap().len(), 3);
    assert!(newest(store, 9).await.is_empty());
}

async fn one_of_many_gets_the_turn_to_check(store: &Store) {
    let asked = futures::future::join_all((0..8).map(|_| store.inspection.begin_check(HOUR))).await;
    assert_eq!(asked.into_iter().filter(|turn| *turn.as_ref().unwrap()).count(), 1);
    assert!(store.inspection.begin_check(Duration::ZERO).await.unwrap(), "whoever wants it more often gets it");
}

async fn a_check_remembers_what_it_found(store: &Store) {
    let never = store.inspection.last_check().await.unwrap();
    assert_eq!((never.balanced_at, never.unbalanced), (None, vec![]));
    store.inspection.end_check(vec![LegId(17), LegId(33)]).await.unwrap();
    let wrong = store.inspection.last_check().await.unwrap();
    assert_eq!((wrong.balanced_at, wrong.unbalanced), (None, vec![LegId(17), LegId(33)]));
    let before = store.inspection.now().await.unwrap();
    store.inspection.end_check(vec![]).await.unwrap();
    let right = store.inspection.last_check().await.unwrap();
    assert!(right.balanced_at.is_some_and(|at| at >= before) && right.unbalanced.is_empty());
    store.inspection.end_check(vec![LegId(17)]).await.unwrap();
    let again = store.inspection.last_check().await.unwrap();
    assert_eq!((again.balanced_at, again.unbalanced), (right.balanced_at, vec![LegId(17)]));
}

async fn a_living_node_says_a_word_about_itself(store: &Store) {
    let epoch = store.nodes.join(node(), LEASE).await.unwrap();
    assert!(store.inspection.words().await.unwrap().is_empty());
    for word in ["{\"a\":1}", "{\"a\":2}"] {
        store.inspection.say(epoch, word.to_owned()).await.unwrap();
        assert_eq!(store.inspection.words().await.unwrap(), [(epoch, word.to_owned())]);
    }
    store.inspection.say(epoch + 1, "nobody's".to_owned()).await.unwrap();
    store.nodes.leave(epoch).await.unwrap();
    store.inspection.say(epoch, "gone".to_owned()).await.unwrap();
    assert!(store.inspection.words().await.unwrap().is_empty());
}
