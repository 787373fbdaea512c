//! What clients see of a node's roles and of its going away.

use std::time::Duration;

use campanile::api::v1;
use campanile::domain::node::Role;
use campanile::store::sqlite::Sqlite;
use futures::StreamExt;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Status, Streaming};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use crate::support::app::{TestApp, letter};
use crate::support::refusal::{reason, refused};

const PATIENCE: Duration = Duration::from_secs(20);

/// The status with which a stream ends.
async fn end<T>(stream: &mut Streaming<T>) -> Status {
    timeout(PATIENCE, async {
        loop {
            match stream.next().await {
                Some(Ok(_)) => {}
                Some(Err(status)) => return status,
                None => panic!("the stream ended without a word"),
            }
        }
    })
    .await
    .unwrap()
}

#[tokio::test]
async fn a_node_without_the_api_serves_health_only() {
    let app = TestApp::with(|settings| settings.node.roles = vec![Role::Deliver]).await;
    let health = HealthClient::new(app.channel()).check(HealthCheckRequest::default()).await.unwrap();
    assert_eq!(health.into_inner().status(), ServingStatus::Serving);
    let status = app.publish(&app.admin).publish(letter("k", &["u001"])).await.unwrap_err();
    assert_eq!((refused(&status).code, refused(&status).reason.as_str()), (Code::Unavailable, "NOT_SERVED_HERE"));
    app.stop().await;
}

#[tokio::test]
async fn a_node_that_does_not_deliver_takes_publishes_and_leaves_them_to_others() {
    let app = TestApp::with(|settings| settings.node.roles = vec![Role::Api]).await;
    let campus = app.campus().await;
    let accepted = app.publish(&campus.test).publish(letter("k", &["sim-sent"])).await.unwrap().into_inner();
    let data = app.stop().await;
    let store = Sqlite::open(data.path()).unwrap().store();
    let depth = store.deliveries.depth().await.unwrap();
    assert_eq!(depth.iter().map(|depth| (depth.waiting, depth.claimed)).collect::<Vec<_>>(), [(1, 0)]);
    let row = store.messages.message(accepted.message_id.parse().unwrap()).await.unwrap();
    assert!(row.is_some());
}

#[tokio::test]
async fn every_stream_is_told_why_it_ends() {
    let app = TestApp::start().await;
    let campus = app.campus().await;
    let (items, publishes) = mpsc::channel(1);
    let first = v1::PublishStreamRequest { sequence: 1, publish: Some(letter("k", &["u001"])) };
    items.send(first).await.unwrap();
    let stream = app.publish(&campus.live).publish_stream(ReceiverStream::new(publishes)).await.unwrap();
    let mut publishing = stream.into_inner();
    assert_eq!(timeout(PATIENCE, publishing.next()).await.unwrap().unwrap().unwrap().sequence, 1);
    let later = prost_types::Timestamp { seconds: jiff::Timestamp::now().as_second() + 3_600, nanos: 0 };
    let scheduled = v1::PublishRequest { send_at: Some(later), ..letter("later", &["u001"]) };
    let message_id = app.publish(&campus.live).publish(scheduled).await.unwrap().into_inner().message_id;
    let wanted = v1::WatchMessageRequest { message_id };
    let mut watching = app.publish(&campus.live).watch_message(wanted).await.unwrap().into_inner();
    assert!(timeout(PATIENCE, watching.next()).await.unwrap().unwrap().is_ok());

    let stopping = tokio::spawn(app.stop());
    for status in [end(&mut publishing).await, end(&mut watching).await] {
        assert_eq!((status.code(), reason(&status)), (Code::Unavailable, "DRAINING".to_owned()));
    }
    stopping.await.unwrap();
}

#[tokio::test]
async fn a_node_turns_unready_before_it_stops_serving() {
    let app = TestApp::with(|settings| settings.node.grace = Duration::from_secs(4)).await;
    let campus = app.campus().await;
    let (mut health, mut publish) = (HealthClient::new(app.channel()), app.publish(&campus.live));
    let mut turns = health.watch(HealthCheckRequest::default()).await.unwrap().into_inner();
    assert_eq!(turns.next().await.unwrap().unwrap().status(), ServingStatus::Serving);
    let stopping = tokio::spawn(app.stop());
    let turn = timeout(PATIENCE, turns.next()).await.unwrap().unwrap().unwrap();
    assert_eq!(turn.status(), ServingStatus::NotServing);
    publish.publish(letter("late", &["u001"])).await.expect("it is still served");
    stopping.await.unwrap();
    assert!(publish.publish(letter("too late", &["u001"])).await.is_err());
}
