//! Load: the same request over and over, so many in flight, for so long.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use campanile::api::v1;
use campanile::api::v1::publish_service_client::PublishServiceClient;
use tokio_stream::StreamExt;

use crate::service::{connect, with_token};

/// Connections that share the load.
const CONNECTIONS: usize = 4;
/// Publishes of a stream that may be unanswered.
const WINDOW: usize = 1_024;

static SEQUENCE: AtomicU64 = AtomicU64::new(0);

/// A message to one person; every call another event.
pub fn one_to_one(channel: v1::Channel, user: &str) -> v1::PublishRequest {
    let sequence = SEQUENCE.fetch_add(1, Ordering::Relaxed);
    let inline = v1::Inline {
        title: "您预约的图书已到馆".into(),
        body: "请在三天内到二层服务台领取，逾期将转给下一位预约的读者。".into(),
        ..Default::default()
    };
    let users = v1::UserList { user_ids: vec![user.to_owned()], ..Default::default() };
    v1::PublishRequest {
        idempotency_key: format!("bench:{}:{sequence}", std::process::id()),
        audience: Some(v1::Audience { target: Some(v1::audience::Target::Users(users)) }),
        content: Some(v1::Content { source: Some(v1::content::Source::Inline(inline)), ..Default::default() }),
        message_class: v1::MessageClass::Transactional.into(),
        channels: vec![channel.into()],
        ..Default::default()
    }
}

/// Unary calls a second with so many in flight.
pub async fn unary(
    address: SocketAddr,
    token: &str,
    in_flight: usize,
    span: Duration,
    make: impl Fn() -> v1::PublishRequest + Clone + Send + Sync + 'static,
) -> f64 {
    let mut channels = Vec::new();
    for _ in 0..CONNECTIONS {
        channels.push(connect(address).await);
    }
    let (stop, done) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let mut callers = Vec::new();
    for caller in 0..in_flight {
        let (mut client, make) = (PublishServiceClient::new(channels[caller % CONNECTIONS].clone()), make.clone());
        let (stop, done, token) = (stop.clone(), done.clone(), token.to_owned());
        callers.push(tokio::spawn(async move {
            while !stop.load(Ordering::Relaxed) {
                client.publish(with_token(&token, make())).await.expect("accepted");
                done.fetch_add(1, Ordering::Relaxed);
            }
        }));
    }
    tokio::time::sleep(span / 4).await;
    let (before, began) = (done.load(Ordering::Relaxed), Instant::now());
    tokio::time::sleep(span).await;
    let rate = (done.load(Ordering::Relaxed) - before) as f64 / began.elapsed().as_secs_f64();
    stop.store(true, Ordering::Relaxed);
    for caller in callers {
        caller.await.expect("a caller ends");
    }
    rate
}

/// Publishes a second over streams, each with a full window.
pub async fn streams(
    address: SocketAddr,
    token: &str,
    streams: usize,
    span: Duration,
    make: impl Fn() -> v1::PublishRequest + Clone + Send + Sync + 'static,
) -> f64 {
    let (stop, done) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let mut callers = Vec::new();
    for _ in 0..streams {
        let client = PublishServiceClient::new(connect(address).await);
        let (make, stop, done, token) = (make.clone(), stop.clone(), done.clone(), token.to_owned());
        callers.push(tokio::spawn(one_stream(client, token, make, stop, done)));
    }
    tokio::time::sleep(span / 4).await;
    let (before, began) = (done.load(Ordering::Relaxed), Instant::now());
    tokio::time::sleep(span).await;
    let rate = (done.load(Ordering::Relaxed) - before) as f64 / began.elapsed().as_secs_f64();
    stop.store(true, Ordering::Relaxed);
    for caller in callers {
        caller.await.expect("a stream ends");
    }
    rate
}

async fn one_stream(
    mut client: PublishServiceClient<tonic::transport::Channel>,
    token: String,
    make: impl Fn() -> v1::PublishRequest + Send + 'static,
    stop: Arc<AtomicBool>,
    done: Arc<AtomicU64>,
) {
    let window = Arc::new(tokio::sync::Semaphore::new(WINDOW));
    let (send, requests) = tokio::sync::mpsc::channel(WINDOW);
    let permits = window.clone();
    tokio::spawn(async move {
        let mut sequence = 0;
        while !stop.load(Ordering::Relaxed) {
            permits.acquire().await.expect("open").forget();
            sequence += 1;
            let request = v1::PublishStreamRequest { sequence, publish: Some(make()) };
            if send.send(request).await.is_err() {
                return;
            }
        }
    });
    let requests = tokio_stream::wrappers::ReceiverStream::new(requests);
    let mut answers = client.publish_stream(with_token(&token, requests)).await.expect("a stream").into_inner();
    while let Some(answer) = answers.next().await {
        match answer.expect("the stream lives").answer {
            Some(v1::publish_stream_response::Answer::Accepted(_)) => done.fetch_add(1, Ordering::Relaxed),
            refused => panic!("{refused:?}"),
        };
        window.add_permits(1);
    }
}
