//! The same binary on the embedded store and on PostgreSQL with one, two and three nodes, in one run: what the
//! shared truth costs, how much of it is the store's, and whether nodes stand in one another's way.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use campanile::api::v1;
use campanile::standin::private::{Postgres, Redis};

use crate::campus::Application;
use crate::load::{one_to_one, unary};
use crate::service::{Place, Service};
use crate::watch::{Database, Store, Watched};
use crate::{Effort, campus, median, notice};

/// People whom the notices go to, by mail.
const USERS: u32 = 50_000;
/// Calls in flight over all nodes together.
const IN_FLIGHT: usize = 64;
/// Notices whose median counts, after one that opens the connections.
const NOTICES: usize = 3;

/// What one way to run it did.
struct Figures {
    publishes: f64,
    publishing: Watched,
    deliveries: f64,
    delivering: Watched,
}

/// One row for each way to run it.
pub async fn run(effort: Effort) {
    println!(
        "cluster: publishes into an inbox, {IN_FLIGHT} in flight over all nodes; notices to {USERS} people by mail"
    );
    let folder = std::env::temp_dir();
    let (postgres, redis) = match (Postgres::start(&folder), Redis::start(&folder)) {
        (Ok(postgres), Ok(redis)) => (postgres, redis),
        (Err(fault), _) | (_, Err(fault)) => return println!("  left out: {fault}\n"),
    };
    println!(
        "  {:<20} | {:>11} {:>5} {:>8} {:>10} | {:>12} {:>5} {:>8} {:>10}",
        "store, nodes",
        "publishes/s",
        "ratio",
        "in store",
        "lock waits",
        "deliveries/s",
        "ratio",
        "in store",
        "lock waits"
    );
    let service = Service::start().await;
    let keys = campus::load(&service, USERS).await;
    let embedded = measure(&service, &keys, &Store::Embedded, effort).await;
    show("embedded, 1", &embedded, &embedded, &embedded);
    drop(service);
    let (mut alone, mut deadlocks) = (None, 0);
    for nodes in 1..=3 {
        let database = Database::fresh(&postgres, &format!("nodes_{nodes}")).await;
        let place = Place::Shared { nodes, store: database.url(), coordination: redis.url() };
        let (service, store) = (Service::start_at(&place).await, Store::Shared(database));
        let keys = campus::load(&service, USERS).await;
        let figures = measure(&service, &keys, &store, effort).await;
        show(&format!("PostgreSQL, {nodes}"), &figures, &embedded, alone.as_ref().unwrap_or(&figures));
        alone.get_or_insert(figures);
        if let Store::Shared(database) = &store {
            deadlocks = database.deadlocks().await;
            if nodes == 1 {
                show_rows(&service, database, &keys).await;
            }
        }
    }
    println!("  ratio: publishes to the embedded store's (one node: aim >= 0.40), deliveries to those of one node on");
    println!(
        "  PostgreSQL (three nodes on the same cores: aim >= 0.90). In store: its part of the processor time of store"
    );
    println!("  and nodes. Lock waits: sessions that waited for another's lock, on average.");
    println!("  {deadlocks} deadlocks\n");
}

fn show(name: &str, figures: &Figures, embedded: &Figures, alone: &Figures) {
    let Figures { publishes, publishing, deliveries, delivering } = figures;
    println!(
        "  {name:<20} | {publishes:>11.0} {:>5.2} {:>7.0}% {:>10.2} | {deliveries:>12.0} {:>5.2} {:>7.0}% {:>10.2}",
        publishes / embedded.publishes,
        publishing.in_store * 100.0,
        publishing.waiting,
        deliveries / alone.deliveries,
        delivering.in_store * 100.0,
        delivering.waiting,
    );
}

async fn measure(service: &Service, keys: &Application, store: &Store, effort: Effort) -> Figures {
    let nodes: Vec<_> = service.nodes.iter().map(|node| &node.process).collect();
    let span = store.watch(&nodes);
    let publishes = publishes(service, &keys.live, effort.span).await;
    let publishing = span.end().await;
    notice::publish(service, &keys.live, &[v1::Channel::Email]).await;
    let span = store.watch(&nodes);
    let mut rates = Vec::new();
    for _ in 0..NOTICES {
        let took = notice::publish(service, &keys.live, &[v1::Channel::Email]).await;
        rates.push(f64::from(USERS) / took.as_secs_f64());
    }
    Figures { publishes, publishing, deliveries: median(rates), delivering: span.end().await }
}

/// Publishes a second over all nodes, each with its part of the calls in flight.
async fn publishes(service: &Service, token: &str, span: Duration) -> f64 {
    let next = Arc::new(AtomicU32::new(0));
    let make = move || {
        let number = next.fetch_add(1, Ordering::Relaxed) % USERS;
        one_to_one(v1::Channel::App, &campus::user_id(number))
    };
    let each = IN_FLIGHT / service.nodes.len();
    let calls = service.nodes.iter().map(|node| unary(node.grpc, token, each, span, make.clone()));
    futures::future::join_all(calls).await.into_iter().sum()
}

/// Rows that a notice over three channels writes, as the database counts them.
async fn show_rows(service: &Service, database: &Database, keys: &Application) {
    let before = database.rows_written().await;
    notice::publish(service, &keys.live, &[v1::Channel::Email, v1::Channel::Wechat, v1::Channel::App]).await;
    let after = database.rows_written().await;
    let written = |table: &String, n: &i64| n - before.get(table).unwrap_or(&0);
    let tables = after.iter().map(|(table, n)| (table, written(table, n))).filter(|(_, rows)| *rows > 0);
    let tables: Vec<(&String, i64)> = tables.collect();
    let rows: i64 = tables.iter().map(|(_, rows)| rows).sum();
    let each = f64::from(USERS * 3) / rows.max(1) as f64;
    let tables: Vec<String> = tables.iter().map(|(table, rows)| format!("{table} {rows}")).collect();
    println!("  {:<20} | a notice over three channels wrote one row per {each:.0} deliveries, aim >= 250:", "");
    println!("  {:<20} | {}", "", tables.join(", "));
}
