//! Told to stop and started again: nothing is lost and, since nothing was torn, nothing is repeated.

use std::sync::atomic::AtomicBool;

use campanile::api::v1;
use tokio::task::JoinSet;
use tokio::time::timeout;
use v1::audience::Target;

use super::author::{Author, request};
use super::campus;
use super::checker::{Evidence, Kill};
use super::kill::rest;
use super::oracle::{Ack, Oracle};
use super::service::{Client, House, LOOK_EVERY, PATIENCE, now_ms};

/// How long a scheduled message waits: longer than a kill and a start take.
const AHEAD_MS: i64 = 4_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_under_load_loses_nothing_and_repeats_nothing() {
    // The relay is slower than the authors, so that every stop leaves work behind.
    let house = House::open(15, &[], "").await;
    let oracle = Oracle::open(&house.folder().join("acks.log"));
    let mut authors = Author::all(7);
    let mut service = house.serve().await;
    let token = campus::load(&house, &service).await;
    for stop in 1..=3 {
        let client = service.client(&token).await;
        let (wanted, mut at_work) = (100 * stop, JoinSet::new());
        for mut author in authors.drain(..) {
            let (client, oracle, never) = (client.clone(), oracle.clone(), AtomicBool::new(false));
            at_work.spawn(async move {
                author.publish(&client, &oracle, &never).await;
                author
            });
        }
        until(|| oracle.counted() >= wanted && !house.receipts().is_empty()).await;
        service.terminate();
        authors = at_work.join_all().await;
        assert!(service.ended().await.success(), "a stop under load is clean\n{}", house.complaints());
        let promised = oracle.read().iter().flat_map(|ack| &ack.people).filter(|&&person| is_sent(person)).count();
        let left = promised.saturating_sub(house.receipts().len());
        println!("stop {stop}: {left} deliveries are left for the next life");
        assert!(left > 0);
        service = house.serve().await;
    }
    let evidence = rest(&house, &service, &token, authors, &oracle, Vec::new()).await;
    assert_eq!(house.cuts(), 0, "a stop lets open calls end");
    assert_eq!(evidence.findings(), []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_scheduled_message_survives_a_kill_and_goes_out_once_and_not_early() {
    let house = House::open(0, &[], "").await;
    let service = house.serve().await;
    let token = campus::load(&house, &service).await;
    let send_at = now_ms() + AHEAD_MS;
    let expression = Target::Expression(campus::tag(3));
    let mut wanted = request("tomorrow".to_owned(), expression, v1::MessageClass::Notice);
    wanted.send_at = Some(prost_types::Timestamp {
        seconds: send_at / 1_000,
        nanos: i32::try_from(send_at % 1_000 * 1_000_000).unwrap(),
    });
    let answer = service.client(&token).await.publish().publish(wanted).await.unwrap().into_inner();
    assert_eq!(answer.state(), v1::MessageState::Scheduled);
    let at_ms = now_ms();
    service.kill().await;
    let kill = Kill { at_ms, next_ms: now_ms() };

    let service = house.serve().await;
    let client = service.client(&token).await;
    let after = state(&client, &answer.message_id).await;
    assert!(after == v1::MessageState::Scheduled || now_ms() >= send_at);
    let ack = Ack { key: "tomorrow".to_owned(), message_id: answer.message_id, people: campus::tenants(3).collect() };
    let evidence = Evidence::collect(&house, &client, vec![ack], vec![kill]).await;
    assert_eq!(evidence.findings(), []);
    assert!(evidence.receipts.iter().all(|receipt| receipt.at_ms >= send_at), "{:?}", evidence.receipts);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_service_on_the_same_data_refuses_and_leaves_the_first_alone() {
    let house = House::open(0, &[], "").await;
    let service = house.serve().await;
    let token = campus::load(&house, &service).await;
    let second = timeout(PATIENCE, house.spawn().wait_with_output()).await.unwrap().unwrap();
    assert!(!second.status.success());
    let complaints = house.complaints();
    assert!(complaints.contains("another campanile serves this data directory"), "{complaints}");
    assert!(!complaints.contains("panicked"), "{complaints}");
    let audience = Target::Users(v1::UserList { user_ids: vec![campus::user_id(1)], ..Default::default() });
    let wanted = request("still".to_owned(), audience, v1::MessageClass::Transactional);
    service.client(&token).await.publish().publish(wanted).await.unwrap();
    until(|| house.receipts().len() == 1).await;
}

fn is_sent(person: usize) -> bool {
    campus::outcome(person) == v1::Outcome::Sent
}

async fn state(client: &Client, message_id: &str) -> v1::MessageState {
    let request = v1::GetMessageRequest { message_id: message_id.to_owned(), ..Default::default() };
    client.publish().get_message(request).await.unwrap().into_inner().message.unwrap().state()
}

async fn until(condition: impl Fn() -> bool) {
    let wait = async {
        while !condition() {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    timeout(PATIENCE, wait).await.expect("it comes to pass");
}
