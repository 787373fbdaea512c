//! A person's inbox as a list: the broadcasts that contain her and her own short messages, newest first, and
//! what of it is unread.

use std::time::Duration;

use super::Inboxes;
use super::cursor::{Cursor, Position};
use super::feed::Heard;
use super::hub::{Change, Event};
use super::item::{Item, app_leg};
use super::token::Reader;
use crate::domain::id::{LegId, MessageId};
use crate::domain::page::PageRequest;
use crate::domain::refusal::{Reason, Refusal};
use crate::domain::time::At;
use crate::store::Members;

/// The most messages that one call marks.
pub const MARK_MAX: usize = 1_000;
/// Short messages that an inbox reaches back over.
const PERSONAL_REACH: usize = 2_000;
const PERSONAL_CHUNK: usize = 500;
/// A message expires at the latest so long after it became visible.
const VALIDITY_MAX: Duration = Duration::from_secs(30 * 86_400);
/// Entries marked together that are told to the person's streams one by one.
const TOLD_ONE_BY_ONE: usize = 16;

/// Which entries to list.
#[derive(Clone, Debug, Default)]
pub struct ListFilter {
    /// Only unread ones.
    pub unread_only: bool,
    /// Only those of this topic.
    pub topic: Option<String>,
    /// Only those that appeared after this.
    pub after: Option<At>,
    /// Which page.
    pub page: PageRequest,
}

/// A page of an inbox.
#[derive(Clone, Debug)]
pub struct Page {
    /// Newest first, one per message.
    pub items: Vec<Item>,
    /// Unread entries in the whole inbox.
    pub unread: u64,
    /// Where the picture was taken: subscribing from here misses nothing and tells nothing again.
    pub cursor: String,
    /// The mark after which the next page goes on; `None` on the last.
    pub next: Option<String>,
}

/// What of an inbox was found.
struct Found {
    /// The entries that a reader with the cursor has, newest first.
    entries: Vec<Position>,
    cursor: Cursor,
    /// Short messages of which nobody here was told yet.
    unheard: Vec<Position>,
}

/// What to mark as read.
#[derive(Clone, Debug)]
pub enum Which {
    /// These messages.
    Messages(Vec<MessageId>),
    /// All that appeared at this time or earlier.
    AllBefore(At),
}

impl Inboxes {
    /// One page of a person's inbox.
    ///
    /// Errors: `PAGE_TOKEN_INVALID`, and those of the store.
    pub async fn list(&self, reader: &Reader, filter: &ListFilter) -> Result<Page, Refusal> {
        let (size, before) = (filter.page.limit(), filter.page.after::<Position>()?);
        let (entries, cursor) = self.entries(reader).await?;
        let through = self.parts.store.inbox.read_through(reader.ordinal).await?;
        let (mut items, mut unread, mut more) = (Vec::new(), 0, false);
        for at in entries {
            let wanted =
                !more && before.is_none_or(|end| at < end) && filter.after.is_none_or(|then| at.visible_at > then);
            let read = self.read_at(reader, at, through).is_some();
            if read && (!wanted || filter.unread_only) {
                continue;
            }
            let Some(item) = self.item(reader, at, through).await? else { continue };
            unread += u64::from(!read);
            if wanted && filter.topic.as_ref().is_none_or(|topic| item.shown.facts.topic.as_ref() == Some(topic)) {
                more = items.len() == size;
                if !more {
                    items.push(item);
                }
            }
        }
        let last = items.last().filter(|_| more);
        let next = last.map(|last| Position::of(last.visible_at, last.leg).to_string());
        Ok(Page { items, unread, cursor: cursor.text(), next })
    }

    /// How many entries of a person's inbox are unread.
    pub async fn unread_count(&self, reader: &Reader) -> Result<u64, Refusal> {
        let (entries, _) = self.entries(reader).await?;
        let through = self.parts.store.inbox.read_through(reader.ordinal).await?;
        let mut unread = 0;
        for at in entries {
            if self.read_at(reader, at, through).is_none() && self.item(reader, at, through).await?.is_some() {
                unread += 1;
            }
        }
        Ok(unread)
    }

    /// Marks entries as read and returns how many are left unread, after the commit. A message that the person
    /// does not have, or has read, is passed over.
    ///
    /// Errors: `FIELD_REQUIRED`, `FIELD_INVALID` for more than [`MARK_MAX`] messages, and those of the store.
    pub async fn mark_read(&self, reader: &Reader, which: Which) -> Result<u64, Refusal> {
        let now = self.parts.clock.now();
        match which {
            Which::AllBefore(at) => self.parts.store.inbox.set_read_through(reader.ordinal, at.min(now)).await?,
            Which::Messages(messages) => self.mark_messages(reader, &messages, now).await?,
        }
        let unread = self.unread_count(reader).await?;
        self.tell_one(reader, Change::Unread(unread));
        Ok(unread)
    }

    async fn mark_messages(&self, reader: &Reader, messages: &[MessageId], now: At) -> Result<(), Refusal> {
        if messages.is_empty() {
            return Err(Refusal::new(Reason::FieldRequired, "Name at least one message.").field("messages"));
        }
        if messages.len() > MARK_MAX {
            let advice = format!("At most {MARK_MAX} messages are marked at once; use all_before, or several calls.");
            return Err(Refusal::new(Reason::FieldInvalid, advice).field("messages").with("limit", MARK_MAX));
        }
        let mut legs = Vec::new();
        for message in messages {
            if let Some(leg) = self.own_leg(reader, *message).await?
                && self.read_sets.read_at(leg, reader.ordinal).is_none()
            {
                legs.push(leg);
            }
        }
        if legs.is_empty() {
            return Ok(());
        }
        self.marks.read(reader.ordinal, legs.clone()).await?;
        if legs.len() <= TOLD_ONE_BY_ONE {
            legs.iter().for_each(|leg| self.tell_one(reader, Change::Read { message: leg.message(), at: now }));
        }
        Ok(())
    }

    fn tell_one(&self, reader: &Reader, change: Change) {
        self.hub.tell_one(reader.ordinal, || Event { cursor: self.feed.cursor().text().into(), change });
    }

    /// The app leg of a message that the person has.
    async fn own_leg(&self, reader: &Reader, message: MessageId) -> Result<Option<LegId>, Refusal> {
        let Some(shown) = self.reading.get(message).await? else { return Ok(None) };
        let Some(leg) = app_leg(&shown.facts).filter(|_| shown.facts.mode == reader.mode) else { return Ok(None) };
        let hers = match shown.only_member {
            Some(only) => only == reader.ordinal,
            None => self.feed.members(leg).is_some_and(|members| members.contains(reader.ordinal)),
        };
        Ok(hers.then_some(leg))
    }

    /// The places of a person's entries, newest first, and where the feed stood. Some of the short ones may
    /// have expired.
    pub(super) async fn entries(&self, reader: &Reader) -> Result<(Vec<Position>, Cursor), Refusal> {
        let found = self.found(reader).await?;
        if found.unheard.is_empty() {
            return Ok((found.entries, found.cursor));
        }
        // Told here and now, they are in the list, and no stream that follows it brings them again. What came
        // meanwhile is news for that stream.
        for at in found.unheard {
            self.tell(at, Members::One(reader.ordinal)).await?;
        }
        let again = self.found(reader).await?;
        Ok((again.entries, again.cursor))
    }

    async fn found(&self, reader: &Reader) -> Result<Found, Refusal> {
        let now = self.parts.clock.now();
        let (mut entries, cursor) = self.feed.list(reader.ordinal, now);
        let (mut unheard, mut before) = (Vec::new(), None);
        for _ in 0..PERSONAL_REACH / PERSONAL_CHUNK {
            let rows = self.parts.store.inbox.personal(reader.ordinal, before, PERSONAL_CHUNK).await?;
            before = rows.last().map(|row| row.leg.message());
            let places = rows.iter().map(|row| Position::of(row.visible_at, row.leg));
            for at in places.filter(|at| at.visible_at.plus(VALIDITY_MAX) > now) {
                match self.feed.heard(&cursor, at, now) {
                    Heard::Before => entries.push(at),
                    Heard::After => {}
                    Heard::Never => unheard.push(at),
                }
            }
            if rows.len() < PERSONAL_CHUNK {
                break;
            }
        }
        entries.sort_unstable_by(|a, b| b.cmp(a));
        Ok(Found { entries, cursor, unheard })
    }

    /// The entry at a place, if the person may still see it.
    pub(super) async fn item(&self, reader: &Reader, at: Position, through: At) -> Result<Option<Item>, Refusal> {
        let leg = at.leg();
        let Some(shown) = self.reading.get(leg.message()).await? else { return Ok(None) };
        if shown.facts.mode != reader.mode || shown.facts.expire_at <= self.parts.clock.now() {
            return Ok(None);
        }
        let read_at = self.read_at(reader, at, through);
        Ok(Some(Item { leg, visible_at: at.visible_at, shown, read_at }))
    }

    fn read_at(&self, reader: &Reader, at: Position, through: At) -> Option<At> {
        let marked = self.read_sets.read_at(at.leg(), reader.ordinal);
        marked.or_else(|| (at.visible_at <= through).then_some(through))
    }
}
