//! The write-ahead log: moved into the file, and kept short by the one who writes it.
//!
//! A log that is moved while commits go on never ends, for there is always a newer commit behind what was moved; and
//! a commit that makes the log longer waits for the file system to find it blocks, two to five times as long as one
//! that writes over blocks which are there. So beside the thread that moves it now and then the writer itself moves
//! the rest, between two commits and after its answers are out, and the next commit begins the log anew.

use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode};

use super::fault;
use crate::store::{Error, Result};

/// Pages in the log from which on it is to begin anew: 8 MiB.
const PAGES: u32 = 2_048;
/// Pages to write before it is tried again: whoever reads in the log keeps it from beginning anew.
const AGAIN: u32 = 512;

/// Lets one at a time move the log, and nobody once the disk has failed at it.
///
/// After a failed flush nobody knows which pages the file holds. Another try would move only what came after them,
/// succeed, and the next commit would write over their only copy. The log as it is loses nothing: whoever opens the
/// file next moves all of it.
#[derive(Clone, Default)]
pub(super) struct Gate {
    is_broken: Arc<Mutex<bool>>,
}

impl Gate {
    /// Moves what nobody reads in the log.
    ///
    /// # Errors
    /// The disk failed, now or before. That the file is busy or the disk full is none: the log only grows meanwhile.
    pub(super) fn move_pages(&self, connection: &Connection) -> Result<()> {
        self.pass(connection, self.is_broken.lock())
    }

    /// The same, unless somebody is at it.
    fn try_move_pages(&self, connection: &Connection) -> Result<()> {
        self.is_broken.try_lock().map_or(Ok(()), |is_broken| self.pass(connection, is_broken))
    }

    fn pass(&self, connection: &Connection, mut is_broken: MutexGuard<'_, bool>) -> Result<()> {
        if !*is_broken {
            let Err(error) = checkpoint(connection, "pragma wal_checkpoint(passive)") else { return Ok(()) };
            tracing::error!(%error, "the disk failed while the log was moved; the store stops until a restart");
            *is_broken = true;
        }
        // Nor may the last who closes the file.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true).map_err(fault)?;
        Err(Error::Unavailable("the disk has failed; see the log".into()))
    }
}

/// When the log is to begin anew.
pub(super) struct Log {
    gate: Gate,
    /// Pages in it at which the next try is due.
    due: u32,
}

impl Log {
    pub(super) fn new(gate: Gate) -> Log {
        Log { gate, due: PAGES }
    }

    /// Looks at the log after a commit, and moves what is in it if it is long.
    ///
    /// # Errors
    /// Those of [`Gate::move_pages`].
    pub(super) fn keep_short(&mut self, connection: &Connection) -> Result<()> {
        let Some(pages) = checkpoint(connection, "pragma wal_checkpoint(noop)")? else { return Ok(()) };
        if pages < PAGES {
            self.due = PAGES;
        } else if pages >= self.due {
            self.due = pages + AGAIN;
            self.gate.try_move_pages(connection)?;
        }
        Ok(())
    }
}

/// Pages in the log, if it came to that: `noop` moves nothing, `passive` what nobody reads there.
fn checkpoint(connection: &Connection, pragma: &str) -> Result<Option<u32>> {
    let pages = connection.prepare_cached(pragma).and_then(|mut found| found.query_row([], |row| row.get::<_, i64>(1)));
    match pages {
        Ok(pages) => Ok(u32::try_from(pages).ok()),
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::SystemIoFailure) => Err(fault(error)),
        Err(_) => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file whose log holds the given pages at least, and the connection that wrote it.
    fn written(directory: &std::path::Path, pages: u32) -> Connection {
        let file = Connection::open(directory.join("x.db")).unwrap();
        file.pragma_update(None, "journal_mode", "wal").unwrap();
        file.pragma_update(None, "wal_autocheckpoint", 0).unwrap();
        file.execute_batch("create table t (x blob)").unwrap();
        file.execute("insert into t values (zeroblob(?1))", [4_096 * pages]).unwrap();
        file
    }

    fn moved(file: &Connection) -> u32 {
        file.query_row("pragma wal_checkpoint(noop)", [], |row| row.get(2)).unwrap()
    }

    #[test]
    fn a_long_log_is_moved_and_a_short_one_left() {
        for (pages, is_moved) in [(PAGES / 2, false), (PAGES, true)] {
            let directory = tempfile::tempdir().unwrap();
            let file = written(directory.path(), pages);
            Log::new(Gate::default()).keep_short(&file).unwrap();
            assert_eq!(moved(&file) > 0, is_moved);
        }
    }

    #[test]
    fn nobody_moves_the_log_after_the_disk_has_failed() {
        let directory = tempfile::tempdir().unwrap();
        let file = written(directory.path(), PAGES);
        let gate = Gate::default();
        *gate.is_broken.lock() = true;
        assert!(Log::new(gate.clone()).keep_short(&file).is_err() && gate.move_pages(&file).is_err());
        assert_eq!(moved(&file), 0);
        drop(file);
        let log = std::fs::metadata(directory.path().join("x.db-wal")).unwrap().len();
        assert!(log > u64::from(PAGES) * 4_096, "and the last to close it leaves the log as it is");
    }
}
