//! Authors who go from node to node, and repeat with the same key whatever was not answered.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tonic::{Code, Status};
use tonic_types::StatusExt;

use super::super::author::Author;
use super::super::oracle::Oracle;
use super::super::service::{LOOK_EVERY, PATIENCE};
use super::nodes::{Doors, Nodes};

/// How long an author waits after it was not answered.
const BREATH: Duration = Duration::from_millis(50);

/// What was said instead of an answer: the code, and the reason if the service gave one.
pub type Said = (Code, Option<String>);

/// Authors at work.
pub struct Crowd {
    oracle: Oracle,
    before: usize,
    stop: Arc<AtomicBool>,
    at_work: JoinSet<Author>,
    said: Arc<Mutex<Vec<Said>>>,
}

impl Crowd {
    /// Sends authors to work.
    pub fn begin(authors: Vec<Author>, nodes: &Nodes) -> Crowd {
        let (stop, said) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::default()));
        let mut at_work = JoinSet::new();
        for author in authors {
            let (doors, oracle) = (nodes.doors.clone(), nodes.oracle.clone());
            at_work.spawn(work(author, doors, oracle, Arc::clone(&stop), Arc::clone(&said)));
        }
        Crowd { before: nodes.oracle.counted(), oracle: nodes.oracle.clone(), stop, at_work, said }
    }

    /// How many answers they have got.
    pub fn acks(&self) -> usize {
        self.oracle.counted() - self.before
    }

    /// Waits until they have got so many answers.
    pub async fn until(&self, acks: usize) {
        let wait = async {
            while self.acks() < acks {
                tokio::time::sleep(LOOK_EVERY).await;
            }
        };
        let said = || self.said.lock().last().cloned();
        timeout(PATIENCE, wait).await.unwrap_or_else(|_| panic!("{} acks of {acks}; {:?}", self.acks(), said()));
    }

    /// What was said instead of answers, so far.
    pub fn said(&self) -> Vec<Said> {
        self.said.lock().clone()
    }

    /// Waits until everybody has got an answer to what they wrote, and ends.
    pub async fn end(self) -> Vec<Author> {
        self.stop.store(true, Ordering::Relaxed);
        timeout(PATIENCE, self.at_work.join_all()).await.expect("everybody is answered in the end")
    }
}

async fn work(
    mut author: Author,
    doors: Doors,
    oracle: Oracle,
    stop: Arc<AtomicBool>,
    said: Arc<Mutex<Vec<Said>>>,
) -> Author {
    loop {
        let stops = stop.load(Ordering::Relaxed);
        if stops && !author.waits() {
            return author;
        }
        let client = doors.next();
        let answer = match stops {
            true => author.attempt(&client, &oracle).await,
            false => author.publish_next(&client, &oracle).await,
        };
        if let Err(status) = answer {
            let reason = reason(&status);
            assert!(may_be_repeated(reason.as_deref()), "refused: {status:?}");
            said.lock().push((status.code(), reason));
            tokio::time::sleep(BREATH).await;
        }
    }
}

/// The reason that the service gives; `None` if nobody answered.
pub fn reason(status: &Status) -> Option<String> {
    status.get_details_error_info().map(|info| info.reason)
}

/// Whether the same call may succeed later.
fn may_be_repeated(reason: Option<&str>) -> bool {
    matches!(reason, None | Some("STARTING" | "DRAINING" | "STORE_UNAVAILABLE"))
}
