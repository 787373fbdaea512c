//! The audit trail: entries are chained in the order in which they arrived, listed newest first, and never changed.

use campanile::domain::access::Principal;
use campanile::domain::audit::chain::{SERVICE, START};
use campanile::domain::audit::{Action, Checkpoint, Deed, Entry, Head, Object, Verifier};
use campanile::domain::channel::Channel::Email;
use campanile::domain::id::GrantId;
use campanile::domain::refusal::Reason;
use campanile::domain::time::At;
use campanile::store::{EntryFilter, EntryPlace};

use super::Store;
use super::fixture::{NOW, refused, set};
use super::publishing::{EPOCH, PUBLISHER, accept, id, key, next_epoch, office, publish};

super::cases! {
    entries_are_chained_in_the_order_of_arrival,
    a_living_node_chains_what_the_dead_left,
    entries_are_listed_newest_first,
    a_publish_commit_is_one_entry_with_all_its_messages,
    a_message_is_found_in_its_commit,
    a_checkpoint_is_there_once,
}

fn entry(epoch: i64, at: i64, deed: Deed) -> Entry {
    Entry {
        epoch,
        sequence: 0,
        at: At(NOW.0 + at),
        actor: PUBLISHER.code(),
        key: 1,
        action: deed.action.code(),
        object: deed.object.codes(),
        messages: vec![],
        denied: deed.denied,
        digest: deed.digest,
        hash: START,
    }
}

fn grant(n: i64) -> Deed {
    Deed::of(Action::GrantCreate).on(Object::Grant(GrantId(n))).over([n.to_be_bytes()])
}

/// Appends grants with these numbers, each at the millisecond of its number.
async fn append(store: &Store, epoch: i64, numbers: impl IntoIterator<Item = i64>) {
    for n in numbers {
        store.audit.append(entry(epoch, n, grant(n))).await.unwrap();
    }
}

async fn chain(store: &Store) -> Vec<Entry> {
    store.audit.chain((i64::MIN, i64::MIN), 1_000).await.unwrap()
}

/// The whole trail, verified against its heads.
async fn whole(store: &Store) -> Vec<Entry> {
    let (entries, heads) = (chain(store).await, store.audit.heads().await.unwrap());
    let mut verifier = Verifier::new();
    verifier.heads(&heads).unwrap();
    entries.iter().for_each(|entry| verifier.entry(entry, None).unwrap());
    verifier.finish(Some(&heads)).unwrap();
    entries
}

fn objects(entries: &[Entry]) -> Vec<i64> {
    entries.iter().map(|entry| entry.object.1).collect()
}

async fn entries_are_chained_in_the_order_of_arrival(store: &Store) {
    office(store, 1).await;
    assert_eq!(store.audit.seal(EPOCH, 100).await.unwrap(), 0);
    append(store, EPOCH, [5, 4, 9]).await;
    assert!(chain(store).await.is_empty(), "not chained yet");
    assert_eq!(store.audit.seal(EPOCH, 2).await.unwrap(), 2);
    assert_eq!(objects(&whole(store).await), [5, 4]);
    append(store, EPOCH, [7]).await;
    assert_eq!(store.audit.seal(EPOCH, 2).await.unwrap(), 2);
    assert_eq!(store.audit.seal(EPOCH, 2).await.unwrap(), 0);
    let entries = whole(store).await;
    assert_eq!(objects(&entries), [5, 4, 9, 7]);
    let sealed = Entry { sequence: 3, hash: entries[2].hash, ..entry(EPOCH, 9, grant(9)) };
    assert_eq!(entries[2], sealed, "all of it reads back");
    assert_eq!(store.audit.chain((EPOCH, 2), 1).await.unwrap(), [sealed]);
    let head = Head { epoch: EPOCH, sequence: 4, hash: entries[3].hash };
    assert_eq!(store.audit.heads().await.unwrap(), [head]);
}

async fn a_living_node_chains_what_the_dead_left(store: &Store) {
    office(store, 1).await;
    append(store, EPOCH, [1, 2]).await;
    store.audit.seal(EPOCH, 1).await.unwrap();
    let epoch = next_epoch(store).await;
    append(store, epoch, [3]).await;
    // Somebody who does not know yet that it is dead.
    append(store, EPOCH, [4]).await;
    assert_eq!(store.audit.seal(epoch, 100).await.unwrap(), 3);
    let places: Vec<_> = whole(store).await.iter().map(|one| (one.epoch, one.sequence, one.object.1)).collect();
    assert_eq!(places, [(EPOCH, 1, 1), (EPOCH, 2, 2), (EPOCH, 3, 4), (epoch, 1, 3)]);
}

async fn entries_are_listed_newest_first(store: &Store) {
    office(store, 1).await;
    append(store, EPOCH, 1..=6).await;
    let revoke = Deed { denied: true, ..Deed::of(Action::GrantRevoke).on(Object::Grant(GrantId(4))) };
    store.audit.append(entry(EPOCH, 6, revoke)).await.unwrap();
    store.audit.append(entry(EPOCH, 7, Deed::of(Action::AuditRead))).await.unwrap();
    store.audit.seal(EPOCH, 100).await.unwrap();
    let list = async |filter: EntryFilter, from, limit| {
        let found = store.audit.list(filter, from, limit).await.unwrap();
        found.iter().map(|one| one.sequence).collect::<Vec<_>>()
    };
    assert_eq!(list(EntryFilter::default(), None, 3).await, [8, 7, 6]);
    let from = EntryPlace { at: At(NOW.0 + 6), epoch: EPOCH, sequence: 6 };
    assert_eq!(list(EntryFilter::default(), Some(from), 3).await, [6, 5, 4]);
    let by_action = EntryFilter { action: Some(Action::GrantRevoke), ..EntryFilter::default() };
    assert_eq!(list(by_action.clone(), None, 9).await, [7]);
    let by_object = EntryFilter { object: Some(Object::Grant(GrantId(4))), ..EntryFilter::default() };
    assert_eq!(list(by_object.clone(), None, 9).await, [7, 4]);
    let both = EntryFilter { action: Some(Action::GrantCreate), ..by_object };
    assert_eq!(list(both, None, 9).await, [4]);
    let other_kind = EntryFilter { object: Some(Object::Department(4)), ..EntryFilter::default() };
    assert!(list(other_kind, None, 9).await.is_empty());
    let (after, before) = (Some(At(NOW.0 + 2)), Some(At(NOW.0 + 4)));
    assert_eq!(list(EntryFilter { after, before, ..EntryFilter::default() }, None, 9).await, [3, 2]);
    let denied = store.audit.list(by_action, None, 1).await.unwrap();
    assert!(denied[0].denied && denied[0].known_action() == Some(Action::GrantRevoke));
}

async fn a_publish_commit_is_one_entry_with_all_its_messages(store: &Store) {
    office(store, 3).await;
    let mut group = Vec::new();
    for n in [3, 1, 2] {
        group.push(publish(store, n, set([1, 2]), &[Email]).await);
    }
    let mut refused = publish(store, 4, set([3]), &[Email]).await;
    refused.key = (key(9).id, 1);
    group.push(refused);
    store.messages.accept(group.clone(), EPOCH).await.unwrap();
    // The same again stores nothing and is no deed.
    store.messages.accept(group, EPOCH).await.unwrap();
    assert_eq!(store.audit.seal(EPOCH, 100).await.unwrap(), 1);
    let entry = whole(store).await.remove(0);
    assert_eq!((entry.epoch, entry.at, entry.actor, entry.denied), (EPOCH, NOW, SERVICE, false));
    assert_eq!(entry.known_object(), Some(Object::Message(id(1))));
    let messages: Vec<_> = entry.messages().collect();
    assert_eq!(messages, [1, 2, 3].map(|n| (id(n), PUBLISHER)));
    let digest = entry.digest;
    accept(store, publish(store, 5, set([1]), &[Email]).await).await;
    store.audit.seal(EPOCH, 100).await.unwrap();
    let entries = whole(store).await;
    assert_eq!((entries.len(), entries[1].messages().count()), (2, 1));
    assert_ne!(entries[1].digest, digest);
}

async fn a_message_is_found_in_its_commit(store: &Store) {
    office(store, 3).await;
    let group = vec![publish(store, 1, set([1]), &[Email]).await, publish(store, 2, set([2]), &[Email]).await];
    store.messages.accept(group, EPOCH).await.unwrap();
    accept(store, publish(store, 3, set([3]), &[Email]).await).await;
    let mut cancel = entry(EPOCH, 5, Deed::of(Action::MessageCancel).on(Object::Message(id(2))));
    cancel.actor = Principal::Person(0).code();
    store.audit.append(cancel).await.unwrap();
    store.audit.seal(EPOCH, 100).await.unwrap();
    let about = async |n: i64, from, limit| {
        let filter = EntryFilter { object: Some(Object::Message(id(n))), ..EntryFilter::default() };
        let found = store.audit.list(filter, from, limit).await.unwrap();
        found.iter().map(|one| one.sequence).collect::<Vec<_>>()
    };
    assert_eq!((about(1, None, 9).await, about(2, None, 9).await), (vec![1], vec![3, 1]));
    assert_eq!((about(3, None, 9).await, about(4, None, 9).await), (vec![2], vec![]));
    let from = EntryPlace { at: NOW, epoch: EPOCH, sequence: 1 };
    assert_eq!((about(2, Some(from), 9).await, about(2, None, 1).await), (vec![1], vec![3]));
}

async fn a_checkpoint_is_there_once(store: &Store) {
    assert_eq!(store.audit.last_checkpoint().await.unwrap(), None);
    let checkpoint = |number| Checkpoint {
        number,
        at: At(NOW.0 + number),
        entries: 7 * number,
        heads: vec![Head { epoch: 1, sequence: number, hash: [5; 32] }],
        previous: [4; 32],
        signature: vec![3; 64],
    };
    for number in 1..=3 {
        store.audit.put_checkpoint(checkpoint(number)).await.unwrap();
    }
    assert_eq!(refused(store.audit.put_checkpoint(checkpoint(2)).await), Reason::IdTaken);
    assert_eq!(store.audit.last_checkpoint().await.unwrap(), Some(checkpoint(3)));
    assert_eq!(store.audit.checkpoints(1, 9).await.unwrap(), [checkpoint(2), checkpoint(3)]);
    assert_eq!(store.audit.checkpoints(0, 1).await.unwrap(), [checkpoint(1)]);
}
