//! Successors of keys, later ends of grants, and who could write to somebody.

use std::time::{Duration, SystemTime};

use campanile::api::v1;
use tonic::Status;

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
        (rotate("key_0000000000001", None), "NOT_FOUND", "key_id"),
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
    assert_eq!(listed(None, "u003").await, [campus.grant_id.clone()]);
    assert_eq!(listed(Some(between), "u003").await, [campus.grant_id.clone(), cs]);
    assert_eq!(listed(Some(before), "u003").await, [campus.grant_id.clone()], "the others were given later");
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
