//! The road into the publish commit: concurrent publishes share one transaction.
//!
//! An idle committer commits the first publish at once and alone. While commits are under way the queue fills, and
//! a group is gathered from it at the moment its transaction begins; so nobody ever waits for company, and nobody
//! who was there in time waits for the commit after the next.

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::{Semaphore, mpsc, oneshot};

use super::handover::{Handover, Ready};
use crate::domain::refusal::{Reason, Refusal};
use crate::runtime::tasks::Tasks;
use crate::store::{Accept, Accepted, Encoded, Error, Messages};

/// Publishes that may wait for a commit.
const QUEUE: usize = 4_096;
/// Publishes that share a commit: as many as a stream may leave unanswered, so that one flush serves them all.
const GROUP: usize = 1_024;
/// Commits under way: one that writes, and one that the store has ready behind it. With three, one node on PostgreSQL
/// made a tenth fewer publishes.
const IN_FLIGHT: usize = 2;

/// Where the answer to one publish goes.
type Answer = oneshot::Sender<Result<Accepted, Error>>;

/// One publish on its way into the store. It passes through several hands and is large, so it travels in a box.
struct Waiting {
    item: Encoded,
    /// Absent for a message that waits for its time.
    ready: Option<Ready>,
    answer: Answer,
}

/// Puts publishes into the queue; cheap to clone.
#[derive(Clone)]
pub(super) struct Committer {
    queue: mpsc::Sender<Box<Waiting>>,
}

/// What a committer works with.
#[derive(Clone)]
pub(super) struct CommitParts {
    pub(super) messages: Arc<dyn Messages>,
    pub(super) handover: Handover,
    #[cfg(feature = "sabotage")]
    pub(super) answer_before_commit: bool,
}

impl Committer {
    /// Starts the task that begins commits. It ends after shutdown began and the queue is empty.
    pub(super) fn start(parts: CommitParts, tasks: &Tasks) -> Committer {
        let (queue, waiting) = mpsc::channel(QUEUE);
        tasks.spawn(begin_commits(parts, Queue(Arc::new(Mutex::new(waiting))), tasks.clone()));
        Committer { queue }
    }

    /// Waits for a place in the queue. `DRAINING` once shutdown has begun.
    pub(super) async fn place(&self) -> Result<Place<'_>, Refusal> {
        self.queue.reserve().await.map(Place).map_err(|_| draining())
    }
}

/// A place in the queue. To be taken before the publish is decided: then nothing large waits for it.
pub(super) struct Place<'a>(mpsc::Permit<'a, Box<Waiting>>);

impl Place<'_> {
    /// Queues one publish for the next commit.
    pub(super) fn commit(self, accept: Accept, ready: Option<Ready>) -> Committing {
        let (answer, answered) = oneshot::channel();
        match Encoded::of(accept) {
            Ok(item) => self.0.send(Box::new(Waiting { item, ready, answer })),
            // The answer is its own, and nobody waits for anything.
            Err(error) => drop(answer.send(Err(error))),
        }
        Committing(answered)
    }
}

/// A publish that is queued or under way.
pub(super) struct Committing(oneshot::Receiver<Result<Accepted, Error>>);

impl Committing {
    /// Returns after the commit. The hand-over has happened by then, also if the caller stops waiting.
    pub(super) async fn done(self) -> Result<Accepted, Refusal> {
        Ok(self.0.await.map_err(|_| draining())??)
    }
}

fn draining() -> Refusal {
    Refusal::new(Reason::Draining, "This node is going away; repeat the call with the same key.")
        .after(std::time::Duration::from_secs(1))
}

/// What waits for a commit, taken from by the task that begins commits and by the transactions that do begin.
#[derive(Clone)]
struct Queue(Arc<Mutex<mpsc::Receiver<Box<Waiting>>>>);

impl Queue {
    /// Waits for the next one; `None` when the queue is closed and empty.
    async fn next(&self) -> Option<Box<Waiting>> {
        std::future::poll_fn(|context| self.0.lock().poll_recv(context)).await
    }

    /// Lets nothing more in.
    fn close(&self) {
        self.0.lock().close();
    }

    fn is_closed(&self) -> bool {
        self.0.lock().is_closed()
    }
}

async fn begin_commits(parts: CommitParts, queue: Queue, tasks: Tasks) {
    let permits = Arc::new(Semaphore::new(IN_FLIGHT));
    let stop = tasks.stop_token();
    loop {
        // Before one is taken from the queue: there every transaction that begins meanwhile finds it.
        let Ok(permit) = permits.clone().acquire_owned().await else { return };
        let first = tokio::select! {
            biased;
            first = queue.next() => first,
            // What is queued is still committed; nothing new comes in.
            () = stop.cancelled(), if !queue.is_closed() => {
                queue.close();
                continue;
            }
        };
        let Some(first) = first else { return };
        let group = Group { first: Some(first), queue: queue.clone(), waiters: Vec::new() };
        let parts = parts.clone();
        tasks.spawn(async move {
            commit_group(&parts, group).await;
            drop(permit);
        });
    }
}

/// The publishes of one commit.
struct Group {
    /// Whoever made a commit necessary, until the group is gathered.
    first: Option<Box<Waiting>>,
    queue: Queue,
    /// Those who wait for an answer, in the order of what was gathered.
    waiters: Vec<(Option<Ready>, Answer)>,
}

impl Group {
    /// Takes what waits by now; nothing if that was done before.
    fn gather(&mut self) -> Vec<Encoded> {
        let Some(first) = self.first.take() else { return Vec::new() };
        let mut queue = self.queue.0.lock();
        let waiting = (1 + queue.len()).min(GROUP);
        let mut items = Vec::with_capacity(waiting);
        self.waiters.reserve_exact(waiting);
        for one in std::iter::once(first).chain(std::iter::from_fn(|| queue.try_recv().ok())).take(waiting) {
            let Waiting { item, ready, answer } = *one;
            items.push(item);
            self.waiters.push((ready, answer));
        }
        items
    }
}

async fn commit_group(parts: &CommitParts, group: Group) {
    let epoch = parts.handover.delivery.epoch();
    #[cfg(feature = "sabotage")]
    if parts.answer_before_commit {
        return answer_first(parts, group).await;
    }
    let group = Arc::new(Mutex::new(group));
    let gathered = group.clone();
    let result = parts.messages.accept_gathered(Box::new(move || gathered.lock().gather()), epoch).await;
    let waiters = {
        let mut group = group.lock();
        // Of a transaction that did not begin nobody was gathered. Whatever kept it would keep the next one as well, so
        // all who wait hear of it at once, to try again.
        group.gather();
        std::mem::take(&mut group.waiters)
    };
    match result {
        Ok(answers) => {
            for ((ready, answer), mut accepted) in waiters.into_iter().zip(answers) {
                if let (Accepted::Stored(stored), Some(ready)) = (&mut accepted, ready) {
                    parts.handover.done(stored, ready);
                }
                // A caller that went away asks again with the same key.
                let _ = answer.send(Ok(accepted));
            }
        }
        Err(error) => {
            tracing::warn!(publishes = waiters.len(), %error, "a publish commit failed");
            for (_, answer) in waiters {
                let _ = answer.send(Err(error.clone()));
            }
        }
    }
}

/// Breaks the first guarantee: answers, dawdles, then commits. A kill in between loses what was acknowledged.
#[cfg(feature = "sabotage")]
async fn answer_first(parts: &CommitParts, mut group: Group) {
    let items = group.gather();
    let mut all_ready = Vec::with_capacity(group.waiters.len());
    for (ready, answer) in group.waiters {
        let _ = answer.send(Ok(Accepted::Stored(crate::store::Stored::default())));
        all_ready.push(ready);
    }
    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    let epoch = parts.handover.delivery.epoch();
    let answers = parts.messages.accept_gathered(Box::new(|| items), epoch).await.unwrap_or_default();
    for (ready, mut accepted) in all_ready.into_iter().zip(answers) {
        if let (Accepted::Stored(stored), Some(ready)) = (&mut accepted, ready) {
            parts.handover.done(stored, ready);
        }
    }
}
