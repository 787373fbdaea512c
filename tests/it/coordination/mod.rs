//! Nodes that agree through a real Redis server, which is treated badly meanwhile.

mod away;
mod hints;
mod limits;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use campanile::coordination::redis::{Options, Redis};
use campanile::coordination::{Mode, Peers};
use campanile::runtime::clock::{SharedClock, SystemClock};
use campanile::runtime::tasks::Tasks;
use parking_lot::Mutex;

use crate::support::redis::Server;

/// The provider whose limit is shared.
const KEY: &str = "email.default";

/// Nodes with one clock, so that what they do can be laid side by side.
struct Nodes {
    clock: SharedClock,
    url: String,
    n: u32,
    per: Duration,
    nodes: Vec<Node>,
    granted: Arc<Mutex<Vec<Duration>>>,
}

struct Node {
    redis: Redis,
    tasks: Tasks,
    peers: Peers,
    works: Arc<AtomicBool>,
}

impl Nodes {
    /// So many nodes that share a limit.
    fn start(url: &str, count: u32, n: u32, per: Duration) -> Nodes {
        let clock = SystemClock::shared();
        let mut nodes = Nodes { clock, url: url.to_owned(), n, per, nodes: Vec::new(), granted: Arc::default() };
        for rank in 0..count {
            nodes.add(&nodes.url.clone(), count, rank);
        }
        nodes
    }

    fn add(&mut self, url: &str, live: u32, rank: u32) {
        let (tasks, peers) = (Tasks::new(), Peers::default());
        peers.tell(live, rank);
        let options = Options {
            url: url.to_owned().into(),
            prefix: "test".to_owned(),
            delivers: true,
            rates: vec![(KEY.to_owned(), self.n, self.per)],
            peers: peers.clone(),
        };
        let redis = Redis::start(options, &self.clock, &tasks).unwrap();
        self.nodes.push(Node { redis, tasks, peers, works: Arc::default() });
    }

    /// A node calls as often as it may, as the engine does, `each` recipients at a time.
    fn work(&self, node: usize, each: u32) {
        let Node { redis, works, tasks, .. } = &self.nodes[node];
        let (limits, works, clock) = (redis.limits(), Arc::clone(works), self.clock.clone());
        let granted = Arc::clone(&self.granted);
        works.store(true, Ordering::Relaxed);
        let stop = tasks.stop_token();
        tokio::spawn(async move {
            while works.load(Ordering::Relaxed) && !stop.is_cancelled() {
                let n = each.min(limits.largest(KEY));
                match limits.acquire(KEY, n) {
                    Ok(()) => {
                        let now = clock.monotonic();
                        granted.lock().extend((0..n).map(|_| now));
                    }
                    Err(wait) => tokio::time::sleep(wait.min(Duration::from_millis(500))).await,
                }
            }
        });
    }

    fn rest(&self, node: usize) {
        self.nodes[node].works.store(false, Ordering::Relaxed);
    }

    /// Waits until every node is in this mode; panics after so long.
    async fn all(&self, mode: Mode, within: Duration) {
        let all = async {
            while self.nodes.iter().any(|node| node.redis.mode().get() != mode) {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(within, all).await.unwrap_or_else(|_| panic!("not {mode:?} within {within:?}"));
    }

    /// What was granted from one moment to another.
    fn granted(&self, from: Duration, until: Duration) -> usize {
        self.granted.lock().iter().filter(|at| (from..until).contains(*at)).count()
    }

    /// No window, wherever it begins, saw more than the limit.
    fn check_every_window(&self) {
        let mut granted = self.granted.lock().clone();
        granted.sort_unstable();
        let mut first = 0;
        for (last, at) in granted.iter().enumerate() {
            while granted[first] + self.per <= *at {
                first += 1;
            }
            let n = last - first + 1;
            assert!(n <= self.n as usize, "{n} of {} up to {at:?}", self.n);
        }
    }

    /// Waits until at least this share of the limit was used during one of its spans; a machine that is busy
    /// with something else needs more than one. Panics after a minute.
    async fn until_used(&self, least: f64) {
        let mut shares = Vec::new();
        let end = self.clock.monotonic() + Duration::from_secs(60);
        while self.clock.monotonic() < end {
            let share = self.share_used(self.per).await;
            shares.push(share);
            if share >= least {
                return eprintln!("used of the limit: {shares:.3?}");
            }
        }
        panic!("never {least} of the limit: {shares:.3?}");
    }

    /// The share of the limit that was used during one of its spans, from now on.
    async fn share_used(&self, span: Duration) -> f64 {
        let from = self.clock.monotonic();
        tokio::time::sleep(span).await;
        self.granted(from, from + span) as f64 / f64::from(self.n)
    }

    async fn stop(self) {
        for node in &self.nodes {
            assert!(node.tasks.stop(Duration::from_secs(5)).await, "a node's tasks end");
        }
    }
}
