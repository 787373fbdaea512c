//! Previews as clients see them: what is told beforehand comes true, and little is told of other people's people.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use campanile::api::v1;
use campanile::standin::smtp;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use tonic::Request;

use crate::access::offices::assignment;
use crate::channel::{Running, relay};
use crate::support::app::{Campus, TestApp, notice, user_id};
use crate::support::refusal::refused;

const AUDIENCES: usize = 100;
const CHANNELS: [v1::Channel; 2] = [v1::Channel::Email, v1::Channel::App];
const TERMS: [&str; 10] = [
    "everyone",
    "department:cs",
    "department=cs",
    "department:math",
    "grade:2021",
    "grade:2022",
    "校区:创新港",
    "user:u000",
    "user:u029",
    "user:gone",
];

/// A node with a mail relay and the campus. Every fourth person has no mailbox, every third lives at 创新港, and one
/// of `math` has left.
async fn mailing() -> (TestApp, Campus, Running) {
    let mail = crate::channel::smtp(smtp::Options::default()).await;
    let port = mail.port;
    let app = TestApp::with(|settings| {
        settings.channel.email.insert("default".to_owned(), relay(port));
    })
    .await;
    let campus = app.campus().await;
    let mut users = vec![v1::User {
        user_id: "gone".to_owned(),
        name: "离校".to_owned(),
        status: v1::UserStatus::Left.into(),
        primary_department_id: "math".to_owned(),
        department_ids: vec!["math".to_owned()],
        addresses: vec![v1::Address {
            channel: v1::Channel::Email.into(),
            value: "gone@example.edu".to_owned(),
            ..Default::default()
        }],
        ..Default::default()
    }];
    for n in 0..30 {
        let wanted = v1::GetUserRequest { user_id: user_id(n) };
        let mut user = app.directory(&app.admin).get_user(wanted).await.unwrap().into_inner().user.unwrap();
        if n % 4 == 0 {
            user.addresses.retain(|address| address.channel() != v1::Channel::Email);
        }
        if n % 3 == 0 {
            user.tags.push("校区:创新港".to_owned());
        }
        user.etag.clear();
        users.push(user);
    }
    let users = users.into_iter().map(|user| v1::UpsertUsersRequest { user: Some(user) });
    let written = app.directory(&app.admin).upsert_users(tokio_stream::iter(users)).await.unwrap().into_inner();
    assert_eq!(written.error_count, 0, "{:?}", written.errors);
    (app, campus, mail)
}

fn asked(expression: &str) -> v1::PreviewAudienceRequest {
    let target = v1::audience::Target::Expression(expression.to_owned());
    v1::PreviewAudienceRequest {
        audience: Some(v1::Audience { target: Some(target) }),
        channels: CHANNELS.map(Into::into).into(),
        ..Default::default()
    }
}

async fn preview(app: &TestApp, token: &str, wanted: v1::PreviewAudienceRequest) -> v1::PreviewAudienceResponse {
    app.publish(token).preview_audience(wanted).await.unwrap().into_inner()
}

/// A random expression that is never nobody.
fn expression(chance: &mut StdRng, depth: usize) -> String {
    let term = |chance: &mut StdRng| (*TERMS.choose(chance).unwrap()).to_owned();
    match if depth == 0 { 0 } else { chance.random_range(0..4) } {
        0 => term(chance),
        1 => format!("({}) OR ({})", expression(chance, depth - 1), expression(chance, depth - 1)),
        2 => format!("(({}) AND {}) OR {}", expression(chance, depth - 1), term(chance), term(chance)),
        _ => format!("(everyone OR {}) AND NOT (({}) AND user:u007)", term(chance), expression(chance, depth - 1)),
    }
}

async fn finished(app: &TestApp, campus: &Campus, message_id: &str) -> v1::Message {
    let looking = async {
        loop {
            let wanted = v1::GetMessageRequest { message_id: message_id.to_owned(), ..Default::default() };
            let message = app.publish(&campus.live).get_message(wanted).await.unwrap().into_inner().message.unwrap();
            if message.state() == v1::MessageState::Finished {
                return message;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), looking).await.expect("the message is finished")
}

/// How many of a message's people are in each department, as the list of its recipients says.
async fn departments(app: &TestApp, campus: &Campus, message_id: &str) -> BTreeMap<String, i32> {
    let wanted = v1::ListRecipientsRequest { message_id: message_id.to_owned(), page_size: 100, ..Default::default() };
    let people = app.publish(&campus.live).list_recipients(wanted).await.unwrap().into_inner().recipients;
    let mut counts = BTreeMap::new();
    for person in people {
        let in_cs = person.user_id.strip_prefix('u').is_some_and(|n| n.parse::<usize>().unwrap() < 20);
        *counts.entry(if in_cs { "cs" } else { "math" }.to_owned()).or_default() += 1;
    }
    counts
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_random_audiences_become_what_their_previews_said() {
    let (app, campus, _mail) = mailing().await;
    let mut chance = StdRng::seed_from_u64(4);
    let mut totals: HashMap<(v1::Channel, bool), i64> = HashMap::new();
    let mut reasons: HashMap<String, i32> = HashMap::new();
    for n in 0..AUDIENCES {
        let text = expression(&mut chance, 3);
        let told = preview(&app, &campus.live, asked(&text)).await;
        assert!(told.allowed && told.outside == 0 && told.refusal.is_none(), "{text}: {told:?}");
        let wanted =
            v1::PublishRequest { channels: CHANNELS.map(Into::into).into(), ..notice(&format!("r-{n}"), &text) };
        let accepted = app.publish(&campus.live).publish(wanted).await.unwrap().into_inner();
        let message = finished(&app, &campus, &accepted.message_id).await;
        assert_eq!(told.recipient_count, message.recipient_count, "{text}");
        assert_eq!((told.channels.len(), message.counts.len()), (2, 2));
        for (plan, counts) in told.channels.iter().zip(&message.counts) {
            let dropped: i32 = plan.dropped.iter().map(|one| one.count).sum();
            assert_eq!(plan.channel(), counts.channel());
            assert_eq!((plan.reachable, dropped), (counts.sent, counts.members - counts.sent), "{text}: {counts:?}");
            *totals.entry((plan.channel(), true)).or_default() += i64::from(plan.reachable);
            *totals.entry((plan.channel(), false)).or_default() += i64::from(dropped);
            plan.dropped.iter().for_each(|one| *reasons.entry(one.reason.clone()).or_default() += one.count);
        }
        let told: BTreeMap<_, _> = told.departments.into_iter().map(|one| (one.department_id, one.count)).collect();
        assert_eq!(told, departments(&app, &campus, &accepted.message_id).await, "{text}");
    }
    assert!(reasons["NO_ADDRESS"] > 0 && reasons["LEFT"] > 0, "{reasons:?}");
    let wanted = v1::GetReportRequest {
        start_at: Some(prost_types::Timestamp { seconds: jiff::Timestamp::now().as_second() - 600, nanos: 0 }),
        group_by: vec![v1::GroupBy::Channel.into(), v1::GroupBy::Outcome.into()],
        ..Default::default()
    };
    let rows = app.report(&campus.live).get_report(wanted).await.unwrap().into_inner().rows;
    let mut reported: HashMap<(v1::Channel, bool), i64> = HashMap::new();
    for row in rows {
        *reported.entry((row.channel(), row.outcome() == v1::Outcome::Sent)).or_default() += row.deliveries;
    }
    totals.retain(|_, n| *n > 0);
    assert_eq!(totals, reported);
}

#[tokio::test]
async fn a_preview_speaks_the_callers_language_and_shows_names_only_to_administrators() {
    let (app, campus, _mail) = mailing().await;
    let mut wanted = Request::new(v1::PreviewAudienceRequest { sample_size: 3, ..asked("department:cs") });
    wanted.metadata_mut().insert("accept-language", "zh-CN,zh;q=0.9".parse().unwrap());
    let told = app.publish(&campus.live).preview_audience(wanted).await.unwrap().into_inner();
    assert_eq!(told.in_words, "Department of cs及其下属各部门的成员");
    let shown: Vec<_> = told.sample.iter().map(|one| (one.user_id.as_str(), one.display_name.as_str())).collect();
    assert_eq!(shown, [("u000", ""), ("u006", ""), ("u013", "")]);

    let holder = v1::principal::Subject::UserId(user_id(1));
    let grant = v1::Grant {
        principal: Some(v1::Principal { subject: Some(holder), ..Default::default() }),
        department_ids: vec!["cs".to_owned()],
        ..Default::default()
    };
    app.access(&app.admin).create_grant(v1::CreateGrantRequest { grant: Some(grant) }).await.unwrap();
    let head = assignment(&user_id(1), v1::Role::DepartmentAdministrator, "cs");
    app.access(&app.admin).assign_role(head).await.unwrap();
    let wanted = v1::CreateKeyRequest {
        owner: Some(v1::create_key_request::Owner::UserId(user_id(1))),
        mode: v1::KeyMode::Live.into(),
        scopes: [v1::KeyScope::Publish, v1::KeyScope::Admin].map(Into::into).into(),
        ..Default::default()
    };
    let seeing = app.access(&app.admin).create_key(wanted).await.unwrap().into_inner().token;
    let wanted = v1::PreviewAudienceRequest { sample_size: 1, department_id: "cs".to_owned(), ..asked("user:u007") };
    let told = preview(&app, &seeing, wanted).await;
    assert_eq!(told.in_words, "the user u007");
    assert_eq!(told.sample[0].display_name, "李7");

    let wanted = v1::PreviewAudienceRequest { sample_size: 21, ..asked("department:cs") };
    let status = app.publish(&campus.live).preview_audience(wanted).await.unwrap_err();
    assert_eq!((refused(&status).reason.as_str(), refused(&status).field.as_str()), ("FIELD_INVALID", "sample_size"));
}

#[tokio::test]
async fn a_preview_is_no_way_to_find_out_about_people_outside_the_grant() {
    let (app, _campus, _mail) = mailing().await;
    let narrow = app.application("Laboratory", "math").await;
    app.grant(&narrow, v1::Grant { department_ids: vec!["math".to_owned()], ..Default::default() }).await;
    let (_, token) = app.key(&narrow, v1::KeyMode::Live, &[v1::KeyScope::Publish]).await;

    // One person of another department: nobody can tell whether she is at 创新港.
    let mut answers = Vec::new();
    for n in [3, 4] {
        let told = preview(&app, &token, asked(&format!("user:{} AND 校区:创新港", user_id(n)))).await;
        assert!(!told.allowed && told.sample.is_empty() && told.channels.is_empty() && told.departments.is_empty());
        let clauses: Vec<_> = told.clauses.iter().map(|one| (one.count, one.under_five)).collect();
        answers.push((told.recipient_count, told.under_five, told.outside, told.outside_under_five, clauses));
    }
    assert_eq!(answers[0], answers[1]);
    assert_eq!((answers[0].1, answers[0].3), (true, true));

    // A tag that is not there and one that may not be used answer alike.
    let missing = app.publish(&token).preview_audience(asked("tag:nobody-has-this")).await.unwrap_err();
    assert_eq!(refused(&missing).reason, "UNKNOWN_TAG");

    let told = preview(&app, &token, asked("department:school")).await;
    assert_eq!((told.recipient_count, told.outside, told.allowed), (30, 20, false));
    assert_eq!(told.refusal.unwrap().reason, "AUDIENCE_OUTSIDE_GRANT");
    let seen: Vec<_> = told.departments.iter().map(|one| (one.department_id.as_str(), one.count)).collect();
    assert_eq!(seen, [("cs", 20), ("math", 10)], "no small one among them");
}

#[tokio::test]
async fn previews_are_paced() {
    let app = TestApp::start().await;
    let campus = app.campus().await;
    let wanted = v1::PreviewAudienceRequest { channels: vec![], ..asked("everyone") };
    let limited = async {
        for _ in 0..1_000 {
            if let Err(status) = app.publish(&campus.live).preview_audience(wanted.clone()).await {
                return status;
            }
        }
        panic!("a thousand previews in a row");
    };
    assert_eq!(refused(&limited.await).reason, "RATE_LIMITED");
    let other = app.application("Laboratory", "math").await;
    app.grant(&other, v1::Grant { department_ids: vec!["school".to_owned()], ..Default::default() }).await;
    let (_, token) = app.key(&other, v1::KeyMode::Live, &[v1::KeyScope::Publish]).await;
    preview(&app, &token, wanted).await;
}
