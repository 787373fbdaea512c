//! Keys and what becomes of them, later ends of grants, who could write to somebody, and changed applications.

use std::time::{Duration, SystemTime};

use campanile::api::v1;
use tonic::Status;

use super::topics;
use crate::support::app::{TestApp, letter};
use crate::support::refusal::refused;

fn rotate(key_id: &str, seconds: Option<i64>) -> v1::RotateKeyRequest {
    let overlap = seconds.map(|seconds| prost_types::Duration { seconds, nanos: 0 });
    v1::RotateKeyRequest { key_id: key_id.to_owned(), overlap }
}

fn ahead(days: u64) -> prost_types::Timestamp {
    SystemTime::now().checked_add(Duration::from_secs(days * 86_400)).unwrap().into()
}

/// Now, once the clock shows a later millisecond than before and after.
fn moment() -> prost_types::Timestamp {
    let tick = || {
        let begun = SystemTime::now();
        while begun.elapsed().is_ok_and(|since| since < Duration::from_millis(2)) {
            std::thread::yield_now();
        }
    };
    tick();
    let now = SystemTime::now().into();
    tick();
    now
}

async fn who(app: &TestApp, token: &str) -> Result<v1::WhoAmIResponse, Status> {
    app.access(token).who_am_i(v1::WhoAmIRequest {}).await.map(tonic::Response::into_inner)
}

#[tokio::test]
async fn a_rotated_key_and_its_successor_both_work_until_the_old_one_ends() {
    let app = TestApp::start().await;
    let campus = app.campus().await;
    let made = app.access(&app.admin).rotate_key(rotate(&campus.key_id, None)).await.unwrap().into_inner();
    let end = made.old_expire_at.unwrap().seconds - ahead(0).seconds;
    assert!((86_390..=86_400).contains(&end), "a day: {end}");
    let old = who(&app, &campus.live).await.unwrap();
    let new = who(&app, &made.token).await.unwrap();
    assert_eq!((new.principal, new.scopes, new.test), (old.principal, old.scopes, old.test));
    assert_ne!(new.key_id, old.key_id);
    for (key, token) in [("old", &campus.live), ("new", &made.token)] {
        app.publish(token).publish(letter(key, &["u003"])).await.unwrap();
    }

    let new_id = made.key.unwrap().key_id;
    let last = app.access(&app.admin).rotate_key(rotate(&new_id, Some(0))).await.unwrap().into_inner();
    assert_eq!(refused(&who(&app, &made.token).await.unwrap_err()).reason, "TOKEN_INVALID", "at once");
    assert!(who(&app, &last.token).await.is_ok());
    for (wanted, reason, field) in [
        (rotate(&new_id, None), "FIELD_INVALID", "key_id"),
        (rotate(&campus.key_id, Some(31 * 86_400)), "FIELD_INVALID", "overlap"),
        (rotate(&campus.key_id, Some(-1)), "FIELD_INVALID", "overlap"),
        (rotate("key_0000000000010", None), "NOT_FOUND", "key_id"),
        (rotate("", None), "FIELD_REQUIRED", "key_id"),
    ] {
        let status = app.access(&app.admin).rotate_key(wanted).await.unwrap_err();
        assert_eq!((refused(&status).reason.as_str(), refused(&status).field.as_str()), (reason, field));
    }
    let status = app.access(&last.token).rotate_key(rotate(&campus.key_id, None)).await.unwrap_err();
    assert_eq!(refused(&status).reason, "SCOPE_MISSING");
}

#[tokio::test]
async fn a_grant_is_renewed_and_never_shortened() {
    let app = TestApp::start().await;
    let campus = app.campus().await;
    let grant = v1::Grant { department_ids: vec!["cs".to_owned()], expire_at: Some(ahead(1)), ..Default::default() };
    let grant_id = app.grant(&campus.application, grant).await;
    let renew = |id: &str, days, etag: &str| v1::RenewGrantRequest {
        grant_id: id.to_owned(),
        expire_at: Some(ahead(days)),
        etag: etag.to_owned(),
    };
    let renewed = app.access(&app.admin).renew_grant(renew(&grant_id, 9, "1")).await.unwrap().into_inner();
    let grant = renewed.grant.unwrap();
    assert!((grant.expire_at.unwrap().seconds - ahead(9).seconds).abs() < 60);
    assert_eq!(grant.etag, "2");
    for (wanted, reason, field) in [
        (renew(&grant_id, 12, "1"), "ETAG_MISMATCH", "etag"),
        (renew(&grant_id, 8, ""), "FIELD_INVALID", "expire_at"),
        (renew(&campus.grant_id, 8, ""), "FIELD_INVALID", "expire_at"),
        (renew("grt_0000000000001", 8, ""), "NOT_FOUND", "grant_id"),
        (v1::RenewGrantRequest { expire_at: None, ..renew(&grant_id, 12, "") }, "FIELD_REQUIRED", "expire_at"),
    ] {
        let status = app.access(&app.admin).renew_grant(wanted).await.unwrap_err();
        assert_eq!((refused(&status).reason.as_str(), refused(&status).field.as_str()), (reason, field));
    }
    let revoke = v1::RevokeGrantRequest { grant_id: grant_id.clone(), ..Default::default() };
    app.access(&app.admin).revoke_grant(revoke).await.unwrap();
    let status = app.access(&app.admin).renew_grant(renew(&grant_id, 12, "")).await.unwrap_err();
    assert_eq!(refused(&status).field, "grant_id", "what was taken back stays so");
}

#[tokio::test]
async fn who_could_write_to_somebody_is_told_for_any_day() {
    let app = TestApp::start().await;
    let campus = app.campus().await;
    let before = moment();
    let narrow = |department: &str| v1::Grant { department_ids: vec![department.to_owned()], ..Default::default() };
    let cs = app.grant(&campus.application, narrow("cs")).await;
    app.grant(&campus.application, narrow("math")).await;
    let future = v1::Grant { valid_after: Some(ahead(5)), ..narrow("cs") };
    app.grant(&campus.application, future).await;
    let between = moment();
    let revoke = v1::RevokeGrantRequest { grant_id: cs.clone(), ..Default::default() };
    app.access(&app.admin).revoke_grant(revoke).await.unwrap();

    let listed = async |as_of: Option<prost_types::Timestamp>, user: &str| {
        let wanted = v1::ListGrantsRequest { as_of, reaches_user_id: user.to_owned(), ..Default::default() };
        let grants = app.access(&app.admin).list_grants(wanted).await.unwrap().into_inner().grants;
        assert!(user.is_empty() || grants.iter().all(|grant| grant.state() == v1::GrantState::Active), "{grants:?}");
        grants.into_iter().map(|grant| grant.grant_id).collect::<Vec<_>>()
    };
    assert_eq!(listed(None, "u003").await, std::slice::from_ref(&campus.grant_id));
    assert_eq!(listed(Some(between), "u003").await, [campus.grant_id.clone(), cs]);
    assert_eq!(
        listed(Some(before), "u003").await,
        std::slice::from_ref(&campus.grant_id),
        "the others were given later"
    );
    assert_eq!(listed(Some(between), "").await.len(), 4);
    for (wanted, reason, field) in [
        (v1::ListGrantsRequest { as_of: Some(ahead(1)), ..Default::default() }, "FIELD_INVALID", "as_of"),
        (
            v1::ListGrantsRequest { reaches_user_id: "nobody".to_owned(), ..Default::default() },
            "UNKNOWN_USER",
            "reaches_user_id",
        ),
    ] {
        let status = app.access(&app.admin).list_grants(wanted).await.unwrap_err();
        assert_eq!((refused(&status).reason.as_str(), refused(&status).field.as_str()), (reason, field));
    }
}

async fn key_for(app: &TestApp, application: &str, networks: &[&str]) -> Result<v1::CreateKeyResponse, Status> {
    let wanted = v1::CreateKeyRequest {
        owner: Some(v1::create_key_request::Owner::ApplicationId(application.to_owned())),
        scopes: vec![v1::KeyScope::Publish.into(), v1::KeyScope::Read.into()],
        networks: networks.iter().map(|one| (*one).to_owned()).collect(),
        ..Default::default()
    };
    app.access(&app.admin).create_key(wanted).await.map(tonic::Response::into_inner)
}

#[tokio::test]
async fn a_key_works_in_its_networks_only_whatever_the_caller_says() {
    let app = TestApp::start().await;
    let campus = app.campus().await;
    let near = key_for(&app, &campus.application, &["10.0.0.0/8", "127.0.0.0/8"]).await.unwrap();
    assert_eq!(near.key.unwrap().networks, ["10.0.0.0/8", "127.0.0.0/8"]);
    let far = key_for(&app, &campus.application, &["10.0.0.0/8", "2001:db8::/32"]).await.unwrap().token;
    assert!(who(&app, &near.token).await.is_ok());
    let denial = refused(&who(&app, &far).await.unwrap_err());
    assert_eq!((denial.code, denial.reason.as_str()), (tonic::Code::PermissionDenied, "NETWORK_NOT_ALLOWED"));
    let mut lied = tonic::Request::new(v1::WhoAmIRequest {});
    lied.metadata_mut().insert("campanile-client-address", "10.0.0.1".parse().unwrap());
    assert_eq!(refused(&app.access(&far).who_am_i(lied).await.unwrap_err()).reason, "NETWORK_NOT_ALLOWED");
    let forged = format!("{}x", &far[..far.len() - 1]);
    assert_eq!(refused(&who(&app, &forged).await.unwrap_err()).reason, "TOKEN_INVALID", "nothing is told of the key");

    for (networks, field) in [
        (&["campus"][..], "networks[0]"),
        (&["10.0.0.0/8", "10.1.2.3/8"], "networks[1]"),
        (&["10.0.0.0/33"], "networks[0]"),
    ] {
        let denial = refused(&key_for(&app, &campus.application, networks).await.unwrap_err());
        assert_eq!((denial.reason.as_str(), denial.field.as_str()), ("FIELD_INVALID", field));
    }
    let many = vec!["10.0.0.0/8"; 33];
    assert_eq!(refused(&key_for(&app, &campus.application, &many).await.unwrap_err()).reason, "FIELD_TOO_LONG");
}

#[tokio::test]
async fn the_last_use_of_a_key_is_told_with_its_address() {
    let app = TestApp::start().await;
    let campus = app.campus().await;
    who(&app, &campus.live).await.unwrap();
    let listed = async || {
        let wanted = v1::ListKeysRequest { application_id: campus.application.clone(), ..Default::default() };
        let keys = app.access(&app.admin).list_keys(wanted).await.unwrap().into_inner().keys;
        keys.into_iter().map(|key| (key.last_used_at, key.last_used_address)).collect::<Vec<_>>()
    };
    let begun = std::time::Instant::now();
    loop {
        let keys = listed().await;
        if let (Some(at), address) = &keys[0] {
            assert_eq!((at.seconds % 60, at.nanos, address.as_str()), (0, 0, "127.0.0.1"), "to the minute");
            assert_eq!(keys[1], (None, String::new()), "the other one was never used");
            return;
        }
        assert!(begun.elapsed() < Duration::from_secs(20), "never written down");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn a_key_that_publishes_too_often_is_told_how_long_to_wait() {
    let limit = |settings: &mut campanile::config::Settings| {
        settings.limits = campanile::config::Limits { publishes_per_second: 1, publishes_at_once: 2 };
    };
    let app = TestApp::with(limit).await;
    let campus = app.campus().await;
    for key in ["1", "2"] {
        app.publish(&campus.live).publish(letter(key, &["u003"])).await.unwrap();
    }
    let status = app.publish(&campus.live).publish(letter("3", &["u003"])).await.unwrap_err();
    assert_eq!(refused(&status).reason, "RATE_LIMITED");
    let wait = tonic_types::StatusExt::get_error_details(&status).retry_info().unwrap().retry_delay.unwrap();
    assert!(wait <= Duration::from_secs(1), "{wait:?}");
    assert!(who(&app, &campus.live).await.is_ok(), "only publishes count");
    app.publish(&campus.test).publish(letter("under-test", &["u003"])).await.unwrap();
    let item = v1::PublishStreamRequest { sequence: 7, publish: Some(letter("4", &["u003"])) };
    let mut answers = app.publish(&campus.live).publish_stream(tokio_stream::iter([item])).await.unwrap().into_inner();
    match answers.message().await.unwrap().unwrap().answer.unwrap() {
        v1::publish_stream_response::Answer::Error(error) => {
            assert_eq!(error.reason, "RATE_LIMITED");
            assert!(error.retry_after.is_some());
        }
        answer => panic!("{answer:?}"),
    }
    assert_eq!(app.messages().await, 3, "what is refused is not stored");
}

#[tokio::test]
async fn an_application_is_changed_as_a_whole() {
    let app = TestApp::start().await;
    let campus = app.campus().await;
    let wanted = v1::Application {
        application_id: campus.application.clone(),
        title: "Reading room".to_owned(),
        department_id: "cs".to_owned(),
        contact: "desk 2".to_owned(),
        default_topic: "library.overdue".to_owned(),
        default_channels: vec![v1::Channel::App.into()],
        etag: "1".to_owned(),
        ..Default::default()
    };
    let update = |wanted: &v1::Application| v1::UpdateApplicationRequest { application: Some(wanted.clone()) };
    topics::declare(&app, "library.overdue", "cs").await;
    let changed = app.access(&app.admin).update_application(update(&wanted)).await.unwrap().into_inner();
    let changed = changed.application.unwrap();
    let facts = (changed.title.as_str(), changed.contact.as_str(), changed.etag.as_str(), changed.weight);
    assert_eq!(facts, ("Reading room", "desk 2", "2", 1));
    assert!(changed.inbox_gateway_department_ids.is_empty(), "what is left out is cleared");
    let sent = app.publish(&campus.live).publish(letter("1", &["u003"])).await.unwrap().into_inner();
    let wanted_message = v1::GetMessageRequest { message_id: sent.message_id, ..Default::default() };
    let message = app.publish(&campus.live).get_message(wanted_message).await.unwrap().into_inner().message.unwrap();
    assert_eq!(message.publish.unwrap().topic, "library.overdue");

    let any = v1::Application { etag: String::new(), ..wanted.clone() };
    for (wrong, reason, field) in [
        (wanted.clone(), "ETAG_MISMATCH", "application.etag"),
        (v1::Application { title: String::new(), ..any.clone() }, "FIELD_REQUIRED", "application.title"),
        (
            v1::Application { department_id: "math".to_owned(), ..any.clone() },
            "FIELD_INVALID",
            "application.department_id",
        ),
        (v1::Application { paused: true, ..any.clone() }, "NOT_YET_AVAILABLE", "application.paused"),
        (v1::Application { weight: 9, ..any.clone() }, "NOT_YET_AVAILABLE", "application.weight"),
        (
            v1::Application { default_topic: "No Topic".to_owned(), ..any.clone() },
            "FIELD_INVALID",
            "application.default_topic",
        ),
        (
            v1::Application { default_topic: "library.overdu".to_owned(), ..any.clone() },
            "UNKNOWN_TOPIC",
            "application.default_topic",
        ),
        (
            v1::Application { application_id: "app_0000000000001".to_owned(), ..any.clone() },
            "NOT_FOUND",
            "application.application_id",
        ),
    ] {
        let status = app.access(&app.admin).update_application(update(&wrong)).await.unwrap_err();
        assert_eq!((refused(&status).reason.as_str(), refused(&status).field.as_str()), (reason, field));
    }
}
