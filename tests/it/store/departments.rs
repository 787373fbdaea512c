//! Moves and ends of departments, and the versions of both.

use campanile::domain::access::{Grant, Principal};
use campanile::domain::change::ChangeKind;
use campanile::domain::directory::{TagKind, UserDraft};
use campanile::domain::id::{ApplicationId, GrantId};
use campanile::domain::refusal::Reason;
use campanile::domain::role::{Assignment, Role};
use campanile::domain::time::At;
use campanile::store::{ApplicationDraft, DepartmentDraft, Error, Result, TagDraft};

use super::Store;
use super::fixture::{NOW, campus, department, person, refused};

super::cases! {
    a_moved_department_hangs_elsewhere_and_nothing_else_changes,
    a_department_cannot_move_under_itself_or_nobody,
    a_department_goes_only_when_nothing_needs_it,
    the_key_of_a_department_that_went_is_never_used_again,
    another_version_is_refused,
}

async fn key_of(store: &Store, external_id: &str) -> i64 {
    let departments = store.directory.load().await.unwrap().departments;
    departments.into_iter().find(|one| one.external_id == external_id).unwrap().id
}

/// What stands in the way, as the refusal counts it.
fn in_the_way(result: Result<i64>) -> Vec<(&'static str, String)> {
    match result {
        Err(Error::Refused(refusal)) if refusal.reason == Reason::DepartmentInUse => {
            refusal.metadata.into_iter().filter(|(key, _)| *key != "department").collect()
        }
        other => panic!("not in use: {other:?}"),
    }
}

async fn a_moved_department_hangs_elsewhere_and_nothing_else_changes(store: &Store) {
    campus(store, 1).await;
    store.directory.upsert_departments(vec![department("law", None)], NOW).await.unwrap();
    let before = store.directory.head().await.unwrap();
    let seq = store.departments.relocate("cs", Some("law"), NOW).await.unwrap();
    assert_eq!(seq, before + 1);
    let (law, changes) = (key_of(store, "law").await, store.directory.changes_after(before, 9).await.unwrap());
    let [change] = &changes[..] else { panic!("{changes:?}") };
    let ChangeKind::Department(moved) = &change.what else { panic!("{change:?}") };
    assert_eq!((moved.external_id.as_str(), moved.parent_id, moved.version), ("cs", Some(law), 2));
    assert_eq!(moved.name, "Department of cs");
    assert_eq!(store.departments.relocate("cs", Some("law"), NOW).await.unwrap(), seq, "it hangs there already");
    store.departments.relocate("cs", None, NOW).await.unwrap();
    let departments = store.directory.load().await.unwrap().departments;
    assert!(departments.iter().all(|one| one.external_id != "cs" || one.parent_id.is_none()));
}

async fn a_department_cannot_move_under_itself_or_nobody(store: &Store) {
    campus(store, 0).await;
    let head = store.directory.head().await.unwrap();
    let moving = &store.departments;
    assert_eq!(refused(moving.relocate("xjtu", Some("cs"), NOW).await), Reason::DepartmentCycle);
    assert_eq!(refused(moving.relocate("cs", Some("cs"), NOW).await), Reason::DepartmentCycle);
    assert_eq!(refused(moving.relocate("cs", Some("nowhere"), NOW).await), Reason::UnknownDepartment);
    assert_eq!(refused(moving.relocate("nowhere", None, NOW).await), Reason::NotFound);
    assert_eq!(refused(moving.delete("nowhere", None, NOW).await), Reason::NotFound);
    assert_eq!(store.directory.head().await.unwrap(), head);
}

async fn a_department_goes_only_when_nothing_needs_it(store: &Store) {
    campus(store, 0).await;
    let delete = |id: &'static str| store.departments.delete(id, None, NOW);
    assert_eq!(in_the_way(delete("xjtu").await), [("departments", "1".to_owned())]);
    let visitor = UserDraft { primary_department: None, departments: vec!["cs".into()], ..person("u2", "cs") };
    store.directory.upsert_users(vec![person("u1", "cs"), visitor], NOW).await.unwrap();
    let (department, title) = ("cs".to_owned(), "app".to_owned());
    let application = ApplicationDraft {
        id: ApplicationId(9),
        department,
        title,
        inbox_gateway: false,
        default_channels: vec![],
        default_topic: None,
        contact: String::new(),
    };
    store.access.create_application(application, NOW).await.unwrap();
    let cs = key_of(store, "cs").await;
    let principal = Principal::Application(ApplicationId(9));
    let grant = |id, expire_at| Grant {
        department_ids: vec![cs],
        expire_at,
        ..Grant::new(GrantId(id), principal, Principal::Person(0), NOW)
    };
    store.access.create_grant(grant(1, None)).await.unwrap();
    store.access.create_grant(grant(2, Some(NOW))).await.unwrap();
    store.access.create_grant(grant(3, Some(At(NOW.0 + 1)))).await.unwrap();
    let (kind, rule, owner) = (TagKind::Static, None, Some("cs".to_owned()));
    let tag = TagDraft { rule, department: owner, ..TagDraft::new("team", kind) };
    store.directory.upsert_tag(tag, NOW).await.unwrap();
    let (role, given_by) = (Role::Sender, Principal::Person(0));
    let office = Assignment { ordinal: 20, role, department_id: Some(cs), expire_at: None, given_by, given_at: NOW };
    store.roles.assign(office).await.unwrap();
    store.roles.assign(Assignment { ordinal: 21, expire_at: Some(NOW), ..office }).await.unwrap();
    let ways = [("people", "2"), ("applications", "1"), ("grants", "2"), ("tags", "1"), ("roles", "1")];
    assert_eq!(in_the_way(delete("cs").await), ways.map(|(key, n)| (key, n.to_owned())));
    // An application stays; so does its department. Another one goes as soon as its last grant has ended.
    store.directory.upsert_departments(vec![super::fixture::department("law", None)], NOW).await.unwrap();
    let law = key_of(store, "law").await;
    let named = [
        Grant { department_ids: vec![law], ..grant(4, None) },
        Grant { ceiling: Some(vec![law]), ..grant(5, None) },
        Grant { while_in: Some(law), ..grant(6, None) },
    ];
    for one in named {
        let id = one.id;
        store.access.create_grant(one).await.unwrap();
        assert_eq!(in_the_way(delete("law").await), [("grants", "1".to_owned())]);
        store.access.revoke_grant(id, NOW).await.unwrap();
    }
    let before = store.directory.head().await.unwrap();
    let seq = delete("law").await.unwrap();
    let changes = store.directory.changes_after(before, 9).await.unwrap();
    assert_eq!(
        changes.last().map(|change| (change.seq, &change.what)),
        Some((seq, &ChangeKind::DepartmentDeleted { id: law }))
    );
    let image = store.directory.load().await.unwrap();
    assert!(image.departments.iter().all(|one| one.id != law));
    assert!(image.tags.iter().all(|(tag, _)| tag.name != "law"));
    // Whoever follows from the beginning meets a department that is gone by now.
    let changes = store.directory.changes_after(0, 99).await.unwrap();
    let gone = changes.iter().filter(|change| change.what == ChangeKind::DepartmentDeleted { id: law });
    assert_eq!(gone.count(), 2, "where it was made and where it went");
}

async fn the_key_of_a_department_that_went_is_never_used_again(store: &Store) {
    campus(store, 0).await;
    let add = |id: &'static str| store.directory.upsert_departments(vec![department(id, None)], NOW);
    add("a").await.unwrap();
    let first = key_of(store, "a").await;
    store.departments.delete("a", None, NOW).await.unwrap();
    add("a").await.unwrap();
    assert!(key_of(store, "a").await > first);
}

async fn another_version_is_refused(store: &Store) {
    campus(store, 0).await;
    let row = |version, name: &str| DepartmentDraft { version, name: name.into(), ..department("cs", Some("xjtu")) };
    let upsert = |row| store.directory.upsert_departments(vec![row], NOW);
    assert_eq!(refused(upsert(row(Some(2), "CS")).await), Reason::EtagMismatch);
    upsert(row(Some(1), "CS")).await.unwrap();
    assert_eq!(refused(upsert(row(Some(1), "Computing")).await), Reason::EtagMismatch);
    assert_eq!(
        refused(upsert(DepartmentDraft { version: Some(1), ..department("new", None) }).await),
        Reason::EtagMismatch
    );
    assert_eq!(refused(store.departments.delete("cs", Some(1), NOW).await), Reason::EtagMismatch);
    store.departments.delete("cs", Some(2), NOW).await.unwrap();
}
