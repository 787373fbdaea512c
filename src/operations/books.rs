//! The books, checked all the time: every minute one node looks at the newest legs, at some older ones in turn,
//! and at those that did not balance before.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use tracing::{error, info, warn};

use crate::domain::id::LegId;
use crate::runtime::backoff::jitter;
use crate::runtime::tasks::Tasks;
use crate::store::{Inspection, LegBooks, Legs, Result};

/// How often the books are checked, by whichever node.
const EVERY: Duration = Duration::from_secs(60);
/// How often a node asks whether it is its turn.
const ASK_EVERY: Duration = Duration::from_secs(15);
/// Legs of one look.
const LOOK: usize = 500;
/// Legs that did not balance and are remembered.
const REMEMBERED: usize = 100;

/// What this node has heard of the last check; cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct BooksView {
    heard: Arc<Heard>,
}

#[derive(Debug, Default)]
struct Heard {
    balanced_at_ms: AtomicI64,
    unbalanced: AtomicU64,
}

impl BooksView {
    /// When the books were last found balanced, in milliseconds since 1970; 0: never.
    #[must_use]
    pub fn balanced_at_ms(&self) -> i64 {
        self.heard.balanced_at_ms.load(Ordering::Relaxed)
    }

    /// Legs that did not balance at the last check.
    #[must_use]
    pub fn unbalanced(&self) -> u64 {
        self.heard.unbalanced.load(Ordering::Relaxed)
    }
}

/// Starts to check.
pub(super) fn start(store: Arc<dyn Inspection>, tasks: &Tasks) -> BooksView {
    let view = BooksView::default();
    let (shown, stop) = (view.clone(), tasks.stop_token());
    tasks.spawn(async move {
        let mut checker = Checker { store, shown, cursor: None };
        stop.run_until_cancelled(async {
            loop {
                checker.turn().await;
                tokio::time::sleep(jitter(ASK_EVERY)).await;
            }
        })
        .await;
    });
    view
}

struct Checker {
    store: Arc<dyn Inspection>,
    shown: BooksView,
    /// Below this leg the next look at older ones begins.
    cursor: Option<LegId>,
}

impl Checker {
    async fn turn(&mut self) {
        match self.checked().await {
            Ok(()) => {}
            // The next turn asks again.
            Err(error) => warn!(%error, "the books could not be checked"),
        }
    }

    async fn checked(&mut self) -> Result<()> {
        if self.store.begin_check(EVERY).await? {
            let before = self.store.last_check().await?.unbalanced;
            let wrong = self.look(before.clone()).await?;
            tell(&before, &wrong);
            self.store.end_check(wrong.iter().map(|books| books.leg).collect()).await?;
        }
        let last = self.store.last_check().await?;
        self.shown.heard.balanced_at_ms.store(last.balanced_at.map_or(0, |at| at.0), Ordering::Relaxed);
        self.shown.heard.unbalanced.store(last.unbalanced.len() as u64, Ordering::Relaxed);
        Ok(())
    }

    /// The legs whose books do not balance, among the newest, some older ones, and those known to be wrong.
    async fn look(&mut self, known: Vec<LegId>) -> Result<Vec<LegBooks>> {
        let mut seen = self.store.books(Legs::These(known)).await?;
        let newest = self.store.books(Legs::Below { before: None, limit: LOOK }).await?;
        let below = self.cursor.or_else(|| newest.last().map(|books| books.leg));
        let older = match below {
            Some(leg) => self.store.books(Legs::Below { before: Some(leg), limit: LOOK }).await?,
            None => Vec::new(),
        };
        // At the end of all legs the next look begins below the newest again.
        self.cursor = older.last().map(|books| books.leg);
        seen.extend(newest);
        seen.extend(older);
        seen.extend(self.store.books(Legs::Personal(LOOK)).await?);
        seen.retain(|books| books.fault().is_some());
        seen.sort_by_key(|books| books.leg);
        seen.dedup_by_key(|books| books.leg);
        seen.truncate(REMEMBERED);
        Ok(seen)
    }
}

fn tell(before: &[LegId], wrong: &[LegBooks]) {
    for books in wrong.iter().filter(|books| !before.contains(&books.leg)) {
        error!(leg = %books.leg, fault = books.fault(), "the books of a leg do not balance");
    }
    if wrong.is_empty() && !before.is_empty() {
        info!(legs = before.len(), "the books balance again");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::sqlite::Sqlite;

    #[tokio::test]
    async fn an_empty_store_is_balanced_at_the_first_check() {
        let directory = tempfile::tempdir().unwrap();
        let store = Sqlite::open(directory.path()).unwrap().store();
        let (tasks, before) = (Tasks::new(), store.inspection.now().await.unwrap());
        let view = start(store.inspection.clone(), &tasks);
        let balanced = async {
            while view.balanced_at_ms() < before.0 {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), balanced).await.unwrap();
        assert_eq!((view.unbalanced(), store.inspection.last_check().await.unwrap().unbalanced.len()), (0, 0));
        assert!(!store.inspection.begin_check(EVERY).await.unwrap(), "the turn was taken");
        assert!(tasks.stop(Duration::from_secs(20)).await);
    }
}
