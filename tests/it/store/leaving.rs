//! People who leave, and what ends with them.

use campanile::domain::access::{Grant, Key, Mode, Principal};
use campanile::domain::change::ChangeKind;
use campanile::domain::directory::{UserDraft, UserStatus};
use campanile::domain::id::{GrantId, KeyId};
use campanile::domain::role::{Assignment, Role};
use campanile::store::Ended;

use super::Store;
use super::fixture::{NOW, campus, nth, person};

super::cases! {
    whoever_leaves_loses_rights_and_tokens_in_the_same_transaction,
    whoever_leaves_twice_loses_tokens_twice,
}

fn of(n: u32, status: UserStatus) -> UserDraft {
    UserDraft { status, ..person(&format!("u{n}"), "cs") }
}

async fn rights(store: &Store, number: i64, n: u32) {
    let principal = Principal::Person(nth(n));
    store.access.create_key(Key::new(KeyId(number), principal, Mode::Live, [number as u8; 32], NOW)).await.unwrap();
    store.access.create_grant(Grant::new(GrantId(number), principal, Principal::Person(0), NOW)).await.unwrap();
}

fn role(n: u32) -> Assignment {
    let (ordinal, given_by) = (nth(n), Principal::Person(0));
    Assignment { ordinal, role: Role::Auditor, department_id: None, expire_at: None, given_by, given_at: NOW }
}

async fn epochs(store: &Store) -> Vec<(u32, i64)> {
    store.directory.load().await.unwrap().token_epochs
}

async fn whoever_leaves_loses_rights_and_tokens_in_the_same_transaction(store: &Store) {
    campus(store, 5).await;
    for n in 1..=4 {
        rights(store, n.into(), n).await;
    }
    store.access.revoke_grant(GrantId(2), NOW).await.unwrap();
    for n in [2, 3] {
        store.roles.assign(role(n)).await.unwrap();
    }
    let before = store.directory.head().await.unwrap();
    let rows = vec![
        of(1, UserStatus::Left),
        of(2, UserStatus::Deceased),
        of(3, UserStatus::OnLeave),
        of(4, UserStatus::Graduated),
        of(5, UserStatus::Left),
        of(6, UserStatus::Left),
    ];
    let written = store.directory.upsert_users(rows.clone(), NOW).await.unwrap();
    let mut ended = written.ended;
    ended.grants.sort();
    ended.keys.sort();
    let keys = vec![KeyId(1), KeyId(2), KeyId(4)];
    let roles = vec![nth(2)];
    assert_eq!(ended, Ended { grants: vec![GrantId(1), GrantId(4)], keys, roles }, "who is on leave keeps all");
    for (id, alive) in [(1, false), (2, false), (3, true), (4, false)] {
        let (grant, key) = (store.access.grant(GrantId(id)).await, store.access.key(KeyId(id)).await);
        let (grant, key) = (grant.unwrap().unwrap(), key.unwrap().unwrap());
        assert_eq!((grant.revoked_at.is_none(), key.revoked_at.is_none()), (alive, alive), "{id}");
        assert_eq!(grant.version, if alive { 1 } else { 2 });
    }
    let raised: Vec<_> = [1, 2, 4, 5].map(|n| (nth(n), 1)).to_vec();
    assert_eq!(epochs(store).await, raised, "who came as somebody who had left never had a token");
    let changes = store.directory.changes_after(before, 99).await.unwrap();
    let told = |wanted: &ChangeKind| changes.iter().filter(|change| change.what == *wanted).count();
    assert_eq!(told(&ChangeKind::TokensEnded(raised)), 1);
    for id in [1, 4] {
        assert_eq!(told(&ChangeKind::Grant { id: GrantId(id) }), 1);
        assert_eq!(told(&ChangeKind::Key { id: KeyId(id) }), 1);
    }
    assert_eq!(told(&ChangeKind::Grant { id: GrantId(3) }), 0);
    assert_eq!((told(&ChangeKind::Role { ordinal: nth(2) }), told(&ChangeKind::Role { ordinal: nth(3) })), (1, 0));
    assert_eq!(store.roles.all().await.unwrap(), [role(3)]);
    let again = store.directory.upsert_users(rows, NOW).await.unwrap();
    assert_eq!((again.unchanged, again.ended, again.seq), (6, Ended::default(), written.seq));
}

async fn whoever_leaves_twice_loses_tokens_twice(store: &Store) {
    campus(store, 1).await;
    for (status, epoch) in [(UserStatus::Left, 1), (UserStatus::Active, 1), (UserStatus::Graduated, 2)] {
        store.directory.upsert_users(vec![of(1, status)], NOW).await.unwrap();
        assert_eq!(epochs(store).await, [(nth(1), epoch)]);
    }
    // From one way of being gone to another nothing ends.
    store.directory.upsert_users(vec![of(1, UserStatus::Left)], NOW).await.unwrap();
    assert_eq!(epochs(store).await, [(nth(1), 2)]);
}
