//! People by the system that they come from.

use std::collections::HashSet;
use std::sync::Arc;

use campanile::domain::access::{Grant, Principal};
use campanile::domain::change::ChangeKind;
use campanile::domain::directory::{TagKind, UserDraft, UserStatus};
use campanile::domain::id::GrantId;
use campanile::domain::refusal::Reason;
use campanile::domain::set::Set;
use campanile::store::{DepartmentDraft, Difference, TagDraft};

use super::Store;
use super::fixture::{NOW, campus, department, nth, person, refused, set};

super::cases! {
    a_comparison_finds_what_is_written_and_writes_nothing,
    nobody_takes_over_people_of_another_source_who_receive,
    whoever_vanished_has_left,
    departments_are_checked_without_a_trace,
}

fn counts(found: &Difference) -> (u64, u64, u64, &Set) {
    (found.joined, found.changed, found.moved, &found.leaving)
}

async fn put(store: &Store, source: &str, rows: Vec<UserDraft>) -> Difference {
    store.sources.put(source, rows, NOW).await.unwrap()
}

async fn a_comparison_finds_what_is_written_and_writes_nothing(store: &Store) {
    campus(store, 4).await;
    put(store, "hr", ["u1", "u2", "u3"].map(|id| person(id, "cs")).to_vec()).await;
    assert_eq!(store.sources.people("hr").await.unwrap(), set([1, 2, 3]), "whoever had no source is taken over");
    assert_eq!(store.sources.people("students").await.unwrap(), Set::new());
    let rows = vec![
        person("u1", "cs"),
        UserDraft { name: "Another".into(), ..person("u2", "cs") },
        UserDraft { status: UserStatus::Left, ..person("u3", "cs") },
        person("u4", "xjtu"),
        person("u5", "law"),
        person("u6", "nowhere"),
    ];
    let (head, before) = (store.directory.head().await.unwrap(), store.directory.user("u2").await.unwrap());
    let coming = |ids: &[&str]| Arc::new(ids.iter().map(|id| (*id).to_owned()).collect::<HashSet<_>>());
    let found = store.sources.compare("hr", rows.clone(), coming(&["law", "cs"])).await.unwrap();
    assert_eq!(counts(&found), (1, 2, 1, &set([3])));
    assert_eq!(
        (found.joined_ids.as_slice(), found.changed_ids.as_slice()),
        (&["u5".to_owned()][..], &["u2".to_owned(), "u4".to_owned()][..])
    );
    assert_eq!(found.errors.iter().map(|one| one.row).collect::<Vec<_>>(), [5]);
    assert_eq!((store.directory.head().await.unwrap(), store.directory.user("u2").await.unwrap()), (head, before));
    assert_eq!(store.directory.user("u5").await.unwrap(), None);

    store.directory.upsert_departments(vec![department("law", None)], NOW).await.unwrap();
    let written = put(store, "hr", rows.clone()).await;
    assert_eq!(counts(&written), counts(&found));
    assert_eq!(written.seq, store.directory.head().await.unwrap());
    assert_eq!(store.sources.people("hr").await.unwrap(), set([1, 2, 4, 5]), "who has left is not among them");
    let again = put(store, "hr", rows).await;
    assert_eq!((counts(&again), again.seq), ((0, 0, 0, &Set::new()), written.seq));
}

async fn nobody_takes_over_people_of_another_source_who_receive(store: &Store) {
    campus(store, 0).await;
    put(store, "hr", vec![person("u1", "cs"), UserDraft { status: UserStatus::Left, ..person("u2", "cs") }]).await;
    let written = put(store, "students", ["u1", "u2", "u3"].map(|id| person(id, "xjtu")).to_vec()).await;
    let errors: Vec<_> = written.errors.iter().map(|one| (one.row, one.refusal.reason)).collect();
    assert_eq!((counts(&written), errors), ((1, 1, 1, &Set::new()), vec![(0, Reason::IdTaken)]));
    assert_eq!(store.sources.people("students").await.unwrap(), set([2, 3]));
    assert_eq!(store.sources.people("hr").await.unwrap(), set([1]));
    // By hand anybody may be written, and stays with her source.
    store.directory.upsert_users(vec![person("u1", "xjtu")], NOW).await.unwrap();
    assert_eq!(store.sources.people("hr").await.unwrap(), set([1]));
}

async fn whoever_vanished_has_left(store: &Store) {
    campus(store, 2).await;
    put(store, "hr", ["u1", "u3"].map(|id| person(id, "cs")).to_vec()).await;
    put(store, "students", vec![person("u2", "cs")]).await;
    let holder = Principal::Person(nth(1));
    store.access.create_grant(Grant::new(GrantId(1), holder, Principal::Person(0), NOW)).await.unwrap();
    let before = store.directory.head().await.unwrap();
    let gone = store.sources.leave("hr", set([1, 2, 9]), NOW).await.unwrap();
    assert_eq!((gone.leaving, gone.ended.grants), (set([1]), vec![GrantId(1)]), "others are none of its business");
    let user = store.directory.user("u1").await.unwrap().unwrap();
    assert_eq!((user.status, user.name.as_str()), (UserStatus::Left, "Name of u1"));
    let image = store.directory.load().await.unwrap();
    let everyone = image.tags.iter().find(|(tag, _)| tag.kind == TagKind::Everyone).unwrap();
    assert_eq!(everyone.1, set([2, 3]));
    assert_eq!(image.token_epochs, [(nth(1), 1)]);
    let changes = store.directory.changes_after(before, 9).await.unwrap();
    assert!(
        changes
            .iter()
            .any(|change| matches!(&change.what, ChangeKind::Members { removed, .. } if *removed == set([1])))
    );
    assert_eq!(changes.last().map(|change| change.seq), Some(gone.seq));
    let again = store.sources.leave("hr", set([1]), NOW).await.unwrap();
    assert_eq!((again.leaving, store.directory.head().await.unwrap()), (Set::new(), gone.seq));
    assert_eq!(store.sources.leave("nobody", set([2]), NOW).await.unwrap().leaving, Set::new());
}

async fn departments_are_checked_without_a_trace(store: &Store) {
    campus(store, 0).await;
    let tag = TagDraft::new("t", TagKind::Static);
    store.directory.upsert_tag(tag, NOW).await.unwrap();
    let head = store.directory.head().await.unwrap();
    let check = |rows| store.departments.check(rows);
    let renamed = DepartmentDraft { name: "CS".into(), ..department("cs", Some("xjtu")) };
    assert_eq!(check(vec![department("xjtu", None), renamed, department("law", Some("cs"))]).await.unwrap(), 2);
    assert_eq!(refused(check(vec![department("law", Some("nowhere"))]).await), Reason::UnknownDepartment);
    assert_eq!(refused(check(vec![department("xjtu", Some("cs"))]).await), Reason::DepartmentCycle);
    assert_eq!(
        (store.directory.head().await.unwrap(), store.directory.load().await.unwrap().departments.len()),
        (head, 2)
    );
}
