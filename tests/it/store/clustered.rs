//! What holds only for the store on PostgreSQL: its settings, its schema, and that it outlives its server's
//! restarts.

use std::collections::BTreeMap;

use campanile::domain::time::At;
use campanile::standin::private;
use campanile::store::postgres::{Options, Postgres};
use campanile::store::sqlite::Sqlite;
use campanile::store::{Error, Inbox};
use tokio_postgres::NoTls;

use crate::support::postgres::Database;

#[tokio::test]
async fn durability_is_read_back() {
    let Some(database) = Database::fresh().await else { return };
    let store = database.open().await;
    assert_eq!(store.durability().synchronous_commit, "on");
    assert!(store.durability().server >= 150_000);
    database.set("synchronous_commit = off").await;
    let refused = Postgres::open(&database.url(), &Options::default()).await;
    assert!(matches!(refused, Err(Error::Unavailable(text)) if text.contains("synchronous_commit=off")));
    let weak = Options { allow_weak_durability: true, ..Options::default() };
    assert!(Postgres::open(&database.url(), &weak).await.is_ok());
}

#[tokio::test]
async fn who_is_not_let_in_is_told_why_and_nothing_else() {
    let Some(database) = Database::fresh().await else { return };
    let url = database.url();
    let (user, place) = url.strip_prefix("postgres://").unwrap().split_once('@').unwrap();
    let (_, password) = user.split_once(':').unwrap();
    let refused = async |url: String| match Postgres::open(&url, &Options::default()).await {
        Err(Error::Unavailable(text)) if !text.contains(password) && !text.contains("127.0.0.1") => text,
        other => panic!("{:?}", other.err()),
    };
    assert!(refused(format!("postgres://campanile:wrong@{place}")).await.contains("the password is refused"));
    assert!(refused(url.replace("/test_", "/nowhere_")).await.contains("no such database"));
    let port = place.split([':', '/']).nth(1).unwrap();
    assert!(refused(url.replace(port, "1")).await.contains("connection refused"));
    assert!(refused(url.replace("sslmode=disable", "sslmode=verify-full")).await.contains("connection"));
}

#[tokio::test]
async fn many_nodes_may_make_the_schema_at_once() {
    let Some(database) = Database::fresh().await else { return };
    let client = client(&database).await;
    client.batch_execute("drop schema public cascade; create schema public").await.unwrap();
    let (url, options) = (database.url(), Options::default());
    let opened = futures::future::join_all((0..4).map(|_| Postgres::open(&url, &options))).await;
    assert!(opened.iter().all(Result::is_ok), "{:?}", opened.iter().find_map(|one| one.as_ref().err()));
}

#[tokio::test]
async fn both_dialects_have_the_same_tables_and_columns() {
    const HERE: &str = "select table_name::text, column_name::text from information_schema.columns \
                        where table_schema = 'public' order by ordinal_position";
    const THERE: &str =
        "select m.name, c.name from sqlite_master m, pragma_table_info(m.name) c where m.type = 'table'";
    let Some(database) = Database::fresh().await else { return };
    let mut clustered: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for row in client(&database).await.query(HERE, &[]).await.unwrap() {
        clustered.entry(row.get(0)).or_default().push(row.get(1));
    }
    let directory = tempfile::tempdir().unwrap();
    drop(Sqlite::open(directory.path()).unwrap());
    let file = rusqlite::Connection::open(directory.path().join("campanile.db")).unwrap();
    let mut embedded: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut statement = file.prepare(THERE).unwrap();
    for row in statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap() {
        let (table, column) = row.unwrap();
        embedded.entry(table).or_default().push(column);
    }
    // refinery's own.
    assert!(clustered.remove("refinery_schema_history").is_some());
    assert!(embedded.remove("refinery_schema_history").is_some());
    assert_eq!(clustered, embedded);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_of_the_server_needs_none_of_the_node() {
    if Database::fresh().await.is_none() {
        return;
    }
    let blocking = |work: fn() -> private::Postgres| tokio::task::spawn_blocking(work);
    let mut server = blocking(|| private::Postgres::start(&std::env::temp_dir()).unwrap()).await.unwrap();
    let store = Postgres::open(&server.url("postgres"), &Options::default()).await.unwrap();
    store.set_read_through(5, At(7)).await.unwrap();
    for crash in [false, true] {
        tokio::task::block_in_place(|| if crash { server.crash().unwrap() } else { server.stop().unwrap() });
        assert!(matches!(store.read_through(5).await, Err(Error::Unavailable(_))));
        tokio::task::block_in_place(|| server.resume().unwrap());
        assert_eq!(store.read_through(5).await.unwrap(), At(7));
    }
}

#[tokio::test]
async fn a_write_that_waits_too_long_ends_and_costs_nobody_else() {
    let Some(database) = Database::fresh().await else { return };
    let store = database.open().await;
    store.set_read_through(5, At(7)).await.unwrap();
    let other = client(&database).await;
    other.batch_execute("begin; lock table inbox_mark").await.unwrap();
    database.set("lock_timeout = '50ms'").await;
    let patient = database.open().await;
    assert!(matches!(patient.set_read_through(5, At(8)).await, Err(Error::Unavailable(_))));
    other.batch_execute("rollback").await.unwrap();
    assert_eq!(patient.read_through(5).await.unwrap(), At(7));
    assert_eq!(store.read_through(5).await.unwrap(), At(7));
}

/// A connection beside the store.
async fn client(database: &Database) -> tokio_postgres::Client {
    let (client, connection) = tokio_postgres::connect(&database.url(), NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}
