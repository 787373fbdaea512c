//! Which messages refer to which.

use campanile::domain::channel::Channel::{App, Email};
use campanile::domain::relation::{Relation, RelationKind};
use campanile::domain::set::Set;
use campanile::store::Accept;

use super::Store;
use super::fixture::{NOW, nth, set};
use super::publishing::{accept, id, office, publish, scheduled};

super::cases! {
    a_tie_is_found_from_both_sides,
    a_repeated_publish_leaves_no_second_tie,
}

fn refers(mut item: Accept, kind: RelationKind, n: i64) -> Accept {
    item.facts.relation = Some(Relation { kind, message: id(n) });
    item
}

async fn referring(store: &Store, n: i64, limit: usize) -> Vec<(i64, RelationKind)> {
    let rows = store.relations.referring(id(n), limit).await.unwrap();
    let number = |row: &campanile::store::MessageRow| (row.facts.id.0 - id(0).0) >> 4;
    rows.iter().map(|row| (number(row), row.facts.relation.unwrap().kind)).collect()
}

async fn a_tie_is_found_from_both_sides(store: &Store) {
    office(store, 20).await;
    let everybody: Set = (nth(1)..=nth(20)).collect();
    accept(store, publish(store, 1, everybody.clone(), &[App]).await).await;
    accept(store, publish(store, 2, set([1]), &[App]).await).await;
    let follows = refers(publish(store, 3, set([1]), &[Email]).await, RelationKind::Follows, 1);
    accept(store, scheduled(follows, NOW)).await;
    accept(store, refers(publish(store, 4, everybody, &[App]).await, RelationKind::Corrects, 1)).await;
    accept(store, refers(publish(store, 5, set([2]), &[App]).await, RelationKind::AllClearFor, 2)).await;
    assert_eq!(referring(store, 1, 9).await, [(3, RelationKind::Follows), (4, RelationKind::Corrects)], "oldest first");
    assert_eq!(referring(store, 1, 1).await, [(3, RelationKind::Follows)]);
    assert_eq!(referring(store, 2, 9).await, [(5, RelationKind::AllClearFor)]);
    assert_eq!(referring(store, 3, 9).await, []);
    let row = store.messages.message(id(4)).await.unwrap().unwrap();
    assert_eq!(row.facts.relation, Some(Relation { kind: RelationKind::Corrects, message: id(1) }));
    assert_eq!(store.messages.message(id(1)).await.unwrap().unwrap().facts.relation, None);
}

async fn a_repeated_publish_leaves_no_second_tie(store: &Store) {
    office(store, 3).await;
    accept(store, publish(store, 1, set([1]), &[App]).await).await;
    let item = refers(publish(store, 2, set([1]), &[App]).await, RelationKind::Corrects, 1);
    accept(store, item.clone()).await;
    let mut again = item;
    again.facts.id = id(3);
    store.messages.accept(vec![again], super::publishing::EPOCH).await.unwrap();
    assert_eq!(referring(store, 1, 9).await, [(2, RelationKind::Corrects)]);
}
