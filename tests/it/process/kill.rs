//! kill -9 at any moment: nothing that was acknowledged is lost, everybody gets one outcome, and only calls that
//! were open are repeated.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio::task::JoinSet;

use super::author::Author;
use super::campus;
use super::checker::{Evidence, Kill};
use super::oracle::Oracle;
use super::service::{House, LOOK_EVERY, PATIENCE, Service, now_ms};

/// A round counts with so many acknowledgements.
const ACKS_MIN: usize = 100;
/// A kill comes so many milliseconds after the authors have begun.
const MOMENTS_MS: std::ops::Range<u64> = 50..800;
/// The relay's step: slow enough that calls are open at every moment.
const STEP_MS: u32 = 4;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_however_often_the_service_is_killed() {
    let seed = rand::random();
    let evidence = rounds(20, seed, "").await;
    let findings = evidence.findings();
    assert!(
        findings.is_empty(),
        "seed {seed}: {} findings: {:#?}",
        findings.len(),
        &findings[..findings.len().min(20)]
    );
}

/// Kills the service until so many rounds count, lets everything come to rest and collects the evidence.
pub async fn rounds(wanted: usize, seed: u64, settings: &str) -> Evidence {
    println!("seed {seed}, {wanted} rounds, kills after {MOMENTS_MS:?} ms, a relay step of {STEP_MS} ms");
    let house = House::open(STEP_MS, &[], settings).await;
    let oracle = Oracle::open(&house.folder().join("acks.log"));
    let mut rng = StdRng::seed_from_u64(seed);
    let mut authors = Author::all(seed);
    let mut kills: Vec<Kill> = Vec::new();
    let mut service = house.serve().await;
    let token = campus::load(&house, &service).await;
    let mut counted = 0;
    while counted < wanted {
        assert!(kills.len() < 3 * wanted, "{counted} of {wanted} rounds count; the machine is too slow");
        let (acks, cuts) = (oracle.counted(), house.cuts());
        // A machine that is too busy for the rounds to count gets more time.
        let stretch = 1 + (kills.len() - counted) as u64 / 4;
        let moment = Duration::from_millis(rng.random_range(MOMENTS_MS) * stretch);
        let client = service.client(&token).await;
        let (stop, mut at_work) = (Arc::new(AtomicBool::new(false)), JoinSet::new());
        for mut author in authors.drain(..) {
            let (client, oracle, stop) = (client.clone(), oracle.clone(), stop.clone());
            at_work.spawn(async move {
                author.publish(&client, &oracle, &stop).await;
                author
            });
        }
        enough(&oracle, acks).await;
        tokio::time::sleep(moment).await;
        let at_ms = now_ms();
        service.kill().await;
        authors = at_work.join_all().await;
        let (acks, open) = (oracle.counted() - acks, quiet(&house).await - cuts);
        let counts = acks >= ACKS_MIN && open >= 1;
        counted += usize::from(counts);
        let counts = if counts { "" } else { " (does not count)" };
        println!("round {:2}: {acks:4} acks, {open:3} recipients in calls open at the kill{counts}", kills.len() + 1);
        kills.push(Kill { at_ms, next_ms: now_ms() });
        service = house.serve().await;
    }
    rest(&house, &service, &token, authors, &oracle, kills).await
}

/// Lets the authors finish and everything come to rest.
pub async fn rest(
    house: &House,
    service: &Service,
    token: &str,
    authors: Vec<Author>,
    oracle: &Oracle,
    kills: Vec<Kill>,
) -> Evidence {
    let client = service.client(token).await;
    for mut author in authors {
        assert!(author.finish(&client, oracle).await, "the service went away\n{}", house.complaints());
    }
    let acks = oracle.read();
    assert_eq!(acks.len(), oracle.counted());
    let evidence = Evidence::collect(house, &client, acks, kills).await;
    let (acks, receipts) = (evidence.acks.len(), evidence.receipts.len());
    let people: usize = evidence.acks.iter().map(|ack| ack.people.len()).sum();
    let repeated = evidence.repeated().in_words(&evidence.kills);
    println!("{acks} messages acknowledged to {people} people, {receipts} mails taken, {repeated}");
    evidence
}

/// Waits until the authors have been answered at least once in this life.
async fn enough(oracle: &Oracle, before: usize) {
    let wait = async {
        while oracle.counted() == before {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    tokio::time::timeout(PATIENCE, wait).await.expect("the service answers");
}

/// Waits until the relay has noticed the end of every session; returns the cuts so far.
pub async fn quiet(house: &House) -> usize {
    let (mut cuts, mut same) = (house.cuts(), 0);
    while same < 3 {
        tokio::time::sleep(LOOK_EVERY).await;
        let now = house.cuts();
        same = if now == cuts { same + 1 } else { 0 };
        cuts = now;
    }
    cuts
}
