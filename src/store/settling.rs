//! What a settlement writes about one batch whose fence held, decided without a database.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::books::Tally;
use super::packing::{self, Part};
use crate::domain::batch::{Again, Settled, Settlement};
use crate::domain::outcome::{Outcome, Reason};
use crate::domain::set::{self, Set};

/// A settlement row to be written; one for each segment of a set.
pub(super) struct NewRow<'a> {
    pub(super) outcome: Outcome,
    pub(super) reason: Reason,
    pub(super) n: u64,
    pub(super) members: Vec<u8>,
    pub(super) detail: Option<Cow<'a, str>>,
}

/// A batch to be made of members that are tried again.
pub(super) struct Moved<'a> {
    pub(super) first: u32,
    pub(super) last: u32,
    pub(super) n: u64,
    pub(super) members: Vec<u8>,
    pub(super) again: &'a Again,
}

/// What becomes of the batch row itself.
pub(super) enum End<'a> {
    /// It stays with its holder.
    Open,
    /// Nothing of it is left.
    Closed,
    /// All of it got one outcome, which stands in its own row.
    Settled(&'a Settled),
    /// The one person of a short message is tried again: the row itself waits.
    Again(&'a Again),
}

/// Everything that a settlement writes.
pub(super) struct Writes<'a> {
    pub(super) rows: Vec<NewRow<'a>>,
    pub(super) moved: Vec<Moved<'a>>,
    pub(super) end: End<'a>,
}

/// The rows of a settlement of a batch of `n` members, of whom `prior` were settled or moved before. Whoever is
/// among them is left out: a settlement that is repeated because its answer was lost counts nobody twice.
pub(super) fn writes<'a>(item: &'a Settlement, n: u64, mut prior: Set, tally: &mut Tally) -> Writes<'a> {
    let mut writes = Writes { rows: Vec::new(), moved: Vec::new(), end: End::Open };
    if item.short {
        writes.end = match (item.settled.first(), item.again.first()) {
            (Some(settled), _) => End::Settled(settled),
            (None, Some(again)) => End::Again(again),
            (None, None) => End::Open,
        };
        return writes;
    }
    if let ([settled], [], true) = (&item.settled[..], &item.again[..], item.done)
        && prior.is_empty()
        && settled.set.len() == n
    {
        tally.leg(item.leg, settled.outcome, n);
        writes.end = End::Settled(settled);
        return writes;
    }
    let mut alike: BTreeMap<_, Vec<Part<'_>>> = BTreeMap::new();
    for settled in &item.settled {
        let fresh = &settled.set - &prior;
        tally.leg(item.leg, settled.outcome, fresh.len());
        prior |= &fresh;
        alike.entry((settled.outcome, settled.reason)).or_default().push((fresh, settled.detail.as_deref()));
    }
    for ((outcome, reason), parts) in alike {
        for pack in packing::pack(parts) {
            push(&mut writes.rows, outcome, reason, &pack.set, pack.detail);
        }
    }
    for again in &item.again {
        let fresh = &again.set - &prior;
        let words = again.detail.as_deref().map(Cow::Borrowed);
        push(&mut writes.rows, Outcome::Pending, Reason::Retrying, &fresh, words);
        if let (Some(first), Some(last)) = (fresh.min(), fresh.max()) {
            let (n, members) = (fresh.len(), set::to_bytes(&fresh));
            writes.moved.push(Moved { first, last, n, members, again });
        }
        prior |= fresh;
    }
    if item.done {
        tally.touch(item.leg);
        writes.end = End::Closed;
    }
    writes
}

fn push<'a>(rows: &mut Vec<NewRow<'a>>, outcome: Outcome, reason: Reason, set: &Set, detail: Option<Cow<'a, str>>) {
    for (_, part) in set::segments(set) {
        let (n, members) = (part.len(), set::to_bytes(&part));
        rows.push(NewRow { outcome, reason, n, members, detail: detail.clone() });
    }
}
