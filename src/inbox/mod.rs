//! What people see in the app. Releasing an app leg is its delivery: nothing is written for a recipient, so
//! a notice to everybody is in every inbox at once.
//!
//! An inbox is read from two places: the visible legs of messages to several people, which are in memory with
//! their members ([`feed`]), and the person's own rows of short messages in the store. News goes to the
//! streams of this node ([`hub`]) in one order, which cursors count.

mod beside;
mod cursor;
mod feed;
mod hub;
mod item;
mod list;
mod receipts;
mod stream;
mod token;

use std::sync::Arc;
use std::time::Duration;

pub use hub::{Change, Event, Reconnect, STREAMS_PER_NODE, STREAMS_PER_USER};
pub use item::{Item, Shown};
pub use list::{ListFilter, MARK_MAX, Page, Which};
pub use stream::{HEARTBEAT, Subscription};
pub use token::{Issued, Reader, VALID_FOR, VALID_FOR_MAX};

use crate::access::{Applications, Audit, Seal};
use crate::audience::Index;
use crate::domain::content::Content;
use crate::domain::id::LegId;
use crate::domain::message::MessageFacts;
use crate::domain::outcome::ReceiptKind;
use crate::domain::refusal::Refusal;
use crate::domain::time::At;
use crate::runtime::clock::SharedClock;
use crate::runtime::tasks::Tasks;
use crate::store::{Members, Store};
use cursor::Position;
use feed::Feed;
use hub::Hub;
use item::Reading;
use receipts::{Marks, ReadSets};

/// How often expired legs are forgotten.
const EXPIRE_EVERY: Duration = Duration::from_secs(60);

/// What the inboxes are made of.
#[derive(Clone)]
pub struct InboxParts {
    /// The truth.
    pub store: Store,
    /// Who there is, and the names of departments.
    pub index: Arc<Index>,
    /// Who did what.
    pub audit: Audit,
    /// Which applications may issue user tokens.
    pub applications: Arc<Applications>,
    /// The time.
    pub clock: SharedClock,
    /// Runs what gathers receipts.
    pub tasks: Tasks,
    /// Signs and verifies user tokens.
    pub seal: Arc<Seal>,
}

/// The inboxes of everybody, as this node serves them; cheap to clone.
#[derive(Clone)]
pub struct Inboxes {
    parts: Arc<InboxParts>,
    feed: Arc<Feed>,
    hub: Arc<Hub>,
    reading: Arc<Reading>,
    read_sets: Arc<ReadSets>,
    marks: Marks,
}

/// An app leg that became visible, with all that the streams show of it.
#[derive(Clone, Debug)]
pub struct ShownLeg {
    /// The leg.
    pub leg: LegId,
    /// Since when, as the store has it.
    pub visible_at: At,
    /// The facts of its message.
    pub facts: Arc<MessageFacts>,
    /// What it says.
    pub content: Arc<Content>,
    /// Who sees it.
    pub members: Members,
}

impl Inboxes {
    /// Reads what is visible and who has read it, and starts the tasks.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn start(parts: InboxParts) -> Result<Inboxes, Refusal> {
        let visible = parts.store.inbox.visible().await?;
        let read = parts.store.inbox.all_receipts(ReceiptKind::Read).await?;
        let feed = Arc::new(Feed::new(rand::random::<i64>() | 1, parts.clock.now(), visible));
        let read_sets = Arc::new(ReadSets::new(read));
        let marks = Marks::start(parts.store.clone(), Arc::clone(&read_sets), parts.clock.clone(), &parts.tasks);
        let inboxes = Inboxes {
            feed,
            hub: Hub::new(),
            reading: Arc::new(Reading::new(parts.store.clone(), Arc::clone(&parts.index))),
            read_sets,
            marks,
            parts: Arc::new(parts),
        };
        let expiring = inboxes.clone();
        inboxes.parts.tasks.spawn(async move { expiring.expire().await });
        Ok(inboxes)
    }

    /// An app leg became visible: it is in its members' lists from now on, and their streams hear of it. Does
    /// not wait. A leg that is known already is not told again.
    pub fn shown(&self, leg: ShownLeg) {
        let only = match &leg.members {
            Members::One(ordinal) => Some(*ordinal),
            Members::Many(_) => None,
        };
        let at = Position::of(leg.visible_at, leg.leg);
        let shown = self.reading.show(leg.facts, leg.content, only);
        let expire_at = shown.facts.expire_at;
        let item = Item { leg: leg.leg, visible_at: leg.visible_at, shown, read_at: None };
        let event = |news: &feed::News| Event {
            cursor: self.feed.after(news).text().into(),
            change: Change::Added(Arc::new(item)),
        };
        self.hub.tell(|| self.feed.came(at, expire_at, &leg.members), event);
    }

    /// An app leg is hidden: it is in no list from now on, and streams hear that it is gone. Does not wait.
    pub fn hidden(&self, leg: LegId) {
        let event = |news: &feed::News| Event {
            cursor: self.feed.after(news).text().into(),
            change: Change::Removed(leg.message()),
        };
        self.hub.tell(|| self.feed.went(leg), event);
    }

    /// How many streams are open on this node.
    #[must_use]
    pub fn streams(&self) -> usize {
        self.hub.count()
    }

    async fn expire(&self) {
        loop {
            tokio::select! {
                () = self.parts.tasks.stopping() => return,
                () = tokio::time::sleep(EXPIRE_EVERY) => {}
            }
            let now = self.parts.clock.now();
            self.read_sets.forget(&self.feed.expire(now), now);
        }
    }
}
