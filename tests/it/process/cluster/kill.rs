//! One of three nodes is killed under load: the others take its work over in time, nothing is lost, and only calls
//! that were open are repeated.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::super::author::Author;
use super::super::checker::{Finding, Kill};
use super::super::kill::{quiet, rest};
use super::super::service::now_ms;
use super::crowd::Crowd;
use super::nodes::{NODES, Nodes};

/// The relay's step: slow enough that calls are open at every moment.
const STEP_MS: u32 = 4;
/// A kill comes so many milliseconds after the authors were answered first.
const MOMENTS_MS: std::ops::Range<u64> = 200..1_500;
/// How long the load goes on after it, on the nodes that are left.
const ON: Duration = Duration::from_secs(1);
/// What the dead node held has an outcome by then: 30 s of lease, 5 s until somebody looks, and the work itself.
pub const TAKEOVER_MAX_MS: i64 = 40_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_killed_node_held_is_taken_over_in_time_and_nothing_is_lost() {
    let seed = rand::random();
    if let Some(findings) = killed(super::rounds(1, 20), seed, "").await {
        super::assert_none(&findings, seed);
    }
}

/// Kills one of three nodes under load so many times. Returns what is not as promised.
pub async fn killed(rounds: usize, seed: u64, settings: &str) -> Option<Vec<Finding>> {
    let mut nodes = Nodes::open(STEP_MS, settings).await?;
    let (mut rng, mut authors) = (StdRng::seed_from_u64(seed), Author::all(seed));
    let (mut kills, mut findings) = (Vec::new(), Vec::new());
    for round in 1..=rounds {
        let crowd = Crowd::begin(authors, &nodes);
        crowd.until(100).await;
        tokio::time::sleep(Duration::from_millis(rng.random_range(MOMENTS_MS))).await;
        let (victim, cuts, at_ms) = (rng.random_range(0..NODES), nodes.house.cuts(), now_ms());
        nodes.kill(victim).await;
        let open = quiet(&nodes.house).await - cuts;
        kills.push(Kill { at_ms, next_ms: now_ms() });
        tokio::time::sleep(ON).await;
        let acks = crowd.acks();
        authors = crowd.end().await;
        let rested = nodes.rest_after((victim + 1) % NODES, at_ms).await;
        println!("round {round:2}: {acks:4} acks, {open:2} recipients in open calls, at rest after {rested:?} ms");
        match rested {
            Some(ms) if ms <= TAKEOVER_MAX_MS => {}
            Some(ms) => findings.push(Finding::Late(format!("all had an outcome {ms} ms after kill {round}"))),
            None => return Some(vec![Finding::Late(format!("kill {round} left work that nobody takes over"))]),
        }
        nodes.start(victim).await;
    }
    let evidence = rest(&nodes.house, nodes.node(0), &nodes.token, authors, &nodes.oracle, kills).await;
    findings.extend(evidence.findings());
    findings.extend(nodes.wrong_totals(1, &evidence).await);
    Some(findings)
}
