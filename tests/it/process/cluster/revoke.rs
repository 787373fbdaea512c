//! A key or a grant is taken back at one node while many publish with it at three, which do not hear of one another
//! but through the database: when that is answered, nothing more is accepted anywhere.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use campanile::api::v1;
use rand::Rng;
use tokio::task::JoinSet;
use tokio::time::timeout;
use v1::audience::Target;

use super::super::author::request;
use super::super::campus::{self, Office};
use super::super::checker::Finding;
use super::super::service::{Client, LOOK_EVERY, PATIENCE};
use super::crowd::reason;
use super::nodes::{NODES, Nodes};

/// How many publish at the same time.
const CALLERS: usize = 64;
/// The revocation comes so many milliseconds after everybody was answered first.
const MOMENTS_MS: std::ops::Range<u64> = 0..200;
/// How long a caller waits for an answer.
const ANSWER: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_accepted_on_any_node_after_a_revocation_was_answered() {
    if let Some(findings) = revoked(super::rounds(10, 100), "").await {
        super::assert_none(&findings, 0);
    }
}

/// Revokes a key and a grant in turn, so many times. Returns what is not as promised.
pub async fn revoked(rounds: usize, settings: &str) -> Option<Vec<Finding>> {
    let nodes = Nodes::open(0, settings).await?;
    let mut findings = Vec::new();
    let (mut stored, mut refused) = (0, 0);
    for round in 0..rounds {
        let admin = nodes.admin(round % NODES).await;
        let office = campus::office(&admin, &format!("Office {round}")).await;
        for place in 0..NODES {
            let client = nodes.node(place).door(&office.token, ANSWER);
            nodes
                .until("every node knows the office", async || client.publish().publish(letter(place, 0)).await.is_ok())
                .await;
        }
        let callers = Callers::begin(&nodes, &office);
        callers.until_answered().await;
        let moment = rand::rng().random_range(MOMENTS_MS);
        tokio::time::sleep(Duration::from_millis(moment)).await;
        revoke(&admin, &office, round % 2 == 0).await;
        callers.revoked.store(true, Ordering::SeqCst);
        let at_the_answer = count(&admin, &office).await;
        let late = callers.end().await;
        let in_the_end = count(&admin, &office).await;
        stored += in_the_end;
        refused += CALLERS;
        if late > 0 || in_the_end != at_the_answer {
            let more = in_the_end - at_the_answer;
            findings.push(Finding::Stray(format!("round {round}: {late} begun and {more} stored after the answer")));
        }
    }
    println!("{rounds} revocations: {stored} messages stored before their answers, {refused} callers refused after");
    Some(findings)
}

async fn revoke(admin: &Client, office: &Office, key: bool) {
    if key {
        let request = v1::RevokeKeyRequest { key_id: office.key_id.clone(), ..Default::default() };
        admin.access().revoke_key(request).await.unwrap();
    } else {
        let request = v1::RevokeGrantRequest { grant_id: office.grant_id.clone(), ..Default::default() };
        admin.access().revoke_grant(request).await.unwrap();
    }
}

/// How many messages an office has published.
async fn count(admin: &Client, office: &Office) -> usize {
    let (mut n, mut page_token) = (0, String::new());
    loop {
        let application_id = office.application_id.clone();
        let request = v1::ListMessagesRequest { application_id, page_size: 1_000, page_token, ..Default::default() };
        let page = admin.publish().list_messages(request).await.unwrap().into_inner();
        n += page.messages.len();
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return n;
        }
    }
}

/// Callers who publish until they are refused.
struct Callers {
    /// The revocation was answered.
    revoked: Arc<AtomicBool>,
    answered: Arc<AtomicUsize>,
    /// Each ends with how many of its publishes began after the answer and were accepted.
    at_work: JoinSet<usize>,
}

impl Callers {
    fn begin(nodes: &Nodes, office: &Office) -> Callers {
        let mut callers = Callers { revoked: Arc::default(), answered: Arc::default(), at_work: JoinSet::new() };
        for caller in 0..CALLERS {
            let client = nodes.node(caller % NODES).door(&office.token, ANSWER);
            let (revoked, answered) = (Arc::clone(&callers.revoked), Arc::clone(&callers.answered));
            callers.at_work.spawn(publish(caller, client, revoked, answered));
        }
        callers
    }

    async fn until_answered(&self) {
        let wait = async {
            while self.answered.load(Ordering::SeqCst) < CALLERS {
                tokio::time::sleep(LOOK_EVERY).await;
            }
        };
        timeout(PATIENCE, wait).await.expect("everybody is answered once");
    }

    async fn end(self) -> usize {
        timeout(PATIENCE, self.at_work.join_all()).await.expect("everybody is refused in the end").into_iter().sum()
    }
}

fn letter(caller: usize, number: usize) -> v1::PublishRequest {
    let user_ids = vec![campus::user_id((caller + number) % campus::PEOPLE)];
    let target = Target::Users(v1::UserList { user_ids, ..Default::default() });
    request(format!("{caller}-{number}"), target, v1::MessageClass::Transactional)
}

async fn publish(caller: usize, client: Client, revoked: Arc<AtomicBool>, answered: Arc<AtomicUsize>) -> usize {
    let (mut late, mut number) = (0, 0);
    loop {
        number += 1;
        let after = revoked.load(Ordering::SeqCst);
        match client.publish().publish(letter(caller, number)).await {
            Ok(_) => late += usize::from(after),
            Err(status) => {
                let reason = reason(&status).unwrap_or_default();
                assert!(REFUSALS.contains(&reason.as_str()), "{status:?}");
                return late;
            }
        }
        if number == 1 {
            answered.fetch_add(1, Ordering::SeqCst);
        }
    }
}

/// How it is refused, depending on whether the node has heard of the revocation or the commit found it.
const REFUSALS: [&str; 3] = ["TOKEN_INVALID", "GRANT_REVOKED", "GRANT_MISSING"];
