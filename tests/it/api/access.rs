//! Applications, keys, grants, and who one is.

use campanile::api::v1;
use tonic::Code;

use crate::support::app::{TestApp, notice};
use crate::support::refusal::refused;

#[tokio::test]
async fn everybody_can_ask_who_they_are() {
    let app = TestApp::start().await;
    let campus = app.campus().await;
    let admin = app.access(&app.admin).who_am_i(v1::WhoAmIRequest {}).await.unwrap().into_inner();
    let subject = admin.principal.unwrap().subject.unwrap();
    assert_eq!(subject, v1::principal::Subject::UserId("administrator".to_owned()));
    assert!(admin.scopes.contains(&v1::KeyScope::Admin.into()));

    let library = app.access(&campus.live).who_am_i(v1::WhoAmIRequest {}).await.unwrap().into_inner();
    let principal = library.principal.unwrap();
    assert_eq!((principal.name.as_str(), principal.department_id.as_str()), ("Library", "cs"));
    assert_eq!((library.test, library.key_id, library.grants.len()), (false, campus.key_id, 1));
    assert_eq!(library.grants[0].grant_id, campus.grant_id);
    let test = app.access(&campus.test).who_am_i(v1::WhoAmIRequest {}).await.unwrap().into_inner();
    assert!(test.test);
}

#[tokio::test]
async fn applications_keys_and_grants_are_listed_by_pages() {
    let app = TestApp::start().await;
    let campus = app.campus().await;
    for n in 0..4 {
        app.application(&format!("System {n}"), "math").await;
    }
    let mut client = app.access(&app.admin);
    let (mut titles, mut page_token) = (Vec::new(), String::new());
    loop {
        let wanted = v1::ListApplicationsRequest { page_size: 2, page_token, ..Default::default() };
        let page = client.list_applications(wanted).await.unwrap().into_inner();
        titles.extend(page.applications.into_iter().map(|one| one.title));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    assert_eq!(titles, ["Library", "System 0", "System 1", "System 2", "System 3"]);
    let wanted = v1::ListApplicationsRequest { department_id: "school".to_owned(), ..Default::default() };
    assert_eq!(client.list_applications(wanted).await.unwrap().into_inner().applications.len(), 5, "and those under");

    let wanted = v1::ListKeysRequest { application_id: campus.application.clone(), ..Default::default() };
    let keys = client.list_keys(wanted).await.unwrap().into_inner().keys;
    assert_eq!(keys.len(), 2);
    assert!(campus.live.starts_with(&keys[0].prefix), "{}", keys[0].prefix);

    let wanted = v1::ListGrantsRequest { state: v1::GrantState::Active.into(), ..Default::default() };
    let grants = client.list_grants(wanted).await.unwrap().into_inner().grants;
    assert_eq!((grants.len(), grants[0].state()), (1, v1::GrantState::Active));
    assert_eq!(grants[0].channels.len(), 7, "none given means all");
}

#[tokio::test]
async fn a_persons_own_token_publishes_under_the_persons_own_grant() {
    let app = TestApp::start().await;
    app.campus().await;
    let wanted = v1::CreateKeyRequest {
        owner: Some(v1::create_key_request::Owner::UserId("u000".to_owned())),
        scopes: vec![v1::KeyScope::Publish.into(), v1::KeyScope::Read.into()],
        ..Default::default()
    };
    let token = app.access(&app.admin).create_key(wanted).await.unwrap().into_inner().token;
    let person =
        v1::Principal { subject: Some(v1::principal::Subject::UserId("u000".to_owned())), ..Default::default() };
    let grant = v1::Grant {
        principal: Some(person),
        department_ids: vec!["cs".to_owned()],
        per_message: 20,
        ..Default::default()
    };
    let wanted = v1::CreateGrantRequest { grant: Some(grant) };
    app.access(&app.admin).create_grant(wanted).await.unwrap();
    let request = v1::PublishRequest {
        department_id: "cs".to_owned(),
        channels: vec![v1::Channel::App.into()],
        ..notice("by-hand", "department:cs")
    };
    let accepted = app.publish(&token).publish(request).await.unwrap().into_inner();
    assert_eq!(accepted.recipient_count, 20);
}

#[tokio::test]
async fn only_administrators_administer() {
    let app = TestApp::start().await;
    let campus = app.campus().await;
    let wanted = v1::CreateApplicationRequest {
        application: Some(v1::Application {
            title: "Mine".to_owned(),
            department_id: "cs".to_owned(),
            ..Default::default()
        }),
    };
    let status = app.access(&campus.live).create_application(wanted).await.unwrap_err();
    let found = refused(&status);
    assert_eq!((found.code, found.reason.as_str()), (Code::PermissionDenied, "SCOPE_MISSING"));
    let status = app.access(&campus.live).list_keys(v1::ListKeysRequest::default()).await.unwrap_err();
    assert_eq!(refused(&status).reason, "SCOPE_MISSING");
}

#[tokio::test]
async fn access_is_explained_before_it_is_tried() {
    let app = TestApp::start().await;
    let campus = app.campus().await;
    let target = |text: &str| v1::Audience { target: Some(v1::audience::Target::Expression(text.to_owned())) };
    let wanted = v1::CheckAccessRequest { audience: Some(target("department:cs")), ..Default::default() };
    let found = app.access(&campus.live).check_access(wanted).await.unwrap().into_inner();
    assert_eq!((found.allowed, found.grant_id), (true, campus.grant_id));
    let wanted = v1::CheckAccessRequest {
        audience: Some(target("department:cs")),
        message_class: v1::MessageClass::Emergency.into(),
        ..Default::default()
    };
    let found = app.access(&campus.live).check_access(wanted).await.unwrap().into_inner();
    assert!(!found.allowed && !found.sentence.is_empty());
    assert!(found.missing.iter().any(|one| one.reason == "CLASS_NOT_GRANTED"), "{:?}", found.missing);
}
