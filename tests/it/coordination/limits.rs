//! A limit that nodes share holds in every window, and is used while work waits.

use std::time::Duration;

use campanile::coordination::redis::{Options, Redis};
use campanile::coordination::{Mode, Peers};
use campanile::runtime::clock::SystemClock;
use campanile::runtime::tasks::Tasks;

use super::{KEY, Nodes, Server};

const SOON: Duration = Duration::from_secs(10);
const PER: Duration = Duration::from_secs(4);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_busy_nodes_use_the_limit_and_never_more_in_any_window() {
    let Some(server) = Server::start() else { return };
    let nodes = Nodes::start(&server.url(), 3, 800, PER);
    nodes.all(Mode::Redis, SOON).await;
    (0..3).for_each(|node| nodes.work(node, 1));
    tokio::time::sleep(PER).await;
    nodes.until_used(0.9).await;
    nodes.check_every_window();
    nodes.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_busy_node_of_three_uses_all_of_the_limit() {
    let Some(server) = Server::start() else { return };
    let nodes = Nodes::start(&server.url(), 3, 800, PER);
    nodes.all(Mode::Redis, SOON).await;
    // The others had work a moment ago.
    (0..3).for_each(|node| nodes.work(node, 1));
    tokio::time::sleep(Duration::from_millis(500)).await;
    nodes.rest(0);
    nodes.rest(2);
    tokio::time::sleep(Duration::from_millis(500)).await;
    nodes.until_used(0.9).await;
    nodes.check_every_window();
    nodes.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_calls_and_small_ones_share_a_limit_and_none_starves() {
    let Some(server) = Server::start() else { return };
    let nodes = Nodes::start(&server.url(), 2, 3_000, PER);
    nodes.all(Mode::Redis, SOON).await;
    let limits = nodes.nodes[0].redis.limits();
    while limits.largest(KEY) < 100 {
        // The second node has just come.
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    nodes.work(0, 100);
    nodes.work(1, 7);
    tokio::time::sleep(PER).await;
    nodes.until_used(0.9).await;
    nodes.check_every_window();
    nodes.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_largest_call_is_granted_whatever_the_limit() {
    let Some(server) = Server::start() else { return };
    let (clock, tasks, peers) = (SystemClock::shared(), Tasks::new(), Peers::default());
    peers.tell(1, 0);
    let rates: Vec<_> = (0..200).map(|n| (format!("email.{n}"), 600 + 7 * n, Duration::from_secs(20))).collect();
    let (url, prefix) = (server.url().into(), "test".to_owned());
    let options = Options { url, prefix, delivers: true, rates: rates.clone(), peers };
    let limits = Redis::start(options, &clock, &tasks).unwrap().limits();
    let mut waiting: Vec<&str> = rates.iter().map(|(key, ..)| key.as_str()).collect();
    let granted = async {
        while !waiting.is_empty() {
            waiting.retain(|key| limits.acquire(key, limits.largest(key)).is_err());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(SOON, granted).await.expect("a full limit holds its largest call");
    assert!(tasks.stop(SOON).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_limit_smaller_than_the_nodes_is_kept_and_used() {
    let Some(server) = Server::start() else { return };
    let nodes = Nodes::start(&server.url(), 3, 2, Duration::from_secs(1));
    nodes.all(Mode::Redis, SOON).await;
    (0..3).for_each(|node| nodes.work(node, 5));
    nodes.until_used(0.8).await;
    nodes.check_every_window();
    nodes.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_node_leaves_unused_another_gets() {
    let Some(server) = Server::start() else { return };
    let nodes = Nodes::start(&server.url(), 2, 800, PER);
    nodes.all(Mode::Redis, SOON).await;
    nodes.work(1, 1);
    tokio::time::sleep(Duration::from_millis(500)).await;
    let idle = nodes.nodes[0].redis.limits();
    let asking = async {
        loop {
            // It asks for as much as it can and never comes for it.
            let _ = idle.acquire(KEY, 26);
            tokio::time::sleep(Duration::from_millis(400)).await;
        }
    };
    tokio::select! {
        // Without giving back a third would be lost.
        () = nodes.until_used(0.9) => {}
        () = asking => unreachable!("it asks for ever"),
    }
    nodes.check_every_window();
    nodes.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_foreign_value_under_our_names_is_swept_away() {
    let Some(server) = Server::start() else { return };
    for key in ["test:{nodes}", "test:{limit:email.default}"] {
        server.say(&["SET", key, "x"]).await;
    }
    let nodes = Nodes::start(&server.url(), 1, 800, PER);
    nodes.all(Mode::Redis, SOON).await;
    nodes.work(0, 1);
    nodes.until_used(0.85).await;
    nodes.stop().await;
}
