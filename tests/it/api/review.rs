//! The second person through the interface.

use std::time::Duration;

use campanile::api::v1;
use prost_types::Timestamp;
use tonic::Code;

use crate::support::app::{Campus, TestApp, notice, user_id};
use crate::support::refusal::refused;

fn reason(status: &tonic::Status) -> String {
    refused(status).reason
}

/// A campus where more than ten people need a second person, with `u000` who reviews for all.
async fn reviewing() -> (TestApp, Campus, String) {
    let app = TestApp::with(|settings| settings.review.threshold = Some(10)).await;
    let campus = app.campus().await;
    let assignment = v1::RoleAssignment { user_id: user_id(0), role: v1::Role::Reviewer.into(), ..Default::default() };
    let request = v1::AssignRoleRequest { assignment: Some(assignment) };
    app.access(&app.admin).assign_role(request).await.unwrap();
    let reviewer = person_key(&app, &user_id(0)).await;
    (app, campus, reviewer)
}

async fn person_key(app: &TestApp, user_id: &str) -> String {
    let request = v1::CreateKeyRequest {
        owner: Some(v1::create_key_request::Owner::UserId(user_id.to_owned())),
        scopes: vec![v1::KeyScope::Publish.into(), v1::KeyScope::Read.into()],
        ..Default::default()
    };
    app.access(&app.admin).create_key(request).await.unwrap().into_inner().token
}

async fn held(app: &TestApp, campus: &Campus, key: &str) -> v1::PublishResponse {
    let answer = app.publish(&campus.live).publish(notice(key, "department:cs")).await.unwrap().into_inner();
    assert_eq!((answer.state(), answer.recipient_count), (v1::MessageState::InReview, 20));
    answer
}

async fn message(app: &TestApp, token: &str, id: &str) -> Result<v1::Message, tonic::Status> {
    let view = v1::MessageView::Full.into();
    let request = v1::GetMessageRequest { message_id: id.to_owned(), view };
    app.publish(token).get_message(request).await.map(|answer| answer.into_inner().message.unwrap())
}

fn decision(message: &v1::Message, decision: v1::ReviewDecision) -> v1::ReviewMessageRequest {
    v1::ReviewMessageRequest {
        message_id: message.message_id.clone(),
        fingerprint: message.review.as_ref().unwrap().fingerprint.clone(),
        decision: decision.into(),
        comment: "by the rules".to_owned(),
        ..Default::default()
    }
}

async fn reaches(app: &TestApp, token: &str, id: &str, state: v1::MessageState) {
    for _ in 0..500 {
        if message(app, token, id).await.unwrap().state() == state {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{id} never becomes {state:?}");
}

#[tokio::test]
async fn a_reviewer_sees_a_held_message_and_lets_it_go() {
    let (app, campus, reviewer) = reviewing().await;
    let answer = held(&app, &campus, "one").await;
    let (id, review) = (answer.message_id, answer.review.unwrap());
    assert!(review.needed && review.approvals_needed == 1 && review.lapse_at.is_some());
    assert!(review.reviewer_ids.contains(&user_id(0)), "{:?}", review.reviewer_ids);
    let shown = message(&app, &reviewer, &id).await.unwrap();
    assert!(shown.publish.as_ref().unwrap().content.is_some(), "she sees what it says");
    let request = v1::ListReviewsRequest { to_decide: true, ..Default::default() };
    let listed = app.access(&reviewer).list_reviews(request).await.unwrap().into_inner().reviews;
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0].author.as_ref().unwrap().name, "Library");
    assert!(listed[0].message.as_ref().unwrap().publish.as_ref().unwrap().content.is_some());
    let decided = app.access(&reviewer).review_message(decision(&shown, v1::ReviewDecision::Approve)).await.unwrap();
    let after = decided.into_inner().message.unwrap();
    assert_eq!(after.review.unwrap().approvals[0].comment, "by the rules");
    reaches(&app, &campus.live, &id, v1::MessageState::Finished).await;
    let again = app.publish(&campus.live).publish(notice("one", "department:cs")).await.unwrap().into_inner();
    assert_eq!((again.duplicate, again.state(), again.message_id), (true, v1::MessageState::Finished, id));
    app.stop().await;
}

#[tokio::test]
async fn nobody_else_sees_or_decides_and_each_refusal_says_why() {
    let (app, campus, reviewer) = reviewing().await;
    let id = held(&app, &campus, "one").await.message_id;
    let other = person_key(&app, &user_id(5)).await;
    let shown = message(&app, &reviewer, &id).await.unwrap();
    let absent = "msg_0000000000010".to_owned();
    for id in [&id, &absent] {
        assert_eq!(message(&app, &other, id).await.unwrap_err().code(), Code::NotFound);
        let wanted =
            v1::ReviewMessageRequest { message_id: id.clone(), ..decision(&shown, v1::ReviewDecision::Approve) };
        let status = app.access(&other).review_message(wanted).await.unwrap_err();
        assert_eq!(reason(&status), "NOT_FOUND");
    }
    let approve = decision(&shown, v1::ReviewDecision::Approve);
    let cases = [
        (&campus.live, approve.clone(), "PERSON_REQUIRED"),
        (&reviewer, v1::ReviewMessageRequest { fingerprint: String::new(), ..approve.clone() }, "FIELD_REQUIRED"),
        (&reviewer, v1::ReviewMessageRequest { decision: 0, ..approve.clone() }, "FIELD_REQUIRED"),
        (&reviewer, v1::ReviewMessageRequest { decision: 99, ..approve.clone() }, "FIELD_INVALID"),
        (&reviewer, v1::ReviewMessageRequest { fingerprint: "abc".to_owned(), ..approve.clone() }, "REVIEW_CHANGED"),
        (&reviewer, v1::ReviewMessageRequest { comment: "x".repeat(2_001), ..approve.clone() }, "FIELD_TOO_LONG"),
        (
            &reviewer,
            v1::ReviewMessageRequest { decision: 2, comment: String::new(), ..approve.clone() },
            "FIELD_REQUIRED",
        ),
    ];
    for (token, wanted, expected) in cases {
        assert_eq!(reason(&app.access(token).review_message(wanted).await.unwrap_err()), expected);
    }
    let status = app.access(&campus.live).list_reviews(v1::ListReviewsRequest::default()).await.unwrap_err();
    assert_eq!(reason(&status), "PERSON_REQUIRED");
    let refuse = decision(&shown, v1::ReviewDecision::Refuse);
    let refused = app.access(&reviewer).review_message(refuse.clone()).await.unwrap().into_inner().message.unwrap();
    assert_eq!(refused.state(), v1::MessageState::Rejected);
    assert!(refused.review.unwrap().why.contains("by the rules"), "the author learns why");
    assert_eq!(reason(&app.access(&reviewer).review_message(refuse).await.unwrap_err()), "REVIEW_LAPSED");
    app.stop().await;
}

#[tokio::test]
async fn a_deputy_stands_in() {
    let (app, campus, reviewer) = reviewing().await;
    let until = Timestamp { seconds: jiff::Timestamp::now().as_second() + 3_600, nanos: 0 };
    let request = v1::DelegateReviewsRequest { user_id: user_id(5), until: Some(until) };
    let deputy = person_key(&app, &user_id(5)).await;
    assert_eq!(reason(&app.access(&deputy).delegate_reviews(request.clone()).await.unwrap_err()), "ROLE_MISSING");
    app.access(&reviewer).delegate_reviews(request).await.unwrap();
    let id = held(&app, &campus, "one").await.message_id;
    let shown = message(&app, &deputy, &id).await.unwrap();
    app.access(&deputy).review_message(decision(&shown, v1::ReviewDecision::SendBack)).await.unwrap();
    reaches(&app, &campus.live, &id, v1::MessageState::Rejected).await;
    app.stop().await;
}

/// Waits until somebody's inbox has an item whose title begins so and that names a message.
async fn is_told(app: &TestApp, campus: &Campus, user_id: &str, title: &str, id: &str) {
    let token = app.user_token(campus, user_id).await;
    for _ in 0..1_000 {
        let request = v1::ListInboxRequest::default();
        let items = app.inbox(&token).list_inbox(request).await.unwrap().into_inner().items;
        if items.iter().any(|item| item.title.starts_with(title) && item.body.contains(id)) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{user_id} is never told {title:?}");
}

#[tokio::test]
async fn reviewers_are_asked_and_authors_told_in_their_inboxes() {
    let (app, campus, reviewer) = reviewing().await;
    let holder = v1::Principal { subject: Some(v1::principal::Subject::UserId(user_id(5))), ..Default::default() };
    let grant = v1::Grant {
        principal: Some(holder),
        department_ids: vec!["cs".to_owned()],
        channels: vec![v1::Channel::App.into()],
        ..Default::default()
    };
    app.access(&app.admin).create_grant(v1::CreateGrantRequest { grant: Some(grant) }).await.unwrap();
    let author = person_key(&app, &user_id(5)).await;
    let wanted = v1::PublishRequest {
        department_id: "cs".to_owned(),
        channels: vec![v1::Channel::App.into()],
        ..notice("mine", "department:cs")
    };
    let id = app.publish(&author).publish(wanted).await.unwrap().into_inner().message_id;
    is_told(&app, &campus, &user_id(0), "请审核 Please review", &id).await;
    let shown = message(&app, &reviewer, &id).await.unwrap();
    app.access(&reviewer).review_message(decision(&shown, v1::ReviewDecision::Refuse)).await.unwrap();
    is_told(&app, &campus, &user_id(5), "审核未通过 Refused", &id).await;
    app.stop().await;
}

#[tokio::test]
async fn who_looks_after_an_application_hears_how_it_ended() {
    let (app, campus, reviewer) = reviewing().await;
    let assignment = v1::RoleAssignment {
        user_id: user_id(9),
        role: v1::Role::DepartmentAdministrator.into(),
        department_id: "cs".to_owned(),
        ..Default::default()
    };
    let request = v1::AssignRoleRequest { assignment: Some(assignment) };
    app.access(&app.admin).assign_role(request).await.unwrap();
    let id = held(&app, &campus, "one").await.message_id;
    let shown = message(&app, &reviewer, &id).await.unwrap();
    app.access(&reviewer).review_message(decision(&shown, v1::ReviewDecision::SendBack)).await.unwrap();
    is_told(&app, &campus, &user_id(9), "退回修改 Sent back", &id).await;
    app.stop().await;
}

#[tokio::test]
async fn an_emergency_is_announced_to_auditors_at_once() {
    let (app, campus, _) = reviewing().await;
    let assignment = v1::RoleAssignment { user_id: user_id(7), role: v1::Role::Auditor.into(), ..Default::default() };
    let request = v1::AssignRoleRequest { assignment: Some(assignment) };
    app.access(&app.admin).assign_role(request).await.unwrap();
    let grant = v1::Grant {
        department_ids: vec!["school".to_owned()],
        classes: vec![v1::MessageClass::Emergency.into()],
        ..Default::default()
    };
    app.grant(&campus.application, grant).await;
    let wanted =
        v1::PublishRequest { message_class: v1::MessageClass::Emergency.into(), ..notice("fire", "department:school") };
    let answer = app.publish(&campus.live).publish(wanted).await.unwrap().into_inner();
    assert_eq!(answer.state(), v1::MessageState::Finished, "it is in the inboxes at once");
    assert!(!answer.review.unwrap().needed);
    is_told(&app, &campus, &user_id(7), "紧急消息已发出", &answer.message_id).await;
    is_told(&app, &campus, &user_id(0), "紧急消息已发出", &answer.message_id).await;
    app.stop().await;
}

#[tokio::test]
async fn the_service_shows_no_key_of_its_own() {
    let (app, _, _) = reviewing().await;
    let keys = app.access(&app.admin).list_keys(v1::ListKeysRequest::default()).await.unwrap().into_inner().keys;
    assert!(keys.iter().all(|key| key.key_id != "key_0000000000002"));
    let request = v1::RevokeKeyRequest { key_id: "key_0000000000002".to_owned(), why: String::new() };
    assert_eq!(reason(&app.access(&app.admin).revoke_key(request).await.unwrap_err()), "NOT_FOUND");
    let request = v1::RevokeGrantRequest { grant_id: "grt_0000000000002".to_owned(), why: String::new() };
    assert_eq!(reason(&app.access(&app.admin).revoke_grant(request).await.unwrap_err()), "NOT_FOUND");
    let grants =
        app.access(&app.admin).list_grants(v1::ListGrantsRequest::default()).await.unwrap().into_inner().grants;
    assert_eq!(grants.len(), 1, "{grants:?}");
    app.stop().await;
}

#[tokio::test]
async fn a_preview_and_a_trial_tell_of_the_second_person() {
    let (app, campus, _) = reviewing().await;
    let target = v1::audience::Target::Expression("department:school".to_owned());
    let wanted =
        v1::PreviewAudienceRequest { audience: Some(v1::Audience { target: Some(target) }), ..Default::default() };
    let told = app.publish(&campus.live).preview_audience(wanted).await.unwrap().into_inner().review.unwrap();
    assert!(told.needed && told.reviewer_ids.contains(&user_id(0)), "{told:?}");
    assert!(told.why.contains("outside Department of cs"), "{}", told.why);
    let trial = v1::PublishRequest { validate_only: true, ..notice("trial", "department:cs") };
    let answer = app.publish(&campus.live).publish(trial).await.unwrap().into_inner();
    assert_eq!((answer.state(), answer.message_id.is_empty()), (v1::MessageState::InReview, true));
    let test = app.publish(&campus.test).publish(notice("test", "department:cs")).await.unwrap().into_inner();
    assert_eq!((test.state(), test.review), (v1::MessageState::Sending, None), "a test reaches nobody");
    app.stop().await;
}
