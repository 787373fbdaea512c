//! Reader connections beside the writer. In WAL mode they neither wait for it nor hold it up.

use std::path::Path;
use std::sync::Arc;

use parking_lot::Mutex;
use rusqlite::Connection;
use tokio::sync::Semaphore;

use super::open;
use crate::store::{Error, Result};

/// How many read at a time.
const READERS: usize = 4;

/// The reader connections; cheap to clone.
#[derive(Clone)]
pub(super) struct Readers {
    idle: Arc<Mutex<Vec<Connection>>>,
    permits: Arc<Semaphore>,
}

impl Readers {
    /// Opens the connections.
    pub(super) fn new(file: &Path) -> Result<Readers> {
        let idle = (0..READERS).map(|_| open::reading(file)).collect::<Result<Vec<_>>>()?;
        Ok(Readers { idle: Arc::new(Mutex::new(idle)), permits: Arc::new(Semaphore::new(READERS)) })
    }

    /// Runs `read` on a connection, away from the async threads. It sees one moment only if it opens a
    /// transaction itself; see [`snapshot`].
    pub(super) async fn read<T, F>(&self, read: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T> + Send + 'static,
    {
        let gone = || Error::Unavailable("the readers have stopped".into());
        let permit = self.permits.clone().acquire_owned().await.map_err(|_| gone())?;
        let idle = self.idle.clone();
        tokio::task::spawn_blocking(move || {
            let connection = idle.lock().pop().ok_or_else(gone)?;
            let result = read(&connection);
            idle.lock().push(connection);
            drop(permit);
            result
        })
        .await
        .map_err(|_| gone())?
    }
}

/// Runs `read` so that all its statements see the same moment.
pub(super) fn snapshot<T>(connection: &Connection, read: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
    let transaction = connection.unchecked_transaction().map_err(super::fault)?;
    let result = read(&transaction);
    // Nothing was written: how it ends does not matter.
    let _ = transaction.rollback();
    result
}
