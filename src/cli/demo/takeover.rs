//! One node is killed in the middle of the whole-school notice. What it had given away and not yet written down may
//! come a second time, nothing else may: here is what is known of the kill, and what it explains.

use std::collections::BTreeMap;
use std::slice;
use std::time::Duration;

use tokio::time::sleep;

use super::super::client::{Failure, Session, timed};
use super::super::{print, watch};
use super::day::Day;
use super::nodes::Nodes;
use super::plan::Planned;
use super::progress;
use super::{DAY_DEADLINE, setting};
use campanile::api::v1::{self, Channel};
use campanile::runtime::clock::SharedClock;

/// How long others may take to notice: a lease of 30 s, 5 s until somebody looks, and time for a busy machine.
const TAKEOVER_DEADLINE: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Notices that are being published when the node dies.
const NOTICES_AT_KILL: usize = 24;
/// How long before its end a node can have made a call whose outcome it had not written down. It does so 50 ms after
/// the first answer; the rest is for a busy machine.
const OPEN_MS: i64 = 2_000;
/// How long after a node's end a provider may still deal with what it had been sent before.
const LAG_MS: i64 = 1_000;
/// Calls that may be open at once on a node: 64 without an answer and 64 whose outcome is not written down.
const OPEN_CALLS_MAX: usize = 128;

/// What is known of the kill.
#[derive(Clone, Debug)]
pub struct Kill {
    /// The node's name.
    pub node: String,
    /// When it was killed, in milliseconds since 1970.
    pub at_ms: i64,
    /// When the others were last seen not to have taken over, in milliseconds since 1970.
    pub still_ms: i64,
    /// From the kill until its work was free for the others.
    pub takeover: Duration,
    /// What the nodes say of how they agree.
    pub coordination: String,
}

/// A delivery as a provider was given it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copy {
    /// When, in milliseconds since 1970.
    pub at_ms: i64,
    /// By whom; empty where the wire does not tell.
    pub from: Box<str>,
}

impl Kill {
    /// Whether both copies of a delivery come from a call that was open at the kill: the first one was given by the
    /// node that died, just before; the second one by another, after the takeover; and the service says that the
    /// outcome was written down after the takeover, so not before the kill.
    #[must_use]
    pub fn explains(&self, copies: &[Copy], settled_ms: i64) -> bool {
        let mut copies: Vec<_> = copies.iter().collect();
        copies.sort_unstable_by_key(|copy| copy.at_ms);
        let [first, second] = copies[..] else { return false };
        let by_it = |copy: &Copy| setting::node_of(&copy.from) == Some(self.node.as_str());
        let known = |copy: &Copy| !copy.from.is_empty();
        (self.at_ms - OPEN_MS..=self.at_ms + LAG_MS).contains(&first.at_ms)
            && (by_it(first) || !known(first))
            && !by_it(second)
            && second.at_ms >= self.still_ms
            && settled_ms >= self.still_ms
    }
}

/// The calls that were open at the kill and were made again: message, channel and time, with the people concerned.
#[derive(Debug, Default)]
pub struct Repeated(BTreeMap<(usize, i32, i64), u64>);

impl Repeated {
    /// Adds one person's delivery of a call.
    pub fn add(&mut self, message: usize, channel: Channel, copies: &[Copy]) {
        let at_ms = copies.iter().map(|copy| copy.at_ms).min().unwrap_or_default();
        *self.0.entry((message, channel.into(), at_ms)).or_default() += 1;
    }

    /// The deliveries in them.
    #[must_use]
    pub fn deliveries(&self) -> u64 {
        self.0.values().sum()
    }

    /// Whether they are more than a node can have open.
    #[must_use]
    pub fn are_too_many(&self) -> bool {
        self.0.len() > OPEN_CALLS_MAX
    }

    /// One line for each; `id` names a message by its number in the day.
    pub fn lines<'a>(&'a self, kill: &'a Kill, id: impl Fn(usize) -> &'a str + 'a) -> impl Iterator<Item = String> {
        self.0.iter().map(move |((message, channel, at_ms), people)| {
            format!(
                "{}, {}, {} people: given away {} ms before the kill and again after the takeover",
                id(*message),
                print::channel(*channel),
                print::number(*people),
                kill.at_ms - at_ms
            )
        })
    }
}

/// Waits until the whole-school notice is half-way, kills a node while some notices are being published, and waits
/// until the others have taken over. Gives back the notices that are left, and what is known of the kill.
pub async fn run(
    day: &mut Day<'_>,
    nodes: &mut Nodes,
    clock: &SharedClock,
    school: &v1::PublishResponse,
    mut notices: Vec<Planned>,
) -> Result<(Vec<Planned>, Kill), Failure> {
    let admin = nodes.first().admin.clone();
    // The inbox is done at once and WeCom soon; half of the mail is then what is open.
    let half = school.recipient_count / 2;
    progress::follow(&admin, clock, slice::from_ref(&school.message_id), half, DAY_DEADLINE).await?;
    let victim = busiest(&admin, nodes).await?;
    let node = nodes.all()[victim].name.clone();
    let rest = notices.split_off(notices.len().min(NOTICES_AT_KILL));
    let n = notices.len();
    let (at_ms, started) = (clock.now().0, clock.monotonic());
    let (published, ()) = tokio::join!(day.publish_all(notices), nodes.kill(victim));
    published?;
    println!("    half-way: {node} was killed with -9 while {n} notices were being published.");
    println!("    {} calls found no answer and were repeated at another node with the same key.", day.repeats());
    println!("    Waiting until the lease of {node} has run out and the others take its work over (up to 40 s).");
    let still_ms = until_dead(&admin, clock, &node).await?;
    let takeover = clock.monotonic().saturating_sub(started);
    println!("    taken over after {:.1} s.", takeover.as_secs_f64());
    let coordination = coordination(&admin).await?;
    Ok((rest, Kill { node, at_ms, still_ms, takeover, coordination }))
}

/// The node that holds most work, but never the first.
async fn busiest(admin: &Session, nodes: &Nodes) -> Result<usize, Failure> {
    let listed = listed(admin).await?;
    let held = |name: &str| listed.iter().find(|node| node.name == name).map_or(0, |node| node.batches);
    let by_work = (1..nodes.all().len()).max_by_key(|&n| (held(&nodes.all()[n].name), std::cmp::Reverse(n)));
    by_work.ok_or_else(|| Failure::refused("there is no node that could be killed"))
}

/// Waits until the others know that a node is dead. Returns when it was last seen otherwise.
async fn until_dead(admin: &Session, clock: &SharedClock, name: &str) -> Result<i64, Failure> {
    let (started, bar) = (clock.monotonic(), watch::bar("seconds of the lease"));
    bar.set_length(40);
    let mut still_ms = clock.now().0;
    loop {
        let asked_ms = clock.now().0;
        let node = listed(admin).await?.into_iter().find(|node| node.name == name);
        if node.is_some_and(|node| node.state() == v1::NodeState::Dead) {
            bar.finish_and_clear();
            return Ok(still_ms);
        }
        still_ms = asked_ms;
        let waited = clock.monotonic().saturating_sub(started);
        bar.set_position(waited.as_secs());
        if waited > TAKEOVER_DEADLINE {
            bar.finish_and_clear();
            let text = format!("nobody has taken over from {name} after {} s", waited.as_secs());
            return Err(Failure::refused(text));
        }
        sleep(LOOK_EVERY).await;
    }
}

async fn listed(admin: &Session) -> Result<Vec<v1::Node>, Failure> {
    let all = v1::ListNodesRequest { page_size: 1_000, ..Default::default() };
    Ok(admin.operations().list_nodes(timed(all)).await?.into_inner().nodes)
}

async fn coordination(admin: &Session) -> Result<String, Failure> {
    Ok(admin.operations().get_status(timed(v1::GetStatusRequest {})).await?.into_inner().coordination)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn copy(at_ms: i64, from: &str) -> Copy {
        Copy { at_ms, from: from.into() }
    }

    #[test]
    fn a_kill_explains_an_open_call_and_nothing_else() {
        let takeover = Duration::from_secs(25);
        let node = "node-2".to_owned();
        let kill = Kill { node, at_ms: 10_000, still_ms: 35_000, takeover, coordination: String::new() };
        let (dead, alive) = ("node-2.campus.example", "node-1.campus.example");
        assert!(kill.explains(&[copy(35_010, alive), copy(9_990, dead)], 35_020));
        assert!(kill.explains(&[copy(9_990, ""), copy(35_010, "")], 35_020));
        let bad: [(&[Copy], i64); 6] = [
            // It was settled before the kill.
            (&[copy(9_990, dead), copy(35_010, alive)], 9_995),
            // Another node gave the first one, or the dead one the second.
            (&[copy(9_990, alive), copy(35_010, alive)], 35_020),
            (&[copy(9_990, dead), copy(35_010, dead)], 35_020),
            // Long before the kill, or before the takeover.
            (&[copy(5_000, dead), copy(35_010, alive)], 35_020),
            (&[copy(9_990, dead), copy(20_000, alive)], 35_020),
            // Three.
            (&[copy(9_990, dead), copy(35_010, alive), copy(35_011, alive)], 35_020),
        ];
        for (copies, settled_ms) in bad {
            assert!(!kill.explains(copies, settled_ms), "{copies:?}");
        }
    }
}
