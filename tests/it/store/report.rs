//! Totals that need no counting.

use std::collections::BTreeMap;

use campanile::domain::channel::Channel::{self, App, Email};
use campanile::domain::class::Class;
use campanile::domain::outcome::Outcome;
use campanile::domain::set::Set;
use campanile::store::RollupFilter;

use super::Store;
use super::fixture::{NOW, nth, set};
use super::publishing::{EPOCH, PUBLISHER, accept, claim, id, in_test_mode, office, publish, scheduled, settle, whole};

super::cases! {
    totals_follow_the_deliveries,
    totals_hold_only_the_days_asked_for,
    totals_leave_out_test_keys_and_what_is_not_released,
    totals_leave_out_trial_copies,
    totals_of_a_cancelled_message_balance,
}

fn everybody(n: u32) -> Set {
    (nth(1)..=nth(n)).collect()
}

/// Today's totals by channel and outcome.
async fn totals(store: &Store) -> BTreeMap<(Channel, Outcome), u64> {
    let today = NOW.day();
    let mut totals = BTreeMap::new();
    for row in store.reports.rollup(RollupFilter { from_day: today, to_day: today }).await.unwrap() {
        assert_eq!((row.day, row.principal, row.department_id, row.class), (today, PUBLISHER, 1, Class::Notice));
        *totals.entry((row.channel, row.outcome)).or_default() += row.n;
    }
    totals
}

async fn totals_follow_the_deliveries(store: &Store) {
    office(store, 20).await;
    assert!(totals(store).await.is_empty());
    accept(store, publish(store, 1, everybody(20), &[Email, App]).await).await;
    accept(store, publish(store, 2, set([3]), &[Email, App]).await).await;
    let expect = async |pending, sent, failed| {
        let mail = [(Outcome::Pending, pending), (Outcome::Sent, sent), (Outcome::Failed, failed)];
        let mail = mail.into_iter().filter(|(_, n)| *n > 0).map(|(outcome, n)| ((Email, outcome), n));
        let expected = mail.chain([((App, Outcome::Sent), 21)]).collect();
        assert_eq!(totals(store).await, expected);
    };
    expect(21, 0, 0).await;
    let batches = claim(store, NOW, 9, EPOCH).await;
    expect(21, 0, 0).await;
    let (short, long): (Vec<_>, Vec<_>) = batches.into_iter().partition(|batch| batch.short);
    assert!(settle(store, whole(&long[0], Outcome::Sent)).await);
    expect(11, 10, 0).await;
    assert!(settle(store, whole(&short[0], Outcome::Failed)).await);
    expect(10, 10, 1).await;
    assert!(settle(store, whole(&long[1], Outcome::Sent)).await);
    expect(0, 20, 1).await;
}

async fn totals_hold_only_the_days_asked_for(store: &Store) {
    office(store, 20).await;
    accept(store, publish(store, 1, everybody(20), &[Email, App]).await).await;
    accept(store, publish(store, 2, set([3]), &[Email]).await).await;
    let today = NOW.day();
    let rows = async |from_day, to_day| store.reports.rollup(RollupFilter { from_day, to_day }).await.unwrap().len();
    assert_eq!(rows(today, today).await, 3);
    assert_eq!(rows(today - 365, today + 365).await, 3);
    assert_eq!(rows(today - 9, today - 1).await, 0);
    assert_eq!(rows(today + 1, i64::MAX).await, 0);
}

async fn totals_leave_out_test_keys_and_what_is_not_released(store: &Store) {
    office(store, 20).await;
    for (n, people) in [(1, everybody(20)), (2, set([1]))] {
        accept(store, in_test_mode(publish(store, n, people.clone(), &[Email, App]).await)).await;
        accept(store, scheduled(publish(store, n + 2, people, &[Email, App]).await, NOW)).await;
    }
    assert!(totals(store).await.is_empty());
}

async fn totals_leave_out_trial_copies(store: &Store) {
    office(store, 20).await;
    for (n, people) in [(1, everybody(20)), (2, set([1]))] {
        let mut item = publish(store, n, people, &[Email, App]).await;
        item.facts.proof = true;
        accept(store, item).await;
    }
    assert!(totals(store).await.is_empty(), "while they are open");
    for batch in claim(store, NOW, 9, EPOCH).await {
        assert!(settle(store, whole(&batch, Outcome::Sent)).await);
    }
    assert!(totals(store).await.is_empty());
    assert!(store.messages.message(id(2)).await.unwrap().unwrap().facts.proof);
}

async fn totals_of_a_cancelled_message_balance(store: &Store) {
    office(store, 30).await;
    accept(store, publish(store, 1, everybody(30), &[Email]).await).await;
    let held = claim(store, NOW, 1, EPOCH).await.remove(0);
    store.messages.cancel(id(1), NOW).await.unwrap();
    assert_eq!(totals(store).await, [((Email, Outcome::Pending), 10), ((Email, Outcome::Cancelled), 20)].into());
    assert!(settle(store, whole(&held, Outcome::Sent)).await);
    assert_eq!(totals(store).await, [((Email, Outcome::Sent), 10), ((Email, Outcome::Cancelled), 20)].into());
}
