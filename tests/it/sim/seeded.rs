//! Runs of the engine by a seed: random messages, verdicts, delays, failures of the store, cancels, graceful
//! stops and crashes. Afterwards every rule of delivery is checked against the logs.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use campanile::channel::{Capacity, Rate, Registry};
use campanile::coordination::local::LocalLimits;
use campanile::delivery::{Deps, Engine, Handle, Lease, Settings};
use campanile::domain::channel::Channel;
use campanile::domain::class::Class;
use campanile::domain::id::{LegId, MessageId};
use campanile::domain::message::LostAnswer;
use campanile::domain::outcome::{Outcome, Reason};
use campanile::domain::time::At;
use campanile::runtime::clock::{Clock, ManualClock, SharedClock};
use campanile::runtime::tasks::Tasks;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio::runtime::Runtime;

use super::model::{Model, Plan, people, reachable};
use super::script::{Chances, HandOver, Log, Script, Told, WatchedClock};

const START: At = At(1_790_000_000_000);
/// A run that takes longer hangs.
const RUN_MAX: Duration = Duration::from_secs(60);

struct World {
    seed: u64,
    random: StdRng,
    clock: Arc<WatchedClock>,
    model: Arc<Model>,
    log: Arc<Log>,
    registry: Registry,
    limits: Arc<LocalLimits>,
    messages: Vec<MessageId>,
    /// Of every life that ended by a crash: the deliveries that were open.
    crashed: HashMap<u64, HashSet<(LegId, u32)>>,
}

/// A life of the engine: its own runtime, so that a crash takes everything down at once.
struct Life {
    runtime: Runtime,
    handle: Handle,
}

impl World {
    fn new(seed: u64) -> World {
        let clock = Arc::new(WatchedClock(ManualClock::at(START)));
        let shared: SharedClock = clock.clone();
        let log = Log::new();
        let chances = Chances { retry: 60, reject: 30, whole_retry: 15, unknown: 25, panic: 10, hang: 8, delay_ms: 4 };
        let takes = |per_call, concurrency, rate, dedupes_identical| Capacity {
            per_call,
            concurrency,
            rate,
            dedupes_identical,
        };
        let rate = Rate { n: 20_000, per: Duration::from_secs(60) };
        let capacities = [
            takes(50, 8, None, false),
            takes(100, 6, None, true),
            takes(1, 20, Some(rate), false),
            takes(20, 1, None, false),
        ];
        let mut registry = Registry::default();
        for (place, capacity) in capacities.into_iter().enumerate() {
            registry.add(&format!("p{place}"), Script::new(seed + place as u64, capacity, chances, &log));
        }
        let limits = LocalLimits::new(&shared, [("p2".to_owned(), rate.n, rate.per)]);
        World {
            seed,
            random: StdRng::seed_from_u64(seed),
            clock,
            model: Model::new(seed, 3),
            log,
            registry,
            limits: Arc::new(limits),
            messages: Vec::new(),
            crashed: HashMap::new(),
        }
    }

    fn begin_life(&self) -> Life {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let clock: SharedClock = self.clock.clone();
        let epoch = self.model.begin_epoch();
        self.log.life.store(epoch as u64, Ordering::SeqCst);
        let deps = Deps {
            store: self.model.clone(),
            registry: self.registry.clone(),
            limits: self.limits.clone(),
            clock,
            tasks: Tasks::new(),
            lease: Lease::endless(epoch),
            delivers: true,
        };
        let settings = Settings {
            call_timeout: Duration::from_millis(40),
            call_grace: Duration::from_millis(10),
            nap_max: Duration::from_millis(1),
            poll_every: Duration::from_secs(4),
            ..Settings::default()
        };
        let handle = runtime.block_on(async { Engine::start_with(deps, settings) });
        Life { runtime, handle }
    }

    fn publish(&mut self, life: &Life) {
        let n = *[1, 1, 1, 2, 40, 300, 1_500].get(self.random.random_range(0..7)).unwrap();
        let provider = format!("p{}", self.random.random_range(0..4));
        let capacity = life.handle.capacity(&provider).unwrap();
        let classes = if n <= 1_000 { &Class::ALL[..] } else { &[Class::Notice, Class::Bulk] };
        let class = classes[self.random.random_range(0..classes.len())];
        let never = self.random.random_bool(0.3);
        let now = self.clock.now();
        let soon = self.random.random_bool(0.1);
        let validity = if soon { Duration::from_secs(20) } else { class.default_validity() };
        let plan = Plan {
            members: people(&mut self.random, n, 50_000),
            channel: Channel::Email,
            provider: provider.as_str().into(),
            principal: self.random.random_range(1..5),
            class,
            lost_answer: if never { LostAnswer::Never } else { LostAnswer::Repeat },
            now,
            expire_at: now.plus(validity),
            batch_size: if capacity.dedupes_identical { capacity.per_call as u64 } else { 200 },
        };
        let room = life.handle.room(&provider, class.lane(u64::from(n)));
        let expire_at = plan.expire_at;
        let (message, claimed, material) = self.model.publish(plan, room);
        self.log.expiries.lock().insert(message, expire_at);
        self.messages.push(message);
        if self.random.random_bool(0.5) {
            life.handle.take_with(claimed, material);
        } else {
            life.handle.take(claimed);
        }
        life.handle.wake();
    }

    fn cancel(&mut self, life: &Life) {
        let Some(message) = self.messages.get(self.random.random_range(0..self.messages.len().max(1))) else { return };
        self.model.cancel(*message, self.clock.now());
        life.handle.cancelled(*message);
        self.log.cancelled.lock().entry(*message).or_insert_with(Instant::now);
    }

    /// Moves the clock: slowly while calls are open, fast while nothing happens.
    fn tick(&self, life: &Life) {
        std::thread::sleep(Duration::from_millis(1));
        match self.model.next_due() {
            Some(due) if due > self.clock.now() => self.clock.0.advance(due.since(self.clock.now())),
            _ if life.handle.activity().open() == 0 => self.clock.0.advance(Duration::from_millis(1_000)),
            _ => self.clock.0.advance(Duration::from_millis(50)),
        }
    }

    fn crash(&mut self, life: Life) {
        let epoch = life.handle.epoch() as u64;
        life.runtime.shutdown_timeout(Duration::from_secs(10));
        let open: Vec<HandOver> = self
            .log
            .handed
            .lock()
            .iter()
            .filter(|h| h.life == epoch && self.model.outcome(h.leg, h.ordinal).is_none())
            .copied()
            .collect();
        self.crashed.insert(epoch, open.iter().map(|h| (h.leg, h.ordinal)).collect());
    }

    fn stop(&self, life: Life) {
        // The store of a run fails now and then, so the deadline is no promise here; nothing may be lost even so.
        let handle = life.handle.clone();
        let clock = Arc::clone(&self.clock);
        let clean = life.runtime.block_on(async move {
            let ticking = tokio::spawn(async move {
                loop {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                    clock.0.advance(Duration::from_millis(5));
                }
            });
            let clean = handle.stop(Duration::from_secs(20)).await;
            ticking.abort();
            clean
        });
        assert!(clean, "seed {}: the engine did not stop in time", self.seed);
        assert_eq!(self.model.held_batches(), 0, "seed {}: everything is given back", self.seed);
    }

    fn run(&mut self) {
        let began = Instant::now();
        for end in 0..4 {
            let life = self.begin_life();
            let steps = self.random.random_range(40..160);
            for _ in 0..steps {
                if self.random.random_bool(0.25) {
                    self.publish(&life);
                }
                if self.random.random_bool(0.04) {
                    self.cancel(&life);
                }
                self.tick(&life);
            }
            match end {
                0 | 2 => self.crash(life),
                1 => self.stop(life),
                _ => {
                    while self.model.open_batches() > 0 {
                        self.tick(&life);
                        assert!(
                            began.elapsed() < RUN_MAX,
                            "seed {}: {} batches never end; {:?}",
                            self.seed,
                            self.model.open_batches(),
                            life.handle.activity()
                        );
                    }
                    self.stop(life);
                }
            }
        }
    }

    fn check(&self) {
        let mut wrong = self.model.violations();
        wrong.extend(self.log.violations.lock().iter().cloned());
        let mut handed: HashMap<(LegId, u32), Vec<HandOver>> = HashMap::new();
        for hand_over in self.log.handed.lock().iter() {
            handed.entry((hand_over.leg, hand_over.ordinal)).or_default().push(*hand_over);
        }
        self.model.each_message(|id, message| {
            for ordinal in &message.members {
                let copies = handed.get(&(id.leg(1), ordinal)).map_or(&[][..], Vec::as_slice);
                match message.outcomes.get(&ordinal) {
                    None => wrong.push(format!("{id} {ordinal} has no outcome")),
                    Some(outcome) => {
                        wrong.extend(self.judge(message.material.facts.lost_answer, *outcome, copies, ordinal));
                    }
                }
            }
        });
        for (life, open) in &self.crashed {
            let log = self.log.handed.lock();
            let calls: HashSet<u64> = log
                .iter()
                .filter(|h| h.life == *life && open.contains(&(h.leg, h.ordinal)) && h.told != Told::Retry)
                .map(|h| h.call)
                .collect();
            if calls.len() > 128 {
                wrong.push(format!("{} calls were open at a crash", calls.len()));
            }
        }
        let shown = &wrong[..wrong.len().min(10)];
        assert!(wrong.is_empty(), "seed {}: {} broken rules, such as {shown:#?}", self.seed, wrong.len());
    }

    /// What the run was about, so that a run that tests nothing shows.
    fn summary(&self) -> String {
        let mut outcomes: std::collections::BTreeMap<(Outcome, Reason), usize> = std::collections::BTreeMap::new();
        self.model.each_message(|_, message| {
            for outcome in message.outcomes.values() {
                *outcomes.entry(*outcome).or_default() += 1;
            }
        });
        let open: Vec<usize> = self.crashed.values().map(HashSet::len).collect();
        let handed = self.log.handed.lock().len();
        format!("{} messages, {handed} hand-overs, open at crashes {open:?}, {outcomes:?}", self.messages.len())
    }

    fn judge(
        &self,
        policy: LostAnswer,
        outcome: (Outcome, Reason),
        copies: &[HandOver],
        ordinal: u32,
    ) -> Option<String> {
        let acted: Vec<&HandOver> = copies.iter().filter(|copy| copy.acted).collect();
        let excused = |copy: &HandOver| {
            matches!(copy.told, Told::Unknown | Told::Nothing)
                || self.crashed.get(&copy.life).is_some_and(|open| open.contains(&(copy.leg, copy.ordinal)))
        };
        if !reachable(ordinal) && !copies.is_empty() {
            return Some(format!("{ordinal} cannot be reached and was called"));
        }
        if outcome.0 == Outcome::Sent && acted.is_empty() {
            return Some(format!("{ordinal} is called sent and was never delivered"));
        }
        if outcome.0 == Outcome::Failed && copies.is_empty() {
            return Some(format!("{ordinal} failed without a call: {outcome:?}"));
        }
        if policy == LostAnswer::Never && acted.len() > 1 {
            return Some(format!("{ordinal} must not be repeated: {copies:?}"));
        }
        let (_, earlier) = acted.split_last()?;
        let bad = earlier.iter().find(|copy| !excused(copy))?;
        Some(format!("{ordinal} was delivered again without a reason after {bad:?}"))
    }
}

#[test]
fn every_delivery_reaches_one_outcome_through_crashes_and_cancels() {
    let seeds: Vec<u64> = match std::env::var("CAMPANILE_SIM_SEED") {
        Ok(seed) => vec![seed.parse().expect("a number")],
        Err(_) => {
            let base: u64 = rand::random_range(0..1_000_000);
            (0..2).map(|n| base + n * 1_000_003).collect()
        }
    };
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        if info.payload().downcast_ref::<&str>().is_none_or(|text| *text != "as told") {
            before(info);
        }
    }));
    let runs: Vec<_> = seeds
        .into_iter()
        .map(|seed| {
            std::thread::spawn(move || {
                println!("seed {seed}");
                let mut world = World::new(seed);
                world.run();
                world.check();
                println!("seed {seed}: {}", world.summary());
            })
        })
        .collect();
    for run in runs {
        run.join().expect("a run failed; its seed is in its message");
    }
}
