//! Leavers, as this node's memory sees them.

use campanile::domain::access::{Key, KeyScope, Mode, Principal};
use campanile::domain::directory::{UserDraft, UserStatus};
use campanile::domain::id::KeyId;
use campanile::domain::refusal::Reason;
use campanile::domain::role::{Assignment, Role};

use super::{Office, admin, office};
use crate::store::fixture::NOW;
use crate::store::{nth, person};

/// A key with which a person can administer.
async fn administrator(office: &Office, number: u8, n: u32) {
    let key = Key::new(KeyId(number.into()), Principal::Person(nth(n)), Mode::Live, [number; 32], NOW);
    let key = Key { scopes: [KeyScope::Admin].into_iter().collect(), ..key };
    office.store.access.create_key(key).await.unwrap();
    let (role, given_by) = (Role::PlatformAdministrator, Principal::Person(0));
    let (ordinal, department_id, expire_at) = (nth(n), None, None);
    let role = Assignment { ordinal, role, department_id, expire_at, given_by, given_at: NOW };
    let seq = office.store.roles.assign(role).await.unwrap();
    office.follower.catch_up(seq).await.unwrap();
}

async fn leave(office: &Office, people: &[&str]) -> Vec<(usize, Reason)> {
    let mut bulk = office.registrar.upsert_users(&admin()).unwrap();
    for id in people {
        bulk.put(Ok(UserDraft { status: UserStatus::Left, ..person(id, "cs") })).await.unwrap();
    }
    bulk.finish().await.unwrap().errors.into_iter().map(|one| (one.row, one.refusal.reason)).collect()
}

#[tokio::test]
async fn a_leavers_keys_open_nothing_after_the_answer() {
    let office = office(3).await;
    administrator(&office, 1, 1).await;
    administrator(&office, 2, 2).await;
    assert_eq!(leave(&office, &["u1"]).await, []);
    let revoked = |id| office.memory.keyring.get(KeyId(id)).unwrap().revoked_at;
    assert_eq!((revoked(1), revoked(2)), (Some(NOW), None));
    let runs = |n| office.memory.roles.runs_the_platform(Principal::Person(nth(n)), NOW);
    assert_eq!((runs(1), runs(2)), (false, true));
    let snapshot = office.memory.index.snapshot();
    assert_eq!((snapshot.users().token_epoch(nth(1)), snapshot.users().token_epoch(nth(2))), (1, 0));
}

#[tokio::test]
async fn whoever_alone_can_administer_does_not_leave() {
    let office = office(3).await;
    administrator(&office, 1, 1).await;
    administrator(&office, 2, 2).await;
    assert_eq!(
        leave(&office, &["u3", "u1", "u2"]).await,
        [(1, Reason::LastAdministrator), (2, Reason::LastAdministrator)]
    );
    assert_eq!(leave(&office, &["u2"]).await, []);
    assert_eq!(leave(&office, &["u1"]).await, [(0, Reason::LastAdministrator)]);
    assert!(office.memory.index.snapshot().everyone().contains(nth(1)));
}
