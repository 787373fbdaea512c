//! Moves and ends of departments.

use campanile::api::v1;

use crate::support::app::{TestApp, user_id};
use crate::support::refusal::{fact, refused};

fn moving(id: &str, parent: &str, validate_only: bool) -> v1::MoveDepartmentRequest {
    v1::MoveDepartmentRequest { department_id: id.to_owned(), new_parent_id: parent.to_owned(), validate_only }
}

#[tokio::test]
async fn a_move_says_first_whose_grants_gain_and_lose_how_many_people() {
    let app = TestApp::start().await;
    let campus = app.campus().await;
    app.department("park", "").await;
    let over = |ids: &[&str], audience: &str| v1::Grant {
        department_ids: ids.iter().map(|id| (*id).to_owned()).collect(),
        audience: audience.to_owned(),
        ..Default::default()
    };
    let park = app.grant(&campus.application, over(&["park"], "")).await;
    let both = app.grant(&campus.application, over(&["park", "school"], "")).await;
    let fresh = app.grant(&campus.application, over(&[], "department:park OR grade:2022")).await;
    let gone = app.grant(&campus.application, over(&["park"], "")).await;
    let revoke = v1::RevokeGrantRequest { grant_id: gone, why: String::new() };
    app.access(&app.admin).revoke_grant(revoke).await.unwrap();
    // One of the ten of `math` has left, and is nobody's to reach.
    let left = v1::User {
        user_id: user_id(29),
        name: "李".to_owned(),
        status: v1::UserStatus::Left.into(),
        primary_department_id: "math".to_owned(),
        ..Default::default()
    };
    let mut client = app.directory(&app.admin);
    client.upsert_users(tokio_stream::iter([v1::UpsertUsersRequest { user: Some(left) }])).await.unwrap();

    let told = client.move_department(moving("math", "park", true)).await.unwrap().into_inner();
    let seen: Vec<_> = told.changes.iter().map(|one| (one.grant_id.clone(), one.gained, one.lost)).collect();
    // All of `math` are grade:2022, which the third grant covers before and after.
    assert_eq!(seen, [(campus.grant_id.clone(), 0, 9), (park.clone(), 9, 0)]);
    assert_eq!(told.directory_seq, 0);
    assert!(!seen.iter().any(|(id, ..)| *id == both || *id == fresh));
    let asked = v1::GetDepartmentRequest { department_id: "math".to_owned() };
    let found = client.get_department(asked.clone()).await.unwrap().into_inner().department.unwrap();
    assert_eq!(found.parent_id, "school", "only asked");

    let done = client.move_department(moving("math", "park", false)).await.unwrap().into_inner();
    assert_eq!(done.changes, told.changes);
    assert!(done.directory_seq > 0);
    let found = client.get_department(asked).await.unwrap().into_inner().department.unwrap();
    assert_eq!((found.parent_id.as_str(), found.level), ("park", 2));
    let wanted = v1::ListUsersRequest { department_id: "park".to_owned(), ..Default::default() };
    assert_eq!(client.list_users(wanted).await.unwrap().into_inner().users.len(), 10);

    for (id, parent, reason) in [
        ("park", "math", "DEPARTMENT_CYCLE"),
        ("park", "park", "DEPARTMENT_CYCLE"),
        ("park", "nowhere", "UNKNOWN_DEPARTMENT"),
        ("nowhere", "park", "NOT_FOUND"),
        ("a b", "park", "FIELD_INVALID"),
    ] {
        for validate_only in [true, false] {
            let status = client.move_department(moving(id, parent, validate_only)).await.unwrap_err();
            assert_eq!(refused(&status).reason, reason, "{id} under {parent}");
        }
    }
    let status = app.directory(&campus.live).move_department(moving("math", "", true)).await.unwrap_err();
    assert_eq!(refused(&status).reason, "SCOPE_MISSING");
}

#[tokio::test]
async fn a_department_goes_when_nothing_names_it_and_only_in_the_version_that_is_meant() {
    let app = TestApp::start().await;
    let campus = app.campus().await;
    let mut client = app.directory(&app.admin);
    app.department("annex", "school").await;
    let delete =
        |id: &str, etag: &str| v1::DeleteDepartmentRequest { department_id: id.to_owned(), etag: etag.to_owned() };
    let status = client.delete_department(delete("cs", "")).await.unwrap_err();
    assert_eq!(refused(&status).reason, "DEPARTMENT_IN_USE");
    let facts = ["people", "applications", "departments"].map(|key| fact(&status, key));
    assert_eq!(facts, [Some("20".to_owned()), Some("1".to_owned()), None]);

    let audience = "everyone AND NOT department=annex".to_owned();
    let grant = app.grant(&campus.application, v1::Grant { audience, ..Default::default() }).await;
    let rule = "department:annex".to_owned();
    let tag = v1::Tag { tag: "near".to_owned(), rule, kind: v1::TagKind::Rule.into(), ..Default::default() };
    client.upsert_tag(v1::UpsertTagRequest { tag: Some(tag) }).await.unwrap();
    let status = client.delete_department(delete("annex", "")).await.unwrap_err();
    assert_eq!((fact(&status, "grants"), fact(&status, "tags")), (Some("1".to_owned()), Some("1".to_owned())));
    client.delete_tag(v1::DeleteTagRequest { tag: "near".to_owned(), etag: String::new() }).await.unwrap();
    let revoke = v1::RevokeGrantRequest { grant_id: grant, why: String::new() };
    app.access(&app.admin).revoke_grant(revoke).await.unwrap();

    let asked = v1::GetDepartmentRequest { department_id: "annex".to_owned() };
    let old = client.get_department(asked.clone()).await.unwrap().into_inner().department.unwrap();
    let renamed = v1::Department { name: "Annex".to_owned(), ..old.clone() };
    let upsert = |department| v1::UpsertDepartmentRequest { department: Some(department) };
    let new = client.upsert_department(upsert(renamed.clone())).await.unwrap().into_inner().department.unwrap();
    assert_ne!(new.etag, old.etag);
    let status =
        client.upsert_department(upsert(v1::Department { name: "B".to_owned(), ..renamed })).await.unwrap_err();
    assert_eq!(refused(&status).reason, "ETAG_MISMATCH");
    assert_eq!(
        refused(&client.delete_department(delete("annex", &old.etag)).await.unwrap_err()).reason,
        "ETAG_MISMATCH"
    );
    assert_eq!(refused(&client.delete_department(delete("annex", "x")).await.unwrap_err()).reason, "FIELD_INVALID");
    assert!(client.delete_department(delete("annex", &new.etag)).await.unwrap().into_inner().directory_seq > 0);
    assert_eq!(refused(&client.get_department(asked).await.unwrap_err()).reason, "NOT_FOUND");
    assert_eq!(refused(&client.delete_department(delete("annex", "")).await.unwrap_err()).reason, "NOT_FOUND");
}
