//! The trail for people: newest first, one event for each message of a publish commit.

use std::fmt;
use std::str::FromStr;

use super::Audit;
use crate::access::Caller;
use crate::domain::access::Principal;
use crate::domain::audit::{Action, Entry, Object};
use crate::domain::id::KeyId;
use crate::domain::page::{Page, PageRequest, invalid};
use crate::domain::refusal::Refusal;
use crate::domain::time::At;
use crate::store::{EntryFilter, EntryPlace};

/// Entries that are read at once.
const PAGE: usize = 500;
/// Entries that are looked at for one page; a page may be short for it, and the next one goes on.
const LOOK_MAX: usize = 10_000;

/// Which events. `None` is no limit.
#[derive(Clone, Debug, Default)]
pub struct EventQuery {
    /// Only what this principal did.
    pub actor: Option<Principal>,
    /// Only this.
    pub action: Option<Action>,
    /// Only what was done to this.
    pub object: Option<Object>,
    /// At or after.
    pub after: Option<At>,
    /// Before.
    pub before: Option<At>,
}

/// One deed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The node that wrote it.
    pub epoch: i64,
    /// Its number in that node's chain.
    pub sequence: i64,
    /// When.
    pub at: At,
    /// Who; `None` for the service itself.
    pub actor: Option<Principal>,
    /// With which key; of a publish its message says.
    pub key: Option<KeyId>,
    /// What.
    pub action: &'static str,
    /// To what.
    pub object: Object,
    /// It was refused for want of a right.
    pub denied: bool,
    /// The entry's hash.
    pub hash: [u8; 32],
}

/// Where a page ended: at an event of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Mark {
    place: EntryPlace,
    event: usize,
}

impl Audit {
    /// One page of events, newest first. May be shorter than asked for, even empty, while there are more.
    ///
    /// # Errors
    /// `SCOPE_MISSING`, `ROLE_MISSING`, `TEST_KEY`, `PAGE_TOKEN_INVALID`.
    pub async fn list(&self, caller: &Caller, query: &EventQuery, page: &PageRequest) -> Result<Page<Event>, Refusal> {
        self.read_by(caller).await?;
        let mut mark = page.after::<Mark>()?.unwrap_or(Mark { place: EntryPlace::LAST, event: 0 });
        if page.after.is_none() {
            self.seal_for_reader().await;
        }
        let EventQuery { action, object, after, before, .. } = *query;
        let filter = EntryFilter { action, object, after, before };
        let (mut items, mut looked) = (Vec::new(), 0);
        while looked < LOOK_MAX {
            // One more tells where to go on.
            let entries = self.parts.store.list(filter.clone(), Some(mark.place), PAGE + 1).await?;
            let more = entries.get(PAGE).map(EntryPlace::of);
            for entry in entries.iter().take(PAGE) {
                let place = EntryPlace::of(entry);
                let begin = if place == mark.place { mark.event } else { 0 };
                for (event, found) in events(entry).enumerate().skip(begin).filter(|(_, found)| query.wants(found)) {
                    if items.len() == page.limit() {
                        return Ok(Page { items, next: Some(Mark { place, event }.to_string()) });
                    }
                    items.push(found);
                }
            }
            looked += PAGE;
            let Some(place) = more else { return Ok(Page { items, next: None }) };
            mark = Mark { place, event: 0 };
        }
        Ok(Page { items, next: Some(mark.to_string()) })
    }
}

impl EventQuery {
    fn wants(&self, event: &Event) -> bool {
        self.actor.is_none_or(|actor| event.actor == Some(actor))
            && self.object.is_none_or(|object| event.object == object)
    }
}

/// The events of an entry: one, or one for each message.
fn events(entry: &Entry) -> impl Iterator<Item = Event> + '_ {
    let whole = Event {
        epoch: entry.epoch,
        sequence: entry.sequence,
        at: entry.at,
        actor: entry.principal(),
        key: (entry.key != 0).then_some(KeyId(entry.key)),
        action: entry.known_action().map_or("unknown", Action::name),
        object: entry.known_object().unwrap_or(Object::None),
        denied: entry.denied,
        hash: entry.hash,
    };
    let single = entry.messages.is_empty().then(|| whole.clone());
    let each = entry.messages().map(move |(id, principal)| Event {
        actor: Some(principal),
        object: Object::Message(id),
        ..whole.clone()
    });
    single.into_iter().chain(each)
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Mark { place: EntryPlace { at, epoch, sequence }, event } = self;
        write!(f, "{}.{epoch}.{sequence}.{event}", at.0)
    }
}

impl FromStr for Mark {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Mark, Refusal> {
        let numbers: Result<Vec<i64>, _> = text.split('.').map(str::parse).collect();
        match numbers.map_err(|_| invalid())?[..] {
            [at, epoch, sequence, event] => Ok(Mark {
                place: EntryPlace { at: At(at), epoch, sequence },
                event: usize::try_from(event).map_err(|_| invalid())?,
            }),
            _ => Err(invalid()),
        }
    }
}
