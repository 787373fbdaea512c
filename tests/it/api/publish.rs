//! Publishing: one call, a stream, keys, cancelling, and what became of it.

use std::collections::HashSet;

use campanile::api::v1;
use futures::StreamExt;
use tokio_stream::iter;

use crate::support::app::{TestApp, letter, notice, user_id};

#[tokio::test]
async fn a_notice_is_answered_after_it_is_stored_and_everybody_is_accounted_for() {
    let app = TestApp::start().await;
    let campus = app.campus().await;
    let mut client = app.publish(&campus.live);
    let accepted = client.publish(notice("n-1", "department:cs AND grade:2021")).await.unwrap();
    assert!(accepted.metadata().contains_key("campanile-request-id"));
    let accepted = accepted.into_inner();
    assert_eq!((accepted.recipient_count, accepted.duplicate, accepted.test), (15, false, false));
    assert_eq!(accepted.channels.len(), 1, "the application's default");

    let wanted = v1::GetMessageRequest { message_id: accepted.message_id.clone(), view: v1::MessageView::Full.into() };
    let message = client.get_message(wanted).await.unwrap().into_inner().message.unwrap();
    assert_eq!(message.state(), v1::MessageState::Finished, "releasing an inbox leg is its delivery");
    assert_eq!((message.counts[0].members, message.counts[0].sent, message.reached), (15, 15, 15));
    let published = message.publish.unwrap();
    assert_eq!(published.message_class(), v1::MessageClass::Notice);
    assert_eq!(published.department_id, "cs", "the application's owner speaks");
    let Some(v1::content::Source::Inline(inline)) = published.content.unwrap().source else { panic!("no content") };
    assert_eq!(inline.title, "补考通知");

    let mut people = HashSet::new();
    let mut page_token = String::new();
    loop {
        let message_id = accepted.message_id.clone();
        let wanted = v1::ListRecipientsRequest { message_id, page_size: 4, page_token, ..Default::default() };
        let page = client.list_recipients(wanted).await.unwrap().into_inner();
        people.extend(page.recipients.iter().map(|one| one.user_id.clone()));
        assert!(page.recipients.iter().all(|one| one.state() == v1::RecipientState::Sent));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    assert_eq!(people, (0..15).map(user_id).collect());
}

#[tokio::test]
async fn the_same_key_gives_the_same_message() {
    let app = TestApp::start().await;
    let campus = app.campus().await;
    let mut client = app.publish(&campus.live);
    let first = client.publish(letter("same", &["u001"])).await.unwrap().into_inner();
    let again = client.publish(letter("same", &["u001"])).await.unwrap().into_inner();
    assert_eq!((again.message_id, again.duplicate), (first.message_id, true));
    assert_eq!(app.messages().await, 1);
}

#[tokio::test]
async fn a_dry_run_answers_in_full_and_stores_nothing() {
    let app = TestApp::start().await;
    let campus = app.campus().await;
    let request = v1::PublishRequest { validate_only: true, ..notice("dry", "everyone") };
    let answer = app.publish(&campus.live).publish(request).await.unwrap().into_inner();
    assert_eq!((answer.recipient_count, answer.message_id.as_str()), (30, ""));
    assert_eq!(app.messages().await, 0);
}

#[tokio::test]
async fn a_stream_answers_every_item_and_an_error_does_not_end_it() {
    let app = TestApp::start().await;
    let campus = app.campus().await;
    let items = (0..3_000).map(|n: i64| {
        let person = user_id(usize::try_from(n % 30).unwrap());
        let publish = if n % 100 == 7 { letter("", &[&person]) } else { letter(&format!("s-{n}"), &[&person]) };
        v1::PublishStreamRequest { sequence: n, publish: Some(publish) }
    });
    let mut answers = app.publish(&campus.live).publish_stream(iter(items)).await.unwrap().into_inner();
    let (mut seen, mut refused) = (HashSet::new(), 0);
    while let Some(answer) = answers.next().await {
        let answer = answer.unwrap();
        assert!(seen.insert(answer.sequence), "{} is answered twice", answer.sequence);
        match answer.answer.unwrap() {
            v1::publish_stream_response::Answer::Accepted(accepted) => assert!(!accepted.duplicate),
            v1::publish_stream_response::Answer::Error(error) => {
                refused += 1;
                assert_eq!((answer.sequence % 100, error.reason.as_str()), (7, "FIELD_REQUIRED"));
                assert_eq!(error.field, "idempotency_key");
            }
        }
    }
    assert_eq!((seen.len(), refused), (3_000, 30));
}

#[tokio::test]
async fn a_key_revoked_in_mid_stream_stops_the_next_item() {
    let app = TestApp::start().await;
    let campus = app.campus().await;
    let (send, items) = tokio::sync::mpsc::channel(1);
    let requests = tokio_stream::wrappers::ReceiverStream::new(items);
    let item = |n: i64| v1::PublishStreamRequest { sequence: n, publish: Some(letter(&format!("r-{n}"), &["u001"])) };
    send.send(item(1)).await.unwrap();
    let mut answers = app.publish(&campus.live).publish_stream(requests).await.unwrap().into_inner();
    let first = answers.next().await.unwrap().unwrap().answer.unwrap();
    assert!(matches!(first, v1::publish_stream_response::Answer::Accepted(_)));
    let revoke = v1::RevokeKeyRequest { key_id: campus.key_id.clone(), why: "lost".to_owned() };
    app.access(&app.admin).revoke_key(revoke).await.unwrap();
    send.send(item(2)).await.unwrap();
    let Some(v1::publish_stream_response::Answer::Error(error)) = answers.next().await.unwrap().unwrap().answer else {
        panic!("a revoked key published");
    };
    assert_eq!(error.reason, "TOKEN_INVALID");
}

#[tokio::test]
async fn a_scheduled_message_can_be_cancelled_and_watched_to_its_end() {
    let app = TestApp::start().await;
    let campus = app.campus().await;
    let mut client = app.publish(&campus.live);
    let hour = prost_types::Timestamp { seconds: jiff::Timestamp::now().as_second() + 3_600, nanos: 0 };
    let request = v1::PublishRequest { send_at: Some(hour), ..notice("later", "everyone") };
    let accepted = client.publish(request).await.unwrap().into_inner();
    assert_eq!(accepted.state(), v1::MessageState::Scheduled);

    let wanted = v1::WatchMessageRequest { message_id: accepted.message_id.clone() };
    let mut pictures = client.watch_message(wanted).await.unwrap().into_inner();
    let first = pictures.next().await.unwrap().unwrap();
    assert!(!first.ended && first.message.unwrap().state() == v1::MessageState::Scheduled);

    let cancel = v1::CancelMessageRequest { message_id: accepted.message_id, why: "moved".to_owned() };
    let answer = client.cancel_message(cancel).await.unwrap().into_inner();
    assert_eq!((answer.state(), answer.is_final), (v1::MessageState::Cancelled, true));
    let last = pictures.map(Result::unwrap).collect::<Vec<_>>().await.pop().unwrap();
    assert!(last.ended && last.message.unwrap().state() == v1::MessageState::Cancelled);
}

#[tokio::test]
async fn a_test_key_reaches_nobody_live() {
    let app = TestApp::start().await;
    let campus = app.campus().await;
    let accepted = app.publish(&campus.test).publish(letter("t-1", &["u001"])).await.unwrap().into_inner();
    assert!(accepted.test);
    let token = app.user_token(&campus, "u001").await;
    let list = app.inbox(&token).list_inbox(v1::ListInboxRequest::default()).await.unwrap().into_inner();
    assert!(list.items.is_empty());
}

#[tokio::test]
async fn a_preview_tells_whom_it_would_reach_and_a_report_what_was_reached() {
    let app = TestApp::start().await;
    let campus = app.campus().await;
    let target = v1::audience::Target::Expression("department:cs".to_owned());
    let wanted =
        v1::PreviewAudienceRequest { audience: Some(v1::Audience { target: Some(target) }), ..Default::default() };
    let preview = app.publish(&campus.live).preview_audience(wanted).await.unwrap().into_inner();
    assert_eq!((preview.recipient_count, preview.allowed), (20, true));
    assert_eq!(preview.grant_id, campus.grant_id);
    app.publish(&campus.live).publish(notice("r-1", "department:cs")).await.unwrap();
    let wanted = v1::GetReportRequest {
        start_at: Some(prost_types::Timestamp { seconds: jiff::Timestamp::now().as_second() - 60, nanos: 0 }),
        group_by: vec![v1::GroupBy::Application.into(), v1::GroupBy::Outcome.into()],
        ..Default::default()
    };
    let rows = app.report(&campus.live).get_report(wanted).await.unwrap().into_inner().rows;
    let sent: Vec<_> = rows.iter().filter(|row| row.outcome() == v1::Outcome::Sent).collect();
    assert_eq!((sent.len(), sent[0].deliveries, &sent[0].application_id), (1, 20, &campus.application));
}
