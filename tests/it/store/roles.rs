//! Who has which role.

use campanile::domain::access::Principal;
use campanile::domain::change::ChangeKind;
use campanile::domain::refusal::Reason;
use campanile::domain::role::{Assignment, Role};
use campanile::domain::time::At;

use super::Store;
use super::fixture::{NOW, refused};

super::cases! {
    a_role_reads_back_and_is_told_in_the_feed,
    the_same_role_again_takes_the_place_of_the_old,
    only_what_somebody_has_can_be_taken,
}

fn reviewer(department_id: Option<i64>) -> Assignment {
    let given_by = Principal::Person(0);
    Assignment { ordinal: 20, role: Role::Reviewer, department_id, expire_at: Some(At(9)), given_by, given_at: NOW }
}

async fn a_role_reads_back_and_is_told_in_the_feed(store: &Store) {
    let auditor = Assignment { ordinal: 17, role: Role::Auditor, expire_at: None, ..reviewer(None) };
    for one in [reviewer(Some(2)), reviewer(None), auditor] {
        store.roles.assign(one).await.unwrap();
    }
    assert_eq!(store.roles.all().await.unwrap(), [auditor, reviewer(None), reviewer(Some(2))]);
    assert_eq!(store.roles.of(17).await.unwrap(), [auditor]);
    assert_eq!(store.roles.of(18).await.unwrap(), []);
    let told: Vec<_> = store.directory.changes_after(0, 9).await.unwrap().into_iter().map(|one| one.what).collect();
    assert_eq!(told, [20, 20, 17].map(|ordinal| ChangeKind::Role { ordinal }));
}

async fn the_same_role_again_takes_the_place_of_the_old(store: &Store) {
    let first = store.roles.assign(reviewer(Some(2))).await.unwrap();
    let longer = Assignment { expire_at: None, given_by: Principal::Person(5), ..reviewer(Some(2)) };
    assert!(store.roles.assign(longer).await.unwrap() > first);
    assert_eq!(store.roles.all().await.unwrap(), [longer]);
}

async fn only_what_somebody_has_can_be_taken(store: &Store) {
    store.roles.assign(reviewer(Some(2))).await.unwrap();
    let head = store.directory.head().await.unwrap();
    let elsewhere = store.roles.withdraw(20, Role::Reviewer, None, NOW).await;
    let another = store.roles.withdraw(20, Role::Sender, Some(2), NOW).await;
    assert_eq!([refused(elsewhere), refused(another)], [Reason::NotFound; 2]);
    assert_eq!(store.directory.head().await.unwrap(), head);
    assert_eq!(store.roles.withdraw(20, Role::Reviewer, Some(2), NOW).await.unwrap(), head + 1);
    assert_eq!(store.roles.all().await.unwrap(), []);
}
