//! The directory's use-cases and the follower over a real store.

mod leaving;
mod reading;
mod tagging;
mod writing;

use std::sync::Arc;
use std::time::Duration;

use campanile::access::{Caller, Policy};
use campanile::directory::{Follower, Heed, Memory, Registrar, RegistrarParts};
use campanile::domain::access::{Key, KeyScope, Mode, Principal};
use campanile::domain::channel::Channel;
use campanile::domain::id::MessageId;
use campanile::domain::page::PageRequest;
use campanile::domain::refusal::Refusal;
use campanile::runtime::clock::ManualClock;
use campanile::runtime::ids::IdSource;
use campanile::runtime::tasks::Tasks;
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::store::fixture::{LEASE, node, nth};
use crate::store::fixture::{NOW, campus};
use crate::store::publishing::{PUBLISHER, accept, grant, id, key, publish};
use crate::store::{Fresh, Store, sqlite};
use crate::support::audit::audit;

/// A campus with its registrar and follower.
pub struct Office {
    pub store: Store,
    pub memory: Memory,
    pub follower: Follower,
    pub registrar: Registrar,
    /// The messages of whose cancels this node has heard.
    pub cancelled: Arc<Mutex<Vec<MessageId>>>,
    _tasks: Tasks,
    _fresh: Fresh,
}

/// So many people, `u1` and on, in `cs` under `xjtu`.
pub async fn office(people: u32) -> Office {
    let fresh = sqlite();
    let store = fresh.store.clone();
    campus(&store, people).await;
    let memory = Memory::load(&store).await.unwrap();
    let tasks = Tasks::new();
    let cancelled = Arc::new(Mutex::new(Vec::new()));
    let heard = cancelled.clone();
    let heed = Heed { cancelled: Arc::new(move |message| heard.lock().push(message)), moved: Arc::new(|_| {}) };
    let follower = Follower::start(store.clone(), memory.clone(), Arc::new(Notify::new()), heed, &tasks);
    let registrar = Registrar::new(RegistrarParts {
        store: store.clone(),
        memory: memory.clone(),
        audit: audit(&store, Arc::new(ManualClock::at(NOW))),
        follower: follower.clone(),
        policy: Arc::new(Policy::new(memory.grants.clone())),
        clock: Arc::new(ManualClock::at(NOW)),
        ids: Arc::new(IdSource::new(Arc::new(ManualClock::at(NOW)), 1)),
        tasks: tasks.clone(),
    });
    Office { store, memory, follower, registrar, cancelled, _tasks: tasks, _fresh: fresh }
}

/// A caller with these scopes.
pub fn caller(mode: Mode, scopes: &[KeyScope]) -> Caller {
    let key = Key { mode, scopes: scopes.iter().copied().collect(), ..key(1) };
    Caller::new(Arc::new(Key { principal: PUBLISHER, ..key }))
}

/// The administrator.
pub fn admin() -> Caller {
    Caller { principal: Principal::Person(0), ..caller(Mode::Live, &[KeyScope::Admin]) }
}

/// Every name of a list, in pages of two.
pub fn all<T>(mut page: impl FnMut(&PageRequest) -> Result<campanile::domain::page::Page<T>, Refusal>) -> Vec<T> {
    let (mut request, mut found) = (PageRequest { size: 2, after: None }, Vec::new());
    loop {
        let next = page(&request).unwrap();
        assert!(next.items.len() <= 2);
        found.extend(next.items);
        request.after = next.next;
        if request.after.is_none() {
            return found;
        }
    }
}

#[tokio::test]
async fn a_node_that_follows_knows_rights_as_soon_as_it_knows_their_change() {
    let office = office(1).await;
    let seq = office.store.access.create_key(key(1)).await.unwrap();
    office.follower.catch_up(seq).await.unwrap();
    assert_eq!(office.memory.keyring.get(key(1).id).map(|key| key.revoked_at), Some(None));
    let seq = office.store.access.create_grant(grant(1)).await.unwrap();
    office.follower.catch_up(seq).await.unwrap();
    assert_eq!(office.memory.grants.of(PUBLISHER).len(), 1);
    office.store.access.revoke_key(key(1).id, NOW).await.unwrap();
    let seq = office.store.access.revoke_grant(grant(1).id, NOW).await.unwrap();
    office.follower.catch_up(seq).await.unwrap();
    assert_eq!(office.memory.keyring.get(key(1).id).unwrap().revoked_at, Some(NOW));
    assert_eq!(office.memory.grants.of(PUBLISHER)[0].revoked_at, Some(NOW));
}

#[tokio::test]
async fn a_change_without_a_hint_is_seen_within_seconds() {
    let office = office(1).await;
    let seq = office.store.access.create_key(key(1)).await.unwrap();
    let seen = office.memory.index.wait_for(seq);
    tokio::time::timeout(Duration::from_secs(10), seen).await.expect("polled");
    assert!(office.memory.keyring.get(key(1).id).is_some());
}

#[tokio::test]
async fn a_node_that_follows_hears_of_every_cancel() {
    let office = office(20).await;
    let store = &office.store;
    store.access.create_key(key(1)).await.unwrap();
    store.access.create_grant(grant(1)).await.unwrap();
    store.nodes.join(node(), LEASE).await.unwrap();
    accept(store, publish(store, 1, (nth(1)..=nth(20)).collect(), &[Channel::Email]).await).await;
    store.messages.cancel(id(1), NOW).await.unwrap();
    let seq = store.directory.head().await.unwrap();
    office.follower.catch_up(seq).await.unwrap();
    assert_eq!(*office.cancelled.lock(), [id(1)]);
}
