//! The conformance suite of the store: the same cases on every backend. A case is an async function over a
//! fresh store; `cases!` makes one test of it for each backend.

mod access;
mod directory;
mod fixture;
mod message;
mod publishing;

pub use campanile::store::Store;
use campanile::store::sqlite::Sqlite;
use tempfile::TempDir;

/// A fresh store in a directory of its own, which goes with it.
pub struct Fresh {
    pub store: Store,
    _directory: TempDir,
}

/// A fresh embedded store.
pub fn sqlite() -> Fresh {
    let directory = tempfile::tempdir().unwrap();
    let store = Sqlite::open(directory.path()).unwrap().store();
    Fresh { store, _directory: directory }
}

/// One test for each case and backend. A backend is a module here that makes a fresh store.
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
    };
}
pub(crate) use cases;
