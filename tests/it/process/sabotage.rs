//! The checks are worth something: whoever breaks a promise is found out.

use std::sync::atomic::AtomicBool;

use super::author::Author;
use super::campus;
use super::checker::{Evidence, Finding};
use super::kill::rest;
use super::oracle::Oracle;
use super::service::{House, LOOK_EVERY};

#[cfg(feature = "sabotage")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sabotage_an_answer_before_the_commit_is_found_out() {
    let seed = rand::random();
    let evidence = super::kill::rounds(4, seed, "[sabotage]\nanswer_before_commit = true\n").await;
    let findings = evidence.findings();
    let lost = findings.iter().filter(|finding| matches!(finding, Finding::Lost(_))).count();
    println!("{lost} lost, {} findings in all, such as {:?}", findings.len(), findings.first());
    assert!(lost > 0, "seed {seed}: {findings:?}");
}

#[cfg(not(feature = "sabotage"))]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sabotage_is_unknown_to_an_ordinary_build() {
    let house = House::open(0, &[], "[sabotage]\nanswer_before_commit = true\n").await;
    let ended = house.spawn().wait_with_output().await.unwrap();
    assert!(!ended.status.success());
    let complaints = house.complaints();
    assert!(complaints.contains("unknown section [sabotage]"), "{complaints}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sabotage_of_the_relay_is_found_out() {
    let lost = |finding: &Finding| matches!(finding, Finding::Lost(_));
    let duplicated = |finding: &Finding| matches!(finding, Finding::Duplicated(_));
    let unbalanced = |finding: &Finding| matches!(finding, Finding::Unbalanced(_));
    assert!(cheated("lose-one").await.findings().iter().any(lost));
    assert!(cheated("duplicate-one").await.findings().iter().any(duplicated));
    assert!(cheated("wrong-person").await.findings().iter().any(unbalanced));
}

/// A few messages over a relay that cheats once.
async fn cheated(how: &str) -> Evidence {
    let house = House::open(0, &["--break", how], "").await;
    let oracle = Oracle::open(&house.folder().join("acks.log"));
    let service = house.serve().await;
    let token = campus::load(&house, &service).await;
    let client = service.client(&token).await;
    let mut author = Author::all(1).swap_remove(0);
    let stop = AtomicBool::new(false);
    tokio::select! {
        () = author.publish(&client, &oracle, &stop) => {}
        () = async {
            while house.receipts().len() < 20 {
                tokio::time::sleep(LOOK_EVERY).await;
            }
        } => {}
    }
    rest(&house, &service, &token, vec![author], &oracle, Vec::new()).await
}
