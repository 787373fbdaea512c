//! A message is called off at a node that does not deliver: the node that holds it stops, without Redis too.

use std::time::Duration;

use campanile::api::v1;
use v1::audience::Target;

use super::super::author::request;
use super::super::campus;
use super::super::checker::Finding;
use super::super::service::now_ms;
use super::nodes::{Nodes, Plan};

/// The relay's step: slow enough that most of the message waits when it is called off.
const STEP_MS: u32 = 40;
/// It is called off when so many have it.
const TAKEN: usize = 10;
/// After its answer nothing starts, or if it was not final nothing after so long.
const BOUND_MS: i64 = 5_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_called_off_at_one_node_stops_at_the_one_that_holds_it() {
    if let Some(findings) = called_off("").await {
        super::assert_none(&findings, 0);
    }
}

/// Calls a message to everybody off half-way. Returns what is not as promised.
pub async fn called_off(settings: &str) -> Option<Vec<Finding>> {
    let slowly = vec![
        ("CAMPANILE__CHANNEL__EMAIL__RELAY__CONNECTIONS", "2".to_owned()),
        ("CAMPANILE__CHANNEL__EMAIL__RELAY__RECIPIENTS_PER_TRANSACTION", "1".to_owned()),
    ];
    let roles = vec![r#"["api"]"#, r#"["deliver"]"#];
    let plan = Plan { roles, step_ms: STEP_MS, settings, variables: slowly, ..Plan::default() };
    let nodes = Nodes::open_as(plan).await?;
    let client = nodes.node(0).client(&nodes.token).await;
    let wanted = request("off".to_owned(), Target::Expression("everyone".to_owned()), v1::MessageClass::Notice);
    let published = client.publish().publish(wanted).await.unwrap().into_inner();
    nodes.until("some have the message", async || nodes.house.receipts().len() >= TAKEN).await;
    let asked_ms = now_ms();
    let request = v1::CancelMessageRequest { message_id: published.message_id, ..Default::default() };
    let answer = client.publish().cancel_message(request).await.unwrap().into_inner();
    let answered_ms = now_ms();
    let taken = nodes.house.receipts().len();
    println!("{answer:?} after {} ms, when {taken} had it", answered_ms - asked_ms);
    let mut findings = Vec::new();
    if answer.sent + answer.stopped + answer.open != published.recipient_count {
        findings.push(Finding::Unbalanced(format!("{answer:?} is not {}", published.recipient_count)));
    }
    if answer.stopped == 0 || answered_ms - asked_ms > BOUND_MS + 1_000 {
        findings.push(Finding::Late(format!("stopped {} after {} ms", answer.stopped, answered_ms - asked_ms)));
    }
    let bound_ms = if answer.is_final { 0 } else { BOUND_MS };
    // Long enough for one more to show itself.
    tokio::time::sleep(Duration::from_millis(bound_ms.unsigned_abs() + 2_000)).await;
    let late = nodes.house.receipts().iter().filter(|receipt| receipt.at_ms > answered_ms + bound_ms).count();
    if late > 0 {
        findings.push(Finding::Late(format!("{late} were handed over more than {bound_ms} ms after the answer")));
    }
    let sent = (0..campus::PEOPLE).filter(|&person| campus::outcome(person) == v1::Outcome::Sent).count();
    assert!(taken < sent / 2, "the relay is too fast: {taken} of {sent} had it");
    Some(findings)
}
