//! What was sent to one person: her own messages and the broadcasts that contain her.

use std::collections::BTreeMap;

use async_trait::async_trait;

use super::facts::first_id;
use super::{MessageRow, OutcomeRow, Result};
use crate::domain::id::{LegId, MessageId};
use crate::domain::outcome::ReceiptKind;
use crate::domain::time::At;

/// Broadcasts of a person's segment that one query looks into at most.
pub(super) const LOOKED_MAX: i64 = 5_000;

/// Everything about one person and some messages. Reads her segment of the sets, and no other.
#[async_trait]
pub trait History: Send + Sync {
    /// The messages whose snapshot contains a person, newest first, in any state and mode. May return fewer than
    /// `limit` and yet say where to go on.
    async fn messages(&self, query: HistoryQuery) -> Result<HistoryPage>;

    /// Every outcome of a person in some legs of messages that mean her, oldest first within a leg, `Pending` moves
    /// left out. Sets hold nobody else. In a leg without a row she is pending.
    async fn outcomes(&self, ordinal: u32, legs: Vec<LegId>) -> Result<Vec<(LegId, OutcomeRow)>>;

    /// What a person did in some legs, or what came back from her: each kind once with its first time, by leg.
    async fn receipts(&self, ordinal: u32, legs: Vec<LegId>) -> Result<Vec<(LegId, ReceiptKind, At)>>;
}

/// Which messages of a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HistoryQuery {
    /// Who.
    pub ordinal: u32,
    /// With an id below this.
    pub before: Option<MessageId>,
    /// Accepted at or after.
    pub created_after: Option<At>,
    /// Accepted before.
    pub created_before: Option<At>,
    /// At most so many.
    pub limit: usize,
}

/// Some messages of a person.
#[derive(Clone, Debug, Default)]
pub struct HistoryPage {
    /// Newest first.
    pub rows: Vec<MessageRow>,
    /// Everything from this id on was looked at; the rest lies below. `None`: there is no more.
    pub next: Option<MessageId>,
}

impl HistoryQuery {
    /// The ids that it spans: from, included, and to, excluded.
    pub(super) fn ids(&self) -> (i64, i64) {
        let end = self.created_before.map_or(i64::MAX, first_id);
        (self.created_after.map_or(0, first_id), self.before.map_or(end, |id| end.min(id.0)))
    }

    /// How many of each kind are to be read: one more than asked for tells that there are more.
    pub(super) fn reach(&self) -> i64 {
        i64::try_from(self.limit).unwrap_or(i64::MAX).saturating_add(1)
    }
}

/// The ids that were found, before they are put together.
#[derive(Debug, Default)]
pub(super) struct HistoryIds {
    /// Of her own rows, newest first, as many as the query reaches.
    pub(super) personal: Vec<i64>,
    /// Of sets that contain her, newest first, as many as the query reaches.
    pub(super) broadcast: Vec<i64>,
    /// Looking ended here, included, because it had looked at so many.
    pub(super) looked_to: Option<i64>,
}

impl HistoryIds {
    /// The newest ones, each once, and where to go on.
    pub(super) fn page(self, limit: usize) -> (Vec<MessageId>, Option<MessageId>) {
        let floor = self.looked_to.unwrap_or(i64::MIN);
        let mut ids: Vec<i64> = self.personal.into_iter().chain(self.broadcast).filter(|id| *id >= floor).collect();
        ids.sort_unstable_by(|a, b| b.cmp(a));
        ids.dedup();
        let more = ids.len() > limit;
        ids.truncate(limit);
        let next = if more { ids.last().copied() } else { self.looked_to };
        (ids.into_iter().map(MessageId).collect(), next.map(MessageId))
    }
}

/// The first time of each kind and leg.
#[derive(Debug, Default)]
pub(super) struct FirstReceipts(BTreeMap<(i64, ReceiptKind), At>);

impl FirstReceipts {
    /// One more.
    pub(super) fn add(&mut self, leg: LegId, kind: ReceiptKind, at: At) {
        let first = self.0.entry((leg.0, kind)).or_insert(at);
        *first = at.min(*first);
    }

    /// All of them, by leg and kind.
    pub(super) fn rows(self) -> Vec<(LegId, ReceiptKind, At)> {
        self.0.into_iter().map(|((leg, kind), at)| (LegId(leg), kind, at)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(personal: &[i64], broadcast: &[i64], looked_to: Option<i64>, limit: usize) -> (Vec<i64>, Option<i64>) {
        let ids = HistoryIds { personal: personal.into(), broadcast: broadcast.into(), looked_to };
        let (ids, next) = ids.page(limit);
        (ids.into_iter().map(|id| id.0).collect(), next.map(|id| id.0))
    }

    #[test]
    fn both_kinds_are_put_together_newest_first_and_each_once() {
        assert_eq!(page(&[90, 50, 10], &[70, 50], None, 9), (vec![90, 70, 50, 10], None));
        assert_eq!(page(&[90, 50, 10], &[70, 50], None, 2), (vec![90, 70], Some(70)));
        assert_eq!(page(&[90, 50], &[], None, 2), (vec![90, 50], None));
    }

    #[test]
    fn nothing_below_the_end_of_looking_is_told_yet() {
        assert_eq!(page(&[90, 50, 10], &[70], Some(40), 9), (vec![90, 70, 50], Some(40)));
        assert_eq!(page(&[10], &[], Some(40), 9), (vec![], Some(40)));
    }
}
