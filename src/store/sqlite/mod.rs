//! The embedded backend: SQLite in WAL mode with `synchronous=FULL`.
//!
//! One writer thread owns the one writing connection and commits in groups; reader connections stand beside
//! it. A lock on the data directory proves that no other process writes, so at start every claim of an
//! earlier epoch is dead.

mod accept;
mod access;
mod audit;
mod batch;
mod cancel;
mod claim;
mod credential;
mod delivery;
mod department;
mod directory;
mod encode;
mod erasure;
mod feed;
mod history;
mod inbox;
mod inspection;
mod key_use;
mod leaving;
mod leg;
mod log;
mod member;
mod message;
mod node;
mod open;
mod reader;
mod relation;
mod report;
mod request;
mod review;
mod role;
mod row;
mod settle;
mod source;
mod survey;
mod tag;
mod tally;
mod topic;
mod upsert;
mod user;
mod writer;

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

pub use open::Durability;
use reader::Readers;
pub use survey::Survey;
use writer::Writer;

use super::{Error, Result, Store, refuse};

/// The embedded store; cheap to clone.
#[derive(Clone)]
pub struct Sqlite {
    writer: Writer,
    readers: Readers,
    durability: Arc<Durability>,
    directory: Arc<Path>,
    /// Held as long as any clone lives: nobody else may write here.
    _lock: Arc<File>,
}

impl Sqlite {
    /// Opens or creates the store in a directory and brings its schema up to date.
    ///
    /// Errors: the directory is in use by another process, the disk refuses, the library is older than 3.51.3,
    /// or the file keeps less than what an acknowledgement promises.
    pub fn open(directory: &Path) -> Result<Sqlite> {
        let lock = open::lock(directory)?;
        let file = directory.join("campanile.db");
        let mut connection = open::writing(&file)?;
        let durability = open::read_back(&connection)?;
        open::migrate(&mut connection)?;
        Ok(Sqlite {
            writer: Writer::start(connection, &file)?,
            readers: Readers::new(&file)?,
            durability: Arc::new(durability),
            directory: directory.into(),
            _lock: Arc::new(lock),
        })
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

    /// The settings that durability depends on, as read back from the open file.
    #[must_use]
    pub fn durability(&self) -> &Durability {
        &self.durability
    }
}

/// What SQLite says, in the store's words.
fn fault(error: rusqlite::Error) -> Error {
    use rusqlite::{ErrorCode, ffi};
    if let rusqlite::Error::SqliteFailure(code, _) = &error
        && matches!(code.extended_code, ffi::SQLITE_CONSTRAINT_UNIQUE | ffi::SQLITE_CONSTRAINT_PRIMARYKEY)
    {
        return refuse::id_taken().into();
    }
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => Error::Full,
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Error::Damaged("the database file".into()),
        // The text of a constraint names columns, never values.
        _ => Error::Unavailable(error.to_string()),
    }
}
