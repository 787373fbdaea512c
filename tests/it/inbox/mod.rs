//! Inboxes over a real store: lists, marks, streams and tokens.

mod listing;
mod streaming;
mod tokens;

use std::sync::Arc;
use std::time::Duration;

use campanile::access::Caller;
use campanile::audience::Index;
use campanile::directory::Memory;
use campanile::domain::access::{Key, KeyScopes, Mode, Principal};
use campanile::domain::channel::Channel;
use campanile::domain::id::{ApplicationId, MessageId};
use campanile::domain::page::PageRequest;
use campanile::domain::set::Set;
use campanile::domain::time::At;
use campanile::inbox::{Change, Event, InboxParts, Inboxes, ListFilter, Page, Reader, ShownLeg, Subscription};
use campanile::runtime::clock::{Clock, ManualClock};
use campanile::runtime::tasks::Tasks;
use campanile::store::{Accepted, ApplicationDraft};

use crate::store::fixture::NOW;
use crate::store::publishing::{EPOCH, key, office, publish};
use crate::store::{Fresh, Store, nth, sqlite};
use crate::support::audit::audit;

/// The application that issues user tokens.
const GATEWAY: ApplicationId = ApplicationId(9);

/// A campus of people with their inboxes.
pub struct Hall {
    pub store: Store,
    pub inboxes: Inboxes,
    pub index: Arc<Index>,
    pub clock: Arc<ManualClock>,
    pub tasks: Tasks,
    _fresh: Arc<Fresh>,
}

impl Hall {
    /// So many people, `u1` and on.
    pub async fn new(people: u32) -> Hall {
        let fresh = Arc::new(sqlite());
        office(&fresh.store, people).await;
        let gateway = |id, inbox_gateway| ApplicationDraft {
            id,
            department: "cs".into(),
            title: "app".into(),
            inbox_gateway,
            default_channels: vec![],
            default_topic: None,
            contact: String::new(),
        };
        fresh.store.access.create_application(gateway(GATEWAY, true), NOW).await.unwrap();
        fresh.store.access.create_application(gateway(ApplicationId(10), false), NOW).await.unwrap();
        Hall::over(fresh, Arc::new(ManualClock::at(NOW))).await
    }

    async fn over(fresh: Arc<Fresh>, clock: Arc<ManualClock>) -> Hall {
        let (store, tasks) = (fresh.store.clone(), Tasks::new());
        let memory = Memory::load(&store).await.unwrap();
        let parts = InboxParts {
            store: store.clone(),
            index: memory.index.clone(),
            audit: audit(&store, clock.clone()),
            applications: memory.applications,
            clock: clock.clone(),
            tasks: tasks.clone(),
            seal: memory.seal,
        };
        let inboxes = Inboxes::start(parts).await.unwrap();
        Hall { store, inboxes, index: memory.index, clock, tasks, _fresh: fresh }
    }

    /// The same campus after a restart.
    pub async fn again(self) -> Hall {
        assert!(self.tasks.stop(Duration::from_secs(5)).await);
        Hall::over(self._fresh, self.clock).await
    }

    /// Stores the n-th publish, a millisecond after the one before, without telling the inboxes.
    pub async fn store(&self, n: i64, people: Set) -> ShownLeg {
        self.clock.advance(Duration::from_millis(1));
        let at = self.clock.now();
        let mut item = publish(&self.store, n, people, &[Channel::Email, Channel::App]).await;
        (item.facts.created_at, item.facts.send_at) = (at, at);
        let answer = self.store.messages.accept(vec![item.clone()], EPOCH).await.unwrap().remove(0);
        assert!(matches!(answer, Accepted::Stored(_)), "{answer:?}");
        ShownLeg {
            leg: item.facts.id.leg(2),
            visible_at: at,
            facts: Arc::new(item.facts),
            content: item.content,
            members: item.members,
        }
    }

    /// Stores the n-th publish and tells the inboxes.
    pub async fn release(&self, n: i64, people: Set) -> MessageId {
        let shown = self.store(n, people).await;
        let message = shown.leg.message();
        self.inboxes.shown(shown);
        message
    }

    /// The whole inbox, or what is unread of it, in pages of two.
    pub async fn inbox(&self, reader: &Reader, unread_only: bool) -> (Vec<MessageId>, Page) {
        let mut filter =
            ListFilter { unread_only, page: PageRequest { size: 2, after: None }, ..ListFilter::default() };
        let first = self.inboxes.list(reader, &filter).await.unwrap();
        let (mut all, mut page) = (messages(&first), first.clone());
        while page.next.is_some() {
            filter.page.after = page.next;
            page = self.inboxes.list(reader, &filter).await.unwrap();
            all.extend(messages(&page));
        }
        (all, first)
    }
}

/// The n-th person with a live token.
pub fn reader(n: u32) -> Reader {
    Reader { ordinal: nth(n), mode: Mode::Live, token_epoch: 0, expire_at: At(NOW.0 + 86_400_000) }
}

/// An application's key.
pub fn caller(application: ApplicationId, mode: Mode, scopes: KeyScopes) -> Caller {
    let principal = Principal::Application(application);
    Caller::new(Arc::new(Key { principal, mode, scopes, ..key(1) }))
}

/// One person or several, by number.
pub fn people(numbers: impl IntoIterator<Item = u32>) -> Set {
    numbers.into_iter().map(nth).collect()
}

/// The messages of a page.
pub fn messages(page: &Page) -> Vec<MessageId> {
    page.items.iter().map(|item| item.leg.message()).collect()
}

/// The next event, within ten seconds.
pub async fn next(stream: &mut Subscription) -> Event {
    tokio::time::timeout(Duration::from_secs(10), stream.next()).await.expect("an event").unwrap().unwrap()
}

/// The message that the next event adds.
pub async fn added(stream: &mut Subscription) -> MessageId {
    match next(stream).await.change {
        Change::Added(item) => item.leg.message(),
        other => panic!("not a new entry: {other:?}"),
    }
}
