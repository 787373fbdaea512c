//! One private PostgreSQL server for the whole run, and a fresh database for each test that asks.
//!
//! The server ends with this process, however that ends. Databases are copies of one that is migrated once.

use std::path::Path;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use campanile::standin::private::{Error, Postgres};
use campanile::store::postgres::{self, Options};
use parking_lot::Mutex;
use tokio_postgres::NoTls;

/// The database that all others are copies of.
const TEMPLATE: &str = "template_campanile";
/// Set by tests/run: a server that is missing is a failure then.
const REQUIRED: &str = "CAMPANILE_TEST_SERVERS";

/// The server of this process.
struct Server {
    private: Postgres,
    databases: AtomicU32,
    /// What nobody uses any more; the next test that comes drops it.
    unused: Mutex<Vec<String>>,
}

/// A fresh database, with the schema and nothing else. It goes some time after this.
pub struct Database {
    name: String,
    server: &'static Server,
}

impl Database {
    /// A fresh database; `None`, and a word about it, if there is no server to be had.
    pub async fn fresh() -> Option<Database> {
        let server = server()?;
        let unused = std::mem::take(&mut *server.unused.lock());
        let name = format!("test_{}", server.databases.fetch_add(1, Ordering::Relaxed));
        for name in unused {
            administer(&server.private, &format!("drop database if exists {name} with (force)")).await;
        }
        administer(&server.private, &format!("create database {name} template {TEMPLATE}")).await;
        Some(Database { name, server })
    }

    /// Where it is.
    pub fn url(&self) -> String {
        self.server.private.url(&self.name)
    }

    /// The same with other settings, as `ALTER DATABASE … SET` takes them.
    pub async fn set(&self, setting: &str) {
        administer(&self.server.private, &format!("alter database {} set {setting}", self.name)).await;
    }

    /// The store on it.
    pub async fn open(&self) -> postgres::Postgres {
        postgres::Postgres::open(&self.url(), &Options::default()).await.unwrap()
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        self.server.unused.lock().push(std::mem::take(&mut self.name));
    }
}

fn server() -> Option<&'static Server> {
    static SERVER: OnceLock<Option<Server>> = OnceLock::new();
    SERVER.get_or_init(|| thread::spawn(start).join().unwrap()).as_ref()
}

/// A server in a folder, for a test that treats it badly; `None`, and a word about it, if there is none to be had.
pub fn private(folder: &Path) -> Option<Postgres> {
    match Postgres::start(folder) {
        Ok(private) => Some(private),
        Err(error @ Error::Missing { .. }) if std::env::var_os(REQUIRED).is_none() => {
            eprintln!("\n*** SKIPPED: every test on PostgreSQL: {error}\n");
            None
        }
        Err(error) => panic!("{error}"),
    }
}

/// Runs in a thread of its own: whoever asks first may be in the middle of an async runtime.
fn start() -> Option<Server> {
    let private = private(&std::env::temp_dir())?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        administer(&private, &format!("create database {TEMPLATE}")).await;
        let store = postgres::Postgres::open(&private.url(TEMPLATE), &Options::default()).await.unwrap();
        store.close();
    });
    Some(Server { private, databases: AtomicU32::new(0), unused: Mutex::default() })
}

/// Runs one statement as the server's own user.
async fn administer(server: &Postgres, sql: &str) {
    let (client, connection) = tokio_postgres::connect(&server.url("postgres"), NoTls).await.unwrap();
    let connection = tokio::spawn(connection);
    client.batch_execute(sql).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
    drop(client);
    connection.await.unwrap().unwrap();
}
