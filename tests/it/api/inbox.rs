//! A person's own inbox: listed, streamed, marked.

use std::time::Duration;

use campanile::api::v1;
use campanile::api::v1::subscribe_response::Change;
use futures::StreamExt;
use tokio::time::timeout;
use tonic::{Code, Streaming};

use crate::support::app::{TestApp, letter, notice};
use crate::support::refusal::{reason, refused};

/// The next thing that happened, signs of life left out.
async fn next(stream: &mut Streaming<v1::SubscribeResponse>) -> Change {
    loop {
        let told = timeout(Duration::from_secs(20), stream.next()).await.unwrap().unwrap().unwrap();
        match told.change.unwrap() {
            Change::Heartbeat(_) => {}
            change => return change,
        }
    }
}

#[tokio::test]
async fn a_notice_is_in_every_inbox_at_once_and_on_the_stream() {
    let app = TestApp::start().await;
    let campus = app.campus().await;
    let token = app.user_token(&campus, "u001").await;
    let mut inbox = app.inbox(&token);
    let empty = inbox.list_inbox(v1::ListInboxRequest::default()).await.unwrap().into_inner();
    assert!(empty.items.is_empty());
    let wanted = v1::SubscribeRequest { cursor: empty.cursor, ..Default::default() };
    let mut stream = inbox.subscribe(wanted).await.unwrap().into_inner();

    let sent = app.publish(&campus.live).publish(notice("n", "grade:2021")).await.unwrap().into_inner();
    let Change::Added(item) = next(&mut stream).await else { panic!("nothing came") };
    assert_eq!((item.message_id.as_str(), item.title.as_str()), (sent.message_id.as_str(), "补考通知"));
    let list = inbox.list_inbox(v1::ListInboxRequest::default()).await.unwrap().into_inner();
    assert_eq!((list.items.len(), list.unread_count), (1, 1));
    assert_eq!(list.items[0].department_name, "Department of cs");
    let other = app.user_token(&campus, "u016").await;
    let others = app.inbox(&other).list_inbox(v1::ListInboxRequest::default()).await.unwrap().into_inner();
    assert!(others.items.is_empty(), "who is not of the year 2021 sees nothing");
}

#[tokio::test]
async fn read_marks_count_down_and_letters_are_personal() {
    let app = TestApp::start().await;
    let campus = app.campus().await;
    let mut publish = app.publish(&campus.live);
    let first = publish.publish(letter("l-1", &["u001"])).await.unwrap().into_inner();
    publish.publish(notice("n-1", "department:cs")).await.unwrap();
    let token = app.user_token(&campus, "u001").await;
    let mut inbox = app.inbox(&token);
    let unread = inbox.get_unread_count(v1::GetUnreadCountRequest {}).await.unwrap().into_inner().unread_count;
    assert_eq!(unread, 2);
    let ids = v1::MessageIds { message_ids: vec![first.message_id.clone()] };
    let which = Some(v1::mark_read_request::Which::MessageIds(ids));
    let left = inbox.mark_read(v1::MarkReadRequest { which }).await.unwrap().into_inner().unread_count;
    assert_eq!(left, 1);
    let wanted = v1::ListInboxRequest { unread_only: true, ..Default::default() };
    let list = inbox.list_inbox(wanted).await.unwrap().into_inner();
    assert_eq!(list.items.len(), 1);
    assert_ne!(list.items[0].message_id, first.message_id);
}

#[tokio::test]
async fn a_user_token_opens_one_inbox_and_nothing_else() {
    let app = TestApp::start().await;
    let campus = app.campus().await;
    for token in [campus.live.as_str(), "", "cpl_user_x"] {
        let status = app.inbox(token).list_inbox(v1::ListInboxRequest::default()).await.unwrap_err();
        assert_eq!(refused(&status).code, Code::Unauthenticated);
    }
    let token = app.user_token(&campus, "u001").await;
    let status = app.publish(&token).list_messages(v1::ListMessagesRequest::default()).await.unwrap_err();
    assert_eq!(refused(&status).code, Code::Unauthenticated);
    let wanted = v1::IssueUserTokenRequest { user_id: "u999".to_owned(), ..Default::default() };
    let status = app.inbox(&campus.live).issue_user_token(wanted).await.unwrap_err();
    assert_eq!(refused(&status).reason, "UNKNOWN_USER");
}

#[tokio::test]
async fn open_streams_are_told_to_come_back_when_the_node_goes_away() {
    let app = TestApp::start().await;
    let campus = app.campus().await;
    let token = app.user_token(&campus, "u001").await;
    let mut stream = app.inbox(&token).subscribe(v1::SubscribeRequest::default()).await.unwrap().into_inner();
    let stopping = tokio::spawn(app.stop());
    let Change::Reconnect(why) = next(&mut stream).await else { panic!("the stream was cut off") };
    assert_eq!(why.reason(), v1::ReconnectReason::Draining);
    let end = timeout(Duration::from_secs(20), stream.next()).await.unwrap().unwrap().unwrap_err();
    assert_eq!((end.code(), reason(&end)), (Code::Unavailable, "DRAINING".to_owned()));
    stopping.await.unwrap();
}
