//! Nodes of one cluster: the same settings, one database, one mail relay.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use campanile::api::v1;
use parking_lot::Mutex;
use tokio::time::timeout;

use super::super::campus;
use super::super::checker::{Evidence, Finding, is_at_rest};
use super::super::oracle::Oracle;
use super::super::service::{Client, House, LOOK_EVERY, PATIENCE, Service, now_ms};
use crate::support::postgres::Database;

/// How many there are, unless a test says otherwise.
pub const NODES: usize = 3;
/// Does everything.
const BOTH: &str = r#"["api", "deliver"]"#;
/// How long an author waits for an answer before the same is said to another node.
const ANSWER: Duration = Duration::from_secs(5);

/// What is to be started.
pub struct Plan<'a> {
    /// The database; `None`: a fresh one.
    pub url: Option<String>,
    /// What each node does.
    pub roles: Vec<&'static str>,
    /// How long the relay takes for each answer, in milliseconds.
    pub step_ms: u32,
    /// More settings, as a part of their file.
    pub settings: &'a str,
    /// Settings that go before the file.
    pub variables: Vec<(&'static str, String)>,
}

impl Default for Plan<'_> {
    fn default() -> Self {
        Plan { url: None, roles: vec![BOTH; NODES], step_ms: 0, settings: "", variables: Vec::new() }
    }
}

/// Nodes that share a database and a relay, and the memory outside of them.
pub struct Nodes {
    pub house: House,
    pub oracle: Oracle,
    /// Speaks for an application that may write to everybody.
    pub token: String,
    pub doors: Doors,
    services: Vec<Option<Service>>,
    roles: Vec<&'static str>,
    variables: Vec<(&'static str, String)>,
    /// Goes after everything else.
    _database: Option<Database>,
}

impl Nodes {
    /// Three nodes on a fresh database with a relay that takes `step_ms` for each answer, and more settings. `None`,
    /// and a word about it, if there is no PostgreSQL to be had.
    pub async fn open(step_ms: u32, settings: &str) -> Option<Nodes> {
        Nodes::open_as(Plan { step_ms, settings, ..Plan::default() }).await
    }

    /// What is planned; `None` as above.
    pub async fn open_as(plan: Plan<'_>) -> Option<Nodes> {
        let database = if plan.url.is_none() { Some(Database::fresh().await?) } else { None };
        let url = plan.url.or_else(|| database.as_ref().map(Database::url)).expect("there is one of them");
        let settings = format!("[store]\nurl = \"{url}\"\nconnections = 8\n\n{}", plan.settings);
        let house = House::open(plan.step_ms, &[], &settings).await;
        let first = serve(&house, 0, plan.roles[0], &plan.variables).await;
        let mut nodes = Nodes {
            oracle: Oracle::open(&house.folder().join("acks.log")),
            token: campus::load(&house, &first).await,
            house,
            doors: Doors::default(),
            services: plan.roles.iter().map(|_| None).collect(),
            roles: plan.roles,
            variables: plan.variables,
            _database: database,
        };
        nodes.put(0, first);
        let others = (1..nodes.roles.len()).map(|place| nodes.serve(place));
        let others = futures::future::join_all(others).await;
        (1..).zip(others).for_each(|(place, service)| nodes.put(place, service));
        Some(nodes)
    }

    /// Starts the node at a place again.
    pub async fn start(&mut self, place: usize) {
        let service = self.serve(place).await;
        self.put(place, service);
    }

    async fn serve(&self, place: usize) -> Service {
        serve(&self.house, place, self.roles[place], &self.variables).await
    }

    fn put(&mut self, place: usize, service: Service) {
        self.doors.open(place, service.door(&self.token, ANSWER));
        self.services[place] = Some(service);
    }

    /// The node at a place.
    pub fn node(&self, place: usize) -> &Service {
        self.services[place].as_ref().expect("it runs")
    }

    /// Every node that runs.
    pub fn all(&self) -> impl Iterator<Item = &Service> {
        self.services.iter().flatten()
    }

    /// Kills the node at a place and waits until it is gone.
    pub async fn kill(&mut self, place: usize) {
        self.services[place].take().expect("it runs").kill().await;
        self.doors.close(place);
    }

    /// A connection to the node at a place that speaks for the administrator.
    pub async fn admin(&self, place: usize) -> Client {
        self.node(place).client(&self.house.admin_token().await).await
    }

    /// Waits until every message has ended, as the node at a place sees it. Returns how many milliseconds after a
    /// moment that was; `None` if it takes longer than everybody's patience.
    pub async fn rest_after(&self, place: usize, at_ms: i64) -> Option<i64> {
        let client = self.node(place).client(&self.token).await;
        let rest = async {
            while !is_at_rest(&client).await {
                tokio::time::sleep(5 * LOOK_EVERY).await;
            }
            now_ms() - at_ms
        };
        timeout(PATIENCE, rest).await.ok()
    }

    /// Waits for a condition that nobody announces.
    pub async fn until<F: Future<Output = bool>>(&self, what: &str, condition: impl Fn() -> F) {
        let wait = async {
            while !condition().await {
                tokio::time::sleep(5 * LOOK_EVERY).await;
            }
        };
        if timeout(PATIENCE, wait).await.is_err() {
            panic!("it never comes to pass that {what}\n{}", self.house.complaints());
        }
    }

    /// Where the totals of the report differ from what the evidence says.
    pub async fn wrong_totals(&self, place: usize, evidence: &Evidence) -> Option<Finding> {
        let mut expected: BTreeMap<i32, i64> = BTreeMap::new();
        for person in evidence.acks.iter().flat_map(|ack| &ack.people) {
            *expected.entry(campus::outcome(*person).into()).or_default() += 1;
        }
        let day_before = prost_types::Timestamp { seconds: now_ms() / 1_000 - 86_400, nanos: 0 };
        let request = v1::GetReportRequest {
            start_at: Some(day_before),
            group_by: vec![v1::GroupBy::Outcome.into()],
            ..Default::default()
        };
        let rows = self.admin(place).await.report().get_report(request).await.unwrap().into_inner().rows;
        let totals: BTreeMap<i32, i64> = rows.iter().map(|row| (row.outcome, row.deliveries)).collect();
        (totals != expected).then(|| Finding::Unbalanced(format!("the report says {totals:?} instead of {expected:?}")))
    }
}

async fn serve(house: &House, place: usize, roles: &str, variables: &[(&'static str, String)]) -> Service {
    let name = format!("node-{place}");
    let mut all = vec![("CAMPANILE__NODE__NAME", name.as_str()), ("CAMPANILE__NODE__ROLES", roles)];
    all.extend(variables.iter().map(|(variable, value)| (*variable, value.as_str())));
    house.serve_with(&all).await
}

/// The nodes that authors may go to; clones share them.
#[derive(Clone, Default)]
pub struct Doors {
    clients: Arc<Mutex<BTreeMap<usize, Client>>>,
    turn: Arc<AtomicUsize>,
}

impl Doors {
    /// The next one in turn.
    pub fn next(&self) -> Client {
        let clients = self.clients.lock();
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        clients.values().nth(turn % clients.len()).expect("a door is open").clone()
    }

    /// The one at a place.
    pub fn at(&self, place: usize) -> Client {
        self.clients.lock()[&place].clone()
    }

    /// From now on authors go to this node too.
    pub fn open(&self, place: usize, client: Client) {
        self.clients.lock().insert(place, client);
    }

    /// Nobody goes to this node any more.
    pub fn close(&self, place: usize) -> Client {
        self.clients.lock().remove(&place).expect("the door was open")
    }
}
