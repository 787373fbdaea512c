//! One connection in use: a transaction, a snapshot, or single statements, always with a deadline.

use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use deadpool_postgres::Object;
use futures::future::BoxFuture;
use futures::{FutureExt, TryStreamExt};
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Row, Statement};

use super::{Postgres, fault};
use crate::runtime::clock::SharedClock;
use crate::store::{Error, Result};

/// How long a session may take in all, with the wait for its connection.
const SESSION: Duration = Duration::from_secs(20);
/// How long a session may take that reads or writes a whole table.
const WHOLE: Duration = Duration::from_secs(180);

/// The start of a transaction that writes.
const BEGIN: &str = "begin isolation level read committed";

/// A value of a statement.
pub(super) type Value<'a> = &'a (dyn ToSql + Sync);
/// The values of a statement.
pub(super) type Values<'a> = [Value<'a>];

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
        self.begun(BEGIN, SESSION).await
    }

    /// A transaction, READ COMMITTED, whose [`Session::begin`] goes out in one flight with its first statements.
    pub(super) async fn unbegun(&self) -> Result<Session> {
        let mut session = self.begun("", SESSION).await?;
        session.open = true;
        Ok(session)
    }

    /// A transaction that only reads and sees one moment.
    pub(super) async fn snapshot(&self) -> Result<Session> {
        self.begun("begin isolation level repeatable read read only", SESSION).await
    }

    /// A transaction that may write very many rows.
    pub(super) async fn whole_transaction(&self) -> Result<Session> {
        self.whole("begin isolation level read committed").await
    }

    /// A snapshot for a whole table.
    pub(super) async fn whole_snapshot(&self) -> Result<Session> {
        self.whole("begin isolation level repeatable read read only").await
    }

    /// Single statements, each its own transaction.
    pub(super) async fn session(&self) -> Result<Session> {
        self.begun("", SESSION).await
    }

    async fn whole(&self, begin: &str) -> Result<Session> {
        self.begun(&format!("{begin}; set local statement_timeout = {}", WHOLE.as_millis()), WHOLE).await
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
        self.step(async { connection.query(&connection.prepare_cached(sql).await?, values).await }.boxed()).await
    }

    /// Hands the rows of a statement to `take` one by one: a whole table need not fit into memory twice.
    pub(super) async fn each(&self, sql: &str, mut take: impl FnMut(Row) -> Result<()> + Send) -> Result<()> {
        const NO_VALUES: [&str; 0] = [];
        let connection = self.connection()?;
        let rows = async {
            let statement = connection.prepare_cached(sql).await?;
            let mut rows = std::pin::pin!(connection.query_raw(&statement, NO_VALUES).await?);
            while let Some(row) = rows.try_next().await? {
                if let Err(fault) = take(row) {
                    return Ok(Err(fault));
                }
            }
            Ok(Ok(()))
        };
        self.step(rows.boxed()).await?
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
        self.step(async { connection.execute(&connection.prepare_cached(sql).await?, values).await }.boxed()).await
    }

    /// Statements without values, separated by semicolons.
    pub(super) async fn batch(&self, sql: &str) -> Result<()> {
        let connection = self.connection()?;
        self.step(connection.batch_execute(sql)).await
    }

    /// Statements ready to be run in one flight: futures of [`Session::run`], [`Session::begin`] and
    /// [`Session::batch`] that are first polled in their order reach the server in that order, without a wait in
    /// between. That holds for prepared statements only; others would be overtaken while they are prepared.
    pub(super) async fn prepared<const N: usize>(&self, sql: [&str; N]) -> Result<[Statement; N]> {
        let connection = self.connection()?;
        let statements = sql.map(|sql| connection.prepare_cached(sql));
        let statements = self.step(futures::future::try_join_all(statements)).await?;
        statements.try_into().map_err(|_| Error::Damaged("the number of statements".into()))
    }

    /// The rows of a prepared statement. Boxed: a flight holds many of them.
    pub(super) fn run<'a, const N: usize>(
        &'a self,
        statement: &'a Statement,
        values: [Value<'a>; N],
    ) -> BoxFuture<'a, Result<Vec<Row>>> {
        Box::pin(async move { self.step(self.connection()?.query(statement, &values)).await })
    }

    /// The rows of a prepared statement that has something to do; none otherwise.
    pub(super) fn run_if<'a, const N: usize>(
        &'a self,
        wanted: bool,
        statement: &'a Statement,
        values: [Value<'a>; N],
    ) -> BoxFuture<'a, Result<Vec<Row>>> {
        if wanted { self.run(statement, values) } else { Box::pin(std::future::ready(Ok(Vec::new()))) }
    }

    /// Begins the transaction of [`Postgres::unbegun`].
    pub(super) async fn begin(&self) -> Result<()> {
        self.batch(BEGIN).await
    }

    /// The caller has sent `commit` itself, with the last statements, and all of them succeeded.
    pub(super) fn committed(mut self) {
        self.open = false;
    }

    /// Writes many rows at once; `sql` is a `copy … from stdin binary`, and each row has a value per type.
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
        self.step(written.boxed()).await.map(|_| ())
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

    /// Waits for an answer of the server, at most until the deadline. Callers box what is large, or every future
    /// above would hold it.
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
