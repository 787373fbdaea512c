//! The write-ahead log, kept short by the one who writes it.
//!
//! A log that is moved into the file while commits go on never ends, for there is always a newer commit behind what
//! was moved; and a commit that makes the log longer waits for the file system to find it blocks, two to five times
//! as long as one that writes over blocks which are there. So the writer itself moves the rest, between two commits
//! and after its answers are out, and the next commit begins the log anew.

use rusqlite::Connection;

/// Pages in the log from which on it is to begin anew: 8 MiB.
const PAGES: u32 = 2_048;
/// Pages to write before it is tried again: whoever reads in the log keeps it from beginning anew.
const AGAIN: u32 = 512;

/// When the log is to begin anew.
pub(super) struct Log {
    /// Pages in it at which the next try is due.
    due: u32,
}

impl Log {
    pub(super) fn new() -> Log {
        Log { due: PAGES }
    }

    /// Looks at the log after a commit, and moves what is in it if it is long. A failure is no harm: the log grows,
    /// and the next try comes.
    pub(super) fn keep_short(&mut self, connection: &Connection) {
        let Ok(pages) = checkpoint(connection, "pragma wal_checkpoint(noop)") else { return };
        if pages < PAGES {
            self.due = PAGES;
        } else if pages >= self.due {
            let _ = checkpoint(connection, "pragma wal_checkpoint(passive)");
            self.due = pages + AGAIN;
        }
    }
}

/// Pages in the log. `noop` moves nothing, `passive` what nobody reads there.
fn checkpoint(connection: &Connection, pragma: &str) -> rusqlite::Result<u32> {
    connection.prepare_cached(pragma)?.query_row([], |row| row.get(1))
}
