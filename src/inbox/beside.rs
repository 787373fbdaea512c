//! Hearing of what other nodes released, hid and wrote down: by hints at once, and by looking into the store now
//! and then for what no hint told.

use std::sync::Arc;
use std::time::Duration;

use super::cursor::Position;
use super::item::{Item, app_leg};
use super::{Change, Event, Inboxes, feed};
use crate::domain::id::{LegId, MessageId};
use crate::domain::outcome::ReceiptKind;
use crate::domain::time::At;
use crate::store::{Members, Result};

/// What became visible so long before the last look may have been committed after it: clocks differ, and a commit
/// takes its time.
const OVERLAP: Duration = Duration::from_secs(20);
/// People whose own messages are asked for at once.
const PEOPLE: usize = 1_000;

impl Inboxes {
    /// Another node released a leg, as a hint or the store says; `only` is the one member of a short message.
    /// One that is known already is not told again.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn released(&self, leg: LegId, visible_at: At, only: Option<u32>) -> Result<()> {
        let at = Position::of(visible_at, leg);
        if self.feed.knows(leg) || only.is_some_and(|ordinal| !self.hub.has(ordinal)) {
            return Ok(());
        }
        let members = match only {
            Some(ordinal) => Members::One(ordinal),
            None => match self.parts.store.inbox.visible_leg(leg).await? {
                Some(visible) => Members::Many(visible.members),
                // Hidden meanwhile.
                None => return Ok(()),
            },
        };
        self.tell(at, members).await
    }

    /// Tells of a leg that this node did not release itself, unless it is known already.
    pub(super) async fn tell(&self, at: Position, members: Members) -> Result<()> {
        let leg = at.leg();
        let Some(shown) = self.reading.find(leg.message()).await? else { return Ok(()) };
        let expire_at = shown.facts.expire_at;
        let item = Item { leg, visible_at: at.visible_at, shown, read_at: None };
        let event = |news: &feed::News| Event {
            cursor: self.feed.after(news).text().into(),
            change: Change::Added(Arc::new(item)),
        };
        self.hub.tell(|| self.feed.came(at, expire_at, &members), event);
        Ok(())
    }

    /// A message was cancelled on any node: its entry is gone here too.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn cancelled(&self, message: MessageId) -> Result<()> {
        let shown = self.reading.find(message).await?;
        if let Some(leg) = shown.and_then(|shown| app_leg(&shown.facts)) {
            self.hidden(leg);
        }
        Ok(())
    }

    /// Looks into the store for what other nodes released or wrote down since a moment, and tells it.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn look(&self, since: At) -> Result<()> {
        let (store, since) = (&self.parts.store.inbox, since.minus(OVERLAP));
        for (leg, set) in store.receipts_since(ReceiptKind::Read, since).await? {
            self.read_sets.add(leg, &set, leg.message().made_at());
        }
        for (leg, visible_at) in store.visible_since(since).await? {
            self.released(leg, visible_at, None).await?;
        }
        for people in self.hub.connected().chunks(PEOPLE) {
            for (ordinal, leg) in store.personal_since(people.to_vec(), since).await? {
                self.released(leg.leg, leg.visible_at, Some(ordinal)).await?;
            }
        }
        Ok(())
    }
}
