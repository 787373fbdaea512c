//! The year that the service is made for, as a university reported it: 68 departments with accounts, 259 senders whose
//! permission was asked for and approved, 59 connected systems, 3.67 million messages; and the totals come back.

use std::time::Duration;

use campanile::api::v1;
use campanile::config::Settings;
use v1::create_key_request::Owner;
use v1::{KeyScope, Role};

use super::offices::assignment;
use crate::support::app::{TestApp, letter, notice};

const DEPARTMENTS: usize = 68;
const SENDERS: usize = 259;
const SYSTEMS: usize = 59;
const MESSAGES: i64 = 3_670_000;
const PEOPLE: usize = 5_000;

/// The fixture is about rights and totals: a year of second persons is not played.
fn unreviewed(settings: &mut Settings) {
    settings.review.threshold = None;
}

async fn people(app: &TestApp) {
    app.department("school", "").await;
    for n in 0..DEPARTMENTS {
        app.department(&format!("d{n}"), "school").await;
    }
    let users = (0..PEOPLE).map(|n| v1::UpsertUsersRequest {
        user: Some(v1::User {
            user_id: format!("p{n}"),
            name: "王芳".to_owned(),
            primary_department_id: format!("d{}", n % DEPARTMENTS),
            ..Default::default()
        }),
    });
    let written = app.directory(&app.admin).upsert_users(tokio_stream::iter(users)).await.unwrap().into_inner();
    assert_eq!(written.created, i32::try_from(PEOPLE).unwrap());
}

async fn key(app: &TestApp, user_id: String, scopes: &[KeyScope]) -> String {
    let wanted = v1::CreateKeyRequest {
        owner: Some(Owner::UserId(user_id)),
        scopes: scopes.iter().map(|scope| (*scope).into()).collect(),
        ..Default::default()
    };
    app.access(&app.admin).create_key(wanted).await.unwrap().into_inner().token
}

/// One administrator of each department: the account of the department.
async fn heads(app: &TestApp) -> Vec<String> {
    let mut tokens = Vec::new();
    for n in 0..DEPARTMENTS {
        let wanted = assignment(&format!("p{n}"), Role::DepartmentAdministrator, &format!("d{n}"));
        app.access(&app.admin).assign_role(wanted).await.unwrap();
        tokens.push(key(app, format!("p{n}"), &[KeyScope::Admin]).await);
    }
    tokens
}

/// Senders who asked and were approved by their own department; their tokens.
async fn senders(app: &TestApp, heads: &[String]) -> Vec<String> {
    let mut tokens = Vec::new();
    for n in 0..SENDERS {
        let (department, person) = (n % DEPARTMENTS, DEPARTMENTS * (1 + n / DEPARTMENTS) + n % DEPARTMENTS);
        let token = key(app, format!("p{person}"), &[KeyScope::Publish, KeyScope::Read]).await;
        let grant = v1::Grant { department_ids: vec![format!("d{department}")], ..Default::default() };
        let wanted = v1::RequestGrantRequest { wanted: Some(grant), why: "本系通知".to_owned() };
        let asked = app.access(&token).request_grant(wanted).await.unwrap().into_inner().request.unwrap();
        assert_eq!(asked.decider_ids, [format!("p{department}")]);
        let wanted = v1::DecideRequestRequest {
            request_id: asked.request_id,
            decision: v1::RequestDecision::Grant.into(),
            ..Default::default()
        };
        app.access(&heads[department]).decide_request(wanted).await.unwrap();
        tokens.push(token);
    }
    tokens
}

/// Systems with a grant over the whole school; their tokens.
async fn systems(app: &TestApp) -> Vec<String> {
    let mut tokens = Vec::new();
    for n in 0..SYSTEMS {
        let application = app.application(&format!("System {n}"), &format!("d{n}")).await;
        app.grant(&application, v1::Grant { department_ids: vec!["school".to_owned()], ..Default::default() }).await;
        tokens.push(app.key(&application, v1::KeyMode::Live, &[KeyScope::Publish]).await.1);
    }
    tokens
}

async fn send(app: &TestApp, token: &str, request: v1::PublishRequest) -> i64 {
    app.publish(token).publish(request).await.unwrap().into_inner().recipient_count.into()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_year_comes_back_from_the_report() {
    let app = TestApp::with(unreviewed).await;
    people(&app).await;
    let heads = heads(&app).await;
    let (senders, systems) = (senders(&app, &heads).await, systems(&app).await);
    let mut sent = 0;
    for (n, token) in senders.iter().enumerate() {
        let department = format!("d{}", n % DEPARTMENTS);
        let request = v1::PublishRequest {
            department_id: department.clone(),
            channels: vec![v1::Channel::App.into()],
            ..notice("year", &format!("department:{department}"))
        };
        sent += send(&app, token, request).await;
    }
    let whole = i64::try_from(PEOPLE).unwrap();
    for n in 0.. {
        let token = &systems[n % SYSTEMS];
        if MESSAGES - sent < whole {
            break;
        }
        sent += send(&app, token, notice(&format!("year-{n}"), "everyone")).await;
    }
    // What is left of the year goes to people by name.
    while sent < MESSAGES {
        let some = usize::try_from(MESSAGES - sent).unwrap().min(1_000);
        let names: Vec<String> = (0..some).map(|n| format!("p{n}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        sent += send(&app, &systems[0], letter(&format!("rest-{sent}"), &names)).await;
    }
    let departments = [v1::GroupBy::Department];
    assert_eq!(reported(&app).await, MESSAGES);
    let by_application = reported_rows(&app, &[v1::GroupBy::Application]).await;
    assert!(by_application.len() >= SYSTEMS, "{}", by_application.len());
    assert_eq!(reported_rows(&app, &departments).await.len(), DEPARTMENTS);
}

/// Deliveries of all departments.
async fn reported(app: &TestApp) -> i64 {
    // Counts are folded when a leg closes, which is a moment after the last answer at most.
    for _ in 0..100 {
        let sum = all(app).await;
        if sum == MESSAGES {
            return sum;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    all(app).await
}

async fn all(app: &TestApp) -> i64 {
    reported_rows(app, &[v1::GroupBy::Department]).await.iter().map(|row| row.deliveries).sum()
}

async fn reported_rows(app: &TestApp, group_by: &[v1::GroupBy]) -> Vec<v1::ReportRow> {
    let wanted = v1::GetReportRequest {
        start_at: Some(prost_types::Timestamp { seconds: 1_600_000_000, nanos: 0 }),
        group_by: group_by.iter().map(|by| (*by).into()).collect(),
        ..Default::default()
    };
    let rows = app.report(&app.admin).get_report(wanted).await.unwrap().into_inner().rows;
    // For the school only the service itself speaks: to those who asked, and to those who decided.
    rows.into_iter().filter(|row| row.department_id != "school").collect()
}
