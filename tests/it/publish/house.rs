//! A small institution with a publisher and a reporter over an embedded store.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use campanile::access::review::{Panels, Rules};
use campanile::access::{Applications, Caller, Grants, Policy, Seal, Topics};
use campanile::audience::Index;
use campanile::audience::tree::Tree;
use campanile::domain::access::{Grant, Key, KeyScope, Mode, Principal};
use campanile::domain::audience::{Audience, UnknownUsers};
use campanile::domain::batch::{Claimed, ProviderId, Settled, Settlement};
use campanile::domain::channel::Channel;
use campanile::domain::class::{Class, Lane};
use campanile::domain::content::Content;
use campanile::domain::directory::{AddressDraft, UserDraft};
use campanile::domain::id::{ApplicationId, KeyId, LegId, MessageId};
use campanile::domain::message::{Draft, LostAnswer};
use campanile::domain::outcome::{Outcome, Reason as Why};
use campanile::domain::refusal::{Reason, Refusal};
use campanile::domain::review::Panel;
use campanile::domain::set::Set;
use campanile::domain::time::At;
use campanile::publish::{FreshBatches, Parts, Providers, Publisher, Released, ShownLeg};
use campanile::report::{Reporter, ReporterParts};
use campanile::runtime::clock::{Clock, ManualClock};
use campanile::runtime::ids::IdSource;
use campanile::runtime::tasks::Tasks;
use campanile::store::{ApplicationDraft, DepartmentDraft, LegMaterial, MessageFilter, Store, TagDraft};
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::store::fixture::{LEASE, node};
use crate::store::{Fresh, publishing, sqlite};
use crate::support::audit::audit;

pub const NOW: At = At(1_790_000_000_000);
pub const LIBRARY: Principal = Principal::Application(ApplicationId(7));

/// Everything that a case needs.
pub struct House {
    pub store: Store,
    pub publisher: Publisher,
    pub reporter: Reporter,
    pub delivery: Arc<Notes>,
    pub inbox: Arc<Windows>,
    pub clock: Arc<ManualClock>,
    pub grants: Arc<Grants>,
    index: Arc<Index>,
    tasks: Tasks,
    _fresh: Fresh,
}

/// Delivery: keeps what it is given.
#[derive(Default)]
pub struct Notes {
    pub epoch: i64,
    pub room: AtomicUsize,
    pub held: AtomicBool,
    pub taken: Mutex<Vec<Claimed>>,
    pub cancelled: Mutex<Vec<MessageId>>,
}

impl FreshBatches for Notes {
    fn epoch(&self) -> i64 {
        self.epoch
    }
    fn room(&self, _: &ProviderId, _: Lane) -> usize {
        self.room.load(Ordering::SeqCst)
    }
    fn batch_size(&self, _: &ProviderId, _: Channel) -> u64 {
        10
    }
    fn is_held(&self, _: &ProviderId) -> bool {
        self.held.load(Ordering::SeqCst)
    }
    fn take(&self, batches: Vec<Claimed>, material: LegMaterial) {
        assert!(batches.iter().all(|batch| batch.leg.message() == material.facts.id));
        self.taken.lock().extend(batches);
    }
    fn wake(&self) {}
    fn cancelled(&self, message: MessageId) {
        self.cancelled.lock().push(message);
    }
}

/// The inbox: keeps what it hears.
#[derive(Default)]
pub struct Windows {
    pub shown: Mutex<Vec<ShownLeg>>,
    pub hidden: Mutex<Vec<LegId>>,
}

impl Released for Windows {
    fn shown(&self, leg: ShownLeg) {
        self.shown.lock().push(leg);
    }
    fn hidden(&self, leg: LegId) {
        self.hidden.lock().push(leg);
    }
}

/// Mail is configured and takes 100 bytes of body; WeChat is not.
struct MailOnly;

impl Providers for MailOnly {
    fn default_for(&self, channel: Channel) -> Option<ProviderId> {
        (channel == Channel::Email).then(|| "email.default".into())
    }
    fn check(&self, channel: Channel, content: &Content) -> Result<(), Refusal> {
        if channel == Channel::Email && content.body.len() > 100 {
            return Err(Refusal::new(Reason::FieldTooLong, "too long").with("channel", channel).with("limit", 100));
        }
        Ok(())
    }
}

/// A school `xjtu` with `cs` (u1 to u30, all with a mailbox but u30) and `law` (u31 to u40), the tag `rare` of u1 and u2,
/// and the library, an application of `cs` that may write to `cs` over mail and app.
pub async fn house() -> House {
    house_with(Rules { threshold: None, ..Rules::default() }, Arc::new(Nobody)).await
}

/// Nobody reviews.
struct Nobody;

impl Panels for Nobody {
    fn members(&self, _: Panel, _: i64, _: &Tree, _: At) -> Vec<u32> {
        vec![]
    }
    fn sits(&self, _: u32, _: At) -> bool {
        false
    }
    fn keepers(&self, _: i64, _: &Tree, _: At) -> Vec<u32> {
        vec![]
    }
    fn auditors(&self, _: &Tree, _: At) -> Vec<u32> {
        vec![]
    }
}

/// The same with rules and reviewers.
pub async fn house_with(rules: Rules, panels: Arc<dyn Panels>) -> House {
    let fresh = sqlite();
    let store = fresh.store.clone();
    populate(&store).await;
    let index = Arc::new(Index::new(store.directory.load().await.unwrap()));
    let image = store.access.load().await.unwrap();
    let grants = Arc::new(Grants::new(image.grants));
    let epoch = store.nodes.join(node(), LEASE).await.unwrap();
    let delivery = Arc::new(Notes { epoch, ..Notes::default() });
    let inbox = Arc::new(Windows::default());
    let clock = Arc::new(ManualClock::at(NOW));
    let behind = Arc::new(Notify::new());
    let tasks = Tasks::new();
    tasks.spawn(follow(store.clone(), index.clone(), behind.clone(), tasks.clone()));
    let audit = audit(&store, clock.clone());
    let parts = Parts {
        store: store.clone(),
        index: index.clone(),
        policy: Arc::new(Policy::new(grants.clone())),
        audit: audit.clone(),
        grants: grants.clone(),
        rules,
        panels,
        seal: Arc::new(Seal::new(&image.secret)),
        applications: Arc::new(Applications::new(image.applications)),
        topics: Arc::new(Topics::new(Vec::new())),
        ids: Arc::new(IdSource::new(clock.clone(), 1)),
        clock: clock.clone(),
        delivery: delivery.clone(),
        inbox: inbox.clone(),
        providers: Arc::new(MailOnly),
        behind,
        #[cfg(feature = "sabotage")]
        answer_before_commit: false,
    };
    let publisher = Publisher::start(parts, &tasks);
    let (index_too, clock_too) = (index.clone(), clock.clone());
    let reporter = Reporter::new(ReporterParts {
        store: store.clone(),
        index: index_too,
        audit,
        clock: clock_too,
        tasks: tasks.clone(),
    });
    House { store, publisher, reporter, delivery, inbox, clock, grants, index, tasks, _fresh: fresh }
}

/// Follows the feed, but only when a commit says that the index is behind.
async fn follow(store: Store, index: Arc<Index>, behind: Arc<Notify>, tasks: Tasks) {
    let stop = tasks.stop_token();
    while stop.run_until_cancelled(behind.notified()).await.is_some() {
        index.apply(&store.directory.changes_after(index.seq(), 10_000).await.unwrap());
    }
}

async fn populate(store: &Store) {
    let department = |id: &str, parent: Option<&str>| DepartmentDraft {
        external_id: id.into(),
        parent: parent.map(Into::into),
        name: format!("Department of {id}"),
        version: None,
    };
    let rows = vec![department("xjtu", None), department("cs", Some("xjtu")), department("law", Some("xjtu"))];
    store.directory.upsert_departments(rows, NOW).await.unwrap();
    let people = (1..=40).map(person).collect();
    assert_eq!(store.directory.upsert_users(people, NOW).await.unwrap().created, 40);
    let rare = TagDraft::new("rare", campanile::domain::tag::TagKind::Static);
    store.directory.upsert_tag(rare, NOW).await.unwrap();
    store.directory.edit_tag("rare", ordinals(1..=2), Set::new(), NOW).await.unwrap();
    let library = ApplicationDraft {
        id: ApplicationId(7),
        department: "cs".into(),
        title: "Library".into(),
        inbox_gateway: false,
        default_channels: vec![Channel::Email, Channel::App],
        default_topic: None,
        contact: String::new(),
    };
    store.access.create_application(library, NOW).await.unwrap();
    for (id, mode) in [(1, Mode::Live), (2, Mode::Test)] {
        store.access.create_key(key(id, LIBRARY, mode, [KeyScope::Publish, KeyScope::Read])).await.unwrap();
    }
    let admin = [KeyScope::Admin, KeyScope::Read];
    store.access.create_key(key(3, Principal::Person(0), Mode::Live, admin)).await.unwrap();
    let cs = store.directory.load().await.unwrap().departments.iter().find(|one| one.external_id == "cs").unwrap().id;
    store.access.create_grant(grant(1, cs)).await.unwrap();
}

fn person(n: u32) -> UserDraft {
    let mailbox = AddressDraft::new(Channel::Email, format!("u{n}@example.edu"));
    UserDraft {
        addresses: if n == 30 { vec![] } else { vec![mailbox] },
        ..crate::store::person(&format!("u{n}"), if n <= 30 { "cs" } else { "law" })
    }
}

fn key(id: i64, principal: Principal, mode: Mode, scopes: impl IntoIterator<Item = KeyScope>) -> Key {
    Key { principal, mode, scopes: scopes.into_iter().collect(), ..publishing::key(id) }
}

/// The library's right to write to a department.
pub fn grant(id: i64, department_id: i64) -> Grant {
    Grant {
        principal: LIBRARY,
        department_ids: vec![department_id],
        audience: None,
        tags: vec!["rare".into()],
        any_tag: false,
        channels: vec![Channel::Email, Channel::App, Channel::Wechat],
        classes: vec![Class::Notice, Class::Transactional],
        ..publishing::grant(id)
    }
}

/// The ordinals of `u1`, `u2`, …
pub fn ordinals(numbers: impl IntoIterator<Item = u32>) -> Set {
    numbers.into_iter().map(crate::store::nth).collect()
}

/// A notice by an expression over the default channels.
pub fn notice(key: &str, expression: &str) -> Draft {
    Draft {
        idempotency_key: key.into(),
        digest: [1; 32],
        audience: Audience::Expression(expression.into()),
        relation: None,
        proof: false,
        content: Arc::new(Content { title: "Closing early".into(), body: "At six.".into(), ..Content::default() }),
        class: Class::Notice,
        channels: vec![],
        topic: None,
        department_id: None,
        sender_user_id: None,
        send_at: None,
        expire_at: None,
        expected: None,
        validate_only: false,
        reference: None,
        labels: Default::default(),
        lost_answer: LostAnswer::Repeat,
        min_directory_seq: None,
    }
}

/// A message to listed users.
pub fn listed(key: &str, ids: &[&str]) -> Draft {
    let ids = ids.iter().map(|id| (*id).to_owned()).collect();
    let audience = Audience::Users { ids, unknown: UnknownUsers::Reject };
    Draft { audience, class: Class::Transactional, ..notice(key, "") }
}

impl House {
    /// The library with a live key.
    pub async fn library(&self) -> Caller {
        self.caller(1).await
    }

    /// The library with a test key.
    pub async fn tester(&self) -> Caller {
        self.caller(2).await
    }

    /// An administrator.
    pub async fn administrator(&self) -> Caller {
        self.caller(3).await
    }

    async fn caller(&self, id: i64) -> Caller {
        let key = self.store.access.key(KeyId(id)).await.unwrap().unwrap();
        Caller::new(Arc::new(key))
    }

    /// The present time.
    pub fn now(&self) -> At {
        Clock::now(&*self.clock)
    }

    /// How many people cs has.
    pub fn people_of_cs(&self) -> u64 {
        let snapshot = self.index.snapshot();
        let cs = snapshot.tree().by_external_id("cs").unwrap().id;
        snapshot.under(cs).len()
    }

    /// Lets so many people leave cs for law, the last ones first.
    pub async fn leave(&self, count: u32) {
        let staying = u32::try_from(self.people_of_cs()).unwrap();
        let movers = (staying - count + 1..=staying).map(|n| crate::store::person(&format!("u{n}"), "law")).collect();
        self.store.directory.upsert_users(movers, NOW).await.unwrap();
        self.index.apply(&self.store.directory.changes_after(self.index.seq(), 10_000).await.unwrap());
        assert_eq!(self.people_of_cs(), u64::from(staying - count));
    }

    /// How many messages are stored.
    pub async fn stored(&self) -> usize {
        self.store.messages.list(MessageFilter::default(), None, 1_000).await.unwrap().len()
    }

    /// Settles everything that delivery was handed.
    pub async fn deliver(&self, outcome: Outcome, reason: Why) {
        let taken = std::mem::take(&mut *self.delivery.taken.lock());
        let settle = |batch: Claimed| Settlement {
            fence: batch.fence,
            leg: batch.leg,
            short: batch.short,
            attempt: batch.attempt,
            at: NOW,
            settled: vec![Settled { outcome, reason, set: batch.members.ordinals().collect(), detail: None }],
            again: vec![],
            done: true,
        };
        let written = self.store.deliveries.settle(taken.into_iter().map(settle).collect()).await.unwrap();
        assert!(written.into_iter().all(|one| one));
    }

    /// Ends every task and waits for them.
    pub async fn stop(&self) {
        assert!(self.tasks.stop(Duration::from_secs(5)).await);
    }
}

/// Waits until something is true, for five seconds at most.
pub async fn eventually<F: Future<Output = bool>>(what: &str, mut test: impl FnMut() -> F) {
    for _ in 0..500 {
        if test().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("never: {what}");
}

/// Why a publish was refused.
pub fn refused<T: std::fmt::Debug>(result: Result<T, Refusal>) -> Reason {
    result.unwrap_err().reason
}
