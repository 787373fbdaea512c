//! What clients see of several nodes that share one PostgreSQL and nothing else.

use std::time::{Duration, Instant};

use campanile::api::v1;
use campanile::config::Settings;
use futures::StreamExt;
use tokio::time::{sleep, timeout};
use tonic::Streaming;

use crate::support::app::{Campus, TestApp, letter, notice, user_id};
use crate::support::postgres::Database;
use crate::support::redis::Server;
use crate::support::refusal::reason;

const PATIENCE: Duration = Duration::from_secs(20);

/// Two nodes on one database; `None` if there is no server to be had.
async fn two(redis: Option<&Server>) -> Option<(Database, TestApp, TestApp)> {
    let database = Database::fresh().await?;
    let change = |settings: &mut Settings| {
        settings.store.url = Some(database.url().into());
        settings.coordination.url = redis.map(|redis| redis.url().into());
    };
    let one = TestApp::with(change).await;
    let other = TestApp::beside(&one, change).await;
    Some((database, one, other))
}

/// A person's stream on a node, as soon as that has heard of her.
async fn stream(node: &TestApp, reader: &str) -> Streaming<v1::SubscribeResponse> {
    let opened = async {
        loop {
            match node.inbox(reader).subscribe(v1::SubscribeRequest::default()).await {
                Ok(stream) => return stream.into_inner(),
                Err(_) => sleep(Duration::from_millis(50)).await,
            }
        }
    };
    timeout(PATIENCE, opened).await.unwrap()
}

/// Publishes on one node and returns how long it took until a stream on another showed it.
async fn shown(one: &TestApp, campus: &Campus, stream: &mut Streaming<v1::SubscribeResponse>, key: &str) -> Duration {
    let began = Instant::now();
    let wanted = if key.starts_with("letter") { letter(key, &[&user_id(3)]) } else { notice(key, "everyone") };
    let accepted = one.publish(&campus.live).publish(wanted).await.unwrap().into_inner();
    let shown =
        async { while !format!("{:?}", stream.next().await.unwrap().unwrap()).contains(&accepted.message_id) {} };
    timeout(PATIENCE, shown).await.expect("the stream shows it");
    began.elapsed()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_node_did_the_other_knows() {
    let Some((_database, one, other)) = two(None).await else { return };
    let campus = one.campus().await;
    // The key was made a moment ago, on the other one.
    let caller = other.access(&campus.live).who_am_i(v1::WhoAmIRequest {}).await.unwrap().into_inner();
    assert!(!caller.test);

    let accepted = one.publish(&campus.live).publish(letter("k", &["u001"])).await.unwrap().into_inner();
    let again = other.publish(&campus.live).publish(letter("k", &["u001"])).await.unwrap().into_inner();
    assert_eq!((again.message_id.as_str(), again.duplicate), (accepted.message_id.as_str(), true));
    let foreign = other.publish(&campus.live).publish(letter("k", &["u002"])).await.unwrap_err();
    assert_eq!(reason(&foreign), "IDEMPOTENCY_MISMATCH");
    let wanted = v1::GetMessageRequest { message_id: accepted.message_id, ..Default::default() };
    assert!(other.publish(&campus.live).get_message(wanted).await.unwrap().into_inner().message.is_some());
    other.stop().await;
    one.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_accepted_anywhere_after_a_key_was_revoked_on_one() {
    let Some((_database, one, other)) = two(None).await else { return };
    let campus = one.campus().await;
    other.publish(&campus.live).publish(letter("before", &["u001"])).await.unwrap();
    let wanted = v1::RevokeKeyRequest { key_id: campus.key_id.clone(), ..Default::default() };
    one.access(&one.admin).revoke_key(wanted).await.unwrap();
    let refused = other.publish(&campus.live).publish(letter("after", &["u001"])).await.unwrap_err();
    assert_eq!(reason(&refused), "TOKEN_INVALID");
    assert_eq!(one.messages().await, 1);
    other.stop().await;
    one.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_shows_what_another_node_released_without_any_hint() {
    let Some((_database, one, other)) = two(None).await else { return };
    let campus = one.campus().await;
    let mut stream = stream(&other, &one.user_token(&campus, &user_id(3)).await).await;
    for key in ["notice", "letter"] {
        shown(&one, &campus, &mut stream, key).await;
    }
    drop(stream);
    other.stop().await;
    one.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_shows_at_once_what_another_node_wrote_to_the_person_and_its_stream_does_not_repeat_it() {
    let Some((_database, one, other)) = two(None).await else { return };
    let campus = one.campus().await;
    let reader = one.user_token(&campus, &user_id(3)).await;
    drop(stream(&other, &reader).await);
    let publish = async |key: &str| {
        let accepted = one.publish(&campus.live).publish(letter(key, &[&user_id(3)])).await.unwrap();
        accepted.into_inner().message_id
    };
    let first = publish("letter-1").await;
    let list = other.inbox(&reader).list_inbox(v1::ListInboxRequest::default()).await.unwrap().into_inner();
    let listed: Vec<_> = list.items.iter().map(|item| &item.message_id).collect();
    assert_eq!((listed, list.unread_count), (vec![&first], 1));

    let from_here = v1::SubscribeRequest { cursor: list.cursor, ..Default::default() };
    let mut stream = other.inbox(&reader).subscribe(from_here).await.unwrap().into_inner();
    let second = publish("letter-2").await;
    let told = async {
        loop {
            let change = format!("{:?}", stream.next().await.unwrap().unwrap());
            assert!(!change.contains(&first), "told again: {change}");
            if change.contains(&second) {
                return;
            }
        }
    };
    timeout(PATIENCE, told).await.expect("the stream shows what came after the list");
    drop(stream);
    other.stop().await;
    one.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hints_are_faster_than_looking_and_nothing_depends_on_them() {
    let Some(mut redis) = Server::start() else { return };
    let Some((_database, one, other)) = two(Some(&redis)).await else { return };
    let campus = one.campus().await;
    let mut stream = stream(&other, &one.user_token(&campus, &user_id(3)).await).await;
    // Whoever looks every three seconds never sees three in a row at once.
    let fast = async {
        let mut row = 0;
        for n in 0.. {
            let key = format!("{}:{n}", if n % 2 == 0 { "letter" } else { "notice" });
            row = if shown(&one, &campus, &mut stream, &key).await < Duration::from_secs(1) { row + 1 } else { 0 };
            if row == 5 {
                return;
            }
        }
    };
    timeout(PATIENCE, fast).await.expect("hints arrive");
    redis.redis.kill().unwrap();
    for key in ["notice", "letter"] {
        shown(&one, &campus, &mut stream, key).await;
    }
    drop(stream);
    other.stop().await;
    one.stop().await;
}
