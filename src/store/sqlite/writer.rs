//! The writer thread: takes what callers queued, runs it in one transaction, commits, then answers.
//!
//! While a commit waits for the disk the next group gathers by itself, so an idle store answers after one
//! flush and a busy one shares each flush among many. Every piece of work has a savepoint of its own: one
//! refusal takes nothing else down.

use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use super::log::{Gate, Log};
use super::{fault, open};
use crate::store::{Error, Result};

/// Pieces of work that may wait.
const QUEUE: usize = 4_096;
/// Pieces of work that share a commit.
const GROUP: usize = 256;
/// How often the log is moved into the file.
const CHECKPOINT_EVERY: Duration = Duration::from_millis(500);

type AfterCommit = Box<dyn FnOnce(Result<()>) + Send>;
type Work = Box<dyn FnOnce(&Connection) -> AfterCommit + Send>;

/// Hands work to the writer thread; cheap to clone. The thread ends with the last handle.
#[derive(Clone)]
pub(super) struct Writer {
    queue: mpsc::Sender<Work>,
}

impl Writer {
    /// Starts the thread.
    pub(super) fn start(connection: Connection, file: &Path) -> Result<Writer> {
        let (queue, work) = mpsc::channel(QUEUE);
        let broken = |error: std::io::Error| Error::Unavailable(format!("writer thread: {error}"));
        let checkpointer = open::checkpointing(file)?;
        let gate = Gate::default();
        let log = Log::new(gate.clone());
        let alive = Arc::new(());
        let watched = Arc::downgrade(&alive);
        thread::Builder::new()
            .name("store-writer".into())
            .spawn(move || {
                run(&connection, log, work);
                drop(alive);
            })
            .map_err(broken)?;
        thread::Builder::new()
            .name("store-checkpoint".into())
            .spawn(move || {
                while watched.strong_count() > 0 {
                    thread::sleep(CHECKPOINT_EVERY);
                    if gate.move_pages(&checkpointer).is_err() {
                        return;
                    }
                }
            })
            .map_err(broken)?;
        Ok(Writer { queue })
    }

    /// Runs `work` in the next transaction and answers after its commit. If `work` fails, what it wrote is
    /// undone and nothing else is.
    pub(super) async fn write<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T> + Send + 'static,
    {
        let (answer, answered) = oneshot::channel();
        let job: Work = Box::new(move |connection| {
            let result = in_savepoint(connection, work);
            Box::new(move |committed| {
                // Nobody waits any more if the caller was cancelled; the commit stands.
                let _ = answer.send(committed.and(result));
            })
        });
        let gone = || Error::Unavailable("the writer has stopped; see the log".into());
        self.queue.send(job).await.map_err(|_| gone())?;
        answered.await.map_err(|_| gone())?
    }
}

fn in_savepoint<T>(connection: &Connection, work: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
    execute(connection, "savepoint work")?;
    let result = work(connection);
    if result.is_err() {
        execute(connection, "rollback to work")?;
    }
    execute(connection, "release work")?;
    result
}

fn execute(connection: &Connection, sql: &str) -> Result<()> {
    connection.prepare_cached(sql).and_then(|mut statement| statement.execute([])).map(|_| ()).map_err(fault)
}

fn run(connection: &Connection, mut log: Log, mut queue: mpsc::Receiver<Work>) {
    let mut answers: Vec<AfterCommit> = Vec::with_capacity(GROUP);
    while let Some(first) = queue.blocking_recv() {
        let began = execute(connection, "begin immediate");
        if began.is_ok() {
            answers.push(first(connection));
            while answers.len() < GROUP {
                match queue.try_recv() {
                    Ok(work) => answers.push(work(connection)),
                    Err(_) => break,
                }
            }
        }
        let committed = began.and_then(|()| execute(connection, "commit"));
        if committed.is_err() && !connection.is_autocommit() {
            let _ = execute(connection, "rollback");
        }
        let failed_flush = matches!(&committed, Err(Error::Unavailable(_)));
        for answer in answers.drain(..) {
            answer(committed.clone());
        }
        if failed_flush {
            // After a failed flush nobody knows which pages the disk holds, and trying again would lie. The
            // queue closes, every caller hears that the store is gone, and a restart reads the log.
            tracing::error!(error = ?committed.err(), "a commit failed; the store stops until a restart");
            return;
        }
        if log.keep_short(connection).is_err() {
            return;
        }
    }
}
