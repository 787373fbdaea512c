//! The store as the engine's contract describes it, in memory, strict about every rule it can check, slow and
//! failing as it is told to.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::atomic::{AtomicBool, AtomicU32};
use std::time::Duration;

use async_trait::async_trait;
use campanile::domain::address::AddressState;
use campanile::domain::batch::{Claimed, Fence, Pending, ProviderId, Settlement};
use campanile::domain::channel::Channel;
use campanile::domain::class::Class;
use campanile::domain::content::Content;
use campanile::domain::id::{BatchId, GrantId, KeyId, LegId, MessageId};
use campanile::domain::message::{LostAnswer, MessageFacts};
use campanile::domain::outcome::{Outcome, Reason};
use campanile::domain::set::Set;
use campanile::domain::time::At;
use campanile::domain::{access, set};
use campanile::store::{Claim, Deliveries, Depth, Error, LegMaterial, Reach, Result};
use parking_lot::Mutex;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// What to store.
pub struct Plan {
    pub members: Set,
    pub channel: Channel,
    pub provider: ProviderId,
    pub principal: i64,
    pub class: Class,
    pub lost_answer: LostAnswer,
    pub now: At,
    pub expire_at: At,
    pub batch_size: u64,
}

pub struct Message {
    pub material: LegMaterial,
    pub members: Set,
    pub outcomes: BTreeMap<u32, (Outcome, Reason)>,
}

#[derive(Clone)]
struct Batch {
    claimed: Claimed,
    rest: Set,
    due_at: At,
    owner: Option<i64>,
    closed: bool,
}

#[derive(Default)]
struct State {
    epoch: i64,
    next: i64,
    messages: HashMap<MessageId, Message>,
    batches: BTreeMap<i64, Batch>,
    violations: Vec<String>,
}

pub struct Model {
    state: Mutex<State>,
    random: Mutex<StdRng>,
    /// One in a hundred operations fails so often.
    pub failing: u32,
    pub outage: AtomicBool,
    /// So many claims that take something are committed and their answers lost.
    pub lost_answers: AtomicU32,
}

impl Model {
    pub fn new(seed: u64, failing: u32) -> Arc<Model> {
        let random = Mutex::new(StdRng::seed_from_u64(seed));
        Arc::new(Model {
            state: Mutex::default(),
            random,
            failing,
            outage: AtomicBool::new(false),
            lost_answers: AtomicU32::new(0),
        })
    }

    /// Stores a message of one leg and claims up to `claim_max` of its batches.
    pub fn publish(&self, plan: Plan, claim_max: usize) -> (MessageId, Vec<Claimed>, LegMaterial) {
        let mut state = self.state.lock();
        state.next += 1;
        let message = MessageId(state.next * 16);
        let lane = plan.class.lane(plan.members.len());
        let material = material(message, &plan);
        let epoch = state.epoch;
        let mut taken = Vec::new();
        let ordinals: Vec<u32> = plan.members.iter().collect();
        for part in ordinals.chunks(plan.batch_size as usize) {
            state.next += 1;
            let owned = taken.len() < claim_max;
            let rest: Set = part.iter().copied().collect();
            let claimed = Claimed {
                fence: Fence { batch: BatchId(state.next), epoch, claims: u32::from(owned) },
                leg: message.leg(1),
                channel: plan.channel,
                provider: plan.provider.clone(),
                principal: plan.principal,
                lane,
                attempt: 1,
                members: if let [one] = part { Pending::One(*one) } else { Pending::Many(rest.clone()) },
                opened_to: None,
                short: ordinals.len() == 1,
            };
            if owned {
                taken.push(claimed.clone());
            }
            let owner = owned.then_some(epoch);
            let id = state.next;
            state.batches.insert(id, Batch { claimed, rest, due_at: plan.now, owner, closed: false });
        }
        let kept = Message { material: material.clone(), members: plan.members, outcomes: BTreeMap::new() };
        state.messages.insert(message, kept);
        (message, taken, material)
    }

    /// A new life: a new epoch, and everything is given back.
    pub fn begin_epoch(&self) -> i64 {
        let mut state = self.state.lock();
        state.epoch += 1;
        for batch in state.batches.values_mut() {
            batch.owner = None;
        }
        state.epoch
    }

    /// The tombstone, and the settlement of everything that nobody holds.
    pub fn cancel(&self, message: MessageId, at: At) {
        let mut state = self.state.lock();
        let State { messages, batches, violations, .. } = &mut *state;
        let Some(kept) = messages.get_mut(&message) else { return };
        kept.material.cancelled_at.get_or_insert(at);
        for batch in batches.values_mut().filter(|b| b.claimed.leg.message() == message && b.owner.is_none()) {
            batch.closed = true;
            let rest = std::mem::take(&mut batch.rest);
            record(kept, violations, &rest, Outcome::Cancelled, Reason::CancelledByPerson);
        }
    }

    /// When the next waiting batch is due, if nobody holds any.
    pub fn next_due(&self) -> Option<At> {
        let state = self.state.lock();
        let open = || state.batches.values().filter(|batch| !batch.closed);
        if open().any(|batch| batch.owner.is_some()) { None } else { open().map(|batch| batch.due_at).min() }
    }

    pub fn open_batches(&self) -> usize {
        self.state.lock().batches.values().filter(|batch| !batch.closed).count()
    }

    pub fn held_batches(&self) -> usize {
        self.state.lock().batches.values().filter(|batch| batch.owner.is_some()).count()
    }

    pub fn violations(&self) -> Vec<String> {
        self.state.lock().violations.clone()
    }

    pub fn outcome(&self, leg: LegId, ordinal: u32) -> Option<(Outcome, Reason)> {
        self.state.lock().messages.get(&leg.message())?.outcomes.get(&ordinal).copied()
    }

    pub fn each_message(&self, mut visit: impl FnMut(MessageId, &Message)) {
        for (id, message) in &self.state.lock().messages {
            visit(*id, message);
        }
    }

    /// Lets some time pass, and fails now and then before anything was written.
    async fn trouble(&self) -> Result<()> {
        let (wait, fails) = {
            let mut random = self.random.lock();
            (random.random_range(0..3), random.random_range(0..100) < self.failing)
        };
        self.pass(wait).await;
        if fails || self.outage.load(SeqCst) {
            return Err(Error::Unavailable("as told".into()));
        }
        Ok(())
    }

    async fn pass(&self, millis: u64) {
        if millis > 0 {
            tokio::time::sleep(Duration::from_millis(millis)).await;
        }
    }
}

fn material(id: MessageId, plan: &Plan) -> LegMaterial {
    let facts = MessageFacts {
        id,
        principal: access::Principal::from_code(plan.principal),
        key_id: KeyId(1),
        grant: (GrantId(1), 1),
        department_id: 1,
        sender: None,
        class: plan.class,
        mode: access::Mode::Live,
        channels: vec![plan.channel],
        audience_text: String::new(),
        directory_seq: 0,
        members_n: plan.members.len(),
        topic: None,
        reference: None,
        labels: BTreeMap::default(),
        lost_answer: plan.lost_answer,
        relation: None,
        proof: false,
        created_at: plan.now,
        send_at: plan.now,
        expire_at: plan.expire_at,
    };
    let content = Arc::new(Content { title: "t".into(), ..Content::default() });
    LegMaterial { facts, content, department_name: "d".into(), cancelled_at: None }
}

fn record(message: &mut Message, violations: &mut Vec<String>, set: &Set, outcome: Outcome, reason: Reason) {
    for ordinal in set {
        if let Some(before) = message.outcomes.insert(ordinal, (outcome, reason)) {
            violations.push(format!("{ordinal} had {before:?} and got {outcome:?} too"));
        }
    }
}

/// Whether a person can be reached at all, by her number.
pub fn reachable(ordinal: u32) -> bool {
    ![23_u32, 29, 31, 37].iter().any(|n| ordinal.is_multiple_of(*n))
}

#[async_trait]
impl Deliveries for Model {
    async fn claim(&self, claim: Claim) -> Result<Vec<Claimed>> {
        self.trouble().await?;
        let mut state = self.state.lock();
        let State { messages, batches, .. } = &mut *state;
        let due = batches.values_mut().filter(|batch| {
            let Claimed { provider, lane, leg, .. } = &batch.claimed;
            let expire_at = messages[&leg.message()].material.facts.expire_at;
            let due_at = if claim.expired_only { expire_at } else { batch.due_at };
            !batch.closed
                && batch.owner.is_none()
                && *provider == claim.provider
                && *lane == claim.lane
                && due_at <= claim.now
        });
        let mut taken = Vec::new();
        for batch in due.take(claim.max) {
            batch.owner = Some(claim.epoch);
            batch.claimed.fence.epoch = claim.epoch;
            batch.claimed.fence.claims += 1;
            batch.claimed.members = Pending::Many(batch.rest.clone());
            taken.push(batch.claimed.clone());
        }
        if !taken.is_empty() && self.lost_answers.fetch_update(SeqCst, SeqCst, |left| left.checked_sub(1)).is_ok() {
            return Err(Error::Unavailable("the answer was lost".into()));
        }
        Ok(taken)
    }

    async fn open(&self, calls: Vec<(Fence, u32)>) -> Result<Vec<bool>> {
        self.trouble().await?;
        let mut state = self.state.lock();
        let mut held = Vec::new();
        for (fence, last) in calls {
            let batch = state.batches.get_mut(&fence.batch.0).filter(|batch| holds(batch, fence));
            held.push(batch.is_some());
            if let Some(batch) = batch {
                batch.claimed.opened_to = batch.claimed.opened_to.max(Some(last));
            }
        }
        Ok(held)
    }

    async fn settle(&self, group: Vec<Settlement>) -> Result<Vec<bool>> {
        self.trouble().await?;
        let held = {
            let mut state = self.state.lock();
            group.into_iter().map(|settlement| state.settle(settlement)).collect()
        };
        self.pass(1).await;
        Ok(held)
    }

    async fn close_complete(&self, _limit: usize) -> Result<usize> {
        Ok(0)
    }

    async fn release(&self, fences: Vec<Fence>) -> Result<()> {
        self.trouble().await?;
        let mut state = self.state.lock();
        for fence in fences {
            if let Some(batch) = state.batches.get_mut(&fence.batch.0).filter(|batch| holds(batch, fence)) {
                batch.owner = None;
                batch.closed = batch.rest.is_empty();
            }
        }
        Ok(())
    }

    async fn owned(&self, epoch: i64) -> Result<Vec<Fence>> {
        self.trouble().await?;
        let state = self.state.lock();
        let held = state.batches.values().filter(|batch| !batch.closed && batch.owner == Some(epoch));
        Ok(held.map(|batch| batch.claimed.fence).collect())
    }

    async fn material(&self, message: MessageId) -> Result<Option<LegMaterial>> {
        self.trouble().await?;
        Ok(self.state.lock().messages.get(&message).map(|kept| kept.material.clone()))
    }

    async fn reach(&self, _channel: Channel, ordinals: Vec<u32>) -> Result<Vec<Reach>> {
        self.trouble().await?;
        let person = |ordinal: u32| Reach {
            ordinal,
            address: (!ordinal.is_multiple_of(23)).then(|| {
                let bad = ordinal.is_multiple_of(37);
                let address = if bad { "no mailbox".into() } else { format!("u{ordinal}@x.cn").into() };
                (address, AddressState::Usable)
            }),
            receives: !ordinal.is_multiple_of(29),
            erased: ordinal.is_multiple_of(31),
        };
        Ok(ordinals.into_iter().map(person).collect())
    }

    async fn depth(&self) -> Result<Vec<Depth>> {
        Ok(Vec::new())
    }

    async fn held(&self, leg: LegId) -> Result<u64> {
        let state = self.state.lock();
        Ok(state.batches.values().filter(|batch| batch.claimed.leg == leg && batch.owner.is_some()).count() as u64)
    }
}

fn holds(batch: &Batch, fence: Fence) -> bool {
    !batch.closed && batch.owner == Some(fence.epoch) && batch.claimed.fence == fence
}

impl State {
    fn settle(&mut self, settlement: Settlement) -> bool {
        let State { next, messages, batches, violations, .. } = self;
        let Some(batch) = batches.get_mut(&settlement.fence.batch.0) else { return false };
        let Some(message) = messages.get_mut(&settlement.leg.message()) else { return false };
        if !holds(batch, settlement.fence) {
            return false;
        }
        let mut fresh = Vec::new();
        let mut take = |set: &Set, rest: &mut Set| {
            if !set.is_subset(rest) {
                violations.push(format!("{:?} settles people that are not open in it", settlement.fence));
            }
            *rest -= set;
        };
        for row in &settlement.settled {
            take(&row.set, &mut batch.rest);
        }
        for row in &settlement.again {
            take(&row.set, &mut batch.rest);
            *next += 1;
            let mut claimed = batch.claimed.clone();
            claimed.fence = Fence { batch: BatchId(*next), epoch: 0, claims: 0 };
            (claimed.attempt, claimed.opened_to) = (row.attempt, None);
            fresh.push(Batch { claimed, rest: row.set.clone(), due_at: row.due_at, owner: None, closed: false });
        }
        for row in &settlement.settled {
            record(message, violations, &row.set, row.outcome, row.reason);
        }
        if settlement.done {
            (batch.closed, batch.owner) = (true, None);
            if !batch.rest.is_empty() {
                violations.push(format!("{:?} is called done with {} open", settlement.fence, batch.rest.len()));
            }
        }
        for batch in fresh {
            batches.insert(batch.claimed.fence.batch.0, batch);
        }
        true
    }
}

/// Some people of a town of `town`.
pub fn people(random: &mut StdRng, n: u32, town: u32) -> Set {
    let first = random.random_range(1..town);
    set::within(&(first..first + n).collect(), 0, u32::MAX)
}
