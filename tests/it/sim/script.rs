//! A provider that answers, delays, hangs and panics by chance, and writes down every hand-over.

use std::cell::Cell;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use campanile::channel::{Call, Capacity, Channel, Report};
use campanile::domain::channel;
use campanile::domain::id::{LegId, MessageId};
use campanile::domain::outcome::Reason;
use campanile::domain::time::At;
use campanile::domain::verdict::{Fault, Verdict};
use campanile::runtime::clock::{Clock, ManualClock};
use parking_lot::Mutex;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

thread_local! {
    static LAST_READ: Cell<i64> = const { Cell::new(0) };
}

/// The time that this thread saw last: what the engine knew when it made the call.
fn last_read() -> At {
    At(LAST_READ.get())
}

/// A clock moved by hand that remembers what each thread saw.
pub struct WatchedClock(pub ManualClock);

impl Clock for WatchedClock {
    fn now(&self) -> At {
        let now = self.0.now();
        LAST_READ.set(now.0);
        now
    }

    fn monotonic(&self) -> Duration {
        self.0.monotonic()
    }
}

/// What the engine was told of a hand-over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// The call never returned.
    Nothing,
    Accepted,
    Retry,
    Rejected,
    Unknown,
}

/// One recipient of one call.
#[derive(Clone, Copy, Debug)]
pub struct HandOver {
    pub life: u64,
    pub call: u64,
    pub leg: LegId,
    pub ordinal: u32,
    /// The provider delivered it, whatever it said.
    pub acted: bool,
    pub told: Told,
}

/// What all providers of a run share.
pub struct Log {
    pub handed: Mutex<Vec<HandOver>>,
    pub cancelled: Mutex<HashMap<MessageId, Instant>>,
    pub expiries: Mutex<HashMap<MessageId, At>>,
    pub violations: Mutex<Vec<String>>,
    pub life: AtomicU64,
    calls: AtomicU64,
}

impl Log {
    pub fn new() -> Arc<Log> {
        Arc::new(Log {
            handed: Mutex::default(),
            cancelled: Mutex::default(),
            expiries: Mutex::default(),
            violations: Mutex::default(),
            life: AtomicU64::new(0),
            calls: AtomicU64::new(0),
        })
    }
}

/// Chances in a thousand.
#[derive(Clone, Copy, Debug, Default)]
pub struct Chances {
    pub retry: u32,
    pub reject: u32,
    pub whole_retry: u32,
    pub unknown: u32,
    pub panic: u32,
    pub hang: u32,
    /// The longest answer takes so many milliseconds.
    pub delay_ms: u64,
}

pub struct Script {
    pub capacity: Capacity,
    pub chances: Chances,
    pub log: Arc<Log>,
    random: Mutex<StdRng>,
    open: AtomicUsize,
    pub open_most: AtomicUsize,
    /// Its settings are wrong: it knows nobody.
    pub wrong: AtomicBool,
    /// It knows us and takes no call all the same.
    pub refuses_calls: AtomicBool,
    pub checks: AtomicUsize,
}

impl Script {
    pub fn new(seed: u64, capacity: Capacity, chances: Chances, log: &Arc<Log>) -> Arc<Script> {
        Arc::new(Script {
            capacity,
            chances,
            log: Arc::clone(log),
            random: Mutex::new(StdRng::seed_from_u64(seed)),
            open: AtomicUsize::new(0),
            open_most: AtomicUsize::new(0),
            wrong: AtomicBool::new(false),
            refuses_calls: AtomicBool::new(false),
            checks: AtomicUsize::new(0),
        })
    }

    fn violation(&self, what: String) {
        self.log.violations.lock().push(what);
    }

    fn check(&self, call: &Call) {
        let message = call.leg.message();
        if self.log.cancelled.lock().get(&message).is_some_and(|at| at.elapsed() > Duration::from_secs(1)) {
            self.violation(format!("{message} was handed over after its cancel"));
        }
        if self.log.expiries.lock().get(&message).is_some_and(|at| last_read() >= *at) {
            self.violation(format!("{message} was handed over after its expiry"));
        }
        let n = call.recipients.len();
        if n == 0 || n > self.capacity.per_call {
            self.violation(format!("a call for {n}"));
        }
        if !call.recipients.is_sorted_by(|a, b| a.ordinal < b.ordinal) {
            self.violation("a call out of order".into());
        }
        let open = self.open.fetch_add(1, Ordering::SeqCst) + 1;
        self.open_most.fetch_max(open, Ordering::SeqCst);
        if open > self.capacity.concurrency {
            self.violation(format!("{open} calls at a time"));
        }
    }

    /// The verdicts of a call and what the provider did.
    fn verdicts(&self, n: usize) -> Vec<(Verdict, bool)> {
        if self.wrong.load(Ordering::SeqCst) || self.refuses_calls.load(Ordering::SeqCst) {
            return vec![(Verdict::Retry { after: None, fault: Fault::Operator, detail: "who?".into() }, false); n];
        }
        let mut random = self.random.lock();
        let whole = random.random_range(0..1_000);
        let acted = random.random_bool(0.5);
        let Chances { retry, reject, whole_retry, unknown, .. } = self.chances;
        if whole < unknown {
            return vec![(Verdict::Unknown { detail: "cut".into() }, acted); n];
        }
        if whole < unknown + whole_retry {
            let fault = if acted { Fault::Provider } else { Fault::Network };
            return vec![(Verdict::Retry { after: None, fault, detail: "busy".into() }, false); n];
        }
        let one = |dice: u32| {
            if dice < retry {
                (Verdict::Retry { after: None, fault: Fault::Recipient, detail: "full".into() }, false)
            } else if dice < retry + reject {
                (Verdict::Rejected { reason: Reason::RefusedRecipient, detail: "no".into() }, false)
            } else {
                (Verdict::Accepted { reference: Some("ok".into()) }, true)
            }
        };
        (0..n).map(|_| one(random.random_range(0..1_000))).collect()
    }
}

/// Ends the count of an open call however it ends.
struct Open<'a>(&'a AtomicUsize);

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[async_trait]
impl Channel for Script {
    fn kind(&self) -> channel::Channel {
        channel::Channel::Email
    }

    fn capacity(&self) -> Capacity {
        self.capacity
    }

    async fn send(&self, call: Call) -> Report {
        self.check(&call);
        let _open = Open(&self.open);
        let answers = self.verdicts(call.recipients.len());
        let (fate, delay) = {
            let mut random = self.random.lock();
            (random.random_range(0..1_000), random.random_range(0..=self.chances.delay_ms))
        };
        let number = self.log.calls.fetch_add(1, Ordering::SeqCst);
        let first = {
            let mut handed = self.log.handed.lock();
            let first = handed.len();
            handed.extend(call.recipients.iter().zip(&answers).map(|(recipient, (_, acted))| HandOver {
                life: self.log.life.load(Ordering::SeqCst),
                call: number,
                leg: call.leg,
                ordinal: recipient.ordinal,
                acted: *acted,
                told: Told::Nothing,
            }));
            first
        };
        tokio::time::sleep(Duration::from_millis(delay)).await;
        assert!(fate >= self.chances.panic, "as told");
        if fate < self.chances.panic + self.chances.hang {
            std::future::pending::<()>().await;
        }
        let mut handed = self.log.handed.lock();
        for (place, (verdict, _)) in answers.iter().enumerate() {
            handed[first + place].told = match verdict {
                Verdict::Accepted { .. } => Told::Accepted,
                Verdict::Retry { .. } => Told::Retry,
                Verdict::Rejected { .. } => Told::Rejected,
                Verdict::Unknown { .. } => Told::Unknown,
            };
        }
        Report { verdicts: answers.into_iter().map(|(verdict, _)| verdict).collect(), cool_down: None }
    }

    async fn check(&self) -> Result<(), String> {
        self.checks.fetch_add(1, Ordering::SeqCst);
        if self.wrong.load(Ordering::SeqCst) { Err("who are you?".to_owned()) } else { Ok(()) }
    }
}
