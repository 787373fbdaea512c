//! Every deed is in the trail, denied ones too, with ids and never with names.

use campanile::api::v1;
use futures::future::join_all;
use rusqlite::Connection;
use rusqlite::types::Value;
use tonic::Code;

use crate::support::app::{Campus, TestApp, letter, notice, user_id};

/// The events that pass a filter, oldest first, read in pages of `page_size`.
async fn events(app: &TestApp, filter: v1::ListAuditEventsRequest, page_size: i32) -> Vec<v1::AuditEvent> {
    let (mut wanted, mut found) = (v1::ListAuditEventsRequest { page_size, ..filter }, Vec::new());
    loop {
        let page = app.access(&app.admin).list_audit_events(wanted.clone()).await.unwrap().into_inner();
        assert!(page.events.len() <= page_size as usize);
        found.extend(page.events);
        wanted.page_token = page.next_page_token;
        if wanted.page_token.is_empty() {
            found.reverse();
            return found;
        }
    }
}

async fn all(app: &TestApp) -> Vec<v1::AuditEvent> {
    events(app, v1::ListAuditEventsRequest::default(), 1_000).await
}

fn shown(event: &v1::AuditEvent) -> String {
    let denied = if event.denied { " denied" } else { "" };
    format!("{} {} {}{denied}", event.actor, event.action, event.object_id)
}

/// What the administrator does after the campus is made, and what the library does.
async fn busy_day(app: &TestApp, campus: &Campus) -> String {
    let mut directory = app.directory(&app.admin);
    let tag = v1::Tag { tag: "choir".to_owned(), title: "Choir".to_owned(), ..Default::default() };
    directory.upsert_tag(v1::UpsertTagRequest { tag: Some(tag) }).await.unwrap();
    let edit = v1::EditTagMembersRequest { tag: "choir".to_owned(), add: vec![user_id(3)], ..Default::default() };
    directory.edit_tag_members(tokio_stream::iter([edit])).await.unwrap();
    let choir = || "choir".to_owned();
    directory.list_tag_members(v1::ListTagMembersRequest { tag: choir(), ..Default::default() }).await.unwrap();
    directory.get_user(v1::GetUserRequest { user_id: user_id(4) }).await.unwrap();
    let query = v1::ListUsersRequest { department_id: "cs".to_owned(), ..Default::default() };
    directory.list_users(query).await.unwrap();
    directory.delete_tag(v1::DeleteTagRequest { tag: choir(), ..Default::default() }).await.unwrap();

    let mut library = app.publish(&campus.live);
    let message = library.publish(letter("k", &["u005"])).await.unwrap().into_inner().message_id;
    let people = v1::ListRecipientsRequest { message_id: message.clone(), ..Default::default() };
    library.list_recipients(people).await.unwrap();
    let case = v1::ExplainRecipientRequest { message_id: message.clone(), user_id: user_id(5) };
    library.explain_recipient(case).await.unwrap();
    let history = v1::ListUserHistoryRequest { user_id: user_id(5), ..Default::default() };
    library.list_user_history(history).await.unwrap();
    let draft = v1::PreviewAudienceRequest {
        audience: notice("p", "department:cs").audience,
        sample_size: 3,
        ..Default::default()
    };
    assert_eq!(library.preview_audience(draft).await.unwrap().into_inner().sample.len(), 3);
    app.user_token(campus, "u006").await;
    let hour = prost_types::Timestamp { seconds: jiff::Timestamp::now().as_second() + 3_600, nanos: 0 };
    let later = v1::PublishRequest { send_at: Some(hour), ..notice("later", "everyone") };
    let message_id = library.publish(later).await.unwrap().into_inner().message_id;
    library.cancel_message(v1::CancelMessageRequest { message_id, ..Default::default() }).await.unwrap();
    message
}

#[tokio::test(flavor = "multi_thread")]
async fn every_deed_is_in_the_trail() {
    let app = TestApp::start().await;
    let campus = app.campus().await;
    let message = busy_day(&app, &campus).await;
    let mut access = app.access(&app.admin);
    let rotate = v1::RotateKeyRequest { key_id: campus.key_id.clone(), ..Default::default() };
    access.rotate_key(rotate).await.unwrap();
    let moved = v1::MoveDepartmentRequest { department_id: "math".to_owned(), ..Default::default() };
    app.directory(&app.admin).move_department(moved).await.unwrap();
    let grant = v1::RevokeGrantRequest { grant_id: campus.grant_id.clone(), ..Default::default() };
    access.revoke_grant(grant).await.unwrap();
    let key = v1::RevokeKeyRequest { key_id: campus.key_id.clone(), ..Default::default() };
    access.revoke_key(key).await.unwrap();

    let events = all(&app).await;
    let lines: Vec<String> = events.iter().map(shown).collect();
    let Campus { application, grant_id, key_id, .. } = &campus;
    let wanted = [
        " key.create key_0000000000001".to_owned(),
        "administrator department.upsert ".to_owned(),
        "administrator department.upsert department:math".to_owned(),
        "administrator users.upsert ".to_owned(),
        format!("administrator application.create {application}"),
        format!("administrator grant.create {grant_id}"),
        format!("administrator key.create {key_id}"),
        "administrator tag.upsert ".to_owned(),
        "administrator tag.edit tag:".to_owned(),
        "administrator tag.members tag:".to_owned(),
        "administrator user.read user:u004".to_owned(),
        "administrator users.list department:cs".to_owned(),
        "administrator tag.delete tag:".to_owned(),
        format!("{application} message.publish {message}"),
        format!("{application} recipients.list {message}"),
        format!("{application} recipient.explain user:u005"),
        format!("{application} history.read user:u005"),
        format!("{application} preview.sample "),
        format!("{application} inbox.token user:u006"),
        format!("{application} message.cancel msg_"),
        format!("administrator key.rotate {key_id}"),
        "administrator key.create key_".to_owned(),
        "administrator department.move department:math".to_owned(),
        format!("administrator grant.revoke {grant_id}"),
        format!("administrator key.revoke {key_id}"),
        "administrator audit.read ".to_owned(),
    ];
    let mut rest = lines.iter();
    for line in &wanted {
        assert!(rest.any(|one| one.starts_with(line)), "{line} is not in its place in {lines:#?}");
    }
    assert!(events.iter().all(|event| !event.denied && event.digest.len() == 32 && event.sequence > 0));
    assert!(events.iter().filter(|one| one.action == "key.revoke").all(|one| one.key_id == "key_0000000000001"));
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_denied_is_in_the_trail_and_was_not_done() {
    let app = TestApp::start().await;
    let campus = app.campus().await;
    let (mut access, mut directory) = (app.access(&campus.live), app.directory(&campus.live));
    let revoke = v1::RevokeGrantRequest { grant_id: campus.grant_id.clone(), ..Default::default() };
    let refused = [
        access.revoke_grant(revoke).await.unwrap_err(),
        directory.get_user(v1::GetUserRequest { user_id: user_id(4) }).await.unwrap_err(),
        directory.list_users(v1::ListUsersRequest::default()).await.unwrap_err(),
        access.list_audit_events(v1::ListAuditEventsRequest::default()).await.unwrap_err(),
        access.verify_audit(v1::VerifyAuditRequest {}).await.unwrap_err(),
    ];
    assert!(refused.iter().all(|status| status.code() == Code::PermissionDenied), "{refused:?}");
    let absent = "msg_0000000000010".to_owned();
    let wanted = v1::ListRecipientsRequest { message_id: absent.clone(), ..Default::default() };
    app.publish(&campus.live).list_recipients(wanted).await.unwrap_err();
    let denied = all(&app).await.into_iter().filter(|event| event.denied).map(|event| shown(&event));
    let Campus { application, grant_id, .. } = &campus;
    let wanted = [
        format!("{application} grant.revoke {grant_id} denied"),
        format!("{application} user.read  denied"),
        format!("{application} users.list  denied"),
        format!("{application} audit.read  denied"),
        format!("{application} audit.read  denied"),
        format!("{application} recipients.list {absent} denied"),
    ];
    assert_eq!(denied.collect::<Vec<_>>(), wanted);
    let grants = app.access(&app.admin).list_grants(v1::ListGrantsRequest::default()).await.unwrap().into_inner();
    assert!(grants.grants.iter().all(|grant| grant.revoked_at.is_none()));
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_publish_of_a_shared_commit_is_an_event() {
    let app = TestApp::start().await;
    let campus = app.campus().await;
    let publishes = (0..40).map(|n| {
        let mut client = app.publish(&campus.live);
        async move { client.publish(letter(&format!("k{n}"), &["u001"])).await.unwrap().into_inner().message_id }
    });
    let mut accepted = join_all(publishes).await;
    // The same key again stores nothing.
    app.publish(&campus.live).publish(letter("k7", &["u001"])).await.unwrap();
    let filter = || v1::ListAuditEventsRequest { action: "message.publish".to_owned(), ..Default::default() };
    let found = events(&app, filter(), 1_000).await;
    assert!(found.iter().all(|event| event.actor == campus.application));
    let mut ids: Vec<String> = found.iter().map(|event| event.object_id.clone()).collect();
    let in_small_pages = events(&app, filter(), 7).await;
    assert_eq!(in_small_pages, found, "pages put together are the list");
    ids.sort_unstable();
    accepted.sort_unstable();
    assert_eq!(ids, accepted);
    let about = v1::ListAuditEventsRequest { object_id: accepted[9].clone(), ..Default::default() };
    let about = events(&app, about, 10).await;
    assert_eq!(about.iter().map(|one| one.object_id.as_str()).collect::<Vec<_>>(), [accepted[9].as_str()]);
    let by = |actor: &str| v1::ListAuditEventsRequest { actor: actor.to_owned(), ..Default::default() };
    assert_eq!(events(&app, by(&campus.application), 11).await.len(), 40);
    assert!(events(&app, by("u001"), 11).await.is_empty());
    app.stop().await;
}

/// Every value of every row that the trail keeps, as bytes.
fn kept(app: &TestApp) -> Vec<u8> {
    let file = Connection::open(app.data().join("campanile.db")).unwrap();
    let mut kept = Vec::new();
    for table in ["audit_unsealed", "audit", "audit_head", "audit_checkpoint"] {
        let mut statement = file.prepare(&format!("select * from {table}")).unwrap();
        let columns = statement.column_count();
        let mut rows = statement.query([]).unwrap();
        while let Some(row) = rows.next().unwrap() {
            for column in 0..columns {
                match row.get(column).unwrap() {
                    Value::Text(text) => kept.extend(text.into_bytes()),
                    Value::Blob(bytes) => kept.extend(bytes),
                    _ => {}
                }
                kept.push(b'\n');
            }
        }
    }
    kept
}

#[tokio::test(flavor = "multi_thread")]
async fn no_name_address_or_token_is_ever_in_the_trail() {
    let app = TestApp::start().await;
    let campus = app.campus().await;
    busy_day(&app, &campus).await;
    let mut pieces = app.access(&app.admin).export_audit(v1::ExportAuditRequest::default()).await.unwrap().into_inner();
    let mut exported = Vec::new();
    while let Some(piece) = pieces.message().await.unwrap() {
        exported.extend(piece.chunk);
    }
    let kept = kept(&app);
    assert!(kept.len() > 2_000 && exported.len() > 2_000, "{} {}", kept.len(), exported.len());
    let secret = |token: &str| token.rsplit('_').next().unwrap().to_owned();
    let holds = |bytes: &[u8], word: &str| bytes.windows(word.len()).any(|part| part == word.as_bytes());
    let mut secrets = vec![secret(&campus.live), secret(&campus.test), secret(&app.admin)];
    secrets.extend(["@example.edu", "补考", "Department of"].map(str::to_owned));
    secrets.extend((0..30).map(|n| format!("李{n}")));
    for secret in &secrets {
        assert!(!holds(&kept, secret) && !holds(&exported, secret), "the trail holds {secret}");
    }
    // Short words could stand in a hash's text by chance, but hardly in its bytes.
    let words = ["choir", "Library", "school"].map(str::to_owned);
    for word in words.into_iter().chain((0..30).map(user_id)) {
        assert!(!holds(&kept, &word), "the trail holds {word}");
    }
    app.stop().await;
}

fn office(user_id: &str, role: v1::Role, department_id: &str) -> v1::AssignRoleRequest {
    let (user_id, department_id) = (user_id.to_owned(), department_id.to_owned());
    let assignment = v1::RoleAssignment { user_id, role: role.into(), department_id, expire_at: None };
    v1::AssignRoleRequest { assignment: Some(assignment) }
}

/// The token of a person's key.
async fn token(app: &TestApp, user_id: &str, scope: v1::KeyScope) -> String {
    let wanted = v1::CreateKeyRequest {
        owner: Some(v1::create_key_request::Owner::UserId(user_id.to_owned())),
        scopes: vec![scope.into()],
        ..Default::default()
    };
    app.access(&app.admin).create_key(wanted).await.unwrap().into_inner().token
}

#[tokio::test(flavor = "multi_thread")]
async fn auditors_read_the_trail_and_administrators_of_a_department_do_not() {
    let app = TestApp::start().await;
    app.campus().await;
    let mut admin = app.access(&app.admin);
    let auditor = token(&app, "u007", v1::KeyScope::Read).await;
    let dean = token(&app, "u008", v1::KeyScope::Admin).await;
    let mut list = v1::ListAuditEventsRequest { action: "role.assign".to_owned(), ..Default::default() };
    let before = app.access(&auditor).list_audit_events(list.clone()).await.unwrap_err();
    assert_eq!(before.code(), Code::PermissionDenied);
    admin.assign_role(office("u007", v1::Role::Auditor, "")).await.unwrap();
    admin.assign_role(office("u008", v1::Role::DepartmentAdministrator, "cs")).await.unwrap();
    let beyond = app.access(&dean).assign_role(office("u009", v1::Role::DepartmentAdministrator, "math")).await;
    assert_eq!(beyond.unwrap_err().code(), Code::PermissionDenied);
    assert_eq!(app.access(&dean).list_audit_events(list.clone()).await.unwrap_err().code(), Code::PermissionDenied);

    let shown_to = async |list: &v1::ListAuditEventsRequest| {
        let page = app.access(&auditor).list_audit_events(list.clone()).await.unwrap().into_inner();
        page.events.iter().rev().map(shown).collect::<Vec<_>>()
    };
    let wanted =
        ["administrator role.assign user:u007", "administrator role.assign user:u008", "u008 role.assign  denied"];
    assert_eq!(shown_to(&list).await, wanted);
    list.actor = "u008".to_owned();
    assert_eq!(shown_to(&list).await, wanted[2..]);
    let verdict = app.access(&auditor).verify_audit(v1::VerifyAuditRequest {}).await.unwrap().into_inner();
    assert!(verdict.verdict.unwrap().intact);
    app.stop().await;
}
