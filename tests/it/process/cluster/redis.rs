//! Redis forgets everything, is killed, cannot be reached, is full: nothing is lost or done twice, publishing goes on,
//! and what a node without deliveries accepts is delivered by others within seconds. When Redis is back all is as
//! before, without a restart.

use std::time::Duration;

use campanile::api::v1;
use tokio::time::{Instant, timeout};
use v1::audience::Target;

use super::super::author::{Author, request};
use super::super::campus;
use super::super::checker::Finding;
use super::super::kill::rest;
use super::super::oracle::Ack;
use super::super::service::{LOOK_EVERY, Service};
use super::crowd::Crowd;
use super::nodes::{Nodes, Plan};
use crate::support::proxy::Proxy;
use crate::support::redis::Server;

/// The relay's step.
const STEP_MS: u32 = 4;
/// How long there is a load; after it one message a second.
const LOAD: Duration = Duration::from_secs(2);
/// How long Redis is away, in the short form and in the long one.
const AWAY: [Duration; 2] = [Duration::from_secs(5), Duration::from_secs(60)];
/// A node looks into the store once a second; nothing waits for longer than this.
const POLLED: Duration = Duration::from_secs(5);
/// So soon after its return all is as before.
const BACK: Duration = Duration::from_secs(30);
/// Somebody who does not deliver, and two who do.
const ROLES: [&str; 3] = [r#"["api"]"#, r#"["api", "deliver"]"#, r#"["deliver"]"#];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_redis_nothing_is_lost_and_with_it_again_all_is_as_before() {
    let seed = rand::random();
    if let Some(findings) = lost(super::rounds(1, 5), seed, "").await {
        super::assert_none(&findings, seed);
    }
}

/// How Redis is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// It forgets everything.
    Flushed,
    /// It is killed and comes back empty.
    Killed,
    /// Nobody hears of it any more.
    Cut,
    /// It has no memory left.
    Full,
}

impl Loss {
    /// Every one.
    pub const ALL: [Loss; 4] = [Loss::Flushed, Loss::Killed, Loss::Cut, Loss::Full];
}

/// A Redis that can be lost.
pub struct Fragile {
    server: Server,
    proxy: Proxy,
}

impl Fragile {
    /// A fresh one; `None`, and a word about it, if there is none to be had.
    pub async fn start() -> Option<Fragile> {
        let server = tokio::task::spawn_blocking(Server::start).await.unwrap()?;
        let proxy = Proxy::start(server.redis.port()).await;
        Some(Fragile { server, proxy })
    }

    /// The settings that name it.
    pub fn settings(&self) -> String {
        format!("[coordination]\nurl = \"{}\"\n\n", self.server.redis.url_at(self.proxy.port))
    }

    /// Loses it.
    pub async fn lose(&mut self, loss: Loss) {
        match loss {
            Loss::Flushed => drop(self.server.say(&["FLUSHALL"]).await),
            Loss::Killed => tokio::task::block_in_place(|| self.server.redis.kill().unwrap()),
            Loss::Cut => self.proxy.cut(true),
            Loss::Full => {
                self.server.say(&["CONFIG", "SET", "maxmemory-policy", "noeviction"]).await;
                self.server.say(&["CONFIG", "SET", "maxmemory", "1"]).await;
            }
        }
    }

    /// Gives it back.
    pub async fn give_back(&mut self, loss: Loss) {
        match loss {
            Loss::Flushed => {}
            Loss::Killed => tokio::task::block_in_place(|| self.server.redis.resume().unwrap()),
            Loss::Cut => self.proxy.cut(false),
            Loss::Full => drop(self.server.say(&["CONFIG", "SET", "maxmemory", "0"]).await),
        }
    }
}

/// Waits until every node agrees in this way; `None` if that takes longer than a time.
pub async fn all_agree(nodes: &Nodes, mode: &str, within: Duration) -> Option<Duration> {
    agree(nodes.all().collect(), mode, within).await
}

async fn agree(nodes: Vec<&Service>, mode: &str, within: Duration) -> Option<Duration> {
    let begun = Instant::now();
    let name = format!("campanile_coordination_mode{{mode=\"{mode}\"}}");
    let agreed = async {
        while futures::future::join_all(nodes.iter().map(|node| node.metric(&name))).await.contains(&0) {
            tokio::time::sleep(5 * LOOK_EVERY).await;
        }
    };
    timeout(within, agreed).await.ok().map(|()| begun.elapsed())
}

/// Loses Redis in every way so many times. Returns what is not as promised.
pub async fn lost(rounds: usize, seed: u64, settings: &str) -> Option<Vec<Finding>> {
    let mut redis = Fragile::start().await?;
    let settings = format!("{}{settings}", redis.settings());
    let plan = Plan { roles: ROLES.to_vec(), step_ms: STEP_MS, settings: &settings, ..Plan::default() };
    let nodes = Nodes::open_as(plan).await?;
    nodes.doors.close(2);
    all_agree(&nodes, "redis", BACK).await.expect("all agree through Redis at first");
    let (mut authors, mut findings, mut letters) = (Author::all(seed), Vec::new(), 0);
    let away = AWAY[usize::from(super::is_nightly())];
    for (round, loss) in (1..=rounds).flat_map(|round| Loss::ALL.map(|loss| (round, loss))) {
        let crowd = Crowd::begin(authors, &nodes);
        crowd.until(50).await;
        redis.lose(loss).await;
        let (begun, acks) = (Instant::now(), crowd.acks());
        tokio::time::sleep(LOAD).await;
        let meanwhile = crowd.acks() - acks;
        authors = crowd.end().await;
        let mut slowest = Duration::ZERO;
        while begun.elapsed() < away {
            letters += 1;
            slowest = slowest.max(deliver_one(&nodes, letters).await);
        }
        if agree(touched(&nodes, loss), "apart", LOAD).await.is_none() {
            findings.push(Finding::Stray(format!("{loss:?} was not noticed")));
        }
        redis.give_back(loss).await;
        let back = all_agree(&nodes, "redis", BACK).await;
        println!(
            "round {round}, {loss:?}: {meanwhile} acks without it, the slowest letter {slowest:?}, back in {back:?}"
        );
        if meanwhile == 0 || slowest > POLLED || back.is_none() {
            findings.push(Finding::Late(format!("{loss:?}: {meanwhile} acks, {slowest:?}, {back:?}")));
        }
        if slowest > 2 * POLLED {
            return Some(findings);
        }
    }
    let evidence = rest(&nodes.house, nodes.node(0), &nodes.token, authors, &nodes.oracle, Vec::new()).await;
    findings.extend(evidence.findings());
    findings.extend(nodes.wrong_totals(0, &evidence).await);
    Some(findings)
}

/// Whom a loss sets apart: a flushed server is as good as before, and a full one refuses what is written, which is
/// the limits, and who does not deliver has none.
fn touched(nodes: &Nodes, loss: Loss) -> Vec<&Service> {
    match loss {
        Loss::Flushed => Vec::new(),
        Loss::Killed | Loss::Cut => nodes.all().collect(),
        Loss::Full => nodes.all().skip(1).collect(),
    }
}

/// Publishes a letter at the node that does not deliver. Returns how long it took to the relay, at most three times
/// as long as it may.
async fn deliver_one(nodes: &Nodes, number: usize) -> Duration {
    let (key, person) = (format!("letter-{number}"), 1 + number % 10);
    let user_ids = vec![campus::user_id(person)];
    let target = Target::Users(v1::UserList { user_ids, ..Default::default() });
    let wanted = request(key.clone(), target, v1::MessageClass::Transactional);
    let begun = Instant::now();
    let answer = nodes.doors.at(0).publish().publish(wanted).await.expect("publishing goes on").into_inner();
    nodes.oracle.note(Ack { key: key.clone(), message_id: answer.message_id, people: vec![person] }).await;
    let arrived = async {
        while !nodes.house.receipts().iter().any(|receipt| receipt.content == key) {
            tokio::time::sleep(10 * LOOK_EVERY).await;
        }
    };
    let _ = timeout(3 * POLLED, arrived).await;
    begun.elapsed()
}
