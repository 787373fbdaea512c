//! One connection in use: a transaction, a snapshot, or single statements, always with a deadline.

use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use deadpool_postgres::Object;
use futures::FutureExt;
use tokio_postgres::Row;
use tokio_postgres::types::{ToSql, Type};

use super::{Postgres, fault};
use crate::runtime::clock::SharedClock;
use crate::store::{Error, Result};

/// How long a session may take in all, with the wait for its connection.
const SESSION: Duration = Duration::from_secs(20);
/// How long a session may take that reads or writes a whole table.
const WHOLE: Duration = Duration::from_secs(180);

/// The values of a statement.
pub(super) type Values<'a> = [&'a (dyn ToSql + Sync)];

/// What the server answers.
type Answer<T> = std::result::Result<T, tokio_postgres::Error>;

/// A connection of the pool while somebody uses it.
///
/// A transaction that is dropped without [`Session::commit`] is rolled back. A step that misses the deadline
/// costs the connection: nobody knows where it stands.
pub(super) struct Session {
    connection: Option<Object>,
    clock: SharedClock,
    /// By the monotonic clock.
    until: Duration,
    open: bool,
    stuck: AtomicBool,
}

impl Postgres {
    /// A transaction, READ COMMITTED.
    pub(super) async fn transaction(&self) -> Result<Session> {
        self.begun("begin isolation level read committed", SESSION).await
    }

    /// A transaction that only reads and sees one moment.
    pub(super) async fn snapshot(&self) -> Result<Session> {
        self.begun("begin isolation level repeatable read read only", SESSION).await
    }

    /// A snapshot for a whole table.
    pub(super) async fn whole_snapshot(&self) -> Result<Session> {
        let session = self.begun("begin isolation level repeatable read read only", WHOLE).await?;
        session.batch(&format!("set local statement_timeout = {}", WHOLE.as_millis())).await?;
        Ok(session)
    }

    /// Single statements, each its own transaction.
    pub(super) async fn session(&self) -> Result<Session> {
        self.begun("", SESSION).await
    }

    async fn begun(&self, begin: &str, limit: Duration) -> Result<Session> {
        let until = self.clock.monotonic() + limit;
        let connection = Some(super::pool::connection(&self.pool).await?);
        let (clock, stuck) = (self.clock.clone(), AtomicBool::new(false));
        let mut session = Session { connection, clock, until, open: false, stuck };
        if !begin.is_empty() {
            // Set first: whoever gives up inside leaves a transaction that must be rolled back.
            session.open = true;
            session.batch(begin).await?;
        }
        Ok(session)
    }
}

impl Session {
    /// The rows of a statement.
    pub(super) async fn rows(&self, sql: &str, values: &Values<'_>) -> Result<Vec<Row>> {
        let connection = self.connection()?;
        self.step(async { connection.query(&connection.prepare_cached(sql).await?, values).await }).await
    }

    /// The one row of a statement that has one.
    pub(super) async fn one(&self, sql: &str, values: &Values<'_>) -> Result<Row> {
        self.maybe(sql, values).await?.ok_or_else(|| Error::Damaged("a row that must be there".into()))
    }

    /// The first row of a statement, if there is one.
    pub(super) async fn maybe(&self, sql: &str, values: &Values<'_>) -> Result<Option<Row>> {
        Ok(self.rows(sql, values).await?.into_iter().next())
    }

    /// How many rows a statement wrote.
    pub(super) async fn execute(&self, sql: &str, values: &Values<'_>) -> Result<u64> {
        let connection = self.connection()?;
        self.step(async { connection.execute(&connection.prepare_cached(sql).await?, values).await }).await
    }

    /// Statements without values, separated by semicolons.
    pub(super) async fn batch(&self, sql: &str) -> Result<()> {
        let connection = self.connection()?;
        self.step(connection.batch_execute(sql)).await
    }

    /// Writes many rows at once; `sql` is a `copy … from stdin binary`, and each row has a value per type.
    #[expect(dead_code, reason = "the bulk write of users lands next")]
    pub(super) async fn copy(&self, sql: &str, types: &[Type], rows: &[Vec<&(dyn ToSql + Sync)>]) -> Result<()> {
        if rows.is_empty() {
            return Ok(());
        }
        let connection = self.connection()?;
        let written = async {
            let sink = connection.copy_in(&connection.prepare_cached(sql).await?).await?;
            let mut writer = std::pin::pin!(tokio_postgres::binary_copy::BinaryCopyInWriter::new(sink, types));
            for row in rows {
                writer.as_mut().write(row).await?;
            }
            writer.finish().await
        };
        self.step(written).await.map(|_| ())
    }

    /// Makes what was written stand.
    pub(super) async fn commit(mut self) -> Result<()> {
        self.batch("commit").await?;
        self.open = false;
        Ok(())
    }

    fn connection(&self) -> Result<&Object> {
        self.connection.as_ref().ok_or_else(|| Error::Unavailable("the connection is gone".into()))
    }

    /// Waits for an answer of the server, at most until the deadline.
    async fn step<T>(&self, answer: impl Future<Output = Answer<T>>) -> Result<T> {
        let left = self.until.saturating_sub(self.clock.monotonic());
        match tokio::time::timeout(left, answer).await {
            Ok(answer) => answer.map_err(fault),
            Err(_) => {
                self.stuck.store(true, Ordering::Relaxed);
                Err(Error::Unavailable("PostgreSQL did not answer in time".into()))
            }
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let Some(connection) = self.connection.take() else { return };
        if self.stuck.load(Ordering::Relaxed) {
            drop(Object::take(connection));
        } else if self.open {
            // The first poll hands the request to the connection; whoever uses it next comes after it.
            let _ = connection.batch_execute("rollback").now_or_never();
        }
    }
}
