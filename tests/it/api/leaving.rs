//! A person who leaves: her inbox closes, and what waits for her is not sent.

use std::time::{Duration, SystemTime};

use campanile::api::v1;
use campanile::api::v1::subscribe_response::Change;
use futures::StreamExt;
use tokio::time::timeout;

use crate::support::app::{TestApp, letter};
use crate::support::refusal::refused;

const WAIT: Duration = Duration::from_secs(30);

async fn gone(app: &TestApp, user_id: &str, status: v1::UserStatus) {
    let wanted = v1::GetUserRequest { user_id: user_id.to_owned() };
    let user = app.directory(&app.admin).get_user(wanted).await.unwrap().into_inner().user.unwrap();
    let user = v1::User { status: status.into(), etag: String::new(), ..user };
    let row = tokio_stream::iter([v1::UpsertUsersRequest { user: Some(user) }]);
    let done = app.directory(&app.admin).upsert_users(row).await.unwrap().into_inner();
    assert_eq!((done.updated, done.error_count), (1, 0), "{:?}", done.errors);
}

#[tokio::test]
async fn a_leavers_inbox_closes_with_the_answer() {
    let app = TestApp::start().await;
    let campus = app.campus().await;
    let token = app.user_token(&campus, "u001").await;
    let mut stream = app.inbox(&token).subscribe(v1::SubscribeRequest::default()).await.unwrap().into_inner();
    gone(&app, "u001", v1::UserStatus::Left).await;
    let status = app.inbox(&token).list_inbox(v1::ListInboxRequest::default()).await.unwrap_err();
    assert_eq!(refused(&status).reason, "TOKEN_INVALID");
    let told = async {
        loop {
            match stream.next().await.unwrap().unwrap().change.unwrap() {
                Change::Reconnect(why) => return why.reason(),
                _ => continue,
            }
        }
    };
    assert_eq!(timeout(WAIT, told).await.unwrap(), v1::ReconnectReason::TokenExpiring);
}

#[tokio::test]
async fn what_waits_for_somebody_who_died_is_suppressed() {
    let app = TestApp::start().await;
    let campus = app.campus().await;
    let soon = SystemTime::now() + Duration::from_secs(2);
    let wanted = v1::PublishRequest {
        channels: vec![v1::Channel::Email.into()],
        send_at: Some(soon.into()),
        ..letter("later", &["u001", "u002"])
    };
    let message_id = app.publish(&campus.test).publish(wanted).await.unwrap().into_inner().message_id;
    gone(&app, "u002", v1::UserStatus::Deceased).await;
    let explain = |user: &str| {
        let (wanted, mut client) = ((message_id.clone(), user.to_owned()), app.publish(&campus.test));
        async move {
            let (message_id, user_id) = wanted;
            let wanted = v1::ExplainRecipientRequest { message_id, user_id };
            let explained = client.explain_recipient(wanted).await.unwrap().into_inner();
            explained.recipient.unwrap().deliveries.first().map(|one| (one.outcome(), one.reason.clone()))
        }
    };
    let ended = async {
        loop {
            let seen = (explain("u001").await, explain("u002").await);
            match &seen {
                (Some((hers, _)), Some((his, _))) if ![*hers, *his].contains(&v1::Outcome::Pending) => {
                    return seen;
                }
                _ => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
    };
    let (alive, dead) = timeout(WAIT, ended).await.unwrap();
    assert_eq!(alive.map(|(outcome, _)| outcome), Some(v1::Outcome::Sent));
    let (outcome, reason) = dead.unwrap();
    assert_eq!((outcome, reason.as_str()), (v1::Outcome::Suppressed, "LEFT"));
}
