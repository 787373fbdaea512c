//! Nodes, their leases, and taking over from the dead.

use std::time::Duration;

use campanile::domain::channel::Channel::Email;
use campanile::domain::node::{NodeState, Roles};
use campanile::domain::outcome::Outcome;
use campanile::domain::set::Set;
use campanile::store::{NodeDraft, NodeRow};

use super::Store;
use super::fixture::{LEASE, NOW, node, nth, set};
use super::publishing::{EPOCH, accept, claim, counts, next_epoch, office, publish, settle, whole};

super::cases! {
    a_node_joins_under_a_new_epoch,
    a_lease_is_renewed_until_somebody_takes_over,
    a_dead_nodes_batches_are_given_back_once,
    a_living_node_keeps_its_batches,
    what_a_dead_node_takes_is_given_back,
    who_leaves_gives_back_at_once,
}

fn everybody(n: u32) -> Set {
    (nth(1)..=nth(n)).collect()
}

async fn row(store: &Store, epoch: i64) -> NodeRow {
    let rows = store.nodes.nodes().await.unwrap();
    assert!(rows.is_sorted_by_key(|row| row.epoch));
    rows.into_iter().find(|row| row.epoch == epoch).unwrap()
}

async fn a_node_joins_under_a_new_epoch(store: &Store) {
    assert!(store.nodes.nodes().await.unwrap().is_empty());
    let first = store.nodes.join(node(), LEASE).await.unwrap();
    let draft = NodeDraft { name: "b".into(), roles: Roles { api: false, deliver: true } };
    let second = store.nodes.join(draft.clone(), LEASE).await.unwrap();
    assert!(first > 0 && second > first);
    let row = row(store, second).await;
    assert_eq!((row.name, row.roles, row.state, row.held), (draft.name, draft.roles, NodeState::Alive, 0));
    assert!(row.lease_left > LEASE / 2 && row.lease_left <= LEASE, "{:?}", row.lease_left);
    assert_eq!(row.lease_until, row.started_at.plus(LEASE));
}

async fn a_lease_is_renewed_until_somebody_takes_over(store: &Store) {
    let epoch = store.nodes.join(node(), Duration::ZERO).await.unwrap();
    assert_eq!(row(store, epoch).await.lease_left, Duration::ZERO);
    assert!(store.nodes.renew(epoch, LEASE).await.unwrap(), "it ran out and nobody noticed");
    assert!(row(store, epoch).await.lease_left > LEASE / 2);
    assert!(!store.nodes.renew(epoch + 1, LEASE).await.unwrap(), "nobody joined under it");
    assert!(store.nodes.renew(epoch, Duration::ZERO).await.unwrap());
    assert_eq!(store.nodes.take_over().await.unwrap(), [epoch]);
    assert!(!store.nodes.renew(epoch, LEASE).await.unwrap());
    assert_eq!(row(store, epoch).await.state, NodeState::Dead);
}

async fn a_dead_nodes_batches_are_given_back_once(store: &Store) {
    office(store, 15).await;
    accept(store, publish(store, 1, everybody(15), &[Email]).await).await;
    accept(store, publish(store, 2, set([1]), &[Email]).await).await;
    let old = claim(store, NOW, 9, EPOCH).await;
    assert_eq!((old.len(), row(store, EPOCH).await.held), (3, 3));
    let epoch = next_epoch(store).await;
    assert_eq!((row(store, EPOCH).await.state, row(store, EPOCH).await.held), (NodeState::Dead, 0));
    let new = claim(store, NOW, 9, epoch).await;
    assert_eq!((new.len(), row(store, epoch).await.held), (3, 3));
    assert!(store.nodes.take_over().await.unwrap().is_empty());
    assert!(claim(store, NOW, 9, epoch).await.is_empty(), "the new owner keeps them");
    for (old, new) in old.iter().zip(&new) {
        assert!(!settle(store, whole(old, Outcome::Failed)).await);
        assert!(settle(store, whole(new, Outcome::Sent)).await);
    }
    assert_eq!(counts(store, 1, 1).await, [0, 15, 0, 0, 0, 0, 0]);
    assert_eq!(counts(store, 2, 1).await, [0, 1, 0, 0, 0, 0, 0]);
}

async fn a_living_node_keeps_its_batches(store: &Store) {
    office(store, 5).await;
    accept(store, publish(store, 1, everybody(5), &[Email]).await).await;
    let batch = claim(store, NOW, 9, EPOCH).await.remove(0);
    assert!(store.nodes.take_over().await.unwrap().is_empty());
    assert!(claim(store, NOW, 9, EPOCH).await.is_empty());
    assert!(settle(store, whole(&batch, Outcome::Sent)).await);
}

async fn what_a_dead_node_takes_is_given_back(store: &Store) {
    office(store, 5).await;
    let epoch = next_epoch(store).await;
    accept(store, publish(store, 1, everybody(5), &[Email]).await).await;
    let stale = claim(store, NOW, 9, EPOCH).await;
    assert!(stale.len() <= 1, "it may take it or be refused");
    store.nodes.take_over().await.unwrap();
    let batch = claim(store, NOW, 9, epoch).await.remove(0);
    assert!(stale.iter().all(|stale| stale.fence != batch.fence));
    assert!(settle(store, whole(&batch, Outcome::Sent)).await);
}

async fn who_leaves_gives_back_at_once(store: &Store) {
    office(store, 5).await;
    accept(store, publish(store, 1, everybody(5), &[Email]).await).await;
    let old = claim(store, NOW, 9, EPOCH).await.remove(0);
    store.nodes.leave(EPOCH).await.unwrap();
    store.nodes.leave(EPOCH).await.unwrap();
    assert_eq!((row(store, EPOCH).await.state, row(store, EPOCH).await.held), (NodeState::Left, 0));
    assert!(!store.nodes.renew(EPOCH, LEASE).await.unwrap());
    assert!(store.nodes.take_over().await.unwrap().is_empty());
    let epoch = store.nodes.join(node(), LEASE).await.unwrap();
    let new = claim(store, NOW, 9, epoch).await.remove(0);
    assert_eq!((new.fence.batch, new.fence.claims), (old.fence.batch, 2));
    assert!(!settle(store, whole(&old, Outcome::Sent)).await);
}
