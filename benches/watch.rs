//! Who spends the processor's time while something is measured, and who waits for whose lock.

use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use campanile::standin::private::Postgres;
use tokio::task::JoinHandle;
use tokio_postgres::{Client, NoTls};

use crate::service::Process;

/// How often sessions are asked whether they wait.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// A session of PostgreSQL tells its counts at the latest after it was idle for ten seconds.
const COUNTED_AFTER: Duration = Duration::from_secs(12);
/// The threads of a node that are the embedded store's.
const STORE_THREADS: &str = "store-";

/// Where the store's work is done.
pub enum Store {
    /// In threads of the node.
    Embedded,
    /// In processes of a server.
    Shared(Database),
}

/// A fresh database of a private server.
pub struct Database {
    client: Arc<Client>,
    url: String,
    /// The server's first process.
    server: u32,
}

/// What happened in a while.
pub struct Watched {
    /// The store's part of the processor time that store and nodes used, 0 to 1.
    pub in_store: f64,
    /// Sessions that waited for another's lock, on average.
    pub waiting: f64,
}

/// A while that is being watched.
pub struct Span<'a> {
    store: &'a Store,
    nodes: &'a [&'a Process],
    before: (f64, f64),
    looks: Option<(Arc<AtomicBool>, JoinHandle<f64>)>,
}

impl Database {
    /// Makes it.
    pub async fn fresh(server: &Postgres, name: &str) -> Database {
        let (client, connection) = tokio_postgres::connect(&server.url("postgres"), NoTls).await.expect("PostgreSQL");
        tokio::spawn(connection);
        client.batch_execute(&format!("create database {name}")).await.expect("a database");
        let (client, connection) = tokio_postgres::connect(&server.url(name), NoTls).await.expect("the database");
        tokio::spawn(connection);
        let backend: i32 = client.query_one("select pg_backend_pid()", &[]).await.expect("a number").get(0);
        let server_process = stat(&format!("/proc/{backend}/stat")).map_or(0, |stat| stat.parent);
        Database { client: Arc::new(client), url: server.url(name), server: server_process }
    }

    /// Where it is, with its password.
    pub fn url(&self) -> String {
        self.url.clone()
    }

    /// Rows inserted, changed or deleted so far by table, as the server counts them.
    pub async fn rows_written(&self) -> BTreeMap<String, i64> {
        const SQL: &str = "select relname::text, n_tup_ins + n_tup_upd + n_tup_del from pg_stat_user_tables";
        tokio::time::sleep(COUNTED_AFTER).await;
        let rows = self.client.query(SQL, &[]).await.expect("counts");
        rows.iter().map(|row| (row.get(0), row.get(1))).collect()
    }

    /// Deadlocks that the server had to break, in all its databases.
    pub async fn deadlocks(&self) -> i64 {
        let sql = "select sum(deadlocks)::bigint from pg_stat_database";
        self.client.query_one(sql, &[]).await.expect("counts").get(0)
    }
}

impl Store {
    /// Begins a while.
    pub fn watch<'a>(&'a self, nodes: &'a [&'a Process]) -> Span<'a> {
        let looks = match self {
            Store::Embedded => None,
            Store::Shared(database) => {
                let ended = Arc::new(AtomicBool::new(false));
                Some((ended.clone(), tokio::spawn(look(database.client.clone(), ended))))
            }
        };
        Span { store: self, nodes, before: self.used(nodes), looks }
    }

    /// Processor time so far: the store's and the nodes' without it.
    fn used(&self, nodes: &[&Process]) -> (f64, f64) {
        let whole: f64 = nodes.iter().map(|node| ticks(&format!("/proc/{}/stat", node.id()))).sum();
        match self {
            Store::Embedded => {
                let store = nodes.iter().map(|node| threads(node.id())).sum();
                (store, whole - store)
            }
            Store::Shared(database) => (family(database.server), whole),
        }
    }
}

impl Span<'_> {
    /// Ends it.
    pub async fn end(self) -> Watched {
        let after = self.store.used(self.nodes);
        let (store, rest) = (after.0 - self.before.0, after.1 - self.before.1);
        let waiting = match self.looks {
            None => 0.0,
            Some((ended, looks)) => {
                ended.store(true, Ordering::Relaxed);
                looks.await.expect("the looks end")
            }
        };
        Watched { in_store: store / (store + rest).max(1.0), waiting }
    }
}

/// How many sessions wait for a lock, on average over all looks.
async fn look(client: Arc<Client>, ended: Arc<AtomicBool>) -> f64 {
    const SQL: &str = "select count(*) from pg_stat_activity where wait_event_type = 'Lock'";
    let (mut looks, mut found) = (0u32, 0i64);
    while !ended.load(Ordering::Relaxed) {
        found += client.query_one(SQL, &[]).await.expect("sessions").get::<_, i64>(0);
        looks += 1;
        tokio::time::sleep(LOOK_EVERY).await;
    }
    found as f64 / f64::from(looks.max(1))
}

/// Of one process or thread: its parent, and its own time and that of its children that ended, in clock ticks.
struct Stat {
    parent: u32,
    own: f64,
    ended: f64,
}

/// Reads a `stat` file of `/proc`, as proc(5) describes it.
fn stat(path: &str) -> Option<Stat> {
    let text = fs::read_to_string(path).ok()?;
    // The name may hold spaces and brackets; what follows the last bracket does not.
    let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
    let number = |field: usize| fields.get(field)?.parse::<f64>().ok();
    Some(Stat {
        parent: fields.get(1)?.parse().ok()?,
        own: number(11)? + number(12)?,
        ended: number(13)? + number(14)?,
    })
}

fn ticks(path: &str) -> f64 {
    stat(path).map_or(0.0, |stat| stat.own)
}

/// Time of the embedded store's threads.
fn threads(process: u32) -> f64 {
    let tasks = fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten().flatten();
    let of_store = |task: &fs::DirEntry| {
        fs::read_to_string(task.path().join("comm")).is_ok_and(|name| name.starts_with(STORE_THREADS))
    };
    tasks.filter(of_store).map(|task| ticks(&task.path().join("stat").to_string_lossy())).sum()
}

/// Time of a process and its children, with those that have ended.
fn family(parent: u32) -> f64 {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let stats = processes.filter_map(|process| stat(&process.path().join("stat").to_string_lossy()));
    let children: f64 = stats.filter(|stat| stat.parent == parent).map(|stat| stat.own).sum();
    let own = stat(&format!("/proc/{parent}/stat"));
    children + own.map_or(0.0, |stat| stat.own + stat.ended)
}
