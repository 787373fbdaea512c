//! People in detail, over the wire: further ids, addresses that may not be used, and a person who is erased.

use std::time::Duration;

use campanile::api::v1;
use campanile::standin::smtp;
use tokio_stream::iter;

use crate::channel::relay;
use crate::support::app::{TestApp, letter, notice};
use crate::support::refusal::refused;

async fn user(app: &TestApp, id: &str) -> v1::User {
    let wanted = v1::GetUserRequest { user_id: id.to_owned() };
    app.directory(&app.admin).get_user(wanted).await.unwrap().into_inner().user.unwrap()
}

async fn put(app: &TestApp, user: v1::User) -> v1::UpsertUsersResponse {
    let rows = iter([v1::UpsertUsersRequest { user: Some(user) }]);
    app.directory(&app.admin).upsert_users(rows).await.unwrap().into_inner()
}

/// The people of a finished message, with what became of them.
async fn recipients(app: &TestApp, token: &str, message_id: &str) -> Vec<v1::Recipient> {
    let looking = async {
        loop {
            let wanted = v1::GetMessageRequest { message_id: message_id.to_owned(), ..Default::default() };
            let message = app.publish(token).get_message(wanted).await.unwrap().into_inner().message.unwrap();
            if message.state() == v1::MessageState::Finished {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), looking).await.expect("the message is finished");
    let wanted = v1::ListRecipientsRequest { message_id: message_id.to_owned(), ..Default::default() };
    app.publish(token).list_recipients(wanted).await.unwrap().into_inner().recipients
}

#[tokio::test]
async fn a_person_named_by_two_ids_gets_one_delivery() {
    let app = TestApp::start().await;
    let campus = app.campus().await;
    let her = v1::User { alias_ids: vec!["staff-7".to_owned()], ..user(&app, "u001").await };
    assert_eq!(put(&app, her).await.updated, 1);
    assert_eq!(user(&app, "staff-7").await.user_id, "u001");
    let sent = app.publish(&campus.live).publish(letter("t", &["staff-7", "u001", "u002"])).await.unwrap().into_inner();
    assert_eq!((sent.recipient_count, sent.warnings[0].reason.as_str()), (2, "LISTED_TWICE"));
    let sent = app.publish(&campus.live).publish(notice("e", "user:staff-7 OR user:u001")).await.unwrap().into_inner();
    assert_eq!(sent.recipient_count, 1);
    let taken = v1::User { alias_ids: vec!["staff-7".to_owned()], etag: String::new(), ..user(&app, "u002").await };
    let written = put(&app, taken).await;
    let error = written.errors[0].error.clone().unwrap();
    assert_eq!((error.reason.as_str(), error.field.as_str()), ("ID_TAKEN", "user.alias_ids"));
    let stale = v1::User { etag: "1".to_owned(), ..user(&app, "u001").await };
    assert_eq!(put(&app, stale).await.errors[0].error.clone().unwrap().reason, "ETAG_MISMATCH");
    let edit = v1::EditTagMembersRequest {
        tag: "grade:2022".to_owned(),
        add: vec!["staff-7".to_owned()],
        ..Default::default()
    };
    assert_eq!(app.directory(&app.admin).edit_tag_members(iter([edit])).await.unwrap().into_inner().added, 1);
    assert!(user(&app, "u001").await.tags.contains(&"grade:2022".to_owned()));
}

#[tokio::test]
async fn nobody_is_written_to_at_an_address_that_may_not_be_used() {
    let mail = crate::channel::smtp(smtp::Options::default()).await;
    let port = mail.port;
    let app = TestApp::with(|settings| {
        settings.channel.email.insert("default".to_owned(), relay(port));
    })
    .await;
    let campus = app.campus().await;
    for (id, state) in [("u001", v1::AddressState::Dead), ("u002", v1::AddressState::Unverified)] {
        let mut user = user(&app, id).await;
        user.addresses.iter_mut().for_each(|address| address.state = state.into());
        put(&app, user).await;
    }
    let away = v1::User { status: v1::UserStatus::OnLeave.into(), ..user(&app, "u003").await };
    put(&app, away).await;
    let done = v1::User { status: v1::UserStatus::Graduated.into(), ..user(&app, "u004").await };
    put(&app, done).await;
    assert_eq!(user(&app, "u004").await.status(), v1::UserStatus::Graduated);
    let request = |key: &str| v1::PublishRequest {
        channels: vec![v1::Channel::Email.into()],
        ..letter(key, &["u000", "u001", "u002", "u003", "u004"])
    };
    let wanted = v1::PreviewAudienceRequest {
        audience: request("p").audience,
        channels: vec![v1::Channel::Email.into()],
        ..Default::default()
    };
    let preview = app.publish(&campus.live).preview_audience(wanted).await.unwrap().into_inner();
    let dropped: Vec<_> = preview.channels[0].dropped.iter().map(|one| (one.reason.as_str(), one.count)).collect();
    assert_eq!(dropped, [("ADDRESS_UNVERIFIED", 1), ("ADDRESS_DEAD", 1), ("LEFT", 1)]);
    assert_eq!(preview.channels[0].reachable, 2);

    let sent = app.publish(&campus.live).publish(request("s")).await.unwrap().into_inner();
    let reasons = recipients(&app, &campus.live, &sent.message_id).await.into_iter();
    let mut reasons: Vec<_> = reasons.map(|one| (one.user_id, one.deliveries[0].reason.clone())).collect();
    reasons.sort();
    let expected =
        [("u000", ""), ("u001", "ADDRESS_DEAD"), ("u002", "ADDRESS_UNVERIFIED"), ("u003", ""), ("u004", "LEFT")];
    assert_eq!(reasons, expected.map(|(id, reason)| (id.to_owned(), reason.to_owned())));

    let request = |id: &str| v1::ReinstateAddressRequest { user_id: id.to_owned(), channel: v1::Channel::Email.into() };
    let back = app.directory(&app.admin).reinstate_address(request("u001")).await.unwrap().into_inner().user.unwrap();
    let states: Vec<_> = back.addresses.iter().map(|one| (one.channel(), one.state())).collect();
    assert!(states.contains(&(v1::Channel::Email, v1::AddressState::Usable)), "{states:?}");
    assert!(
        states.contains(&(v1::Channel::App, v1::AddressState::Dead)),
        "only the channel that was named: {states:?}"
    );
    for id in ["u001", "u002", "nobody"] {
        let status = app.directory(&app.admin).reinstate_address(request(id)).await.unwrap_err();
        assert_eq!(refused(&status).reason, "NOT_FOUND", "{id}");
    }
    let status = app.directory(&campus.live).reinstate_address(request("u001")).await.unwrap_err();
    assert_eq!(refused(&status).reason, "SCOPE_MISSING");
}

#[tokio::test]
async fn an_erased_person_can_be_named_by_nobody_and_the_reports_still_balance() {
    let app = TestApp::start().await;
    let campus = app.campus().await;
    let alone = app.publish(&campus.live).publish(letter("one", &["u001"])).await.unwrap().into_inner();
    let many = app.publish(&campus.live).publish(letter("two", &["u001", "u002"])).await.unwrap().into_inner();
    let erase = |id: &str, why: &str, validate_only| v1::EraseUserRequest {
        user_id: id.to_owned(),
        why: why.to_owned(),
        validate_only,
    };
    let mut client = app.directory(&app.admin);
    let named = client.erase_user(erase("u001", "as u001 asked", false)).await.unwrap_err();
    assert_eq!(refused(&named).field, "why");
    let own = client.erase_user(erase("administrator", "", false)).await.unwrap_err();
    assert_eq!(refused(&own).reason, "USER_IS_OWN");
    let status = app.directory(&campus.live).erase_user(erase("u001", "", true)).await.unwrap_err();
    assert_eq!(refused(&status).reason, "SCOPE_MISSING");
    let counted = client.erase_user(erase("u001", "", true)).await.unwrap().into_inner().receipt.unwrap();
    assert_eq!((counted.addresses, counted.tags, counted.messages, counted.erased_at), (2, 1, 1, None));
    assert_eq!(user(&app, "u001").await.user_id, "u001");

    let receipt = client.erase_user(erase("u001", "case 4711", false)).await.unwrap().into_inner().receipt.unwrap();
    assert!(receipt.erasure_id.starts_with("ers_") && receipt.erased_at.is_some());
    assert_eq!((receipt.addresses, receipt.tags, receipt.messages), (2, 1, 1));
    for _ in 0..2 {
        let status = client.get_user(v1::GetUserRequest { user_id: "u001".to_owned() }).await.unwrap_err();
        assert_eq!(refused(&status).reason, "NOT_FOUND");
        let status = client.erase_user(erase("u001", "", false)).await.unwrap_err();
        assert_eq!(refused(&status).reason, "NOT_FOUND");
    }
    let status = app.publish(&campus.live).publish(letter("three", &["u001"])).await.unwrap_err();
    assert_eq!(refused(&status).reason, "UNKNOWN_USER");
    let whole = app.publish(&campus.live).publish(notice("four", "everyone")).await.unwrap().into_inner();
    assert_eq!(whole.recipient_count, 29);
    for (message_id, people) in [(&alone.message_id, 1), (&many.message_id, 2)] {
        let wanted = v1::GetMessageRequest { message_id: message_id.clone(), ..Default::default() };
        let message = app.publish(&campus.live).get_message(wanted).await.unwrap().into_inner().message.unwrap();
        assert_eq!(message.recipient_count, people, "what was counted stays");
    }
    let status = app.operations(&app.admin).get_status(v1::GetStatusRequest::default()).await.unwrap().into_inner();
    assert!(status.unbalanced_leg_ids.is_empty(), "{:?}", status.unbalanced_leg_ids);
}
