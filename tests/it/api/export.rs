//! All that is kept about a person, as one file.

use std::collections::HashMap;
use std::io::{Cursor, Read};

use campanile::api::v1;
use campanile::api::v1::principal::Subject;

use crate::support::app::{TestApp, letter, notice};
use crate::support::refusal::refused;

async fn exported(app: &TestApp, user: &str, why: &str) -> Vec<u8> {
    let request = v1::ExportUserRequest { user_id: user.to_owned(), why: why.to_owned() };
    let mut pieces = app.directory(&app.admin).export_user(request).await.unwrap().into_inner();
    let mut bytes = Vec::new();
    while let Some(piece) = pieces.message().await.unwrap() {
        assert!(!piece.chunk.is_empty() && piece.chunk.len() <= 128 * 1024);
        bytes.extend(piece.chunk);
    }
    bytes
}

/// The files in an export, each as JSON values line by line.
fn read(bytes: Vec<u8>) -> HashMap<String, Vec<serde_json::Value>> {
    let mut zip = zip::ZipArchive::new(Cursor::new(bytes)).unwrap();
    let mut files = HashMap::new();
    for place in 0..zip.len() {
        let mut file = zip.by_index(place).unwrap();
        let mut text = String::new();
        file.read_to_string(&mut text).unwrap();
        let values = serde_json::Deserializer::from_str(&text).into_iter().collect::<Result<_, _>>();
        let name = file.name().unwrap().into_owned();
        files.insert(name, values.unwrap_or_else(|fault| panic!("{fault} in {text}")));
    }
    files
}

#[tokio::test]
async fn everything_about_a_person_is_in_the_file_and_no_secret_is() {
    let app = TestApp::start().await;
    let campus = app.campus().await;
    let key = v1::CreateKeyRequest {
        owner: Some(v1::create_key_request::Owner::UserId("u003".to_owned())),
        scopes: vec![v1::KeyScope::Publish.into(), v1::KeyScope::Read.into()],
        ..Default::default()
    };
    let token = app.access(&app.admin).create_key(key).await.unwrap().into_inner().token;
    let assignment = v1::RoleAssignment {
        user_id: "u003".to_owned(),
        role: v1::Role::Auditor.into(),
        department_id: "cs".to_owned(),
        expire_at: None,
    };
    app.access(&app.admin).assign_role(v1::AssignRoleRequest { assignment: Some(assignment) }).await.unwrap();
    let principal = Some(v1::Principal { subject: Some(Subject::UserId("u003".to_owned())), ..Default::default() });
    let grant = v1::Grant { principal, department_ids: vec!["cs".to_owned()], ..Default::default() };
    app.access(&app.admin).create_grant(v1::CreateGrantRequest { grant: Some(grant) }).await.unwrap();
    let wanted = v1::Grant { department_ids: vec!["cs".to_owned()], per_day: 9, ..Default::default() };
    let request = v1::RequestGrantRequest { wanted: Some(wanted), why: "迎新".to_owned() };
    app.access(&token).request_grant(request).await.unwrap();
    // More than one page of messages, her own and broadcasts.
    for number in 0..60 {
        app.publish(&campus.live).publish(letter(&format!("l{number}"), &["u003"])).await.unwrap();
    }
    app.publish(&campus.live).publish(notice("n", "department:school")).await.unwrap();
    app.publish(&campus.live).publish(letter("other", &["u004"])).await.unwrap();
    app.publish(&token).publish(letter("own", &["u003"])).await.ok();

    let bytes = exported(&app, "u003", "on request").await;
    let files = read(bytes);
    let names = ["export.json", "user.json", "roles.jsonl", "keys.jsonl", "grants.jsonl", "requests.jsonl"];
    let more = ["messages.jsonl", "deeds.jsonl", "mentions.jsonl"];
    assert!(names.iter().chain(&more).all(|name| files.contains_key(*name)) && files.len() == 9, "{:?}", files.keys());
    let only = |name: &str| {
        assert_eq!(files[name].len(), 1, "{name}: {:?}", files[name]);
        &files[name][0]
    };
    assert_eq!((&only("export.json")["userId"], &only("export.json")["why"]), (&"u003".into(), &"on request".into()));
    assert_eq!(only("user.json")["addresses"][0]["value"], "u003@example.edu");
    assert_eq!(only("roles.jsonl")["role"], "ROLE_AUDITOR");
    assert_eq!(only("grants.jsonl")["departmentIds"][0], "cs");
    assert_eq!(
        (&only("requests.jsonl")["why"], &only("requests.jsonl")["wanted"]["perDay"]),
        (&"迎新".into(), &9.into())
    );
    assert_eq!(only("keys.jsonl")["principal"]["userId"], "u003");
    let messages = &files["messages.jsonl"];
    assert!((61..=62).contains(&messages.len()), "{}", messages.len());
    assert!(messages.iter().all(|one| one["content"]["inline"]["body"] == "Bring your card."), "{:?}", messages[0]);
    assert!(messages.iter().all(|one| one["entry"]["messageId"].as_str().unwrap().starts_with("msg_")));
    assert!(files["deeds.jsonl"].iter().any(|event| event["action"] == "request.make"));
    assert!(files["mentions.jsonl"].iter().any(|event| event["action"] == "user.export"));
    let secret = token.rsplit('_').next().unwrap();
    let text = format!("{files:?}");
    assert!(!text.contains(secret) && !text.contains(&token));
}

#[tokio::test]
async fn an_export_of_nobody_and_one_with_a_long_reason_are_refused() {
    let app = TestApp::start().await;
    app.campus().await;
    for (user, why, reason, field) in [
        ("nobody", "", "NOT_FOUND", "user_id"),
        ("", "", "FIELD_REQUIRED", "user_id"),
        ("u003", &*"x".repeat(501), "FIELD_TOO_LONG", "why"),
    ] {
        let request = v1::ExportUserRequest { user_id: user.to_owned(), why: why.to_owned() };
        let status = app.directory(&app.admin).export_user(request).await.unwrap_err();
        assert_eq!((refused(&status).reason.as_str(), refused(&status).field.as_str()), (reason, field));
    }
}
