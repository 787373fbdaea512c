//! What operators see: the whole service judged, its providers, its nodes.

use std::time::Duration;

use campanile::api::v1;
use campanile::app::App;
use campanile::channel::wechat;
use campanile::config::Settings;
use campanile::standin::wecom::Options;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tonic::Code;

use crate::channel::{application, relay, wecom};
use crate::support::app::{Campus, TestApp, letter, user_id};
use crate::support::refusal::refused;

async fn status(app: &TestApp) -> v1::GetStatusResponse {
    app.operations(&app.admin).get_status(v1::GetStatusRequest {}).await.unwrap().into_inner()
}

async fn providers(app: &TestApp) -> Vec<v1::Provider> {
    let wanted = v1::ListProvidersRequest::default();
    app.operations(&app.admin).list_providers(wanted).await.unwrap().into_inner().providers
}

async fn eventually<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let looking = async {
        loop {
            if let Some(found) = look().await {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let Ok(found) = tokio::time::timeout(Duration::from_secs(20), looking).await else {
        panic!("never came true: {what}")
    };
    found
}

#[tokio::test]
async fn a_fresh_service_is_well_and_says_so() {
    let app = TestApp::start().await;
    let status = eventually("the books are checked", async || {
        Some(status(&app).await).filter(|status| status.balanced_at.is_some())
    })
    .await;
    assert_eq!((status.store.as_str(), status.durability.as_str()), ("sqlite", "journal_mode=wal, synchronous=2"));
    assert_eq!((status.coordination.as_str(), status.lanes.len()), ("alone", 0));
    assert!(status.disk_free_bytes > 0 && status.clock_skew.unwrap().seconds == 0);
    let subjects: Vec<&str> = status.checks.iter().map(|check| check.subject.as_str()).collect();
    for subject in ["store", "clock", "coordination", "nodes", "books", "disk", "lane urgent"] {
        assert!(subjects.contains(&subject), "{subjects:?}");
    }
    let unwell = |check: &&v1::Check| check.level() != v1::CheckLevel::Ok && check.subject != "disk";
    assert_eq!(status.checks.iter().find(unwell), None);

    let nodes = app.operations(&app.admin).list_nodes(v1::ListNodesRequest::default()).await.unwrap().into_inner();
    assert_eq!(nodes.nodes.len(), 1);
    let node = &nodes.nodes[0];
    assert_eq!((node.state(), &node.node_id, node.batches), (v1::NodeState::Running, &status.node_id, 0));
    assert_eq!((node.roles.join(" "), node.version.as_str()), ("api deliver".to_owned(), status.version.as_str()));
    let seconds = |at: &Option<prost_types::Timestamp>| at.as_ref().unwrap().seconds;
    assert!(seconds(&node.lease_expire_at) > seconds(&node.started_at));
    app.stop().await;
}

#[tokio::test]
async fn only_administrators_see_how_the_service_is() {
    let app = TestApp::start().await;
    let campus = app.campus().await;
    let mut client = app.operations(&campus.live);
    let refusals = [
        client.get_status(v1::GetStatusRequest {}).await.unwrap_err(),
        client.list_providers(v1::ListProvidersRequest::default()).await.unwrap_err(),
        client.list_nodes(v1::ListNodesRequest::default()).await.unwrap_err(),
    ];
    for status in refusals {
        assert_eq!((refused(&status).code, refused(&status).reason.as_str()), (Code::PermissionDenied, "ROLE_MISSING"));
    }
    let status = app.operations("").get_status(v1::GetStatusRequest {}).await.unwrap_err();
    assert_eq!(status.code(), Code::Unauthenticated);
}

/// A campus whose first person has a WeCom address.
async fn with_wecom(app: &TestApp) -> Campus {
    let campus = app.campus().await;
    let wanted = v1::GetUserRequest { user_id: user_id(0) };
    let mut user = app.directory(&app.admin).get_user(wanted).await.unwrap().into_inner().user.unwrap();
    let channel = v1::Channel::Wechat.into();
    user.addresses.push(v1::Address { channel, value: "u000".to_owned(), ..Default::default() });
    let users = tokio_stream::iter([v1::UpsertUsersRequest { user: Some(user) }]);
    let written = app.directory(&app.admin).upsert_users(users).await.unwrap().into_inner();
    assert_eq!(written.error_count, 0, "{:?}", written.errors);
    campus
}

fn over_wecom(settings: &mut Settings, name: &str, wecom: wechat::Settings) {
    settings.channel.wechat.insert(name.to_owned(), wecom);
}

#[tokio::test]
async fn a_wrong_secret_holds_the_provider_until_it_is_mended_and_fails_nothing() {
    let api = wecom(Options::default()).await;
    let right = application(api.port);
    let wrong = wechat::Settings { secret: "wrong-hush".to_owned().into(), ..right.clone() };
    let app = TestApp::with(|settings| over_wecom(settings, "main", wrong)).await;
    let campus = with_wecom(&app).await;
    let message = v1::PublishRequest { channels: vec![v1::Channel::Wechat.into()], ..letter("k", &[&user_id(0)]) };
    let message_id = app.publish(&campus.live).publish(message).await.unwrap().into_inner().message_id;

    let provider = eventually("it is held", async || {
        providers(&app).await.into_iter().find(|one| one.state() == v1::ProviderState::Misconfigured)
    })
    .await;
    assert_eq!((provider.provider_id.as_str(), provider.kind.as_str()), ("wechat.main", "wecom"));
    assert!(provider.last_error.contains("40001") && provider.held_at.is_some(), "{provider:?}");
    assert!(!format!("{provider:?}").contains("hush"));
    assert_eq!((provider.last_error_kind.as_str(), provider.weight), ("operator", 100));
    eventually("what it had is given back", async || {
        providers(&app).await.iter().all(|one| one.waiting == 1).then_some(())
    })
    .await;
    let open = counts(&app, &campus, &message_id).await;
    assert_eq!((open.members, open.pending, open.failed), (1, 1, 0));
    let seen = status(&app).await;
    assert!(seen.degraded.iter().any(|one| one.contains("wechat.main") && one.contains("40001")), "{seen:?}");
    let lane = &seen.lanes[0];
    assert_eq!((lane.channel(), lane.waiting, lane.held), (v1::Channel::Wechat, 1, 0));
    assert!(lane.oldest_at.is_some());
    assert!(metrics(app.app()).await.contains("campanile_provider_held{provider=\"wechat.main\"} 1"));

    let admin = app.admin.clone();
    let app = TestApp::again(app.stop().await, admin, |settings| over_wecom(settings, "main", right)).await;
    eventually("it is delivered", async || (!api.addresses().is_empty()).then_some(())).await;
    assert_eq!(api.addresses(), ["u000"]);
    eventually("it counts as sent", async || (counts(&app, &campus, &message_id).await.sent == 1).then_some(())).await;
    assert_eq!(providers(&app).await[0].state(), v1::ProviderState::Healthy);
    app.stop().await;
}

#[tokio::test]
async fn what_the_stub_answers_under_a_test_key_is_no_verdict_of_a_provider() {
    let app = TestApp::start().await;
    let campus = app.campus().await;
    let letter =
        v1::PublishRequest { channels: vec![v1::Channel::Email.into()], ..letter("t", &["sim-sent", "sim-refused"]) };
    let message_id = app.publish(&campus.test).publish(letter).await.unwrap().into_inner().message_id;
    let mut client = app.publish(&campus.test);
    eventually("both are settled", async || {
        let wanted = v1::GetMessageRequest { message_id: message_id.clone(), ..Default::default() };
        let message = client.get_message(wanted).await.unwrap().into_inner().message.unwrap();
        (message.counts[0].pending == 0).then_some(())
    })
    .await;
    let text = metrics(app.app()).await;
    let counted = text.lines().filter(|line| line.starts_with("campanile_verdicts_total{channel=\"email\""));
    assert!(counted.clone().all(|line| line.ends_with(" 0")), "{:?}", counted.collect::<Vec<_>>());
}

async fn counts(app: &TestApp, campus: &Campus, message_id: &str) -> v1::Counts {
    let wanted = v1::GetMessageRequest { message_id: message_id.to_owned(), ..Default::default() };
    let message = app.publish(&campus.live).get_message(wanted).await.unwrap().into_inner().message.unwrap();
    message.counts[0]
}

async fn metrics(app: &App) -> String {
    let mut stream = TcpStream::connect(app.http()).await.unwrap();
    stream.write_all(b"GET /metrics HTTP/1.0\r\n\r\n").await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    text
}

#[tokio::test]
async fn providers_and_nodes_are_listed_by_pages_and_channels() {
    let app = TestApp::with(|settings| {
        for name in ["a", "b", "c"] {
            over_wecom(settings, name, application(9));
            settings.channel.email.insert(name.to_owned(), relay(9));
        }
    })
    .await;
    let mut client = app.operations(&app.admin);
    let (mut ids, mut page_token) = (Vec::new(), String::new());
    loop {
        let wanted = v1::ListProvidersRequest { page_size: 4, page_token, ..Default::default() };
        let page = client.list_providers(wanted).await.unwrap().into_inner();
        ids.extend(page.providers.into_iter().map(|one| (one.provider_id, one.weight)));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    let wanted =
        [("email.a", 100), ("email.b", 0), ("email.c", 0), ("wechat.a", 100), ("wechat.b", 0), ("wechat.c", 0)];
    assert_eq!(ids, wanted.map(|(id, weight)| (id.to_owned(), weight)));
    let wanted = v1::ListProvidersRequest { channel: v1::Channel::Email.into(), ..Default::default() };
    assert_eq!(client.list_providers(wanted).await.unwrap().into_inner().providers.len(), 3);
    let admin = app.admin.clone();
    let app = TestApp::again(app.stop().await, admin, |_| {}).await;
    let nodes = app.operations(&app.admin).list_nodes(v1::ListNodesRequest::default()).await.unwrap().into_inner();
    let states: Vec<_> = nodes.nodes.iter().map(v1::Node::state).collect();
    assert_eq!(states, [v1::NodeState::Left, v1::NodeState::Running]);
    app.stop().await;
}
