//! Many say the same to three nodes at the same moment: it becomes one message, and nobody waits for ever.

use std::collections::BTreeSet;

use campanile::api::v1;
use futures::future::join_all;
use tokio::time::timeout;
use v1::audience::Target;

use super::super::author::request;
use super::super::campus;
use super::super::checker::{Evidence, Finding};
use super::super::oracle::Ack;
use super::super::service::PATIENCE;
use super::crowd::reason;
use super::nodes::{NODES, Nodes};

/// How many say the same.
const CALLERS: usize = 64;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_publish_at_every_node_at_once_becomes_one_message() {
    if let Some(findings) = identical(super::rounds(10, 100), "").await {
        super::assert_none(&findings, 0);
    }
}

/// Publishes under so many keys, many times each at the same moment. Returns what is not as promised.
pub async fn identical(keys: usize, settings: &str) -> Option<Vec<Finding>> {
    let nodes = Nodes::open(0, settings).await?;
    let (mut acks, mut findings) = (Vec::new(), Vec::new());
    for number in 0..keys {
        let key = format!("same-{number}");
        let (target, people) = audience(number);
        let wanted = request(key.clone(), target, v1::MessageClass::Notice);
        let calls = (0..CALLERS).map(|caller| {
            let (client, wanted) = (nodes.doors.at(caller % NODES), wanted.clone());
            async move { client.publish().publish(wanted).await }
        });
        let answers = timeout(PATIENCE, join_all(calls)).await.expect("nobody waits for ever");
        let mut ids = BTreeSet::new();
        for answer in answers {
            match answer {
                Ok(answer) => drop(ids.insert(answer.into_inner().message_id)),
                Err(status) => findings.push(Finding::Late(format!("{key} was not answered but refused: {status:?}"))),
            }
        }
        if ids.len() != 1 {
            findings.push(Finding::Duplicated(format!("{key} became {ids:?}")));
        }
        let other = v1::PublishRequest { reference: "another".to_owned(), ..wanted };
        let refused = nodes.doors.at(number % NODES).publish().publish(other).await.map_err(|status| reason(&status));
        if refused.as_ref().err().and_then(Option::as_deref) != Some("IDEMPOTENCY_MISMATCH") {
            findings.push(Finding::Stray(format!("{key} with another body: {refused:?}")));
        }
        acks.extend(ids.pop_first().map(|message_id| Ack { key, message_id, people }));
    }
    println!("{keys} keys, {CALLERS} callers each: {} messages", acks.len());
    let client = nodes.node(0).client(&nodes.token).await;
    let evidence = Evidence::collect(&nodes.house, &client, acks, Vec::new()).await;
    findings.extend(evidence.findings());
    findings.extend(nodes.wrong_totals(0, &evidence).await);
    Some(findings)
}

/// In turn one person, those of a room, and those of two rooms.
fn audience(number: usize) -> (Target, Vec<usize>) {
    let room = number % campus::ROOMS;
    match number % 3 {
        0 => {
            let user_ids = vec![campus::user_id(number)];
            (Target::Users(v1::UserList { user_ids, ..Default::default() }), vec![number])
        }
        1 => (Target::Expression(campus::tag(room)), campus::tenants(room).collect()),
        _ => {
            let next = (room + 1) % campus::ROOMS;
            let mut people: Vec<usize> = campus::tenants(room).chain(campus::tenants(next)).collect();
            people.sort_unstable();
            (Target::Expression(format!("{} OR {}", campus::tag(room), campus::tag(next))), people)
        }
    }
}
