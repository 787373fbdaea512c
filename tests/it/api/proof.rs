//! Trial copies.

use campanile::api::v1;
use tonic::Status;

use crate::support::app::{TestApp, letter, notice};
use crate::support::refusal::refused;

fn proof(users: &[&str]) -> v1::SendProofRequest {
    let user_ids = users.iter().map(|id| (*id).to_owned()).collect();
    v1::SendProofRequest { content: letter("", &[]).content, user_ids, ..Default::default() }
}

async fn sent(app: &TestApp, token: &str, wanted: v1::SendProofRequest) -> String {
    app.publish(token).send_proof(wanted).await.unwrap().into_inner().message_id
}

async fn denied(app: &TestApp, token: &str, wanted: v1::SendProofRequest) -> Status {
    app.publish(token).send_proof(wanted).await.unwrap_err()
}

async fn message(app: &TestApp, token: &str, id: &str) -> v1::Message {
    let wanted = v1::GetMessageRequest { message_id: id.to_owned(), view: v1::MessageView::Full.into() };
    app.publish(token).get_message(wanted).await.unwrap().into_inner().message.unwrap()
}

/// Deliveries in the report of these days.
async fn reported(app: &TestApp, token: &str) -> i64 {
    let at = |hours: i64| {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
        Some(prost_types::Timestamp { seconds: i64::try_from(now).unwrap() + hours * 3_600, nanos: 0 })
    };
    let wanted = v1::GetReportRequest { start_at: at(-48), end_at: at(48), ..Default::default() };
    let rows = app.report(token).get_report(wanted).await.unwrap().into_inner().rows;
    rows.iter().map(|row| row.deliveries).sum()
}

#[tokio::test]
async fn a_trial_copy_is_marked_found_and_in_no_report() {
    let app = TestApp::start().await;
    let campus = app.campus().await;
    let original =
        app.publish(&campus.live).publish(notice("1", "department:cs")).await.unwrap().into_inner().message_id;
    let before = reported(&app, &campus.live).await;
    assert_eq!(before, 20);
    let one =
        sent(&app, &campus.live, v1::SendProofRequest { proof_of_message_id: original.clone(), ..proof(&["u003"]) });
    let (one, three) = (one.await, sent(&app, &campus.live, proof(&["u003", "u004", "u025"])).await);
    assert_eq!(reported(&app, &campus.live).await, before);

    let shown = message(&app, &campus.live, &one).await;
    assert!(shown.proof && shown.state() == v1::MessageState::Finished);
    let Some(v1::content::Source::Inline(inline)) = shown.publish.unwrap().content.unwrap().source else { panic!() };
    assert_eq!(inline.title, "[校样] 补考通知");
    let tie = (&shown.related[0].message_id, shown.related[0].kind(), shown.related[0].incoming);
    assert_eq!(tie, (&original, v1::RelationKind::ProofOf, false));
    assert!(!message(&app, &campus.live, &original).await.proof);
    let listed =
        app.publish(&campus.live).list_messages(v1::ListMessagesRequest::default()).await.unwrap().into_inner();
    assert!(listed.messages.iter().any(|one| one.message_id == three && one.recipient_count == 3));
    let reader = app.user_token(&campus, "u004").await;
    let inbox = app.inbox(&reader).list_inbox(v1::ListInboxRequest::default()).await.unwrap().into_inner();
    assert_eq!(inbox.items[0].title, "[校样] 补考通知", "it is really sent");
}

#[tokio::test]
async fn a_trial_copy_reaches_nobody_beyond_the_grant_and_is_for_a_few() {
    let app = TestApp::start().await;
    let campus = app.campus().await;
    let narrow = app.application("Laboratory", "math").await;
    app.grant(&narrow, v1::Grant { department_ids: vec!["math".to_owned()], ..Default::default() }).await;
    let (_, token) = app.key(&narrow, v1::KeyMode::Live, &[v1::KeyScope::Publish, v1::KeyScope::Read]).await;
    sent(&app, &token, proof(&["u025"])).await;
    let five = ["u001", "u002", "u003", "u004", "u005"];
    for (token, wanted, reason, field) in [
        (&token, proof(&["u025", "u003"]), "AUDIENCE_OUTSIDE_GRANT", "audience"),
        (&campus.live, proof(&[]), "FIELD_REQUIRED", "user_ids"),
        (&campus.live, proof(&[&five[..], &["u006"]].concat()), "FIELD_INVALID", "user_ids"),
        (&campus.live, proof(&["nobody"]), "UNKNOWN_USER", "audience.users.user_ids"),
        (&campus.live, v1::SendProofRequest { content: None, ..proof(&["u001"]) }, "FIELD_REQUIRED", "content"),
        (
            &token,
            v1::SendProofRequest { proof_of_message_id: "msg_0000000000001".to_owned(), ..proof(&["u025"]) },
            "NOT_FOUND",
            "relation.message_id",
        ),
    ] {
        let denial = refused(&denied(&app, token, wanted).await);
        assert_eq!((denial.reason.as_str(), denial.field.as_str()), (reason, field));
    }
    for _ in 0..20 {
        let answer = app.publish(&campus.live).send_proof(proof(&five)).await;
        if let Err(status) = answer {
            let details = tonic_types::StatusExt::get_error_details(&status);
            assert_eq!(refused(&status).reason, "RATE_LIMITED");
            assert!(details.retry_info().is_some());
            return;
        }
    }
    panic!("nobody is rate-limited");
}
