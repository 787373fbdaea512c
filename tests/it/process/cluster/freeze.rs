//! One of three nodes is stopped for longer than its lease and goes on: by then its work is done by others. It hands
//! over nothing that is theirs, none of its late settlements counts, and it joins anew.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::super::author::Author;
use super::super::checker::{Finding, Kill};
use super::super::kill::rest;
use super::super::service::now_ms;
use super::crowd::Crowd;
use super::kill::TAKEOVER_MAX_MS;
use super::nodes::{NODES, Nodes};

/// The relay's step.
const STEP_MS: u32 = 4;
/// The stop comes so many milliseconds after the authors were answered first.
const MOMENTS_MS: std::ops::Range<u64> = 200..1_500;
/// How long authors still go to the stopped node; then a balancer would have noticed.
const ON: Duration = Duration::from_secs(1);
/// How long a stop lasts at least in the long form. In the short form it ends when everything was taken over.
const ASLEEP_MS: i64 = 60_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_was_stopped_past_its_lease_hands_over_nothing_when_it_goes_on() {
    let seed = rand::random();
    if let Some(findings) = frozen(super::rounds(1, 5), seed, "").await {
        super::assert_none(&findings, seed);
    }
}

/// Stops one of three nodes under load so many times, and lets it go on. Returns what is not as promised.
pub async fn frozen(rounds: usize, seed: u64, settings: &str) -> Option<Vec<Finding>> {
    let nodes = Nodes::open(STEP_MS, settings).await?;
    let (mut rng, mut authors) = (StdRng::seed_from_u64(seed), Author::all(seed));
    let (mut stops, mut findings) = (Vec::new(), Vec::new());
    for round in 1..=rounds {
        let crowd = Crowd::begin(authors, &nodes);
        crowd.until(100).await;
        tokio::time::sleep(Duration::from_millis(rng.random_range(MOMENTS_MS))).await;
        let sleeper = rng.random_range(0..NODES);
        let (other, node) = ((sleeper + 1) % NODES, nodes.node(sleeper));
        let (lost, dropped) = (node.metric(LOST).await, node.metric(DROPPED).await);
        let at_ms = now_ms();
        node.signal("STOP");
        tokio::time::sleep(ON).await;
        stops.push(Kill { at_ms, next_ms: now_ms() });
        let door = nodes.doors.close(sleeper);
        authors = crowd.end().await;
        let rested = nodes.rest_after(other, at_ms).await;
        if super::is_nightly() {
            let left = u64::try_from(at_ms + ASLEEP_MS - now_ms()).unwrap_or(0);
            tokio::time::sleep(Duration::from_millis(left)).await;
        }
        let (taken, slept) = (nodes.house.receipts().len(), now_ms() - at_ms);
        node.signal("CONT");
        nodes.until("the node notices that it was taken for dead", async || node.metric(LOST).await > lost).await;
        nodes.until("the node drops what it held", async || node.metric(HELD).await == 0).await;
        let late = nodes.house.receipts().len() - taken;
        let dropped = node.metric(DROPPED).await - dropped;
        println!(
            "round {round}: at rest after {rested:?} ms, asleep for {slept} ms, then {late} handed over and \
             {dropped} settlements refused"
        );
        if late > 0 {
            findings.push(Finding::Duplicated(format!("{late} were handed over after the node went on")));
        }
        if rested.is_none_or(|ms| ms > TAKEOVER_MAX_MS) {
            findings.push(Finding::Late(format!("at rest {rested:?} ms after stop {round}")));
        }
        authors[0].publish_next(&door, &nodes.oracle).await.expect("the node takes part again");
        nodes.doors.open(sleeper, door);
    }
    let evidence = rest(&nodes.house, nodes.node(0), &nodes.token, authors, &nodes.oracle, stops).await;
    findings.extend(evidence.findings());
    findings.extend(nodes.wrong_totals(1, &evidence).await);
    Some(findings)
}

/// How often a node was taken for dead.
const LOST: &str = "campanile_leases_lost_total";
/// Settlements of a node that were not its own any more.
const DROPPED: &str = "campanile_fences_dropped_total";
/// Batches that a node holds.
const HELD: &str = "campanile_batches_held";
