//! Keeps a node's memory true: follows the change feed into the index, the keyring, the grants and the
//! applications. Who else must hear of a change is told.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::{Mutex, Notify, watch};

use crate::access::{Applications, Grants, Keyring, Roles, Seal, Topics};
use crate::audience::Index;
use crate::domain::change::{Change, ChangeKind};
use crate::domain::id::MessageId;
use crate::domain::refusal::{Reason, Refusal};
use crate::runtime::tasks::Tasks;
use crate::store::{self, Store};

/// How often the feed is looked at without a hint.
const POLL: Duration = Duration::from_secs(1);
/// Changes that are read at once.
const PAGE: usize = 1_000;
/// Looks that somebody asks for are at least so far apart.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// How long a write waits until this node has it.
const CATCH_UP: Duration = Duration::from_secs(5);

/// What a node knows of the directory and of rights.
#[derive(Clone)]
pub struct Memory {
    /// Users, departments, tags.
    pub index: Arc<Index>,
    /// API keys.
    pub keyring: Arc<Keyring>,
    /// Rights to send.
    pub grants: Arc<Grants>,
    /// Connected systems.
    pub applications: Arc<Applications>,
    /// What people are here for.
    pub roles: Arc<Roles>,
    /// What messages are about.
    pub topics: Arc<Topics>,
    /// The installation's own secret.
    pub seal: Arc<Seal>,
}

impl Memory {
    /// Reads everything.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn load(store: &Store) -> Result<Memory, Refusal> {
        // The directory first: rights are then at least as new as its change number says.
        let directory = store.directory.load().await?;
        let access = store.access.load().await?;
        let roles = store.roles.all().await?;
        let topics = store.topics.all().await?;
        let seal = Arc::new(Seal::new(&access.secret));
        Ok(Memory {
            index: Arc::new(Index::new(directory)),
            keyring: Arc::new(Keyring::new(Arc::clone(&seal), access.keys)),
            grants: Arc::new(Grants::new(access.grants)),
            applications: Arc::new(Applications::new(access.applications)),
            roles: Arc::new(Roles::new(roles)),
            topics: Arc::new(Topics::new(topics)),
            seal,
        })
    }
}

/// Follows the change feed; cheap to clone.
#[derive(Clone)]
pub struct Follower {
    store: Store,
    memory: Memory,
    behind: Arc<Notify>,
    heed: Heed,
    looks: Arc<Looks>,
}

/// Counts the looks at the feed, for those who wait for one.
#[derive(Debug, Default)]
struct Looks {
    begun: AtomicU64,
    /// The number of the last one that ended, well or not.
    ended: watch::Sender<u64>,
    /// Held by whoever asks for one: many who ask at once get the same.
    asking: Mutex<()>,
}

/// Who hears of what a follower finds; neither may block.
#[derive(Clone)]
pub struct Heed {
    /// A message was cancelled, on any node, this one included.
    pub cancelled: Arc<dyn Fn(MessageId) + Send + Sync>,
    /// This node now has every change up to this number.
    pub moved: Arc<dyn Fn(i64) + Send + Sync>,
}

impl Follower {
    /// Starts following. Whoever notifies `behind` says that there may be something new; `heed` is told
    /// of everything from now on, also of what this node wrote itself.
    #[must_use]
    pub fn start(store: Store, memory: Memory, behind: Arc<Notify>, heed: Heed, tasks: &Tasks) -> Follower {
        let follower = Follower { store, memory, behind, heed, looks: Arc::default() };
        let (following, stop) = (follower.clone(), tasks.stop_token());
        tasks.spawn(async move {
            // Rights end on this node only as long as it follows, so that goes on until the very end.
            tokio::select! {
                () = following.follow() => {}
                () = stop.cancelled() => {}
            }
        });
        follower
    }

    /// Waits until this node has a change.
    ///
    /// # Errors
    /// `STORE_UNAVAILABLE` if that takes longer than five seconds; the change itself stands.
    pub async fn catch_up(&self, seq: i64) -> Result<(), Refusal> {
        if self.memory.index.seq() >= seq {
            return Ok(());
        }
        self.behind.notify_one();
        tokio::time::timeout(CATCH_UP, self.memory.index.wait_for(seq)).await.map_err(|_| late())
    }

    /// Looks at the feed now, for what another node may have written a moment ago. Looks that are asked for are
    /// shared and kept apart, so that nobody can make a node do nothing else.
    pub async fn look(&self) {
        let wanted = self.looks.begun.load(Ordering::SeqCst) + 1;
        let _ = tokio::time::timeout(CATCH_UP, async {
            let mut ended = self.looks.ended.subscribe();
            let _turn = self.looks.asking.lock().await;
            if *ended.borrow() < wanted {
                tokio::time::sleep(LOOK_EVERY).await;
                self.behind.notify_one();
                let _ = ended.wait_for(|ended| *ended >= wanted).await;
            }
        })
        .await;
    }

    async fn follow(&self) {
        loop {
            let number = self.looks.begun.fetch_add(1, Ordering::SeqCst) + 1;
            let pulled = self.pull().await;
            self.looks.ended.send_replace(number);
            match pulled {
                Ok(true) => continue,
                Ok(false) => {}
                // The next look tries again; meanwhile commits verify what memory may have missed.
                Err(error) => tracing::warn!(%error, "the change feed could not be read"),
            }
            tokio::select! {
                () = self.behind.notified() => {}
                () = tokio::time::sleep(POLL) => {}
            }
        }
    }

    /// Takes over one page of changes. Returns whether there may be more.
    async fn pull(&self) -> store::Result<bool> {
        let changes = self.store.directory.changes_after(self.memory.index.seq(), PAGE).await?;
        // Cancels before everything: nothing may hold them up.
        for change in &changes {
            if let ChangeKind::Cancel { id } = change.what {
                (self.heed.cancelled)(id);
            }
        }
        // Rights first: who waits for the index to have a change then has its rights too.
        for change in &changes {
            self.take_rights(change).await?;
        }
        let seq = self.memory.index.apply(&changes);
        if !changes.is_empty() {
            (self.heed.moved)(seq);
        }
        Ok(changes.len() == PAGE)
    }

    async fn take_rights(&self, change: &Change) -> store::Result<()> {
        let access = &self.store.access;
        match change.what {
            ChangeKind::Key { id } => {
                if let Some(key) = access.key(id).await? {
                    self.memory.keyring.put(key);
                }
            }
            ChangeKind::Grant { id } => {
                if let Some(grant) = access.grant(id).await? {
                    self.memory.grants.put(grant);
                }
            }
            ChangeKind::Application { id } => {
                if let Some(application) = access.application(id).await? {
                    self.memory.applications.put(application);
                }
            }
            ChangeKind::Topic { id } => {
                if let Some(topic) = self.store.topics.topic(id).await? {
                    self.memory.topics.put(topic);
                }
            }
            ChangeKind::Role { ordinal } => {
                self.memory.roles.put(ordinal, self.store.roles.of(ordinal).await?, change.seq);
            }
            _ => {}
        }
        Ok(())
    }
}

fn late() -> Refusal {
    let message = "The change is stored, and this node has not taken it over yet. Repeat the call to see it.";
    Refusal::new(Reason::StoreUnavailable, message).after(Duration::from_secs(1))
}
