//! Departments, users and tags.

use campanile::api::v1;
use tokio_stream::iter;

use crate::support::app::{TestApp, notice};
use crate::support::refusal::refused;

#[tokio::test]
async fn departments_form_a_tree_without_circles() {
    let app = TestApp::start().await;
    app.campus().await;
    let mut client = app.directory(&app.admin);
    let wanted = v1::GetDepartmentRequest { department_id: "cs".to_owned() };
    let found = client.get_department(wanted).await.unwrap().into_inner().department.unwrap();
    assert_eq!((found.parent_id.as_str(), found.level), ("school", 2));
    let wanted = v1::ListDepartmentsRequest { recursive: true, ..Default::default() };
    assert_eq!(client.list_departments(wanted).await.unwrap().into_inner().departments.len(), 3);
    let circle = v1::Department {
        department_id: "school".to_owned(),
        parent_id: "cs".to_owned(),
        name: "School".to_owned(),
        ..Default::default()
    };
    let status = client.upsert_department(v1::UpsertDepartmentRequest { department: Some(circle) }).await.unwrap_err();
    assert_eq!(refused(&status).reason, "DEPARTMENT_CYCLE");
}

#[tokio::test]
async fn a_bad_row_of_users_is_reported_and_the_others_stand() {
    let app = TestApp::start().await;
    app.campus().await;
    let mut client = app.directory(&app.admin);
    let user = |id: &str, department: &str| v1::UpsertUsersRequest {
        user: Some(v1::User {
            user_id: id.to_owned(),
            name: "王".to_owned(),
            department_ids: vec![department.to_owned()],
            ..Default::default()
        }),
    };
    let rows = vec![user("v1", "cs"), user("v2", "nowhere"), user("v 3", "cs"), user("v4", "math")];
    let done = client.upsert_users(iter(rows)).await.unwrap().into_inner();
    assert_eq!((done.created, done.error_count), (2, 2));
    let reasons: Vec<_> =
        done.errors.iter().map(|one| (one.row, one.error.as_ref().unwrap().reason.as_str())).collect();
    assert_eq!(reasons, [(2, "UNKNOWN_DEPARTMENT"), (3, "FIELD_INVALID")], "rows count from 1");
    let found = client.get_user(v1::GetUserRequest { user_id: "v4".to_owned() }).await.unwrap().into_inner();
    assert_eq!(found.user.unwrap().department_ids, ["math"]);
    let wanted = v1::ListUsersRequest { department_id: "math".to_owned(), page_size: 5, ..Default::default() };
    let page = client.list_users(wanted).await.unwrap().into_inner();
    assert_eq!(page.users.len(), 5);
    assert!(!page.next_page_token.is_empty());
}

#[tokio::test]
async fn a_tag_edit_is_in_the_next_publish_that_waits_for_it() {
    let app = TestApp::start().await;
    let campus = app.campus().await;
    let mut client = app.directory(&app.admin);
    let tag = v1::Tag { tag: "resit".to_owned(), title: "Resit".to_owned(), ..Default::default() };
    let made = client.upsert_tag(v1::UpsertTagRequest { tag: Some(tag) }).await.unwrap().into_inner();
    assert!(made.created);
    let edit = |tag: &str, add: &[&str], remove: &[&str]| v1::EditTagMembersRequest {
        tag: tag.to_owned(),
        add: add.iter().map(|id| (*id).to_owned()).collect(),
        remove: remove.iter().map(|id| (*id).to_owned()).collect(),
    };
    let edits = vec![edit("resit", &["u001", "u002", "u003", "nobody"], &[]), edit("", &[], &["u002"])];
    let done = client.edit_tag_members(iter(edits)).await.unwrap().into_inner();
    assert_eq!((done.added, done.removed, done.error_count), (3, 1, 1));
    let request = v1::PublishRequest { min_directory_seq: done.directory_seq, ..notice("t", "tag:resit") };
    let accepted = app.publish(&campus.live).publish(request).await.unwrap().into_inner();
    assert_eq!(accepted.recipient_count, 2);

    let wanted = v1::ListTagMembersRequest { tag: "resit".to_owned(), ..Default::default() };
    assert_eq!(client.list_tag_members(wanted).await.unwrap().into_inner().user_ids, ["u001", "u003"]);
    let wanted = v1::GetTagRequest { tag: "resit".to_owned() };
    assert_eq!(client.get_tag(wanted).await.unwrap().into_inner().tag.unwrap().count, 2);
    client.delete_tag(v1::DeleteTagRequest { tag: "resit".to_owned(), etag: String::new() }).await.unwrap();
    let wanted = v1::ListTagsRequest { query: "resit".to_owned(), ..Default::default() };
    assert!(client.list_tags(wanted).await.unwrap().into_inner().tags.is_empty());
}

#[tokio::test]
async fn look_alike_tags_and_foreign_writers_are_refused() {
    let app = TestApp::start().await;
    let campus = app.campus().await;
    let tag = v1::Tag { tag: "ｇrade:2021".to_owned(), ..Default::default() };
    let status = app.directory(&app.admin).upsert_tag(v1::UpsertTagRequest { tag: Some(tag) }).await.unwrap_err();
    assert_eq!(refused(&status).reason, "FIELD_INVALID");
    let department = v1::Department { department_id: "x".to_owned(), name: "X".to_owned(), ..Default::default() };
    let wanted = v1::UpsertDepartmentRequest { department: Some(department) };
    let status = app.directory(&campus.live).upsert_department(wanted).await.unwrap_err();
    assert_eq!(refused(&status).reason, "SCOPE_MISSING");
}
