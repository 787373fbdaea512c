//! One live stream: what was missed since the cursor, then what happens, without gap or double.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::Inboxes;
use super::cursor::{Cursor, Position};
use super::feed::{Heard, News};
use super::hub::{Change, Event, Reconnect, Registered};
use super::token::Reader;
use crate::domain::refusal::{Reason, Refusal};
use crate::runtime::backoff::jitter;

/// How often a silent stream gives a sign of life.
pub const HEARTBEAT: Duration = Duration::from_secs(25);
/// Entries that a stream catches up with; who missed more lists again.
const CATCH_UP_MAX: usize = 1_000;
/// A cursor of another feed says no order of commits, only times. Entries of so long before it are told again
/// rather than lost.
const MARGIN: Duration = Duration::from_secs(2);
/// How long to stay away from a node that is going down.
const DRAIN_WAIT: Duration = Duration::from_secs(1);

/// A person's live stream. Leaves the node's streams when it is dropped.
pub struct Subscription {
    inboxes: Inboxes,
    reader: Reader,
    registered: Registered,
    missed: VecDeque<Missed>,
    /// The cursor of the last event.
    reached: Arc<str>,
    /// Tells when somebody's tokens ended.
    tokens: watch::Receiver<u64>,
    ended: bool,
}

/// Something that happened before the stream was there.
struct Missed {
    cursor: Cursor,
    at: Position,
    came: bool,
}

impl Inboxes {
    /// Opens a stream of what happens in a person's inbox after the cursor; without one, from now on.
    ///
    /// Errors: `TOKEN_INVALID` if the reader's token was ended, `FIELD_INVALID` for a cursor that is none, `CURSOR_TOO_OLD`, `STREAMS_EXHAUSTED`, `DRAINING`,
    /// and those of the store.
    pub async fn subscribe(&self, reader: &Reader, cursor: &str) -> Result<Subscription, Refusal> {
        let cursor = if cursor.is_empty() { None } else { Some(Cursor::parse(cursor)?) };
        if self.parts.tasks.is_stopping() {
            return Err(Refusal::new(Reason::Draining, "The node is going away; connect again.").after(DRAIN_WAIT));
        }
        let tokens = self.parts.index.snapshot().users().tokens_ended();
        if !self.is_present(reader) {
            return Err(crate::access::token::invalid());
        }
        // First the stream, then the past: what happens in between waits in the stream.
        let registered = self.hub.register(&self.feed, reader.ordinal)?;
        let missed = match cursor {
            Some(cursor) => self.missed(reader, &cursor, &registered.from).await?,
            None => VecDeque::new(),
        };
        let reached = Arc::from(cursor.filter(|_| !missed.is_empty()).unwrap_or(registered.from).text());
        Ok(Subscription { inboxes: self.clone(), reader: *reader, registered, missed, reached, tokens, ended: false })
    }

    async fn missed(&self, reader: &Reader, cursor: &Cursor, now: &Cursor) -> Result<VecDeque<Missed>, Refusal> {
        let missed = match self.feed.since(cursor, reader.ordinal) {
            Some(news) => self.missed_news(news, now),
            None => self.missed_entries(reader, cursor, now).await?,
        };
        if missed.len() > CATCH_UP_MAX {
            let advice = "Too much happened since the cursor; list the inbox and subscribe from there.";
            return Err(Refusal::new(Reason::CursorTooOld, advice).field("cursor").with("limit", CATCH_UP_MAX));
        }
        Ok(missed)
    }

    /// From the feed's own memory, exactly. What came and went is told as gone only.
    fn missed_news(&self, mut news: Vec<News>, now: &Cursor) -> VecDeque<Missed> {
        news.retain(|one| one.seq <= now.seq);
        let gone: HashSet<Position> = news.iter().filter(|one| !one.came).map(|one| one.at).collect();
        news.iter()
            .filter(|one| !one.came || !gone.contains(&one.at))
            .map(|one| Missed { cursor: self.feed.after(one), at: one.at, came: one.came })
            .collect()
    }

    /// By time, for a cursor that this feed did not give or has forgotten. Until the stream has caught up its
    /// cursors say no more than the time either.
    async fn missed_entries(&self, reader: &Reader, then: &Cursor, now: &Cursor) -> Result<VecDeque<Missed>, Refusal> {
        let from = then.position.visible_at.minus(MARGIN);
        let (entries, _) = self.entries(reader).await?;
        let clock = self.parts.clock.now();
        let after = entries.into_iter().take_while(|at| at.visible_at > from).filter(|at| *at != then.position);
        // What came since the stream is there waits in the stream.
        let after = after.filter(|at| self.feed.heard(now, *at, clock) == Heard::Before);
        let missed = |at| Missed { cursor: Cursor { feed: 0, seq: 0, position: at }, at, came: true };
        let mut missed: VecDeque<Missed> = after.take(CATCH_UP_MAX + 1).map(missed).collect();
        missed.make_contiguous().reverse();
        Ok(missed)
    }
}

impl Subscription {
    /// The next event; waits for it. `None` after a [`Change::Reconnect`]. Errors are the store's and end the
    /// stream.
    pub async fn next(&mut self) -> Option<Result<Event, Refusal>> {
        if self.ended {
            return None;
        }
        let event = match self.catch_up().await {
            Ok(Some(event)) => event,
            Ok(None) => self.live().await,
            Err(refusal) => {
                self.ended = true;
                return Some(Err(refusal));
            }
        };
        self.reached = Arc::clone(&event.cursor);
        Some(Ok(event))
    }

    async fn catch_up(&mut self) -> Result<Option<Event>, Refusal> {
        while let Some(missed) = self.missed.pop_front() {
            if self.missed.is_empty() {
                self.reached = Arc::from(self.registered.from.text());
            }
            if let Some(event) = self.told(&missed).await? {
                return Ok(Some(event));
            }
        }
        Ok(None)
    }

    async fn told(&self, missed: &Missed) -> Result<Option<Event>, Refusal> {
        // With the last of them the stream has all that came before it.
        let all = self.missed.is_empty();
        let cursor = if all { Arc::clone(&self.reached) } else { Arc::from(missed.cursor.text()) };
        if !missed.came {
            return Ok(Some(Event { cursor, change: Change::Removed(missed.at.leg().message()) }));
        }
        let inboxes = &self.inboxes;
        let through = inboxes.parts.store.inbox.read_through(self.reader.ordinal).await?;
        let item = inboxes.item(&self.reader, missed.at, through).await?;
        Ok(item.map(|item| Event { cursor, change: Change::Added(Arc::new(item)) }))
    }

    async fn live(&mut self) -> Event {
        let parts = &self.inboxes.parts;
        loop {
            let left = self.reader.expire_at.since(parts.clock.now());
            if left.is_zero() {
                return self.end(Reconnect::TokenExpiring);
            }
            tokio::select! {
                biased;
                event = self.registered.events.recv() => match event {
                    Some(event) if self.concerns(&event) => return event,
                    Some(_) => {}
                    None => return self.end(Reconnect::TooSlow),
                },
                Ok(()) = self.tokens.changed() => {
                    if !self.inboxes.is_present(&self.reader) {
                        return self.end(Reconnect::TokenExpiring);
                    }
                }
                () = parts.tasks.stopping() => return self.end(Reconnect::Draining(jitter(DRAIN_WAIT))),
                () = tokio::time::sleep(left.min(HEARTBEAT)) => {
                    if left > HEARTBEAT {
                        return self.event(Change::Heartbeat(parts.clock.now()));
                    }
                }
            }
        }
    }

    /// A reader of test messages sees no live ones, and the other way round.
    fn concerns(&self, event: &Event) -> bool {
        match &event.change {
            Change::Added(item) => {
                let facts = &item.shown.facts;
                facts.mode == self.reader.mode && facts.expire_at > self.inboxes.parts.clock.now()
            }
            _ => true,
        }
    }

    fn end(&mut self, why: Reconnect) -> Event {
        self.ended = true;
        self.event(Change::Reconnect(why))
    }

    /// An event that is no news: the cursor stays where the last one left it.
    fn event(&self, change: Change) -> Event {
        Event { cursor: Arc::clone(&self.reached), change }
    }
}
