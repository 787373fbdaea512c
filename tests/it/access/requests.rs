//! Requests for grants, from asking to sending: who decides, what reaches beyond the department, and how it ends.

use campanile::api::v1;
use v1::{RequestDecision as Decision, RequestState, Role};

use super::offices::{assignment, of_cs, token};
use crate::support::app::{TestApp, notice};
use crate::support::refusal::refused;

fn wanted(departments: &[&str]) -> v1::RequestGrantRequest {
    let department_ids = departments.iter().map(|id| (*id).to_owned()).collect();
    v1::RequestGrantRequest {
        wanted: Some(v1::Grant { department_ids, ..Default::default() }),
        why: "教务通知".to_owned(),
    }
}

async fn ask(app: &TestApp, token: &str, departments: &[&str]) -> v1::Request {
    let made = app.access(token).request_grant(wanted(departments)).await.unwrap();
    made.into_inner().request.unwrap()
}

fn decision(request: &v1::Request, decision: Decision) -> v1::DecideRequestRequest {
    let comment = if decision == Decision::Agree || decision == Decision::Grant { "" } else { "请改" };
    v1::DecideRequestRequest {
        request_id: request.request_id.clone(),
        decision: decision.into(),
        narrowed: None,
        comment: comment.to_owned(),
    }
}

async fn decide(app: &TestApp, token: &str, request: &v1::Request, what: Decision) -> v1::Request {
    app.access(token).decide_request(decision(request, what)).await.unwrap().into_inner().request.unwrap()
}

async fn refusal(app: &TestApp, token: &str, request: &v1::Request, what: Decision) -> String {
    refused(&app.access(token).decide_request(decision(request, what)).await.unwrap_err()).reason
}

fn to_cs(key: &str) -> v1::PublishRequest {
    v1::PublishRequest {
        department_id: "cs".to_owned(),
        channels: vec![v1::Channel::App.into()],
        ..notice(key, "department:cs")
    }
}

#[tokio::test]
async fn what_stays_in_the_department_its_administrator_grants_and_nobody_decides_for_herself() {
    let app = TestApp::start().await;
    app.campus().await;
    let (head, asker) = (of_cs(&app).await, token(&app, "u001").await);
    let request = ask(&app, &asker, &["cs"]).await;
    assert_eq!((request.state(), &request.decider_ids[..]), (RequestState::Open, &["u000".to_owned()][..]));
    assert_eq!(refused(&app.publish(&asker).publish(to_cs("a")).await.unwrap_err()).reason, "GRANT_MISSING");
    assert_eq!(refusal(&app, &asker, &request, Decision::Grant).await, "OWN_REQUEST");
    app.access(&app.admin).assign_role(assignment("u025", Role::DepartmentAdministrator, "math")).await.unwrap();
    let other = token(&app, "u025").await;
    assert_eq!(refusal(&app, &other, &request, Decision::Grant).await, "NOT_FOUND");
    let granted = decide(&app, &head, &request, Decision::Grant).await;
    assert_eq!((granted.state(), granted.votes.len(), granted.decider_ids.len()), (RequestState::Granted, 1, 0));
    assert_eq!(app.publish(&asker).publish(to_cs("a")).await.unwrap().into_inner().recipient_count, 20);
    assert_eq!(refusal(&app, &head, &request, Decision::Refuse).await, "REQUEST_CLOSED");
    // Even an administrator's own request waits for somebody else.
    let own = ask(&app, &head, &["cs"]).await;
    assert_eq!(refusal(&app, &head, &own, Decision::Grant).await, "OWN_REQUEST");
    decide(&app, &app.admin, &own, Decision::Grant).await;
}

#[tokio::test]
async fn what_reaches_beyond_the_department_is_agreed_to_there_and_granted_by_the_platform() {
    let app = TestApp::start().await;
    app.campus().await;
    let (head, asker) = (of_cs(&app).await, token(&app, "u001").await);
    let request = ask(&app, &asker, &["cs", "math"]).await;
    assert_eq!(refusal(&app, &head, &request, Decision::Grant).await, "EXCEEDS_OWN_RIGHTS");
    let agreed = decide(&app, &head, &request, Decision::Agree).await;
    assert_eq!((agreed.state(), agreed.votes[0].user_id.as_str()), (RequestState::Open, "u000"));
    assert_eq!(agreed.decider_ids, ["administrator"]);
    assert_eq!(refusal(&app, &head, &request, Decision::Refuse).await, "ROLE_MISSING");
    let to_decide = v1::ListRequestsRequest { to_decide: true, ..Default::default() };
    let waits = async |token: &str| {
        app.access(token).list_requests(to_decide.clone()).await.unwrap().into_inner().requests.len()
    };
    assert_eq!((waits(&app.admin).await, waits(&head).await, waits(&asker).await), (1, 0, 0));
    let narrowed = |departments: &[&str]| v1::DecideRequestRequest {
        narrowed: wanted(departments).wanted.map(|grant| v1::Grant { principal: agreed.requester.clone(), ..grant }),
        ..decision(&request, Decision::Grant)
    };
    let wider = app.access(&app.admin).decide_request(narrowed(&["school"])).await.unwrap_err();
    assert_eq!(refused(&wider).field, "narrowed");
    let granted = app.access(&app.admin).decide_request(narrowed(&["math"])).await.unwrap().into_inner();
    let grant_id = granted.request.unwrap().grant_id;
    let principal = agreed.requester.clone();
    let held = v1::ListGrantsRequest { principal, ..Default::default() };
    let held = app.access(&asker).list_grants(held).await.unwrap().into_inner().grants;
    assert_eq!((held[0].grant_id.as_str(), &held[0].department_ids[..]), (grant_id.as_str(), &["math".to_owned()][..]));
}

#[tokio::test]
async fn a_persons_grant_ends_when_she_leaves_the_department_it_was_asked_for_in() {
    let app = TestApp::start().await;
    app.campus().await;
    let (head, asker) = (of_cs(&app).await, token(&app, "u001").await);
    let request = ask(&app, &asker, &["cs"]).await;
    decide(&app, &head, &request, Decision::Grant).await;
    app.publish(&asker).publish(to_cs("a")).await.unwrap();
    let in_school = |department: &str| v1::UpsertUsersRequest {
        user: Some(v1::User {
            user_id: "u001".to_owned(),
            name: "李1".to_owned(),
            primary_department_id: department.to_owned(),
            ..Default::default()
        }),
    };
    app.directory(&app.admin).upsert_users(tokio_stream::iter([in_school("math")])).await.unwrap();
    let gone = app.publish(&asker).publish(to_cs("b")).await.unwrap_err();
    assert_eq!(refused(&gone).reason, "GRANT_MISSING");
}

#[tokio::test]
async fn bad_requests_and_decisions_are_refused_and_change_nothing() {
    let app = TestApp::start().await;
    let campus = app.campus().await;
    let (head, asker) = (of_cs(&app).await, token(&app, "u001").await);
    let by_a_machine = app.access(&campus.live).request_grant(wanted(&["cs"])).await.unwrap_err();
    assert_eq!(refused(&by_a_machine).reason, "PERSON_REQUIRED");
    let unexplained = v1::RequestGrantRequest { why: " ".to_owned(), ..wanted(&["cs"]) };
    let status = app.access(&asker).request_grant(unexplained).await.unwrap_err();
    assert_eq!((refused(&status).reason.as_str(), refused(&status).field.as_str()), ("FIELD_REQUIRED", "why"));
    let status = app.access(&asker).request_grant(wanted(&["nowhere"])).await.unwrap_err();
    assert_eq!(refused(&status).reason, "UNKNOWN_DEPARTMENT");
    let for_others = v1::RequestGrantRequest {
        wanted: Some(v1::Grant {
            principal: Some(v1::Principal {
                subject: Some(v1::principal::Subject::UserId("u002".to_owned())),
                ..Default::default()
            }),
            department_ids: vec!["cs".to_owned()],
            ..Default::default()
        }),
        why: "x".to_owned(),
    };
    assert_eq!(refused(&app.access(&asker).request_grant(for_others).await.unwrap_err()).reason, "NOT_FOUND");
    let request = ask(&app, &asker, &["cs"]).await;
    assert_eq!(refusal(&app, &campus.live, &request, Decision::Grant).await, "PERSON_REQUIRED");
    let mute = v1::DecideRequestRequest { comment: String::new(), ..decision(&request, Decision::Refuse) };
    let status = app.access(&head).decide_request(mute).await.unwrap_err();
    assert_eq!((refused(&status).reason.as_str(), refused(&status).field.as_str()), ("FIELD_REQUIRED", "comment"));
    let sent_back = decide(&app, &head, &request, Decision::SendBack).await;
    assert_eq!((sent_back.state(), sent_back.votes[0].comment.as_str()), (RequestState::SentBack, "请改"));
    for n in 0..20 {
        ask(&app, &asker, &["cs"]).await;
        assert!(n < 20);
    }
    let status = app.access(&asker).request_grant(wanted(&["cs"])).await.unwrap_err();
    assert_eq!(refused(&status).reason, "QUOTA_EXHAUSTED");
    let mine = v1::ListRequestsRequest { mine: true, page_size: 15, ..Default::default() };
    let page = app.access(&asker).list_requests(mine.clone()).await.unwrap().into_inner();
    assert_eq!(page.requests.len(), 15);
    let rest = v1::ListRequestsRequest { page_token: page.next_page_token, ..mine };
    assert_eq!(app.access(&asker).list_requests(rest).await.unwrap().into_inner().requests.len(), 6);
}

#[tokio::test]
async fn who_is_to_decide_and_who_asked_are_told_in_their_inboxes() {
    let app = TestApp::start().await;
    let campus = app.campus().await;
    let (head, asker) = (of_cs(&app).await, token(&app, "u001").await);
    let request = ask(&app, &asker, &["cs"]).await;
    let (of_head, of_asker) = (app.user_token(&campus, "u000").await, app.user_token(&campus, "u001").await);
    let told = async |token: &str, what: &str| {
        for _ in 0..300 {
            let inbox = app.inbox(token).list_inbox(v1::ListInboxRequest::default()).await.unwrap().into_inner();
            if inbox.items.iter().any(|item| item.title.contains(what) && item.title.contains(&request.request_id)) {
                return inbox.items.len();
            }
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
        panic!("{what} never arrived");
    };
    assert_eq!(told(&of_head, "申请待审批").await, 1);
    decide(&app, &head, &request, Decision::Grant).await;
    assert_eq!(told(&of_asker, "申请已批准").await, 1);
}
