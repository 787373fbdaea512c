//! News between nodes: what this one tells the others, what it does about theirs, and how it finds in the store
//! what nobody told.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{Notify, broadcast, mpsc};
use tracing::debug;

use crate::coordination::{Hint, Hints};
use crate::delivery;
use crate::directory::Heed;
use crate::domain::id::MessageId;
use crate::domain::time::At;
use crate::inbox::Inboxes;
use crate::runtime::clock::SharedClock;
use crate::runtime::tasks::Tasks;
use crate::store::Result;

/// How often the inboxes look into a store that other nodes write.
const LOOK_EVERY: Duration = Duration::from_secs(3);
/// Cancelled messages whose entries wait to be taken away.
const CANCELLED: usize = 4_096;

/// The newest change that this node told others or heard of from them.
#[derive(Debug, Default)]
struct Known(AtomicI64);

impl Known {
    /// Whether a change is newer than all before.
    fn rises(&self, seq: i64) -> bool {
        self.0.fetch_max(seq, Ordering::Relaxed) < seq
    }
}

/// Acts on what comes from elsewhere.
pub(super) struct News {
    engine: delivery::Handle,
    hints: Arc<dyn Hints>,
    behind: Arc<Notify>,
    known: Arc<Known>,
    cancelled: mpsc::Receiver<MessageId>,
}

impl News {
    /// News, and who hears of every change that this node takes over from the store.
    pub(super) fn new(engine: &delivery::Handle, hints: &Arc<dyn Hints>, behind: &Arc<Notify>) -> (News, Heed) {
        let (tell, cancelled) = mpsc::channel(CANCELLED);
        let known = Arc::new(Known::default());
        let news = News {
            engine: engine.clone(),
            hints: hints.clone(),
            behind: behind.clone(),
            known: known.clone(),
            cancelled,
        };
        let (engine, hints) = (engine.clone(), hints.clone());
        let heed = Heed {
            cancelled: Arc::new(move |message| {
                engine.cancelled(message);
                // With so many at once some entries vanish when they are looked up next.
                let _ = tell.try_send(message);
            }),
            moved: Arc::new(move |seq| {
                if known.rises(seq) {
                    hints.tell(Hint::Changed { seq });
                }
            }),
        };
        (news, heed)
    }

    /// Starts to act on news. `shared`: other nodes may write the store.
    pub(super) fn start(self, inboxes: &Inboxes, clock: &SharedClock, shared: bool, tasks: &Tasks) {
        let look = Arc::new(Notify::new());
        if shared {
            let looking = looking(inboxes.clone(), clock.clone(), look.clone());
            let stop = tasks.stop_token();
            tasks.spawn(async move {
                tokio::select! {
                    () = looking => {}
                    () = stop.cancelled() => {}
                }
            });
        }
        let (inboxes, stop, heard) = (inboxes.clone(), tasks.stop_token(), self.hints.listen());
        tasks.spawn(async move {
            tokio::select! {
                () = self.act(&inboxes, heard, &look) => {}
                () = stop.cancelled() => {}
            }
        });
    }

    async fn act(mut self, inboxes: &Inboxes, mut heard: broadcast::Receiver<Hint>, look: &Notify) {
        loop {
            tokio::select! {
                hint = heard.recv() => {
                    let hint = match hint {
                        Ok(hint) => hint,
                        Err(RecvError::Lagged(_)) => Hint::CatchUp,
                        // Nobody tells anything any more.
                        Err(RecvError::Closed) => return std::future::pending().await,
                    };
                    quietly(self.heed(inboxes, hint, look).await);
                }
                Some(message) = self.cancelled.recv() => quietly(inboxes.cancelled(message).await),
            }
        }
    }

    async fn heed(&self, inboxes: &Inboxes, hint: Hint, look: &Notify) -> Result<()> {
        match hint {
            Hint::Wake => self.engine.wake(),
            Hint::Shown { leg, visible_at, only } => return inboxes.released(leg, visible_at, only).await,
            Hint::Hidden { leg } => inboxes.hidden(leg),
            // The feed says it as well, and is what is acted on.
            Hint::Cancelled { .. } => self.behind.notify_one(),
            Hint::Changed { seq } => {
                if self.known.rises(seq) {
                    self.behind.notify_one();
                }
            }
            Hint::CatchUp => {
                self.engine.wake();
                self.behind.notify_one();
                look.notify_one();
            }
        }
        Ok(())
    }
}

async fn looking(inboxes: Inboxes, clock: SharedClock, look: Arc<Notify>) {
    let mut since: At = clock.now();
    loop {
        tokio::select! {
            () = look.notified() => {}
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
        let began = clock.now();
        let looked = inboxes.look(since).await;
        if looked.is_ok() {
            since = began;
        }
        quietly(looked);
    }
}

/// The store is away: what was missed is found at a later look.
fn quietly(done: Result<()>) {
    if let Err(error) = done {
        debug!(%error, "news from another node wait");
    }
}
