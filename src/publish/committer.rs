//! The road into the publish commit: concurrent publishes share one transaction.
//!
//! An idle committer commits the first publish at once and alone. While two commits are under way the queue
//! fills, and what has gathered becomes the next group; so nobody ever waits for company.

use std::sync::Arc;

use tokio::sync::{Semaphore, mpsc, oneshot};

use super::handover::{Handover, Ready};
use crate::domain::refusal::{Reason, Refusal};
use crate::runtime::tasks::Tasks;
use crate::store::{Accept, Accepted, Error, Messages};

/// Publishes that may wait for a commit.
const QUEUE: usize = 4_096;
/// Publishes that share a commit: as many as a stream may leave unanswered, so that one flush serves them all.
const GROUP: usize = 1_024;
/// Commits under way.
const IN_FLIGHT: usize = 2;

/// Where the answer to one publish goes.
type Answer = oneshot::Sender<Result<Accepted, Error>>;

/// One publish on its way into the store.
struct Waiting {
    accept: Accept,
    /// Absent for a message that waits for its time.
    ready: Option<Ready>,
    answer: Answer,
}

/// Puts publishes into the queue; cheap to clone.
#[derive(Clone)]
pub(super) struct Committer {
    queue: mpsc::Sender<Waiting>,
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
    /// Starts the task that forms groups. It ends after shutdown began and the queue is empty.
    pub(super) fn start(parts: CommitParts, tasks: &Tasks) -> Committer {
        let (queue, waiting) = mpsc::channel(QUEUE);
        tasks.spawn(form_groups(parts, waiting, tasks.clone()));
        Committer { queue }
    }

    /// Waits for a place in the queue. `DRAINING` once shutdown has begun.
    pub(super) async fn place(&self) -> Result<Place<'_>, Refusal> {
        self.queue.reserve().await.map(Place).map_err(|_| draining())
    }
}

/// A place in the queue. To be taken before the publish is decided: then nothing large waits for it.
pub(super) struct Place<'a>(mpsc::Permit<'a, Waiting>);

impl Place<'_> {
    /// Queues one publish for the next commit.
    pub(super) fn commit(self, accept: Accept, ready: Option<Ready>) -> Committing {
        let (answer, answered) = oneshot::channel();
        self.0.send(Waiting { accept, ready, answer });
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

async fn form_groups(parts: CommitParts, mut queue: mpsc::Receiver<Waiting>, tasks: Tasks) {
    let permits = Arc::new(Semaphore::new(IN_FLIGHT));
    let stop = tasks.stop_token();
    loop {
        let first = tokio::select! {
            biased;
            first = queue.recv() => first,
            () = stop.cancelled(), if !queue.is_closed() => {
                // What is queued is still committed; nothing new comes in.
                queue.close();
                continue;
            }
        };
        let Some(first) = first else { return };
        let Ok(permit) = permits.clone().acquire_owned().await else { return };
        let mut group = vec![first];
        while group.len() < GROUP {
            let Ok(next) = queue.try_recv() else { break };
            group.push(next);
        }
        let parts = parts.clone();
        tasks.spawn(async move {
            commit_group(&parts, group).await;
            drop(permit);
        });
    }
}

async fn commit_group(parts: &CommitParts, group: Vec<Waiting>) {
    let mut accepts = Vec::with_capacity(group.len());
    let mut waiters = Vec::with_capacity(group.len());
    for Waiting { accept, ready, answer } in group {
        accepts.push(accept);
        waiters.push((ready, answer));
    }
    #[cfg(feature = "sabotage")]
    if parts.answer_before_commit {
        return answer_first(parts, accepts, waiters).await;
    }
    let epoch = parts.handover.delivery.epoch();
    match parts.messages.accept(accepts, epoch).await {
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
async fn answer_first(parts: &CommitParts, accepts: Vec<Accept>, waiters: Vec<(Option<Ready>, Answer)>) {
    let mut all_ready = Vec::with_capacity(waiters.len());
    for (ready, answer) in waiters {
        let _ = answer.send(Ok(Accepted::Stored(crate::store::Stored::default())));
        all_ready.push(ready);
    }
    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    let epoch = parts.handover.delivery.epoch();
    let answers = parts.messages.accept(accepts, epoch).await.unwrap_or_default();
    for (ready, mut accepted) in all_ready.into_iter().zip(answers) {
        if let (Accepted::Stored(stored), Some(ready)) = (&mut accepted, ready) {
            parts.handover.done(stored, ready);
        }
    }
}
