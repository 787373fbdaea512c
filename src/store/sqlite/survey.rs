//! A look at a data directory that nothing is opened or changed for.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

use super::{Sqlite, open};

/// What a data directory is like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Survey {
    /// It is there.
    pub exists: bool,
    /// It holds a store.
    pub holds_store: bool,
    /// A process serves it.
    pub served: bool,
    /// Whoever asks may write there, or may make it.
    pub writable: bool,
    /// Others than its owner may read it.
    pub open_to_others: bool,
    /// Room left on its disk, in bytes; `None` if the system does not say.
    pub disk_free: Option<u64>,
}

impl Sqlite {
    /// Looks at a data directory.
    #[must_use]
    pub fn survey(directory: &Path) -> Survey {
        let exists = directory.is_dir();
        let there = nearest(directory);
        Survey {
            exists,
            holds_store: directory.join("campanile.db").exists(),
            served: exists && is_served(directory),
            writable: is_writable(&there),
            open_to_others: exists && is_open_to_others(directory),
            disk_free: open::disk_free(&there),
        }
    }
}

/// The directory, or the next one above it that is there.
fn nearest(directory: &Path) -> PathBuf {
    let whole = std::path::absolute(directory).unwrap_or_else(|_| directory.to_owned());
    let there = whole.ancestors().find(|path| path.exists()).map(Path::to_owned);
    there.unwrap_or(whole)
}

/// Whether a process holds the lock. The look takes it for a moment, if it is free.
fn is_served(directory: &Path) -> bool {
    let Ok(lock) = File::options().read(true).open(directory.join("lock")) else { return false };
    matches!(lock.try_lock(), Err(TryLockError::WouldBlock))
}

#[cfg(unix)]
fn is_writable(path: &Path) -> bool {
    use rustix::fs::{Access, access};
    path.is_dir() && access(path, Access::WRITE_OK | Access::EXEC_OK).is_ok()
}

#[cfg(not(unix))]
fn is_writable(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|found| found.is_dir() && !found.permissions().readonly())
}

#[cfg(unix)]
fn is_open_to_others(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    fs::metadata(path).is_ok_and(|found| found.permissions().mode() & 0o077 != 0)
}

#[cfg(not(unix))]
fn is_open_to_others(_path: &Path) -> bool {
    false
}
