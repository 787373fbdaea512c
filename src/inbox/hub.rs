//! The live streams of this node. One piece of news is one hint: the hub tests its members against the people
//! who are connected here and hands each of their streams the same shared event.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::mpsc;

use super::cursor::Cursor;
use super::feed::{Feed, News};
use super::item::Item;
use crate::domain::id::MessageId;
use crate::domain::refusal::{Reason, Refusal};
use crate::domain::set::Set;
use crate::domain::time::At;
use crate::store::Members;

/// Streams of one person.
pub const STREAMS_PER_USER: usize = 8;
/// Streams of one node.
pub const STREAMS_PER_NODE: usize = 20_000;
/// Events that may wait for a slow reader.
const WAITING: usize = 64;

/// Something that a stream tells.
#[derive(Clone, Debug)]
pub struct Event {
    /// The point reached; subscribing from it misses nothing.
    pub cursor: Arc<str>,
    /// What happened.
    pub change: Change,
}

/// What happened to an inbox.
#[derive(Clone, Debug)]
pub enum Change {
    /// A new entry.
    Added(Arc<Item>),
    /// An entry was read.
    Read {
        /// Its message.
        message: MessageId,
        /// When.
        at: At,
    },
    /// An entry vanished.
    Removed(MessageId),
    /// So many are unread now.
    Unread(u64),
    /// Nothing; a sign of life.
    Heartbeat(At),
    /// The stream ends; come back.
    Reconnect(Reconnect),
}

/// Why a stream ends, and how long to wait before coming back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reconnect {
    /// The node is going away; wait so long.
    Draining(Duration),
    /// The token has ended; take a new one first.
    TokenExpiring,
    /// The reader was too slow and events were dropped; the cursor still tells them.
    TooSlow,
}

/// The streams of this node.
pub(super) struct Hub {
    streams: Mutex<Streams>,
}

#[derive(Default)]
struct Streams {
    by_user: HashMap<u32, Vec<Stream>>,
    connected: Set,
    count: usize,
    next_id: u64,
}

struct Stream {
    id: u64,
    events: mpsc::Sender<Event>,
}

/// A stream that is registered; it leaves the hub when this is dropped.
pub(super) struct Registered {
    hub: Arc<Hub>,
    ordinal: u32,
    id: u64,
    /// What the hub hands over. Ends when the reader was too slow.
    pub events: mpsc::Receiver<Event>,
    /// Where the feed stood: all that comes later is handed over.
    pub from: Cursor,
}

impl Drop for Registered {
    fn drop(&mut self) {
        self.hub.leave(self.ordinal, self.id);
    }
}

impl Hub {
    /// Nobody is connected yet.
    pub(super) fn new() -> Arc<Hub> {
        Arc::new(Hub { streams: Mutex::default() })
    }

    /// Registers a stream of a person. `STREAMS_EXHAUSTED` beyond the caps.
    pub(super) fn register(self: &Arc<Hub>, feed: &Feed, ordinal: u32) -> Result<Registered, Refusal> {
        let mut streams = self.streams.lock();
        let own = streams.by_user.get(&ordinal).map_or(0, Vec::len);
        if own >= STREAMS_PER_USER || streams.count >= STREAMS_PER_NODE {
            return Err(exhausted(own));
        }
        let (sender, events) = mpsc::channel(WAITING);
        streams.next_id += 1;
        let id = streams.next_id;
        streams.by_user.entry(ordinal).or_default().push(Stream { id, events: sender });
        streams.connected.insert(ordinal);
        streams.count += 1;
        // Read under the same lock under which news are told: nothing is between the two.
        let from = feed.cursor();
        Ok(Registered { hub: Arc::clone(self), ordinal, id, events, from })
    }

    /// Enters news into the feed by `enter` and hands the event that `event` makes of it to everybody whom it
    /// concerns. One at a time, so that every stream gets news in the feed's order.
    pub(super) fn tell(&self, enter: impl FnOnce() -> Option<News>, event: impl FnOnce(&News) -> Event) {
        let mut streams = self.streams.lock();
        let Some(news) = enter() else { return };
        match &news.members {
            Members::One(ordinal) if streams.connected.contains(*ordinal) => streams.push(*ordinal, &event(&news)),
            Members::One(_) => {}
            Members::Many(set) => {
                let here = &streams.connected & set.as_ref();
                if !here.is_empty() {
                    let event = event(&news);
                    here.iter().for_each(|ordinal| streams.push(ordinal, &event));
                }
            }
        }
    }

    /// Hands an event to the streams of one person.
    pub(super) fn tell_one(&self, ordinal: u32, event: impl FnOnce() -> Event) {
        let mut streams = self.streams.lock();
        if streams.connected.contains(ordinal) {
            streams.push(ordinal, &event());
        }
    }

    /// Whether a person has a stream open here.
    pub(super) fn has(&self, ordinal: u32) -> bool {
        self.streams.lock().connected.contains(ordinal)
    }

    /// Everybody who has a stream open here.
    pub(super) fn connected(&self) -> Vec<u32> {
        self.streams.lock().connected.iter().collect()
    }

    /// How many streams are open.
    pub(super) fn count(&self) -> usize {
        self.streams.lock().count
    }

    fn leave(&self, ordinal: u32, id: u64) {
        self.streams.lock().keep(ordinal, |stream| stream.id != id);
    }
}

impl Streams {
    /// A stream that takes no more is dropped: its reader sees the end and comes back with its cursor.
    fn push(&mut self, ordinal: u32, event: &Event) {
        self.keep(ordinal, |stream| stream.events.try_send(event.clone()).is_ok());
    }

    fn keep(&mut self, ordinal: u32, keep: impl FnMut(&Stream) -> bool) {
        let Some(own) = self.by_user.get_mut(&ordinal) else { return };
        let before = own.len();
        own.retain(keep);
        self.count -= before - own.len();
        if own.is_empty() {
            self.by_user.remove(&ordinal);
            self.connected.remove(ordinal);
        }
    }
}

fn exhausted(own: usize) -> Refusal {
    let (whose, limit) = if own >= STREAMS_PER_USER {
        ("This person has", STREAMS_PER_USER)
    } else {
        ("This node serves", STREAMS_PER_NODE)
    };
    let message = format!("{whose} {limit} open streams already; close one, or try again later.");
    Refusal::new(Reason::StreamsExhausted, message).with("limit", limit).after(Duration::from_secs(10))
}
