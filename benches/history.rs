//! One person's history out of a year of a campus: her letters and the broadcasts that contain her.

use std::sync::Arc;
use std::time::{Duration, Instant};

use campanile::access::{Audit, AuditParts, Caller, Seal};
use campanile::audience::Index;
use campanile::domain::access::{Key, KeyScopes, Mode, Principal};
use campanile::domain::batch::{Claimed, Settled, Settlement};
use campanile::domain::channel::Channel;
use campanile::domain::class::{Class, Lane};
use campanile::domain::directory::{FIRST_ORDINAL, UserDraft, UserKind, UserStatus};
use campanile::domain::id::{KeyId, LegId};
use campanile::domain::node::Roles;
use campanile::domain::outcome::{Outcome, Reason, ReceiptKind};
use campanile::domain::page::PageRequest;
use campanile::domain::set::Set;
use campanile::report::{HistoryFilter, Reporter, ReporterParts};
use campanile::runtime::clock::{SharedClock, SystemClock};
use campanile::runtime::ids::IdSource;
use campanile::runtime::tasks::Tasks;
use campanile::store::sqlite::Sqlite;
use campanile::store::{Accept, Accepted, Claim, DepartmentDraft, LegPlan, Members, NodeDraft, Receipt, Store};

use crate::{Effort, median, store};

const USERS: u32 = 50_000;
const LETTERS: u32 = 270_000;
const BROADCASTS: u32 = 170;
/// People of one broadcast, each by mail and in the app.
const REACH: u32 = 10_000;
/// People who read one broadcast, one by one.
const READERS: u32 = 2_000;
const RELAY: &str = "email.default";

/// Builds the year, then asks for the history of people here and there.
pub async fn run(_effort: Effort) {
    let deliveries = LETTERS + BROADCASTS * REACH * 2;
    println!("history: {deliveries} deliveries to {USERS} people, {LETTERS} letters and {BROADCASTS} broadcasts");
    let directory = tempfile::tempdir().expect("a directory");
    let store = Sqlite::open(directory.path()).expect("a store").store();
    let began = Instant::now();
    let year = Year::begin(store.clone()).await;
    year.letters().await;
    for number in 0..BROADCASTS {
        year.broadcast(number).await;
    }
    println!("  built in              {:>8.1} s", began.elapsed().as_secs_f64());
    let index = Arc::new(Index::new(store.directory.load().await.expect("the directory")));
    let clock = year.clock.clone();
    let audit = Audit::new(AuditParts {
        store: store.audit.clone(),
        epoch: Arc::new(|| 1),
        signer: Arc::new(Seal::new(&[7; 32]).signer().expect("a signing key")),
        clock: clock.clone(),
    });
    let reporter = Reporter::new(ReporterParts { store, index, audit, clock, tasks: Tasks::new() });
    let (mut times, mut entries) = (Vec::new(), 0);
    for number in (0..USERS).step_by(USERS as usize / 50) {
        let (began, filter, page) = (Instant::now(), HistoryFilter::default(), PageRequest::default());
        let page = reporter.history(&caller(), &user_id(number), &filter, &page).await.expect("a history");
        times.push(began.elapsed().as_secs_f64() * 1e3);
        entries += page.items.len();
    }
    let (people, worst) = (times.len(), times.iter().copied().fold(0.0, f64::max));
    println!("  one person's history  {:>8.2} ms  | aim <= 50", median(times));
    println!("  the slowest of {people}     {worst:>8.2} ms  | {} messages each on average\n", entries / people);
}

fn user_id(number: u32) -> String {
    format!("3{number:09}")
}

/// Spreads numbers over the campus; always the same way.
fn scattered(number: u32, salt: u32) -> u32 {
    FIRST_ORDINAL + (number.wrapping_mul(2_654_435_761) ^ salt.wrapping_mul(40_503)) % USERS
}

/// An administrator.
fn caller() -> Caller {
    let key = Key::new(KeyId(2), Principal::Person(0), Mode::Live, [2; 32], campanile::domain::time::At(0));
    Caller::new(Arc::new(Key { scopes: KeyScopes::all(), ..key }))
}

/// A store while a year goes by.
struct Year {
    store: Store,
    clock: SharedClock,
    ids: IdSource,
    seq: i64,
    epoch: i64,
}

impl Year {
    async fn begin(store: Store) -> Year {
        let clock = SystemClock::shared();
        let campus =
            DepartmentDraft { external_id: "campus".into(), parent: None, name: "校本部".into(), version: None };
        store.directory.upsert_departments(vec![campus], clock.now()).await.expect("a department");
        let people: Vec<UserDraft> = (0..USERS).map(person).collect();
        for rows in people.chunks(5_000) {
            store.directory.upsert_users(rows.to_vec(), clock.now()).await.expect("people");
        }
        store::rights(&store).await;
        let draft = NodeDraft { name: "bench".into(), roles: Roles::all() };
        let epoch = store.nodes.join(draft, Duration::from_secs(3_600)).await.expect("a node");
        let seq = store.directory.head().await.expect("the head");
        Year { ids: IdSource::new(clock.clone(), 1), store, clock, seq, epoch }
    }

    async fn letters(&self) {
        for group in 0..LETTERS.div_ceil(1_000) {
            let letter = |number: u32| {
                let members = Members::One(scattered(group * 1_000 + number, 1));
                Accept { members, ..store::item(&self.ids, self.clock.now(), self.seq) }
            };
            self.accept((0..1_000).map(letter).collect()).await;
        }
    }

    async fn accept(&self, group: Vec<Accept>) {
        let answers = self.store.messages.accept(group, self.epoch).await.expect("a commit");
        assert!(answers.iter().all(|answer| matches!(answer, Accepted::Stored(_))));
    }

    /// By mail and in the app: one in twenty mails fails, some people read it.
    async fn broadcast(&self, number: u32) {
        let mut item = store::item(&self.ids, self.clock.now(), self.seq);
        let mut people: Set = (0..).map(|n| scattered(n, number + 2)).take(REACH as usize).collect();
        for ordinal in (0..).map(|n| scattered(n, number + 3_000)) {
            if people.len() == u64::from(REACH) {
                break;
            }
            people.insert(ordinal);
        }
        let plan = |channel: Channel, provider: &str| LegPlan {
            channel,
            provider: provider.into(),
            lane: Lane::Bulk,
            batch_size: 1_000,
            claim_max: 0,
        };
        item.facts.class = Class::Notice;
        item.facts.channels = vec![Channel::Email, Channel::App];
        item.facts.members_n = people.len();
        item.plans = vec![plan(Channel::Email, RELAY), plan(Channel::App, "app")];
        let (leg, readers) = (item.facts.id.leg(2), people.iter().step_by((REACH / READERS) as usize).collect());
        item.members = Members::Many(Arc::new(people));
        self.accept(vec![item]).await;
        self.deliver().await;
        self.read(leg, readers).await;
    }

    async fn deliver(&self) {
        let now = self.clock.now();
        let claim =
            Claim { provider: RELAY.into(), lane: Lane::Bulk, now, max: 100, epoch: self.epoch, expired_only: false };
        let claimed = self.store.deliveries.claim(claim).await.expect("batches");
        let settle = |batch: Claimed| {
            let people: Set = batch.members.ordinals().collect();
            let failed: Set = people.iter().step_by(20).collect();
            let some = |outcome, reason, set| Settled { outcome, reason, set, detail: None };
            Settlement {
                fence: batch.fence,
                leg: batch.leg,
                short: batch.short,
                attempt: batch.attempt,
                at: now,
                settled: vec![
                    some(Outcome::Sent, Reason::None, &people - &failed),
                    some(Outcome::Failed, Reason::RefusedRecipient, failed),
                ],
                again: vec![],
                done: true,
            }
        };
        let written = self.store.deliveries.settle(claimed.into_iter().map(settle).collect()).await.expect("settled");
        assert!(written.len() == REACH.div_ceil(1_000) as usize && written.into_iter().all(|one| one));
    }

    async fn read(&self, leg: LegId, readers: Vec<u32>) {
        let at = self.clock.now();
        let receipt = |ordinal| Receipt { leg, kind: ReceiptKind::Read, set: Set::from_iter([ordinal]), at };
        self.store.inbox.add_receipts(readers.into_iter().map(receipt).collect()).await.expect("receipts");
    }
}

fn person(number: u32) -> UserDraft {
    UserDraft {
        external_id: user_id(number),
        kind: UserKind::Person,
        name: format!("学生{number}"),
        status: UserStatus::Active,
        locale: "zh-CN".into(),
        primary_department: Some("campus".into()),
        departments: vec![],
        addresses: vec![],
        tags: vec![],
        alias_ids: Vec::new(),
        version: None,
    }
}
