//! What an inbox shows of a message, and the bounded memory of what was shown lately.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::audience::Index;
use crate::domain::channel::Channel;
use crate::domain::content::Content;
use crate::domain::id::{LegId, MessageId};
use crate::domain::message::MessageFacts;
use crate::domain::refusal::Refusal;
use crate::domain::time::At;
use crate::store::{self, Store};

/// How many bytes of content are remembered, about.
const REMEMBERED: usize = 16 * 1024 * 1024;

/// One entry of an inbox.
#[derive(Clone, Debug)]
pub struct Item {
    /// The app leg.
    pub leg: LegId,
    /// Since when it is visible.
    pub visible_at: At,
    /// What everybody sees of it.
    pub shown: Arc<Shown>,
    /// When the person read it, to the latest flush of receipts that may concern her; `None` is unread.
    pub read_at: Option<At>,
}

/// What everybody who has a message sees of it.
#[derive(Clone, Debug)]
pub struct Shown {
    /// The facts of the message.
    pub facts: Arc<MessageFacts>,
    /// What it says.
    pub content: Arc<Content>,
    /// The name of the department that speaks.
    pub department_name: Arc<str>,
    /// The one member of a short message.
    pub only_member: Option<u32>,
}

/// The leg of a message that is its inbox entry, if it has one.
#[must_use]
pub(super) fn app_leg(facts: &MessageFacts) -> Option<LegId> {
    let place = facts.channels.iter().position(|channel| *channel == Channel::App)?;
    u8::try_from(place + 1).ok().map(|number| facts.id.leg(number))
}

/// Reads messages and remembers the latest ones: two generations, of which the older is forgotten when the
/// younger has had its half of the memory.
pub(super) struct Reading {
    store: Store,
    index: Arc<Index>,
    memory: Mutex<Memory>,
}

#[derive(Default)]
struct Memory {
    young: HashMap<MessageId, Arc<Shown>>,
    young_bytes: usize,
    old: HashMap<MessageId, Arc<Shown>>,
}

impl Reading {
    /// Nothing is remembered yet.
    pub(super) fn new(store: Store, index: Arc<Index>) -> Reading {
        Reading { store, index, memory: Mutex::default() }
    }

    /// What a message shows; `None` if there is no such message.
    pub(super) async fn get(&self, id: MessageId) -> Result<Option<Arc<Shown>>, Refusal> {
        Ok(self.find(id).await?)
    }

    /// The same with the store's own errors.
    pub(super) async fn find(&self, id: MessageId) -> store::Result<Option<Arc<Shown>>> {
        if let Some(known) = self.memory.lock().get(id) {
            return Ok(Some(known));
        }
        let Some(row) = self.store.messages.message(id).await? else { return Ok(None) };
        let shown = self.show(Arc::new(row.facts), row.content, row.only_member);
        Ok(Some(shown))
    }

    /// What a message shows that the caller has at hand.
    pub(super) fn show(&self, facts: Arc<MessageFacts>, content: Arc<Content>, only: Option<u32>) -> Arc<Shown> {
        let snapshot = self.index.snapshot();
        let department_name = snapshot.tree().get(facts.department_id).map_or("", |one| one.name.as_str()).into();
        let id = facts.id;
        let shown = Arc::new(Shown { facts, content, department_name, only_member: only });
        self.memory.lock().put(id, &shown);
        shown
    }
}

impl Memory {
    fn get(&mut self, id: MessageId) -> Option<Arc<Shown>> {
        if let Some(known) = self.young.get(&id) {
            return Some(Arc::clone(known));
        }
        let known = self.old.remove(&id)?;
        self.put(id, &known);
        Some(known)
    }

    fn put(&mut self, id: MessageId, shown: &Arc<Shown>) {
        self.young_bytes += weight(shown);
        self.young.insert(id, Arc::clone(shown));
        if self.young_bytes > REMEMBERED / 2 {
            self.old = std::mem::take(&mut self.young);
            self.young_bytes = 0;
        }
    }
}

/// About how many bytes an entry takes.
fn weight(shown: &Shown) -> usize {
    const ROW: usize = 1_024;
    let content = &shown.content;
    let texts = [content.email.as_ref().and_then(|mail| mail.text.as_ref()), content.link.as_ref()];
    ROW + content.body.len() + texts.into_iter().flatten().map(String::len).sum::<usize>()
}
