//! A hundred thousand random acts of administration, each foretold by a reference: whether it is allowed, and whom
//! every grant reaches afterwards.

mod reference;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use campanile::access::admin::{GrantDraft, KeyDraft, KeyOwner, NewApplication, RequestAnswer, RoleDraft, bootstrap};
use campanile::access::{Admin, AdminParts, Caller, Policy};
use campanile::directory::{Follower, Heed, Memory, Registrar, RegistrarParts};
use campanile::domain::access::{Key, KeyScopes, Mode, Principal};
use campanile::domain::channel::Channel;
use campanile::domain::id::{ApplicationId, GrantId, KeyId, RequestId};
use campanile::domain::request::RequestDecision;
use campanile::domain::role::Role;
use campanile::domain::set::Set;
use campanile::runtime::clock::ManualClock;
use campanile::runtime::ids::IdSource;
use campanile::runtime::tasks::Tasks;
use campanile::store::DepartmentDraft;
use campanile::store::sqlite::Sqlite;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use reference::{Grant, Holder, ROOT, Reference, Request};
use tokio::sync::Notify;

use crate::store::fixture::{NOW, department, nth, person};
use crate::support::audit::audit;

const ACTS: usize = 100_000;
const DEPARTMENTS: usize = 14;
const PEOPLE: usize = 40;
const EACH_MIN: u32 = 1_000;

/// The service beside the reference, and which number of the one is which id of the other.
struct World {
    admin: Admin,
    registrar: Registrar,
    memory: Memory,
    policy: Policy,
    expected: Reference,
    applications: Vec<ApplicationId>,
    grants: Vec<GrantId>,
    keys: Vec<KeyId>,
    requests: Vec<RequestId>,
    random: StdRng,
    counts: BTreeMap<&'static str, [u32; 2]>,
}

#[tokio::test]
async fn nobody_ever_gives_more_than_they_hold() {
    let mut world = World::new(20_260_901).await;
    for _ in 0..ACTS {
        world.act().await;
        world.probe();
    }
    for (act, [allowed, denied]) in &world.counts {
        println!("{act:>12}: {allowed:>6} allowed, {denied:>6} denied");
    }
    assert_eq!(world.counts.len(), 10);
    assert!(world.counts.values().flatten().all(|n| *n >= EACH_MIN), "{:?}", world.counts);
}

#[test]
fn the_reference_knows_nothing_of_what_it_is_compared_with() {
    let text = include_str!("model/reference.rs");
    assert!(!text.contains("campanile") && text.lines().count() <= 150, "{}", text.lines().count());
}

impl World {
    async fn new(seed: u64) -> World {
        let (admin, registrar, memory) = service().await;
        let expected = Reference {
            parents: (0..DEPARTMENTS).map(above).collect(),
            people: (0..PEOPLE).map(|person| person % DEPARTMENTS).collect(),
            ..Reference::default()
        };
        World {
            policy: Policy::new(memory.grants.clone()),
            admin,
            registrar,
            memory,
            expected,
            applications: Vec::new(),
            grants: Vec::new(),
            keys: Vec::new(),
            requests: Vec::new(),
            random: StdRng::seed_from_u64(seed),
            counts: BTreeMap::new(),
        }
    }

    async fn act(&mut self) {
        let who = if self.random.random_bool(0.15) { ROOT } else { self.random.random_range(0..PEOPLE) };
        match self.random.random_range(0..100) {
            0..16 => self.assign(who).await,
            16..30 => self.withdraw(who).await,
            30..38 => self.connect(who).await,
            38..54 => self.grant(who).await,
            54..66 => self.revoke_grant(who).await,
            66..74 => self.make_key(who).await,
            74..81 => self.revoke_key(who).await,
            81..86 => self.move_department(who).await,
            86..93 => self.request(who).await,
            _ => self.decide(who).await,
        }
    }

    /// Counts an act after it turned out as foretold.
    fn was<T: std::fmt::Debug, E: std::fmt::Debug>(
        &mut self,
        act: &'static str,
        who: usize,
        foretold: bool,
        found: &Result<T, E>,
    ) {
        assert_eq!(found.is_ok(), foretold, "{act} by {who}: {found:?}; {:?}", self.counts);
        self.counts.entry(act).or_default()[usize::from(!foretold)] += 1;
    }

    async fn assign(&mut self, who: usize) {
        let (person, of) = (self.random.random_range(0..PEOPLE), self.random.random_bool(0.9));
        let role = match self.random.random_range(0..40) {
            0 => reference::Role::Platform,
            1..25 => reference::Role::Head,
            25..30 => reference::Role::Reviewer,
            30..36 => reference::Role::Sender,
            _ => reference::Role::Auditor,
        };
        let department = (of && role != reference::Role::Platform).then(|| self.random.random_range(0..DEPARTMENTS));
        let foretold =
            self.expected.gives_role(who, role, department) && self.expected.looks_after(who, Holder::Person(person));
        let found = self.admin.assign_role(&self.caller(who), draft(person, role, department)).await;
        self.was("assign", who, foretold, &found);
        if foretold {
            self.expected.roles.insert((person, role, department));
        }
    }

    async fn withdraw(&mut self, who: usize) {
        let held = self.expected.roles.len();
        if held == 0 {
            return;
        }
        let place = self.random.random_range(0..held);
        let Some(&(person, role, department)) = self.expected.roles.iter().nth(place) else { return };
        let foretold = self.expected.gives_role(who, role, department);
        let found = self.admin.withdraw_role(&self.caller(who), draft(person, role, department)).await;
        self.was("withdraw", who, foretold, &found);
        if foretold {
            self.expected.roles.remove(&(person, role, department));
        }
    }

    async fn connect(&mut self, who: usize) {
        let department = self.random.random_range(0..DEPARTMENTS);
        let wanted = NewApplication {
            department_id: format!("d{department}"),
            title: "System".into(),
            inbox_gateway: false,
            default_channels: Vec::new(),
            default_topic: None,
            contact: String::new(),
        };
        let foretold = self.expected.in_office(who) && self.expected.covers(who, department);
        let found = self.admin.create_application(&self.caller(who), wanted).await;
        self.was("application", who, foretold, &found);
        if let Ok(made) = found {
            self.expected.applications.push(department);
            self.applications.push(made.id);
        }
    }

    async fn grant(&mut self, who: usize) {
        let (holder, departments, emergency) = (self.holder(), self.some_departments(), self.random.random_bool(0.1));
        let expected = &self.expected;
        let foretold = expected.in_office(who)
            && expected.looks_after(who, holder)
            && departments.iter().all(|one| expected.covers(who, *one))
            && (!emergency || expected.office(who).is_none());
        let wanted = self.wanted(holder, &departments, emergency);
        let found = self.admin.create_grant(&self.caller(who), wanted).await;
        self.was("grant", who, foretold, &found);
        if let Ok(made) = found {
            let ceiling = self.expected.office(who);
            let grant = Grant { holder, departments, emergency, ceiling, while_in: None, revoked: false };
            self.hold(who, made.id, grant);
        }
    }

    /// Notes a grant that somebody gave: whom it reaches, its giver looks after.
    fn hold(&mut self, giver: usize, id: GrantId, grant: Grant) {
        for person in 0..PEOPLE {
            let reached = self.expected.reaches(&grant, person);
            assert!(!reached || self.expected.covers(giver, self.expected.people[person]), "{grant:?} by {giver}");
        }
        self.expected.grants.push(grant);
        self.grants.push(id);
    }

    async fn revoke_grant(&mut self, who: usize) {
        if self.grants.is_empty() {
            return;
        }
        let place = self.random.random_range(0..self.grants.len());
        let grant = &self.expected.grants[place];
        let concerned = self.expected.looks_after(who, grant.holder) || self.expected.could_give(who, grant);
        let foretold = self.expected.in_office(who) && concerned;
        let found = self.admin.revoke_grant(&self.caller(who), self.grants[place]).await;
        self.was("revoke grant", who, foretold, &found);
        // The platform keeps their number down.
        let swept = !foretold && self.grants.len() > 60;
        if swept {
            self.admin.revoke_grant(&self.caller(ROOT), self.grants[place]).await.unwrap();
        }
        if foretold || swept {
            self.expected.grants.swap_remove(place);
            self.grants.swap_remove(place);
        }
    }

    async fn make_key(&mut self, who: usize) {
        let owner = self.holder();
        let foretold = self.expected.makes_key(who, owner);
        let wanted = KeyDraft {
            owner: match owner {
                Holder::Person(person) => KeyOwner::Person(format!("p{person}")),
                Holder::Application(place) => KeyOwner::Application(self.applications[place]),
            },
            mode: Mode::Live,
            scopes: KeyScopes(0),
            expire_at: None,
            networks: Vec::new(),
            certificates: Vec::new(),
        };
        let found = self.admin.create_key(&self.caller(who), wanted).await;
        self.was("key", who, foretold, &found);
        if let Ok(made) = found {
            self.expected.keys.push(owner);
            self.keys.push(made.key.id);
        }
    }

    async fn revoke_key(&mut self, who: usize) {
        if self.keys.is_empty() {
            return;
        }
        let place = self.random.random_range(0..self.keys.len());
        let foretold = self.expected.in_office(who) && self.expected.looks_after(who, self.expected.keys[place]);
        let found = self.admin.revoke_key(&self.caller(who), self.keys[place]).await;
        self.was("revoke key", who, foretold, &found);
    }

    async fn move_department(&mut self, who: usize) {
        let who = if self.random.random_bool(0.4) { ROOT } else { who };
        let moved = self.random.random_range(1..DEPARTMENTS);
        let parent = self.random.random_bool(0.9).then(|| self.random.random_range(0..DEPARTMENTS));
        let ring = parent.is_some_and(|parent| self.expected.under(parent, moved));
        let foretold = self.expected.office(who).is_none() && !ring;
        let row =
            DepartmentDraft { parent: parent.map(|one| format!("d{one}")), ..department(&format!("d{moved}"), None) };
        let found = self.registrar.upsert_department(&self.caller(who), row).await;
        self.was("move", who, foretold, &found);
        if foretold {
            self.expected.parents[moved] = parent;
        }
    }

    async fn request(&mut self, who: usize) {
        let asker = if who == ROOT { 0 } else { who };
        let holder = match self.holder() {
            Holder::Person(_) => Holder::Person(asker),
            application => application,
        };
        let departments = self.some_departments();
        let home = self.home(asker, holder, &departments);
        let open = self.expected.requests.iter().filter(|one| one.asker == asker && one.open).count();
        let foretold = home.is_some() && open < 20;
        let wanted = self.wanted(holder, &departments, false);
        let found = self.admin.request_grant(&self.caller(asker), wanted, "for notices".into()).await;
        self.was("request", asker, foretold, &found);
        if let (Ok(made), Some(home)) = (found, home) {
            self.requests.push(made.id);
            self.expected.requests.push(Request { asker, holder, departments, home, agreed: false, open: true });
        }
    }

    /// Of a person's own departments, and those she sends for, the one over all that is wanted, else the first.
    fn home(&self, asker: usize, holder: Holder, departments: &[usize]) -> Option<usize> {
        let expected = &self.expected;
        let offices = expected.roles.iter().filter(|(person, role, _)| {
            *person == asker && matches!(role, reference::Role::Head | reference::Role::Sender)
        });
        let mut own = vec![expected.people[asker]];
        own.extend(offices.filter_map(|(_, _, department)| *department));
        match holder {
            Holder::Application(place) => {
                let owner = expected.applications[place];
                let member = expected.under(expected.people[asker], owner);
                (member || own[1..].iter().any(|top| expected.under(owner, *top))).then_some(owner)
            }
            Holder::Person(_) => {
                let over = |top: &&usize| departments.iter().all(|one| expected.under(*one, **top));
                own.iter().find(over).or(own.first()).copied()
            }
        }
    }

    async fn decide(&mut self, who: usize) {
        let open: Vec<usize> = (0..self.requests.len()).filter(|place| self.expected.requests[*place].open).collect();
        if open.is_empty() {
            return;
        }
        let place = open[self.random.random_range(0..open.len())];
        let decision = match self.random.random_range(0..8) {
            0..2 => RequestDecision::Agree,
            2..6 => RequestDecision::Grant,
            6 => RequestDecision::Refuse,
            _ => RequestDecision::SendBack,
        };
        let (expected, request) = (&self.expected, self.expected.requests[place].clone());
        let whole = expected.office(who).is_none();
        let beyond = (0..PEOPLE).any(|person| {
            let department = expected.people[person];
            request.departments.iter().any(|top| expected.under(department, *top)) && !expected.covers(who, department)
        });
        let foretold = who != request.asker
            && expected.in_office(who)
            && expected.covers(who, request.home)
            && (whole || !request.agreed)
            && (decision != RequestDecision::Grant || !beyond);
        let answer = RequestAnswer { decision, narrowed: None, comment: "why".into() };
        let found = self.admin.decide_request(&self.caller(who), self.requests[place], answer).await;
        self.was("decide", who, foretold, &found);
        let Ok(decided) = found else { return };
        let noted = &mut self.expected.requests[place];
        noted.agreed |= decision == RequestDecision::Agree;
        noted.open = decision == RequestDecision::Agree;
        if let Some(id) = decided.grant_id {
            let Request { holder, departments, home, .. } = request;
            let while_in = matches!(holder, Holder::Person(_)).then_some(home);
            let ceiling = self.expected.office(who);
            self.hold(who, id, Grant { holder, departments, emergency: false, ceiling, while_in, revoked: false });
        }
    }

    /// Whom a holder really reaches is whom the reference says, and beneath the givers' offices.
    fn probe(&mut self) {
        let (holder, person) = (self.holder(), self.random.random_range(0..PEOPLE));
        let expected = &self.expected;
        let by: Vec<_> =
            expected.grants.iter().filter(|one| one.holder == holder && expected.reaches(one, person)).collect();
        let people = Set::from_iter([ordinal(person)]);
        let stranger = self.policy.stranger(self.principal(holder), people, &self.memory.index.snapshot(), NOW);
        assert_eq!(stranger.is_none(), !by.is_empty(), "{holder:?} to {person}: {by:?}; {:?}", self.counts);
        let department = expected.people[person];
        let beneath = |tops: &BTreeSet<usize>| tops.iter().any(|top| expected.under(department, *top));
        assert!(by.iter().all(|one| one.ceiling.as_ref().is_none_or(beneath)));
    }

    fn holder(&mut self) -> Holder {
        let applications = self.applications.len();
        if applications == 0 || self.random.random_bool(0.5) {
            return Holder::Person(self.random.random_range(0..PEOPLE));
        }
        Holder::Application(self.random.random_range(applications.saturating_sub(20)..applications))
    }

    fn some_departments(&mut self) -> Vec<usize> {
        (0..self.random.random_range(1..3)).map(|_| self.random.random_range(0..DEPARTMENTS)).collect()
    }

    fn principal(&self, holder: Holder) -> Principal {
        match holder {
            Holder::Person(person) => Principal::Person(ordinal(person)),
            Holder::Application(place) => Principal::Application(self.applications[place]),
        }
    }

    fn wanted(&self, holder: Holder, departments: &[usize], emergency: bool) -> GrantDraft {
        use campanile::domain::class::Class;
        GrantDraft {
            principal: self.principal(holder),
            department_ids: departments.iter().map(|one| format!("d{one}")).collect(),
            audience: None,
            tags: Vec::new(),
            edit_tags: Vec::new(),
            channels: vec![Channel::App],
            classes: if emergency { vec![Class::Emergency] } else { vec![Class::Notice] },
            per_day: None,
            per_message: None,
            may_act_for: false,
            valid_after: None,
            expire_at: None,
        }
    }

    fn caller(&self, who: usize) -> Caller {
        let principal = Principal::Person(if who == ROOT { 0 } else { ordinal(who) });
        let key = Key { scopes: KeyScopes::all(), ..Key::new(KeyId(2), principal, Mode::Live, [0; 32], NOW) };
        Caller::new(Arc::new(key)).with_roles(self.memory.roles.of(principal))
    }
}

/// The service over a fresh store whose files are kept in memory where that can be.
async fn service() -> (Admin, Registrar, Memory) {
    let shared = std::path::Path::new("/dev/shm");
    let directory = if shared.is_dir() { tempfile::tempdir_in(shared) } else { tempfile::tempdir() }.unwrap();
    let store = Sqlite::open(directory.path()).unwrap().store();
    let rows = (0..DEPARTMENTS).map(|n| department(&format!("d{n}"), None)).collect();
    store.directory.upsert_departments(rows, NOW).await.unwrap();
    for n in 0..DEPARTMENTS {
        let parent = above(n).map(|parent| format!("d{parent}"));
        let row = DepartmentDraft { parent, ..department(&format!("d{n}"), None) };
        store.directory.upsert_departments(vec![row], NOW).await.unwrap();
    }
    let rows = (0..PEOPLE).map(|n| person(&format!("p{n}"), &format!("d{}", n % DEPARTMENTS))).collect();
    assert_eq!(store.directory.upsert_users(rows, NOW).await.unwrap().created, PEOPLE as u64);
    let (memory, clock) = (Memory::load(&store).await.unwrap(), Arc::new(ManualClock::at(NOW)));
    bootstrap(&store, &memory.keyring, &memory.seal, &*clock).await.unwrap();
    let heed = Heed { cancelled: Arc::new(|_| {}), moved: Arc::new(|_| {}) };
    let tasks = Tasks::new();
    let follower = Follower::start(store.clone(), memory.clone(), Arc::new(Notify::new()), heed, &tasks);
    let (audit, ids) = (audit(&store, clock.clone()), Arc::new(IdSource::new(clock.clone(), 1)));
    let admin = Admin::new(AdminParts {
        store: store.clone(),
        audit: audit.clone(),
        index: memory.index.clone(),
        keyring: memory.keyring.clone(),
        grants: memory.grants.clone(),
        roles: memory.roles.clone(),
        policy: Arc::new(Policy::new(memory.grants.clone())),
        applications: memory.applications.clone(),
        topics: memory.topics.clone(),
        seal: memory.seal.clone(),
        ids: ids.clone(),
        clock: clock.clone(),
    });
    let policy = Arc::new(Policy::new(memory.grants.clone()));
    let parts = RegistrarParts { store, memory: memory.clone(), audit, follower, policy, clock, ids, tasks };
    let registrar = Registrar::new(parts);
    // The files are open as long as the store is; their names are not needed any more.
    drop(directory);
    (admin, registrar, memory)
}

/// A tree of three levels to begin with.
fn above(department: usize) -> Option<usize> {
    (department > 0).then(|| (department - 1) / 3)
}

fn ordinal(person: usize) -> u32 {
    nth(u32::try_from(person).unwrap() + 1)
}

fn draft(person: usize, role: reference::Role, department: Option<usize>) -> RoleDraft {
    RoleDraft {
        user_id: format!("p{person}"),
        role: match role {
            reference::Role::Platform => Role::PlatformAdministrator,
            reference::Role::Head => Role::DepartmentAdministrator,
            reference::Role::Reviewer => Role::Reviewer,
            reference::Role::Sender => Role::Sender,
            reference::Role::Auditor => Role::Auditor,
        },
        department_id: department.map(|one| format!("d{one}")),
        expire_at: None,
    }
}
