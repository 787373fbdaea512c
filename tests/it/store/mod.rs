//! The conformance suite of the store: the same cases on every backend. A case is an async function over a
//! fresh store; `cases!` makes one test of it for each backend.

mod access;
mod audit;
mod clustered;
mod credential;
mod delivery;
mod departments;
mod directory;
mod embedded;
pub mod fixture;
mod history;
mod inbox;
mod inspection;
mod key_use;
mod leaving;
mod message;
mod node;
mod people;
pub mod publishing;
mod relation;
mod report;
mod requests;
mod review;
mod roles;
mod sources;
mod together;
mod topics;

pub use campanile::store::Store;
use campanile::store::sqlite::Sqlite;
pub use fixture::{nth, person};
use tempfile::TempDir;

use crate::support::postgres::Database;

/// A fresh store; what it keeps goes with it.
pub struct Fresh {
    pub store: Store,
    _kept: Kept,
}

/// Where a fresh store keeps what it has.
enum Kept {
    Directory { _directory: TempDir },
    Database { _database: Database },
}

/// A fresh embedded store in a directory of its own.
pub fn sqlite() -> Fresh {
    let directory = tempfile::tempdir().unwrap();
    let store = Sqlite::open(directory.path()).unwrap().store();
    Fresh { store, _kept: Kept::Directory { _directory: directory } }
}

/// A fresh store in a database of its own; `None` if there is no server.
pub async fn postgres() -> Option<Fresh> {
    let database = Database::fresh().await?;
    let store = database.open().await.store();
    Some(Fresh { store, _kept: Kept::Database { _database: database } })
}

/// One test for each case and backend. A backend is a function here that makes a fresh store.
macro_rules! cases {
    ($($case:ident,)*) => {
        mod sqlite {
            $(
                #[tokio::test]
                async fn $case() {
                    let fresh = crate::store::sqlite();
                    super::$case(&fresh.store).await;
                }
            )*
        }

        mod postgres {
            $(
                #[tokio::test]
                async fn $case() {
                    let Some(fresh) = crate::store::postgres().await else { return };
                    super::$case(&fresh.store).await;
                }
            )*
        }
    };
}
pub(crate) use cases;
