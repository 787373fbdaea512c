//! The conformance suite of the store: the same cases on every backend. A case is an async function over a
//! fresh store; `cases!` makes one test of it for each backend.

mod access;
mod directory;
mod fixture;

use std::sync::Arc;

use campanile::store::sqlite::Sqlite;
use campanile::store::{Access, Directory};
use tempfile::TempDir;

/// The aggregates under test.
pub struct Store {
    pub directory: Arc<dyn Directory>,
    pub access: Arc<dyn Access>,
}

/// A fresh store in a directory of its own, which goes with it.
pub struct Fresh {
    pub store: Store,
    _directory: TempDir,
}

/// A fresh embedded store.
pub fn sqlite() -> Fresh {
    let directory = tempfile::tempdir().unwrap();
    let sqlite = Arc::new(Sqlite::open(directory.path()).unwrap());
    Fresh { store: Store { directory: sqlite.clone(), access: sqlite }, _directory: directory }
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
