//! The audit trail: entries arrive unsealed and are chained a moment later; nothing of it is ever changed.

use std::collections::HashMap;

use async_trait::async_trait;

use super::{Accept, Result};
use crate::domain::audit::chain::{SERVICE, START, messages_bytes};
use crate::domain::audit::{Action, Checkpoint, Entry, Head, Object, digest_of};
use crate::domain::time::At;

/// How many publish commits before a message's id may hold the message: two of each of many nodes.
pub(super) const COMMITS_NEAR: i64 = 128;

/// The audit trail. There is a chain for each node's epoch, in the order in which its entries were sealed, which is
/// about the order in which they arrived. No method changes or removes a sealed entry, and the tables refuse it.
/// [`super::Messages::accept`] appends an entry too: one for all messages that a group stores.
#[async_trait]
pub trait Audit: Send + Sync {
    /// Appends an entry, to be sealed. Its `sequence` and `hash` do not matter.
    async fn append(&self, entry: Entry) -> Result<()>;

    /// Chains at most `limit` unsealed entries of this epoch and of epochs whose nodes live no more, in one
    /// transaction and in the order of arrival within each. Returns how many.
    async fn seal(&self, epoch: i64, limit: usize) -> Result<usize>;

    /// At most `limit` sealed entries that pass the filter, newest first, by time, epoch and sequence; from a place
    /// on if one is given, itself included.
    async fn list(&self, filter: EntryFilter, from: Option<EntryPlace>, limit: usize) -> Result<Vec<Entry>>;

    /// At most `limit` sealed entries behind an (epoch, sequence), ascending by both.
    async fn chain(&self, after: (i64, i64), limit: usize) -> Result<Vec<Entry>>;

    /// How far every chain goes, ascending by epoch.
    async fn heads(&self) -> Result<Vec<Head>>;

    /// Stores a checkpoint. `ID_TAKEN` if there is one with its number: somebody else was first.
    async fn put_checkpoint(&self, checkpoint: Checkpoint) -> Result<()>;

    /// At most `limit` checkpoints with numbers above `after`, ascending.
    async fn checkpoints(&self, after: i64, limit: usize) -> Result<Vec<Checkpoint>>;

    /// The latest checkpoint.
    async fn last_checkpoint(&self) -> Result<Option<Checkpoint>>;
}

/// Which entries to list. `None` is no limit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EntryFilter {
    /// Only this action.
    pub action: Option<Action>,
    /// Only what was done to this; of a message also the commit that stored it.
    pub object: Option<Object>,
    /// At or after.
    pub after: Option<At>,
    /// Before.
    pub before: Option<At>,
}

/// Where an entry stands among all by time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct EntryPlace {
    /// When.
    pub at: At,
    /// The chain.
    pub epoch: i64,
    /// Its number in it.
    pub sequence: i64,
}

impl EntryPlace {
    /// After everything.
    pub const LAST: EntryPlace = EntryPlace { at: At(i64::MAX), epoch: i64::MAX, sequence: i64::MAX };

    /// The place of an entry.
    #[must_use]
    pub fn of(entry: &Entry) -> EntryPlace {
        EntryPlace { at: entry.at, epoch: entry.epoch, sequence: entry.sequence }
    }
}

impl EntryFilter {
    /// The span of time, the end not included.
    pub(super) fn span(&self) -> (i64, i64) {
        (self.after.map_or(i64::MIN, |at| at.0), self.before.map_or(i64::MAX, |at| at.0))
    }

    /// What of the entries near a message is asked for: those about the message, newest first, from a place on.
    pub(super) fn about(&self, near: Vec<Entry>, from: EntryPlace, limit: usize) -> Vec<Entry> {
        let (after, before) = self.span();
        let wanted = |entry: &Entry| {
            let exactly = self.object.is_none_or(|object| entry.object == object.codes());
            let among = || entry.messages().any(|(id, _)| Some(Object::Message(id)) == self.object);
            self.action.is_none_or(|action| entry.action == action.code())
                && (after..before).contains(&entry.at.0)
                && EntryPlace::of(entry) <= from
                && (exactly || among())
        };
        let mut found: Vec<Entry> = near.into_iter().filter(wanted).collect();
        found.sort_unstable_by_key(|entry| std::cmp::Reverse(EntryPlace::of(entry)));
        found.truncate(limit);
        found
    }
}

/// The entry of a publish commit; `None` if it stored nothing.
pub(super) fn published<'a>(stored: impl Iterator<Item = &'a Accept>, epoch: i64) -> Option<Entry> {
    let mut stored: Vec<&Accept> = stored.collect();
    stored.sort_unstable_by_key(|item| item.facts.id);
    let first = stored.first()?.facts.id;
    let at = stored.iter().map(|item| item.facts.created_at).max()?;
    let part = |item: &&Accept| {
        let mut part = [0; 56];
        for (place, number) in [item.facts.id.0, item.facts.principal.code(), item.key.0.0].into_iter().enumerate() {
            part[place * 8..][..8].copy_from_slice(&number.to_be_bytes());
        }
        part[24..].copy_from_slice(&item.digest);
        part
    };
    Some(Entry {
        epoch,
        sequence: 0,
        at,
        actor: SERVICE,
        key: 0,
        action: Action::MessagePublish.code(),
        object: Object::Message(first).codes(),
        messages: messages_bytes(stored.iter().map(|item| (item.facts.id, item.facts.principal))),
        denied: false,
        digest: digest_of(stored.iter().map(part)),
        hash: START,
    })
}

/// Heads of chains while entries are put behind them.
pub(super) struct Chains {
    heads: HashMap<i64, Head>,
}

impl Chains {
    /// Chains with these heads; all others are empty.
    pub(super) fn of(heads: impl IntoIterator<Item = Head>) -> Chains {
        Chains { heads: heads.into_iter().map(|head| (head.epoch, head)).collect() }
    }

    /// Gives an entry its place and hash.
    pub(super) fn seal(&mut self, entry: &mut Entry) {
        let head = self.heads.entry(entry.epoch).or_insert(Head { epoch: entry.epoch, sequence: 0, hash: START });
        entry.sequence = head.sequence + 1;
        entry.hash = entry.hash_after(&head.hash);
        (head.sequence, head.hash) = (entry.sequence, entry.hash);
    }

    /// The heads, ascending by epoch.
    pub(super) fn heads(self) -> Vec<Head> {
        let mut heads: Vec<Head> = self.heads.into_values().collect();
        heads.sort_unstable_by_key(|head| head.epoch);
        heads
    }
}
