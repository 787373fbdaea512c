//! Opening the file: lock, settings, read-back, schema.

use std::fs::{self, File, TryLockError};
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use super::fault;
use crate::store::{Error, Result};

mod embedded {
    #![allow(missing_docs)]
    refinery::embed_migrations!("store/sqlite/migrations");
}

/// SQLite before this can damage a WAL file when two connections checkpoint at once (fixed in 3.51.3).
const LIBRARY_MIN: i32 = 3_051_003;
/// Distinct statements that a connection keeps prepared.
const STATEMENTS: usize = 128;

/// The settings that durability depends on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Durability {
    /// `wal`.
    pub journal_mode: String,
    /// 2 is `FULL`.
    pub synchronous: i64,
    /// The library's version.
    pub library: String,
}

/// Takes the lock of a data directory, creating the directory (mode 0700) if there is none.
pub(super) fn lock(directory: &Path) -> Result<File> {
    let refuse = |error: std::io::Error| Error::Unavailable(format!("data directory: {error}"));
    if !directory.exists() {
        fs::create_dir_all(directory).map_err(refuse)?;
        restrict(directory).map_err(refuse)?;
    }
    let file = File::options().create(true).truncate(false).write(true).open(directory.join("lock")).map_err(refuse)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            Err(Error::Unavailable("another campanile serves this data directory; stop it or choose another".into()))
        }
        Err(TryLockError::Error(error)) => Err(refuse(error)),
    }
}

/// The one connection that writes.
pub(super) fn writing(file: &Path) -> Result<Connection> {
    let connection = Connection::open(file).map_err(fault)?;
    prepare(&connection)?;
    connection.pragma_update(None, "journal_mode", "wal").map_err(fault)?;
    connection.pragma_update(None, "synchronous", "full").map_err(fault)?;
    // The log is moved beside the writer or between its commits, never inside one: see log.rs.
    connection.pragma_update(None, "wal_autocheckpoint", 0).map_err(fault)?;
    connection.pragma_update(None, "journal_size_limit", 64 * 1024 * 1024).map_err(fault)?;
    // 8 MiB. A commit that has split a page walks through all pages in memory: with four times as many it took a sixth
    // of the writer's time.
    connection.pragma_update(None, "cache_size", -8_192).map_err(fault)?;
    Ok(connection)
}

/// A connection that only reads.
pub(super) fn reading(file: &Path) -> Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(file, flags).map_err(fault)?;
    prepare(&connection)?;
    connection.pragma_update(None, "cache_size", -8_192).map_err(fault)?;
    Ok(connection)
}

/// The connection that moves the log into the file, beside the writer.
pub(super) fn checkpointing(file: &Path) -> Result<Connection> {
    let connection = Connection::open(file).map_err(fault)?;
    prepare(&connection)?;
    connection.pragma_update(None, "synchronous", "full").map_err(fault)?;
    connection.pragma_update(None, "wal_autocheckpoint", 0).map_err(fault)?;
    Ok(connection)
}

/// Reads back what durability depends on and refuses to run on less.
pub(super) fn read_back(connection: &Connection) -> Result<Durability> {
    if rusqlite::version_number() < LIBRARY_MIN {
        return Err(Error::Unavailable(format!("SQLite {} is older than 3.51.3", rusqlite::version())));
    }
    let found = settings(connection)?;
    if !found.suffices() {
        let Durability { journal_mode, synchronous, .. } = found;
        return Err(Error::Unavailable(format!(
            "the data directory's file system gives journal_mode={journal_mode}, synchronous={synchronous}; \
             acknowledged messages need wal and 2"
        )));
    }
    Ok(found)
}

/// The settings of a connection as they are now.
pub(super) fn settings(connection: &Connection) -> Result<Durability> {
    let journal_mode: String = connection.pragma_query_value(None, "journal_mode", |row| row.get(0)).map_err(fault)?;
    let synchronous: i64 = connection.pragma_query_value(None, "synchronous", |row| row.get(0)).map_err(fault)?;
    Ok(Durability { journal_mode, synchronous, library: rusqlite::version().to_owned() })
}

impl Durability {
    /// Whether they keep what is acknowledged.
    pub(super) fn suffices(&self) -> bool {
        self.journal_mode == "wal" && self.synchronous == 2
    }
}

/// Room left on the disk of a directory, in bytes, for those who are not root; `None` if the system does not say.
#[cfg(unix)]
pub(super) fn disk_free(directory: &Path) -> Option<u64> {
    let disk = rustix::fs::statvfs(directory).ok()?;
    disk.f_bavail.checked_mul(disk.f_frsize)
}

/// Nothing: this system is not asked.
#[cfg(not(unix))]
pub(super) fn disk_free(_directory: &Path) -> Option<u64> {
    None
}

/// Brings the schema up to date.
pub(super) fn migrate(connection: &mut Connection) -> Result<()> {
    embedded::migrations::runner()
        .run(connection)
        .map(|_| ())
        .map_err(|error| Error::Unavailable(format!("migration: {error}")))
}

fn prepare(connection: &Connection) -> Result<()> {
    connection.busy_timeout(Duration::from_secs(5)).map_err(fault)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    connection.pragma_update(None, "temp_store", "memory").map_err(fault)
}

#[cfg(unix)]
fn restrict(directory: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(directory, fs::Permissions::from_mode(0o700))
}

#[cfg(not(unix))]
fn restrict(_directory: &Path) -> std::io::Result<()> {
    Ok(())
}
