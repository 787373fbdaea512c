//! Running the service: how it is, as one moment's picture and as a list of checks that say what to do.
//!
//! Whichever node is asked answers for all: what only a node itself knows (its providers) it says in a word that
//! the store keeps, and one node at a time checks the books for everybody.

mod books;
mod checks;
mod providers;
mod status;

use std::sync::Arc;

pub use books::BooksView;
pub use checks::{Check, Level};
pub use providers::{ProviderHealth, ProviderWord};
pub use status::{NodeView, Picture, ProviderView};

use crate::access::Caller;
use crate::domain::refusal::Refusal;
use crate::runtime::clock::SharedClock;
use crate::runtime::tasks::Tasks;
use crate::store::Store;

/// What this node knows of its own delivery.
pub trait Delivery: Send + Sync {
    /// The epoch under which it claims.
    fn epoch(&self) -> i64;

    /// How its providers do, in the order of the settings.
    fn providers(&self) -> Vec<ProviderWord>;
}

/// What the use-cases of operators work with.
#[derive(Clone)]
pub struct OperationsParts {
    /// The truth.
    pub store: Store,
    /// This node's delivery.
    pub delivery: Arc<dyn Delivery>,
    /// How nodes agree at the moment: `alone`, `redis` or `apart`.
    pub coordination: Arc<dyn Fn() -> &'static str + Send + Sync>,
    /// The clocks.
    pub clock: SharedClock,
}

/// Answers operators; cheap to clone.
#[derive(Clone)]
pub struct Operations {
    parts: Arc<OperationsParts>,
    books: BooksView,
}

impl Operations {
    /// Starts to check the books now and then, and to keep this node's word in the store where others can ask
    /// for it.
    #[must_use]
    pub fn start(parts: OperationsParts, tasks: &Tasks) -> Operations {
        let books = books::start(parts.store.inspection.clone(), tasks);
        providers::start(&parts, tasks);
        Operations { parts: Arc::new(parts), books }
    }

    /// How the service is.
    ///
    /// # Errors
    /// `SCOPE_MISSING`, `ROLE_MISSING` for who neither runs the platform nor audits it; the store's own.
    pub async fn picture(&self, caller: &Caller) -> Result<Picture, Refusal> {
        caller.require_auditor(self.parts.clock.now())?;
        status::picture(&self.parts).await
    }

    /// What the last check of the books found, as far as this node has heard; for the metrics.
    #[must_use]
    pub fn books(&self) -> &BooksView {
        &self.books
    }
}
