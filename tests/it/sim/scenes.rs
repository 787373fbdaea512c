//! Single promises of the engine, each in a scene of its own: what is urgent, what hangs, what stops.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use campanile::channel::{Capacity, Registry};
use campanile::coordination::local::LocalLimits;
use campanile::delivery::{Deps, Engine, Handle, Lease, Settings};
use campanile::domain::channel::Channel;
use campanile::domain::class::{Class, Lane};
use campanile::domain::id::MessageId;
use campanile::domain::message::LostAnswer;
use campanile::domain::outcome::Outcome;
use campanile::domain::set::Set;
use campanile::runtime::clock::{SharedClock, SystemClock};
use campanile::runtime::tasks::Tasks;

use super::model::{Model, Plan, reachable};
use super::script::{Chances, Log, Script};

/// An engine on real time with providers `p0`, `p1` …
pub struct Scene {
    pub model: Arc<Model>,
    pub log: Arc<Log>,
    pub handle: Handle,
    pub clock: SharedClock,
    pub scripts: Vec<Arc<Script>>,
}

async fn scene(providers: &[(Capacity, Chances)]) -> Scene {
    scene_with(providers, Settings::default()).await
}

/// The same with other numbers than the usual ones.
pub async fn scene_with(providers: &[(Capacity, Chances)], settings: Settings) -> Scene {
    scene_of(providers, settings, true).await
}

async fn scene_of(providers: &[(Capacity, Chances)], settings: Settings, delivers: bool) -> Scene {
    let clock = SystemClock::shared();
    let (model, log) = (Model::new(1, 0), Log::new());
    let mut registry = Registry::default();
    let scripts: Vec<_> =
        providers.iter().map(|(capacity, chances)| Script::new(1, *capacity, *chances, &log)).collect();
    for (place, script) in scripts.iter().enumerate() {
        registry.add(&format!("p{place}"), script.clone());
    }
    let epoch = model.begin_epoch();
    let deps = Deps {
        store: model.clone(),
        registry,
        limits: Arc::new(LocalLimits::new(&clock, [])),
        clock: clock.clone(),
        tasks: Tasks::new(),
        lease: Lease::endless(epoch),
        delivers,
    };
    Scene { model, log, handle: Engine::start_with(deps, settings), clock, scripts }
}

impl Scene {
    pub fn publish(&self, provider: &str, class: Class, n: u32, claim_max: usize) -> MessageId {
        self.publish_until(provider, class, n, claim_max, class.default_validity())
    }

    /// A message to the first `n` people who can be reached, which ends after `validity`.
    pub fn publish_until(
        &self,
        provider: &str,
        class: Class,
        n: u32,
        claim_max: usize,
        validity: Duration,
    ) -> MessageId {
        let plan = Plan {
            members: (1..).filter(|ordinal| reachable(*ordinal)).take(n as usize).collect(),
            channel: Channel::Email,
            provider: provider.into(),
            principal: 1,
            class,
            lost_answer: LostAnswer::Repeat,
            now: self.clock.now(),
            expire_at: self.clock.now().plus(validity),
            batch_size: 1_000,
        };
        let (message, claimed, _) = self.model.publish(plan, claim_max);
        self.handle.take(claimed);
        self.handle.wake();
        message
    }

    pub fn outcomes(&self, message: MessageId, outcome: Outcome) -> Set {
        let mut set = Set::new();
        self.model.each_message(|id, kept| {
            if id == message {
                set = kept.outcomes.iter().filter(|(_, (got, _))| *got == outcome).map(|(who, _)| *who).collect();
            }
        });
        set
    }

    pub fn handed(&self, message: MessageId) -> Vec<u32> {
        let log = self.log.handed.lock();
        log.iter().filter(|handed| handed.leg.message() == message).map(|handed| handed.ordinal).collect()
    }

    pub fn assert_no_rule_broken(&self) {
        assert_eq!(self.model.violations(), Vec::<String>::new());
        assert_eq!(*self.log.violations.lock(), Vec::<String>::new());
    }
}

pub async fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let waiting = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    assert!(tokio::time::timeout(Duration::from_secs(20), waiting).await.is_ok(), "never came true: {what}");
}

pub fn takes(per_call: usize, concurrency: usize) -> Capacity {
    Capacity { per_call, concurrency, rate: None, dedupes_identical: false }
}

pub fn slow(delay_ms: u64) -> Chances {
    Chances { delay_ms, ..Chances::default() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn batches_whose_claim_was_never_answered_are_given_back_and_delivered() {
    let quick = Settings {
        poll_every: Duration::from_millis(20),
        strays_every: Duration::from_millis(60),
        ..Settings::default()
    };
    let scene = scene_with(&[(takes(10, 4), slow(2))], quick).await;
    scene.model.lost_answers.store(1, Ordering::SeqCst);
    let message = scene.publish("p0", Class::Notice, 3_000, 0);
    eventually("all of it is delivered", || scene.outcomes(message, Outcome::Sent).len() == 3_000).await;
    assert_eq!(scene.model.lost_answers.load(Ordering::SeqCst), 0);
    assert_eq!(scene.handed(message).len(), 3_000, "and nothing twice");
    scene.assert_no_rule_broken();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn urgent_work_does_not_wait_behind_bulk() {
    let scene = scene(&[(takes(10, 4), slow(6))]).await;
    let bulk = scene.publish("p0", Class::Bulk, 20_000, 0);
    eventually("bulk is under way", || scene.handed(bulk).len() > 200).await;
    for _ in 0..10 {
        let before = scene.handed(bulk).len();
        let urgent = scene.publish("p0", Class::Transactional, 1, 1);
        eventually("the urgent call is made", || !scene.handed(urgent).is_empty()).await;
        let overtaken = scene.handed(bulk).len() - before;
        assert!(overtaken <= 400, "{overtaken} bulk deliveries went first");
    }
    assert!(scene.handed(bulk).len() < 20_000, "bulk was not over anyway");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_that_hangs_does_not_hold_the_others() {
    let hangs = Chances { hang: 1_000, ..Chances::default() };
    let scene = scene(&[(takes(1, 500), hangs), (takes(1, 10), slow(1))]).await;
    for _ in 0..200 {
        scene.publish("p0", Class::Emergency, 1, 1);
    }
    eventually("the first hangs", || scene.handle.activity().open() >= 32).await;
    let other = scene.publish("p1", Class::Notice, 300, 1);
    eventually("the other delivers", || scene.outcomes(other, Outcome::Sent).len() == 300).await;
    assert!(scene.handle.activity().open() <= 64);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn outcomes_wait_for_a_store_that_is_out_and_no_call_is_repeated() {
    let scene = scene(&[(takes(1, 30), slow(1))]).await;
    let message = scene.publish("p0", Class::Notice, 1_000, 1);
    eventually("some calls are made", || scene.handed(message).len() > 50).await;
    scene.model.outage.store(true, Ordering::SeqCst);
    eventually("a commit fails", || scene.handle.activity().settle_failures() > 2).await;
    eventually("no call begins", || scene.handle.activity().open() == 0).await;
    let unflushed = scene.handle.activity().unflushed();
    assert!((64..=128).contains(&unflushed), "{unflushed}");
    scene.model.outage.store(false, Ordering::SeqCst);
    eventually("everything is delivered", || scene.outcomes(message, Outcome::Sent).len() == 1_000).await;
    assert_eq!(scene.handed(message).len(), 1_000);
    scene.assert_no_rule_broken();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancel_stops_what_did_not_start_and_keeps_what_did() {
    let scene = scene(&[(takes(20, 4), slow(10))]).await;
    let message = scene.publish("p0", Class::Notice, 5_000, 3);
    eventually("some are sent", || scene.handed(message).len() > 500).await;
    scene.model.cancel(message, scene.clock.now());
    scene.handle.cancelled(message);
    let handed = scene.handed(message).len();
    eventually("every batch is closed", || scene.model.open_batches() == 0).await;
    let (sent, stopped) =
        (scene.outcomes(message, Outcome::Sent).len(), scene.outcomes(message, Outcome::Cancelled).len());
    assert_eq!((sent + stopped, sent), (5_000, scene.handed(message).len() as u64));
    assert!(sent as usize <= handed + 4 * 20, "at most the calls that had just passed the check: {handed}, {sent}");
    scene.assert_no_rule_broken();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_comes_beyond_the_room_goes_back_and_is_delivered_later() {
    let scene = scene(&[(takes(100, 2), slow(4))]).await;
    assert_eq!((scene.handle.room("p0", Lane::Bulk), scene.handle.room("nobody", Lane::Bulk)), (4, 0));
    let message = scene.publish("p0", Class::Bulk, 20_000, 20);
    eventually("the excess is given back", || scene.model.held_batches() <= 9).await;
    assert!(scene.model.open_batches() > 9, "the rest waits in the store");
    eventually("everything is delivered", || scene.outcomes(message, Outcome::Sent).len() == 20_000).await;
    let handed = scene.handed(message);
    assert_eq!(handed.len(), handed.iter().collect::<HashSet<_>>().len());
    scene.assert_no_rule_broken();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_graceful_stop_finishes_open_calls_and_gives_back_the_rest() {
    let scene = scene(&[(takes(10, 5), slow(20))]).await;
    let message = scene.publish("p0", Class::Bulk, 5_000, 3);
    eventually("some are sent", || scene.handed(message).len() > 100).await;
    assert!(scene.handle.stop(Duration::from_secs(10)).await);
    assert_eq!(scene.outcomes(message, Outcome::Sent).len(), scene.handed(message).len() as u64);
    assert_eq!((scene.model.held_batches(), scene.handle.room("p0", Lane::Bulk)), (0, 0));
    scene.assert_no_rule_broken();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_begins_after_the_lease_until_it_is_renewed() {
    let scene = scene(&[(takes(10, 5), slow(1))]).await;
    let epoch = scene.handle.epoch();
    let over = scene.clock.monotonic();
    scene.handle.set_lease(Lease { epoch, until: Some(over) });
    let message = scene.publish("p0", Class::Notice, 2_000, 2);
    eventually("the batches are held", || scene.handle.activity().held() == 2).await;
    for _ in 0..50 {
        tokio::time::sleep(Duration::from_millis(2)).await;
        assert!(scene.handed(message).is_empty());
    }
    scene.handle.set_lease(Lease { epoch, until: Some(scene.clock.monotonic() + Duration::from_secs(60)) });
    eventually("everything is delivered", || scene.outcomes(message, Outcome::Sent).len() == 2_000).await;
    assert_eq!(scene.handed(message).len(), 2_000, "what was held is still its own");
    scene.assert_no_rule_broken();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_is_open_when_the_lease_ends_is_cut_off() {
    let hangs = Chances { hang: 1_000, ..Chances::default() };
    let scene = scene(&[(takes(1, 5), hangs)]).await;
    scene.publish("p0", Class::Emergency, 1, 1);
    eventually("it hangs", || scene.handle.activity().open() == 1).await;
    let soon = scene.clock.monotonic() + Duration::from_millis(50);
    scene.handle.set_lease(Lease { epoch: scene.handle.epoch(), until: Some(soon) });
    eventually("it is given up long before its time-out", || scene.handle.activity().open() == 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_was_taken_for_dead_drops_what_it_held_and_goes_on() {
    let scene = scene(&[(takes(10, 5), slow(20))]).await;
    let message = scene.publish("p0", Class::Bulk, 5_000, 3);
    eventually("some are sent", || scene.handed(message).len() > 100).await;
    let epoch = scene.model.begin_epoch();
    scene.handle.set_lease(Lease::endless(epoch));
    eventually("it claims anew", || scene.handle.epoch() == epoch).await;
    eventually("everything is delivered", || scene.outcomes(message, Outcome::Sent).len() == 5_000).await;
    assert!(scene.handle.activity().fences_dropped() > 0, "what was open then was decided in vain");
    let handed = scene.handed(message);
    let twice = handed.len() - handed.iter().collect::<HashSet<_>>().len();
    assert!(twice <= 128 * 10, "{twice} were delivered twice");
    eventually("nothing is held any more", || scene.handle.activity().held() == 0).await;
    scene.assert_no_rule_broken();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_does_not_deliver_claims_nothing_and_keeps_nothing() {
    let scene = scene_of(&[(takes(10, 5), slow(1))], Settings::default(), false).await;
    assert_eq!(scene.handle.room("p0", Lane::Bulk), 0);
    let message = scene.publish("p0", Class::Bulk, 5_000, 2);
    eventually("it is given back", || scene.model.held_batches() == 0).await;
    assert_eq!((scene.model.open_batches(), scene.handed(message).len()), (5, 0));
    assert!(scene.handle.stop(Duration::from_secs(10)).await);
}
