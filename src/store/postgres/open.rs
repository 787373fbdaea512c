//! Opening the store: connect, read back, bring the schema up to date.

use std::sync::Arc;
use std::time::Duration;

use deadpool_postgres::{Object, Pool};

use super::{Durability, Postgres, pool};
use crate::runtime::clock::SystemClock;
use crate::store::{Error, Result, Store};

mod embedded {
    #![allow(missing_docs)]
    refinery::embed_migrations!("store/postgres/migrations");
}

/// How long a new schema may take, with the wait for another node that makes it.
const MIGRATE: Duration = Duration::from_secs(600);
/// The lock that a node holds while it changes the schema: "camp" in ASCII.
const MIGRATION_LOCK: i64 = 0x6361_6d70;

/// How to use a database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// The most connections of this node, 1 or more.
    pub connections: usize,
    /// Run although the server may lose what it confirmed.
    pub allow_weak_durability: bool,
}

impl Default for Options {
    fn default() -> Options {
        Options { connections: 16, allow_weak_durability: false }
    }
}

impl Postgres {
    /// Connects to `postgres://user:password@host/database` and brings the schema up to date. Several hosts may
    /// stand there, with commas, for a primary that moves.
    ///
    /// Connections are encrypted and the server's certificate verified, by the authorities that the system
    /// trusts or those in `sslrootcert=FILE`; `sslmode=disable` is for this machine alone.
    ///
    /// Errors: the server cannot be reached, refuses the user, is older than 15, only reads, or confirms a
    /// commit before it is safe. The texts hold neither address nor password.
    pub async fn open(url: &str, options: &Options) -> Result<Postgres> {
        let (pool, durability) = connect(url, options).await?;
        migrate(&pool).await?;
        Ok(Postgres { pool, clock: SystemClock::shared(), durability: Arc::new(durability) })
    }

    /// Whether [`Postgres::open`] could use the database; changes nothing in it.
    ///
    /// Errors: those of opening.
    pub async fn look(url: &str, options: &Options) -> Result<Durability> {
        connect(url, options).await.map(|(_, durability)| durability)
    }

    /// Its aggregates.
    #[must_use]
    pub fn store(&self) -> Store {
        let shared = Arc::new(self.clone());
        Store {
            directory: shared.clone(),
            departments: shared.clone(),
            access: shared.clone(),
            audit: shared.clone(),
            erasures: shared.clone(),
            credentials: shared.clone(),
            messages: shared.clone(),
            deliveries: shared.clone(),
            inbox: shared.clone(),
            history: shared.clone(),
            key_uses: shared.clone(),
            relations: shared.clone(),
            inspection: shared.clone(),
            nodes: shared.clone(),
            reports: shared.clone(),
            reviews: shared.clone(),
            requests: shared.clone(),
            roles: shared.clone(),
            topics: shared.clone(),
            sources: shared,
        }
    }

    /// The settings that durability depends on, as the server said at the start.
    #[must_use]
    pub fn durability(&self) -> &Durability {
        &self.durability
    }

    /// Ends the connections that nobody uses; those in use end with their use.
    pub fn close(&self) {
        self.pool.close();
    }
}

/// A pool to a server that keeps what it confirms.
async fn connect(url: &str, options: &Options) -> Result<(Pool, Durability)> {
    let pool = pool::new(url, options)?;
    let connection = pool::connection(&pool).await?;
    let durability = Durability::read(&connection).await?;
    drop(connection);
    durability.suffices(options)?;
    Ok((pool, durability))
}

/// Brings the schema up to date, one node at a time. The connection ends with it, and with it the lock.
async fn migrate(pool: &Pool) -> Result<()> {
    let mut connection = Object::take(pool::connection(pool).await?);
    let changed = async {
        let wait = format!("set statement_timeout = 0; select pg_advisory_lock({MIGRATION_LOCK})");
        connection.batch_execute(&wait).await.map_err(super::fault)?;
        let ran = embedded::migrations::runner().run_async(&mut *connection).await;
        ran.map(|_| ()).map_err(|error| Error::Unavailable(format!("migration: {}", reason(&error))))
    };
    let late = |_| Error::Unavailable("the schema was not up to date in time".into());
    tokio::time::timeout(MIGRATE, changed).await.map_err(late)?
}

/// Why a migration failed: of the server's words only the code, the rest are refinery's own.
fn reason(error: &refinery::Error) -> String {
    use std::error::Error as _;
    let refused = error.source().and_then(|source| source.downcast_ref::<tokio_postgres::Error>());
    match refused.and_then(tokio_postgres::Error::code) {
        Some(code) => format!("PostgreSQL says {}", code.code()),
        None => error.to_string(),
    }
}
