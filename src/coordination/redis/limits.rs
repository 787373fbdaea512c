//! Limits shared through Redis. A call is granted out of blocks in hand; each limit has a task that fetches the
//! next block before the last is used up.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::link::{Fault, Link};
use super::standing::{Stand, Standing};
use super::stock::{Ask, Stock, Taken, lease};
use crate::coordination::Limits;
use crate::coordination::pace::{Cell, Pace};
use crate::runtime::clock::SharedClock;
use crate::runtime::tasks::Tasks;

/// A larger part is taken so long after it was told: by then every node has been told its smaller one.
const SETTLE: Duration = Duration::from_secs(12);
/// How long to wait when nothing may be used at all.
const NOTHING: Duration = Duration::from_secs(1);
/// With nothing in hand there is nothing to give back.
const IDLE: Duration = Duration::from_secs(3_600);

/// Limits of several nodes.
pub(super) struct RedisLimits {
    lines: HashMap<String, Arc<Line>>,
    standing: Arc<Standing>,
    clock: SharedClock,
    /// The server refused a question since somebody asked.
    refused: Arc<AtomicBool>,
}

/// One limit.
struct Line {
    key: String,
    n: u32,
    per: Duration,
    state: Mutex<State>,
    demand: Notify,
}

struct State {
    stock: Stock,
    part: Part,
}

/// This node's own part, for when it is apart.
struct Part {
    n: u32,
    /// A larger one, and since when it is told.
    larger: Option<(u32, Duration)>,
    cell: Cell,
}

impl RedisLimits {
    /// Limits of `n` recipients in any span, by key, and a task for each.
    pub(super) fn start(
        rates: Vec<(String, u32, Duration)>,
        link: &Link,
        standing: Arc<Standing>,
        clock: SharedClock,
        tasks: &Tasks,
    ) -> Arc<RedisLimits> {
        let now = clock.monotonic();
        let lines = rates.into_iter().map(|(key, n, per)| {
            let part = Part { n: 0, larger: None, cell: Cell::full() };
            let state = Mutex::new(State { stock: Stock::new(per), part });
            (key.clone(), Arc::new(Line { key, n: n.max(1), per, state, demand: Notify::new() }))
        });
        let limits = Arc::new(RedisLimits { lines: lines.collect(), standing, clock, refused: Arc::default() });
        limits.parts(now);
        for line in limits.lines.values() {
            let fetcher = Fetcher {
                line: Arc::clone(line),
                link: link.clone(),
                standing: Arc::clone(&limits.standing),
                clock: limits.clock.clone(),
                refused: Arc::clone(&limits.refused),
            };
            let stop = tasks.stop_token();
            tasks.spawn(async move { fetcher.run(stop).await });
        }
        limits
    }

    /// Takes over what the part of each limit is now: a smaller one at once.
    pub(super) fn parts(&self, now: Duration) {
        for line in self.lines.values() {
            line.state.lock().part.told(self.standing.part(line.n), now);
        }
    }

    /// Redis answers again, and may be another server, with older counts, or none: nothing that was saved up
    /// there or here is believed.
    pub(super) async fn rejoin(&self, link: &Link) -> Result<(), Fault> {
        for line in self.lines.values() {
            line.state.lock().stock.clear();
            if let Some(pace) = line.pace(&self.standing) {
                link.exchange(&line.key, &pace, &Ask::default(), true).await?;
            }
        }
        self.take_refused();
        Ok(())
    }

    /// Whether the server refused a question since this was asked last.
    pub(super) fn take_refused(&self) -> bool {
        self.refused.swap(false, Ordering::Relaxed)
    }

    /// From now on this node has its part, and no more than flows from now on.
    pub(super) fn part_ways(&self, now: Duration) {
        for line in self.lines.values() {
            let mut state = line.state.lock();
            state.stock.clear();
            if let Some(pace) = Pace::new(state.part.n, line.per) {
                state.part.cell = Cell::empty(&pace, now);
            }
        }
    }
}

impl Limits for RedisLimits {
    fn acquire(&self, key: &str, n: u32) -> Result<(), Duration> {
        let Some(line) = self.lines.get(key) else { return Ok(()) };
        let now = self.clock.monotonic();
        let mut state = line.state.lock();
        let stand = self.standing.stand();
        if stand == Stand::Apart {
            let part = &mut state.part;
            let Some(pace) = Pace::new(part.n, line.per) else { return Err(NOTHING) };
            return part.cell.take(&pace, now, n);
        }
        let taken = state.stock.take(now, n);
        drop(state);
        if taken != Taken::Plenty && stand == Stand::Signed {
            line.demand.notify_one();
        }
        match taken {
            Taken::Short(wait) => Err(wait),
            Taken::Plenty | Taken::Low => Ok(()),
        }
    }

    fn largest(&self, key: &str) -> u32 {
        let Some(line) = self.lines.get(key) else { return u32::MAX };
        let pace = match self.standing.stand() {
            Stand::Apart => Pace::new(line.state.lock().part.n, line.per),
            Stand::Signed | Stand::Waiting => line.pace(&self.standing),
        };
        pace.map_or(1, |pace| pace.burst)
    }
}

impl Line {
    /// The pace of all signed nodes together. A lease is added to the window: see [`lease`].
    fn pace(&self, standing: &Standing) -> Option<Pace> {
        Pace::new(standing.shared(self.n), self.per + lease(self.per))
    }
}

impl Part {
    fn told(&mut self, n: u32, now: Duration) {
        if n <= self.n {
            (self.n, self.larger) = (n, None);
            return;
        }
        match self.larger {
            // The smallest of what was told meanwhile: all of that was everybody's at some time.
            Some((larger, since)) => {
                self.larger = Some((larger.min(n), since));
                if now >= since + SETTLE {
                    (self.n, self.larger) = (larger.min(n), None);
                }
            }
            None => self.larger = Some((n, now)),
        }
    }
}

/// Fetches blocks of one limit.
struct Fetcher {
    line: Arc<Line>,
    link: Link,
    standing: Arc<Standing>,
    clock: SharedClock,
    refused: Arc<AtomicBool>,
}

impl Fetcher {
    async fn run(&self, stop: CancellationToken) {
        while !stop.is_cancelled() {
            let now = self.clock.monotonic();
            let returns = self.line.state.lock().stock.returns_at().map_or(IDLE, |at| at.saturating_sub(now));
            tokio::select! {
                () = stop.cancelled() => break,
                () = self.line.demand.notified() => {
                    let not_before = self.line.state.lock().stock.not_before();
                    tokio::time::sleep(not_before.saturating_sub(self.clock.monotonic())).await;
                }
                () = tokio::time::sleep(returns) => {}
            }
            self.fetch().await;
        }
        let rest = self.line.state.lock().stock.give_back();
        if let (Some(ask), Some(pace)) = (rest, self.line.pace(&self.standing)) {
            // Lost credit is only time.
            let _ = self.link.exchange(&self.line.key, &pace, &ask, false).await;
        }
    }

    async fn fetch(&self) {
        if self.standing.stand() != Stand::Signed {
            return;
        }
        let Some(pace) = self.line.pace(&self.standing) else { return };
        let ask = self.line.state.lock().stock.ask(self.clock.monotonic(), &pace);
        let Some(ask) = ask else { return };
        let sent = self.clock.monotonic();
        let answer = self.link.exchange(&self.line.key, &pace, &ask, false).await;
        let now = self.clock.monotonic();
        let mut state = self.line.state.lock();
        match answer {
            Ok(grant) => state.stock.granted(sent, now, &pace, grant),
            Err(fault) => {
                state.stock.failed(now);
                self.refused.fetch_or(fault == Fault::Refused, Ordering::Relaxed);
            }
        }
    }
}
