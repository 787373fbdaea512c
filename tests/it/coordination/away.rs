//! Redis goes, comes back, forgets, refuses: the limit holds through all of it, and work goes on.

use std::time::Duration;

use campanile::coordination::Mode;

use super::{Nodes, Server};
use crate::support::proxy::Proxy;

const SOON: Duration = Duration::from_secs(10);
/// From the loss of Redis until each node has its own part, and from its return until all is as before.
const CHANGE: Duration = Duration::from_secs(30);
const PER: Duration = Duration::from_secs(4);
const N: u32 = 800;

async fn busy(server: &Server) -> Nodes {
    let nodes = Nodes::start(&server.url(), 3, N, PER);
    nodes.all(Mode::Redis, SOON).await;
    (0..3).for_each(|node| nodes.work(node, 1));
    tokio::time::sleep(PER).await;
    nodes
}

/// The parts are told at the start, and a larger one counts after some seconds.
async fn until_parts_count(nodes: &Nodes) {
    let since = nodes.clock.monotonic();
    tokio::time::sleep(Duration::from_secs(13).saturating_sub(since)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flushed_server_begins_without_credit() {
    let Some(server) = Server::start() else { return };
    let nodes = busy(&server).await;
    for _ in 0..5 {
        server.say(&["FLUSHALL"]).await;
        server.say(&["SCRIPT", "FLUSH"]).await;
        tokio::time::sleep(Duration::from_millis(400)).await;
    }
    nodes.until_used(0.9).await;
    nodes.check_every_window();
    nodes.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_and_empty_it_is_as_before_within_half_a_minute() {
    let Some(mut server) = Server::start() else { return };
    let nodes = busy(&server).await;
    for _ in 0..3 {
        server.redis.kill().unwrap();
        server.redis.resume().unwrap();
        nodes.all(Mode::Redis, CHANGE).await;
        tokio::time::sleep(Duration::from_millis(700)).await;
    }
    nodes.all(Mode::Redis, CHANGE).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    nodes.until_used(0.9).await;
    nodes.check_every_window();
    nodes.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_it_each_node_has_its_part_and_none_twice() {
    let Some(mut server) = Server::start() else { return };
    let nodes = busy(&server).await;
    until_parts_count(&nodes).await;
    server.redis.kill().unwrap();
    nodes.all(Mode::Apart, SOON).await;
    // A node's own part begins within five seconds, empty.
    tokio::time::sleep(Duration::from_secs(5)).await;
    nodes.until_used(0.85).await;

    server.redis.resume().unwrap();
    nodes.all(Mode::Redis, CHANGE).await;
    tokio::time::sleep(PER).await;
    nodes.until_used(0.9).await;
    nodes.check_every_window();
    nodes.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_server_refuses_and_the_nodes_go_on_apart() {
    let Some(server) = Server::start() else { return };
    let nodes = busy(&server).await;
    until_parts_count(&nodes).await;
    server.say(&["CONFIG", "SET", "maxmemory-policy", "noeviction"]).await;
    server.say(&["CONFIG", "SET", "maxmemory", "1"]).await;
    nodes.all(Mode::Apart, SOON).await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    nodes.until_used(0.85).await;
    server.say(&["CONFIG", "SET", "maxmemory", "0"]).await;
    nodes.all(Mode::Redis, CHANGE).await;
    tokio::time::sleep(PER).await;
    nodes.until_used(0.9).await;
    nodes.check_every_window();
    nodes.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_alone_loses_it_keeps_to_its_part_and_the_others_leave_it_that() {
    let Some(server) = Server::start() else { return };
    let mut nodes = Nodes::start(&server.url(), 0, N, PER);
    let proxy = Proxy::start(server.redis.port()).await;
    for rank in 0..3 {
        let url = if rank == 2 { server.redis.url_at(proxy.port) } else { server.url() };
        nodes.add(&url, 3, rank);
    }
    nodes.all(Mode::Redis, SOON).await;
    (0..3).for_each(|node| nodes.work(node, 1));
    until_parts_count(&nodes).await;
    proxy.cut(true);
    tokio::time::sleep(Duration::from_secs(7)).await;
    assert_eq!(nodes.nodes[2].redis.mode().get(), Mode::Apart);
    nodes.until_used(0.85).await;
    proxy.cut(false);
    nodes.all(Mode::Redis, CHANGE).await;
    tokio::time::sleep(PER).await;
    nodes.until_used(0.9).await;
    nodes.check_every_window();
    nodes.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_never_found_it_works_with_its_part_after_a_while() {
    let Some(mut server) = Server::start() else { return };
    server.redis.kill().unwrap();
    let nodes = Nodes::start(&server.url(), 2, N, PER);
    (0..2).for_each(|node| nodes.work(node, 1));
    assert_eq!(nodes.nodes[0].redis.mode().get(), Mode::Apart);
    until_parts_count(&nodes).await;
    nodes.until_used(0.85).await;
    nodes.check_every_window();
    nodes.nodes.iter().zip(0..).for_each(|(node, rank)| node.peers.tell(4, rank));
    tokio::time::sleep(Duration::from_secs(1)).await;
    let share = nodes.share_used(PER).await;
    assert!(share <= 0.5, "{share}: half of the nodes, at once");
    nodes.stop().await;
}
