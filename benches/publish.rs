//! Durable publishes against a bare echo with the same message and the same client.

use campanile::api::v1;

use crate::load::{one_to_one, streams, unary};
use crate::service::{Service, echo};
use crate::{Effort, campus, median, row};

/// People whom the publishes go to in turn.
const USERS: u32 = 5_000;

/// Unary at 64 and 256 in flight, then streams.
pub async fn run(effort: Effort) {
    println!("publish: committed to disk before each answer (SQLite WAL, synchronous=FULL)");
    let service = Service::start().await;
    let keys = campus::load(&service, USERS).await;
    let (_echo, echo) = echo();
    let next = std::sync::Arc::new(std::sync::atomic::AtomicU32::new(0));
    let to_inbox = move || {
        let number = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed) % USERS;
        one_to_one(v1::Channel::App, &campus::user_id(number))
    };
    let to_stub = || one_to_one(v1::Channel::Email, "sim-sent");
    for (in_flight, aim) in [(64, "aim >= 0.35"), (256, "aim >= 0.40")] {
        let (mut ours, mut bare, mut settled) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..effort.rounds {
            bare.push(unary(echo, &keys.live, in_flight, effort.span, to_inbox.clone()).await);
            ours.push(unary(service.grpc(), &keys.live, in_flight, effort.span, to_inbox.clone()).await);
            settled.push(unary(service.grpc(), &keys.test, in_flight, effort.span, to_stub).await);
        }
        let bare = median(bare);
        row(&format!("unary, {in_flight} in flight, into an inbox"), median(ours), Some(("echo", bare)), "/s", aim);
        let what = format!("unary, {in_flight} in flight, a call made and settled");
        row(&what, median(settled), Some(("echo", bare)), "/s", "with delivery to the stub");
    }
    let mut rates = Vec::new();
    for _ in 0..effort.rounds {
        rates.push(streams(service.grpc(), &keys.live, 4, effort.span, to_inbox.clone()).await);
    }
    row("PublishStream, 4 streams, into an inbox", median(rates), None, "/s", "aim >= 80,000");
    println!("  resident after all this: {:.0} MiB\n", service.resident_mib());
}
