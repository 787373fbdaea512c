//! A provider's limit is for all nodes together: at its own clock no window ever sees more, whoever has work, and
//! while work waits most of it is used.

use std::time::Duration;

use campanile::api::v1;
use v1::audience::Target;

use super::super::author::request;
use super::super::campus;
use super::super::checker::Finding;
use super::super::service::now_ms;
use super::nodes::{NODES, Nodes, Plan};
use super::redis::{Fragile, Loss, all_agree};

/// The limit: so many in so long. Long enough that a moment's delay on the way to the relay makes no difference.
const LIMIT: usize = 600;
const SPAN_MS: i64 = 20_000;
/// This share of it is used at least.
const SHARE_MIN: f64 = 0.9;
/// Rooms that a message goes to: a third of the limit or so.
const ROOMS: usize = 12;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_providers_limit_is_kept_and_used_by_three_nodes_together() {
    if let Some(findings) = limited(super::rounds(1, 3), "").await {
        super::assert_none(&findings, 0);
    }
}

/// Lets one node work, then all of them, and in the long form all of them while Redis is lost. Returns what is not as
/// promised.
pub async fn limited(messages: usize, settings: &str) -> Option<Vec<Finding>> {
    let mut redis = Fragile::start().await?;
    let settings = format!("{}{settings}", redis.settings());
    let rate = format!("{LIMIT}/{}s", SPAN_MS / 1_000);
    let variables = vec![("CAMPANILE__CHANNEL__EMAIL__RELAY__RATE", rate)];
    let nodes = Nodes::open_as(Plan { settings: &settings, variables, ..Plan::default() }).await?;
    all_agree(&nodes, "redis", Duration::from_secs(30)).await.expect("all agree through Redis");
    let mut findings = Vec::new();
    publish(&nodes, 0, "one", 1).await;
    findings.extend(used(&nodes, "one node has work").await);
    for place in 0..NODES {
        publish(&nodes, place, "all", messages).await;
    }
    findings.extend(used(&nodes, "all nodes have work").await);
    if super::is_nightly() {
        for (place, number) in (0..NODES).flat_map(|place| (0..2).map(move |number| (place, number))) {
            publish(&nodes, place, &format!("disturbed-{number}"), 2).await;
        }
        for loss in Loss::ALL {
            redis.lose(loss).await;
            tokio::time::sleep(Duration::from_secs(10)).await;
            redis.give_back(loss).await;
            all_agree(&nodes, "redis", Duration::from_secs(30)).await.expect("all agree again");
        }
        until_rest(&nodes).await;
    }
    let most = busiest_window(&times(&nodes, 0));
    println!("at most {most} in any {SPAN_MS} ms, of {LIMIT}");
    if most > LIMIT {
        findings.push(Finding::Stray(format!("{most} in {SPAN_MS} ms")));
    }
    Some(findings)
}

/// Publishes messages to some rooms at one node.
async fn publish(nodes: &Nodes, place: usize, name: &str, messages: usize) {
    let rooms: Vec<String> = (0..ROOMS).map(campus::tag).collect();
    for number in 0..messages {
        let target = Target::Expression(rooms.join(" OR "));
        let wanted = request(format!("{name}-{place}-{number}"), target, v1::MessageClass::Notice);
        nodes.doors.at(place).publish().publish(wanted).await.unwrap();
    }
}

/// Waits until everything has ended; a finding if less was used meanwhile than should be.
async fn used(nodes: &Nodes, when: &str) -> Option<Finding> {
    let since = now_ms();
    until_rest(nodes).await;
    let times = times(nodes, since);
    let (first, last) = (times[0], times[times.len() - 1]);
    let allowed = LIMIT as f64 * (last - first) as f64 / SPAN_MS as f64;
    let share = times.len() as f64 / allowed;
    println!("{when}: {} in {} ms, {:.0} % of the limit", times.len(), last - first, share * 100.0);
    (share < SHARE_MIN).then(|| Finding::Late(format!("{when}: only {share:.2} of the limit is used")))
}

async fn until_rest(nodes: &Nodes) {
    while nodes.rest_after(0, now_ms()).await.is_none() {
        assert!(!times(nodes, now_ms() - SPAN_MS).is_empty(), "nothing goes on\n{}", nodes.house.complaints());
    }
}

/// When the relay was asked, for each recipient since a moment, ascending.
fn times(nodes: &Nodes, since: i64) -> Vec<i64> {
    let (taken, refused) = (nodes.house.receipts(), nodes.house.refusals());
    let mut times: Vec<i64> = taken.iter().chain(&refused).map(|one| one.at_ms).filter(|at| *at >= since).collect();
    times.sort_unstable();
    times
}

/// The most in any window, wherever it begins.
fn busiest_window(times: &[i64]) -> usize {
    let within = |(first, start): (usize, &i64)| times.partition_point(|at| at - start < SPAN_MS) - first;
    times.iter().enumerate().map(within).max().unwrap_or(0)
}
