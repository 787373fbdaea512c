//! Tags in detail: sensitive ones, keys of tags, versions, and a tag that ends.

use campanile::api::v1;
use tokio_stream::iter;

use crate::support::app::{TestApp, notice};
use crate::support::refusal::refused;

fn tag(name: &str) -> v1::Tag {
    v1::Tag { tag: name.to_owned(), ..Default::default() }
}

async fn made(app: &TestApp, tag: v1::Tag) -> v1::Tag {
    let request = v1::UpsertTagRequest { tag: Some(tag) };
    app.directory(&app.admin).upsert_tag(request).await.unwrap().into_inner().tag.unwrap()
}

async fn filled(app: &TestApp, name: &str) -> i64 {
    let edit = v1::EditTagMembersRequest { tag: name.to_owned(), add: vec!["u001".to_owned()], ..Default::default() };
    app.directory(&app.admin).edit_tag_members(iter([edit])).await.unwrap().into_inner().directory_seq
}

async fn reason_of(app: &TestApp, token: &str, audience: &str, seq: i64) -> String {
    let request = v1::PublishRequest { min_directory_seq: seq, ..notice(audience, audience) };
    match app.publish(token).publish(request).await {
        Ok(_) => "sent".to_owned(),
        Err(status) => refused(&status).reason,
    }
}

#[tokio::test]
async fn a_sensitive_tag_answers_like_an_unknown_one_until_it_names_the_grant() {
    let app = TestApp::start().await;
    let campus = app.campus().await;
    made(&app, v1::Tag { sensitive: true, ..tag("aid:yes") }).await;
    let seq = filled(&app, "aid:yes").await;
    let told = async |name: &str| {
        let request = v1::PublishRequest { min_directory_seq: seq, ..notice(name, name) };
        let status = app.publish(&campus.live).publish(request).await.unwrap_err();
        (status.code(), status.message().replace(name, "it"), refused(&status).reason)
    };
    assert_eq!(told("aid:yes").await, told("aid:nay").await);
    let reader = app.directory(&campus.live).list_tags(v1::ListTagsRequest::default()).await.unwrap().into_inner();
    assert!(!reader.tags.iter().any(|one| one.tag == "aid:yes"));
    made(&app, v1::Tag { sensitive: true, user_grants: vec![campus.grant_id.clone()], ..tag("aid:yes") }).await;
    assert_eq!(reason_of(&app, &campus.live, "aid:yes", 0).await, "sent");
}

#[tokio::test]
async fn a_grant_of_a_key_of_tags_covers_each_of_them() {
    let app = TestApp::start().await;
    let campus = app.campus().await;
    for name in ["course:db", "course:os", "club:go"] {
        made(&app, tag(name)).await;
        filled(&app, name).await;
    }
    let application = app.application("Courses", "cs").await;
    let tags = vec!["course:*".to_owned()];
    let grant = v1::Grant {
        department_ids: vec!["school".to_owned()],
        tags: tags.clone(),
        edit_tags: tags,
        ..Default::default()
    };
    app.grant(&application, grant).await;
    let scopes = [v1::KeyScope::Publish, v1::KeyScope::Read, v1::KeyScope::Tags];
    let (_, token) = app.key(&application, v1::KeyMode::Live, &scopes).await;
    assert_eq!(reason_of(&app, &token, "course:db AND course:os", 0).await, "sent");
    assert_eq!(reason_of(&app, &token, "club:go", 0).await, "UNKNOWN_TAG");
    let wanted = v1::ListTagsRequest { usable_only: true, ..Default::default() };
    let listed = app.directory(&token).list_tags(wanted).await.unwrap().into_inner().tags;
    assert_eq!(listed.iter().map(|one| one.tag.as_str()).collect::<Vec<_>>(), ["course:db", "course:os"]);
    let edit = |name: &str| {
        iter([v1::EditTagMembersRequest { tag: name.to_owned(), add: vec!["u002".to_owned()], ..Default::default() }])
    };
    assert_eq!(app.directory(&token).edit_tag_members(edit("course:db")).await.unwrap().into_inner().added, 1);
    let status = app.directory(&token).edit_tag_members(edit("club:go")).await.unwrap_err();
    assert_eq!(refused(&status).reason, "TAG_NOT_GRANTED");
    let status = app.directory(&campus.live).edit_tag_members(edit("course:db")).await.unwrap_err();
    assert_eq!(refused(&status).reason, "SCOPE_MISSING");
    let bad =
        v1::Grant { edit_tags: vec!["*".to_owned()], department_ids: vec!["cs".to_owned()], ..Default::default() };
    let subject = v1::principal::Subject::ApplicationId(application);
    let principal = Some(v1::Principal { subject: Some(subject), ..Default::default() });
    let request = v1::CreateGrantRequest { grant: Some(v1::Grant { principal, ..bad }) };
    let status = app.access(&app.admin).create_grant(request).await.unwrap_err();
    assert_eq!(refused(&status).field, "grant.edit_tags");
}

#[tokio::test]
async fn a_tag_reads_back_whole_and_its_etag_guards_it() {
    let app = TestApp::start().await;
    app.campus().await;
    let end = prost_types::Timestamp { seconds: 4_102_444_800, nanos: 0 };
    let wanted = v1::Tag {
        title: "Aid".to_owned(),
        description: "Who gets aid.\nAsk the office.".to_owned(),
        owner_department_id: "cs".to_owned(),
        kind: v1::TagKind::Static.into(),
        sensitive: true,
        expire_at: Some(end),
        ..tag("aid")
    };
    let first = made(&app, wanted.clone()).await;
    assert_eq!(first, v1::Tag { etag: first.etag.clone(), ..wanted });
    let second = made(&app, v1::Tag { title: "Help".to_owned(), ..first.clone() }).await;
    assert_ne!(second.etag, first.etag);
    let mut client = app.directory(&app.admin);
    let status = client.upsert_tag(v1::UpsertTagRequest { tag: Some(first.clone()) }).await.unwrap_err();
    assert_eq!(refused(&status).reason, "ETAG_MISMATCH");
    let delete = |etag: &str| v1::DeleteTagRequest { tag: "aid".to_owned(), etag: etag.to_owned() };
    assert_eq!(refused(&client.delete_tag(delete(&first.etag)).await.unwrap_err()).reason, "ETAG_MISMATCH");
    assert_eq!(refused(&client.delete_tag(delete("nonsense")).await.unwrap_err()).field, "etag");
    client.delete_tag(delete(&second.etag)).await.unwrap();
}
