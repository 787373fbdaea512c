//! Topics: declared by a department, named by messages, and what is undeclared is refused.

use campanile::api::v1;

use crate::support::app::{TestApp, letter};
use crate::support::refusal::refused;

fn topic(name: &str, department: &str) -> v1::Topic {
    let (topic, department_id) = (name.to_owned(), department.to_owned());
    v1::Topic { topic, title: "图书催还".to_owned(), department_id, ..Default::default() }
}

async fn put(app: &TestApp, topic: v1::Topic) -> v1::Topic {
    let request = v1::UpsertTopicRequest { topic: Some(topic) };
    app.directory(&app.admin).upsert_topic(request).await.unwrap().into_inner().topic.unwrap()
}

/// Declares a topic of a department.
pub async fn declare(app: &TestApp, name: &str, department: &str) {
    put(app, topic(name, department)).await;
}

async fn listed(app: &TestApp, department: &str, page_token: &str) -> (Vec<String>, String) {
    let (department_id, page_token) = (department.to_owned(), page_token.to_owned());
    let request = v1::ListTopicsRequest { department_id, page_size: 2, page_token };
    let page = app.directory(&app.admin).list_topics(request).await.unwrap().into_inner();
    (page.topics.into_iter().map(|one| one.topic).collect(), page.next_page_token)
}

#[tokio::test]
async fn topics_are_declared_changed_and_listed_by_department_and_page() {
    let app = TestApp::start().await;
    app.campus().await;
    let made = put(&app, topic("exam", "school")).await;
    assert_eq!((made.default_on(), made.may_mute(), made.department_id.as_str()), (true, true, "school"));
    for name in ["loans", "grades"] {
        declare(&app, name, "cs").await;
    }
    assert_eq!(listed(&app, "cs", "").await.0, ["grades", "loans"]);
    let (first, token) = listed(&app, "school", "").await;
    let (second, end) = listed(&app, "school", &token).await;
    assert_eq!((first.len(), second, end), (2, vec!["loans".to_owned()], String::new()));
    let wanted = v1::Topic { may_mute: Some(false), title: "考试".to_owned(), ..topic("exam", "math") };
    let changed = put(&app, wanted).await;
    assert_eq!((changed.may_mute(), changed.title.as_str(), changed.department_id.as_str()), (false, "考试", "math"));
    assert_eq!(listed(&app, "math", "").await.0, ["exam"]);
}

#[tokio::test]
async fn a_message_goes_over_its_topics_channels_and_an_undeclared_topic_sends_nothing() {
    let app = TestApp::start().await;
    let campus = app.campus().await;
    put(&app, v1::Topic { default_channels: vec![v1::Channel::Email.into()], ..topic("library.overdue", "cs") }).await;
    let about = |key: &str, topic: &str| v1::PublishRequest { topic: topic.to_owned(), ..letter(key, &["u003"]) };
    // A test key may use channels that have no provider here.
    let mut client = app.publish(&campus.test);
    let sent = client.publish(about("1", "library.overdue")).await.unwrap().into_inner();
    let channels: Vec<i32> = sent.channels.iter().map(|one| one.channel).collect();
    assert_eq!(channels, [i32::from(v1::Channel::Email)], "the topic's, not the application's");
    let said = v1::PublishRequest { channels: vec![v1::Channel::App.into()], ..about("2", "library.overdue") };
    assert_eq!(client.publish(said).await.unwrap().into_inner().channels[0].channel, i32::from(v1::Channel::App));

    let before = app.messages().await;
    let status = client.publish(about("3", "library.overdu")).await.unwrap_err();
    let refusal = refused(&status);
    assert_eq!((refusal.reason.as_str(), refusal.field.as_str()), ("UNKNOWN_TOPIC", "topic"));
    assert!(status.message().ends_with("Is `library.overdue` meant?"), "{}", status.message());
    assert_eq!(app.messages().await, before);
    let preview = v1::PreviewAudienceRequest {
        audience: letter("4", &["u003"]).audience,
        topic: "exam".to_owned(),
        ..Default::default()
    };
    let status = client.preview_audience(preview).await.unwrap_err();
    assert_eq!(refused(&status).reason, "UNKNOWN_TOPIC");
}
