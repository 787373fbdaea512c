//! PostgreSQL goes away under load and comes back: meanwhile a publish fails in a way that may be repeated, nothing
//! is lost, nothing is done twice, and no node is started again.

use std::time::Duration;

use campanile::standin::private::Postgres;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tonic::Code;

use super::super::author::Author;
use super::super::checker::Finding;
use super::super::kill::rest;
use super::super::service::now_ms;
use super::crowd::{Crowd, Said};
use super::nodes::{NODES, Nodes, Plan};
use crate::support::postgres;

/// The relay's step.
const STEP_MS: u32 = 4;
/// The database goes so many milliseconds after the authors were answered first.
const MOMENTS_MS: std::ops::Range<u64> = 200..1_500;
/// How long it is away.
const AWAY: Duration = Duration::from_secs(2);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_of_the_database_under_load_loses_nothing_and_needs_no_restart_of_a_node() {
    let seed = rand::random();
    if let Some(findings) = restarted(super::rounds(2, 5), seed, "").await {
        super::assert_none(&findings, seed);
    }
}

/// Stops the database under load so many times, first as an operator would and then as a crash would, and starts
/// it again. Returns what is not as promised.
pub async fn restarted(rounds: usize, seed: u64, settings: &str) -> Option<Vec<Finding>> {
    let folder = tempfile::tempdir().unwrap();
    let mut server = postgres::private(folder.path())?;
    let url = Some(server.url("postgres"));
    let nodes = Nodes::open_as(Plan { url, step_ms: STEP_MS, settings, ..Plan::default() }).await?;
    let (mut rng, mut authors) = (StdRng::seed_from_u64(seed), Author::all(seed));
    let mut findings = Vec::new();
    for round in 1..=rounds {
        let crowd = Crowd::begin(authors, &nodes);
        crowd.until(100).await;
        tokio::time::sleep(Duration::from_millis(rng.random_range(MOMENTS_MS))).await;
        let (before, at_ms) = (crowd.said().len(), now_ms());
        server = away(server, round % 2 == 0).await;
        let away_ms = now_ms() - at_ms;
        let (back, told) = (crowd.acks(), crowd.said().split_off(before));
        crowd.until(back + 100).await;
        authors = crowd.end().await;
        println!("round {round}: {} calls were refused in {away_ms} ms without the database", told.len());
        findings.extend(
            told.iter()
                .filter(|said| !is_retryable(said))
                .map(|said| Finding::Stray(format!("{said:?} was said while the database was away"))),
        );
        if told.is_empty() {
            findings.push(Finding::Stray("every publish was answered without a database".to_owned()));
        }
        for (place, author) in (0..NODES).zip(&mut authors) {
            let said = author.publish_next(&nodes.doors.at(place), &nodes.oracle).await;
            findings.extend(said.err().map(|status| Finding::Late(format!("node {place} still says {status:?}"))));
        }
    }
    let evidence = rest(&nodes.house, nodes.node(0), &nodes.token, authors, &nodes.oracle, Vec::new()).await;
    findings.extend(evidence.findings());
    findings.extend(nodes.wrong_totals(1, &evidence).await);
    nodes
        .until("no node holds anything", async || {
            let held = nodes.all().map(|node| node.metric("campanile_batches_held"));
            futures::future::join_all(held).await.iter().sum::<u64>() == 0
        })
        .await;
    Some(findings)
}

/// Takes the database away for a moment.
async fn away(mut server: Postgres, crash: bool) -> Postgres {
    let stopped = tokio::task::spawn_blocking(move || {
        let done = if crash { server.crash() } else { server.stop() };
        done.unwrap();
        server
    });
    let mut server = stopped.await.unwrap();
    tokio::time::sleep(AWAY).await;
    let resumed = tokio::task::spawn_blocking(move || {
        server.resume().unwrap();
        server
    });
    resumed.await.unwrap()
}

/// Nobody answered in time, or the service says that it has no store.
fn is_retryable((code, reason): &Said) -> bool {
    match reason.as_deref() {
        Some(reason) => *code == Code::Unavailable && reason == "STORE_UNAVAILABLE",
        None => matches!(code, Code::Unavailable | Code::Cancelled | Code::DeadlineExceeded),
    }
}
