//! What was sent to one person.

use campanile::domain::channel::Channel::{App, Email};
use campanile::domain::message::PERSONAL_MAX;
use campanile::domain::outcome::{Outcome, Reason, ReceiptKind};
use campanile::domain::set::{SEGMENT, Set};
use campanile::domain::time::At;
use campanile::store::{HistoryQuery, Receipt};

use super::Store;
use super::fixture::{NOW, nth, set};
use super::publishing::{
    EPOCH, accept, again, claim, id, office, people, publish, scheduled, settle, settled, settlement, whole,
};

super::cases! {
    a_history_is_her_own_messages_and_the_broadcasts_that_contain_her,
    a_history_has_pages_and_an_end,
    a_history_spans_some_time,
    what_became_of_one_person_is_what_became_of_her_in_the_whole,
    what_one_person_did_is_told_once_with_its_first_time,
}

fn everybody(n: u32) -> Set {
    (nth(1)..=nth(n)).collect()
}

fn all_of(ordinal: u32) -> HistoryQuery {
    HistoryQuery { ordinal, before: None, created_after: None, created_before: None, limit: 99 }
}

/// The numbers of the messages that a query finds, and of the one below which to go on.
async fn told(store: &Store, query: HistoryQuery) -> (Vec<i64>, Option<i64>) {
    let page = store.history.messages(query).await.unwrap();
    let number = |id: campanile::domain::id::MessageId| (id.0 - self::id(0).0) >> 4;
    (page.rows.iter().map(|row| number(row.facts.id)).collect(), page.next.map(number))
}

async fn a_history_is_her_own_messages_and_the_broadcasts_that_contain_her(store: &Store) {
    office(store, 60).await;
    let far = nth(1) + SEGMENT;
    let without_her: Set = (nth(2)..=nth(60)).collect();
    let both: Set = [nth(1), far].into_iter().collect();
    accept(store, publish(store, 1, set([1]), &[Email]).await).await;
    accept(store, publish(store, 2, everybody(60), &[Email]).await).await;
    accept(store, publish(store, 3, without_her, &[Email]).await).await;
    accept(store, publish(store, 4, everybody(PERSONAL_MAX as u32), &[App]).await).await;
    accept(store, publish(store, 5, set([2]), &[Email]).await).await;
    accept(store, scheduled(publish(store, 6, both, &[Email]).await, NOW)).await;
    assert_eq!(told(store, all_of(nth(1))).await, (vec![6, 4, 2, 1], None), "each once, newest first");
    assert_eq!(told(store, all_of(nth(60))).await, (vec![3, 2], None));
    assert_eq!(told(store, all_of(far)).await, (vec![6], None), "her segment is another one");
    assert_eq!(told(store, all_of(far + 1)).await, (vec![], None));
    let rows = store.history.messages(all_of(nth(1))).await.unwrap().rows;
    assert_eq!((rows[2].facts.members_n, rows[2].content.title.as_str()), (60, "Notice 2"));
}

async fn a_history_has_pages_and_an_end(store: &Store) {
    office(store, 60).await;
    for n in 1..=7 {
        let members = if n % 3 == 0 { everybody(60) } else { set([1]) };
        accept(store, publish(store, n, members, &[Email]).await).await;
    }
    let page = |before: Option<i64>| HistoryQuery { before: before.map(id), limit: 3, ..all_of(nth(1)) };
    assert_eq!(told(store, page(None)).await, (vec![7, 6, 5], Some(5)));
    assert_eq!(told(store, page(Some(5))).await, (vec![4, 3, 2], Some(2)));
    assert_eq!(told(store, page(Some(2))).await, (vec![1], None));
    assert_eq!(told(store, page(Some(4))).await, (vec![3, 2, 1], None), "no page follows a full last one");
}

async fn a_history_spans_some_time(store: &Store) {
    office(store, 60).await;
    for (n, members) in [(1, set([1])), (2, everybody(60))] {
        accept(store, publish(store, n, members, &[Email]).await).await;
    }
    let spans = |after: i64, before: i64| HistoryQuery {
        created_after: Some(At(NOW.0 + after)),
        created_before: Some(At(NOW.0 + before)),
        ..all_of(nth(1))
    };
    assert_eq!(told(store, spans(0, 1)).await, (vec![2, 1], None));
    assert_eq!(told(store, spans(1, 2)).await, (vec![], None));
    assert_eq!(told(store, spans(-1, 0)).await, (vec![], None));
}

async fn what_became_of_one_person_is_what_became_of_her_in_the_whole(store: &Store) {
    office(store, 40).await;
    accept(store, publish(store, 1, everybody(40), &[Email, App]).await).await;
    accept(store, publish(store, 2, set([3]), &[Email, App]).await).await;
    let batches = claim(store, NOW, 9, EPOCH).await;
    let (short, long): (Vec<_>, Vec<_>) = batches.iter().partition(|batch| batch.short);
    let first = long.iter().find(|batch| people(batch).contains(nth(3))).unwrap();
    let mut mixed = settlement(first);
    mixed.settled = vec![settled(Outcome::Failed, set([3])), settled(Outcome::Sent, set([1, 2]))];
    mixed.again = vec![again(people(first) - set([1, 2, 3]), At(NOW.0 + 9_000))];
    mixed.done = true;
    assert!(settle(store, mixed).await);
    let second = long.iter().find(|batch| people(batch).contains(nth(15))).unwrap();
    assert!(settle(store, whole(second, Outcome::Sent)).await);
    assert!(settle(store, whole(short[0], Outcome::Unknown)).await);
    let retried = claim(store, At(NOW.0 + 9_000), 9, EPOCH).await;
    let rest = retried.iter().find(|batch| people(batch).contains(nth(4))).unwrap();
    assert!(settle(store, whole(rest, Outcome::Sent)).await);

    let legs = [id(1).leg(1), id(1).leg(2)];
    for n in [1, 3, 4, 15, 25] {
        let hers = store.history.outcomes(nth(n), legs.to_vec()).await.unwrap();
        for leg in legs {
            let mut want = store.messages.outcomes(leg, nth(n), nth(n)).await.unwrap().into_iter();
            for (_, row) in hers.iter().filter(|(of, _)| *of == leg) {
                let want = want.next().unwrap();
                let facts = |row: &campanile::store::OutcomeRow| {
                    (
                        row.set.clone(),
                        row.outcome,
                        row.reason,
                        row.at,
                        row.attempt,
                        row.provider.clone(),
                        row.detail.clone(),
                    )
                };
                assert_eq!(facts(row), facts(&want), "u{n} in {leg}");
            }
            assert!(want.next().is_none(), "u{n} in {leg}");
        }
    }
    let mail = |n| async move { store.history.outcomes(nth(n), vec![id(1).leg(1)]).await.unwrap() };
    assert_eq!(mail(3).await[0].1.outcome, Outcome::Failed);
    assert_eq!(mail(4).await.len(), 1, "her second try alone");
    assert!(mail(25).await.is_empty(), "she is pending");
    let short = store.history.outcomes(nth(3), vec![id(2).leg(1), id(2).leg(2)]).await.unwrap();
    let facts: Vec<_> = short.iter().map(|(leg, row)| (leg.number(), row.outcome, row.provider.is_some())).collect();
    assert_eq!(facts, [(1, Outcome::Unknown, true), (2, Outcome::Sent, false)]);

    accept(store, publish(store, 3, everybody(40), &[Email]).await).await;
    store.messages.cancel(id(3), At(NOW.0 + 20_000)).await.unwrap();
    let hers = store.history.outcomes(nth(25), vec![id(3).leg(1)]).await.unwrap();
    assert_eq!((hers.len(), hers[0].1.outcome, hers[0].1.reason), (1, Outcome::Cancelled, Reason::CancelledByPerson));
}

async fn what_one_person_did_is_told_once_with_its_first_time(store: &Store) {
    office(store, 40).await;
    accept(store, publish(store, 1, everybody(40), &[Email, App]).await).await;
    let (mail, app) = (id(1).leg(1), id(1).leg(2));
    let receipt = |leg, kind, set, ms| Receipt { leg, kind, set, at: At(NOW.0 + ms) };
    let receipts = vec![
        receipt(app, ReceiptKind::Read, set([1]), 50),
        receipt(app, ReceiptKind::Read, set([1, 3]), 30),
        receipt(app, ReceiptKind::Read, set([2]), 10),
        receipt(mail, ReceiptKind::Bounced, set([1, 2]), 20),
        receipt(app, ReceiptKind::Confirmed, set([1]), 60),
    ];
    store.inbox.add_receipts(receipts).await.unwrap();
    let of = |n, legs: &[_]| {
        let legs = legs.to_vec();
        async move { store.history.receipts(nth(n), legs).await.unwrap() }
    };
    let mut hers = of(1, &[mail, app]).await;
    hers.sort_by_key(|(leg, _, at)| (*leg, *at));
    let want = [
        (mail, ReceiptKind::Bounced, At(NOW.0 + 20)),
        (app, ReceiptKind::Read, At(NOW.0 + 30)),
        (app, ReceiptKind::Confirmed, At(NOW.0 + 60)),
    ];
    assert_eq!(hers, want);
    assert_eq!(of(2, &[app]).await, [(app, ReceiptKind::Read, At(NOW.0 + 10))]);
    assert_eq!(of(3, &[mail]).await, []);
}
