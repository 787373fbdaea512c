//! Who has read what: sets by leg in memory, written in groups. A mark is answered after its commit.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::RwLock;
use tokio::sync::{mpsc, oneshot};

use crate::domain::id::LegId;
use crate::domain::outcome::ReceiptKind;
use crate::domain::refusal::{Reason, Refusal};
use crate::domain::set::Set;
use crate::domain::time::At;
use crate::runtime::clock::SharedClock;
use crate::runtime::tasks::Tasks;
use crate::store::{self, Receipt, Store};

/// How long marks gather before they are written.
const GATHER: Duration = Duration::from_millis(50);
/// How many marks may wait.
const QUEUE: usize = 4_096;
/// How many marks are written together.
const GROUP: usize = 4_096;

/// The longest that a message can be in a list after it was accepted: 365 days until it is sent, and 30 more.
const LISTED_MAX: Duration = Duration::from_secs(400 * 86_400);

/// Who has read which leg.
#[derive(Default)]
pub(super) struct ReadSets {
    legs: RwLock<HashMap<LegId, ReadBy>>,
}

/// Most legs are one person's; a set for each of them would cost ten times as much.
enum ReadBy {
    One(u32, At),
    Many(Set, At),
}

impl ReadSets {
    /// What the store has. When each was read is not part of it; the leg's own time stands in.
    pub(super) fn new(receipts: Vec<(LegId, Set)>) -> ReadSets {
        let sets = ReadSets::default();
        for (leg, set) in receipts {
            sets.add(leg, &set, leg.message().made_at());
        }
        sets
    }

    /// When a person read a leg, to the latest mark on it.
    pub(super) fn read_at(&self, leg: LegId, ordinal: u32) -> Option<At> {
        match self.legs.read().get(&leg)? {
            ReadBy::One(only, at) => (*only == ordinal).then_some(*at),
            ReadBy::Many(set, at) => set.contains(ordinal).then_some(*at),
        }
    }

    /// Some people have read a leg.
    pub(super) fn add(&self, leg: LegId, set: &Set, at: At) {
        let mut legs = self.legs.write();
        let read_by = match (legs.remove(&leg), set.min()) {
            (None, Some(only)) if set.len() == 1 => ReadBy::One(only, at),
            (None, _) => ReadBy::Many(set.clone(), at),
            (Some(ReadBy::One(only, before)), _) => {
                let both = set | Set::from_iter([only]);
                if both.len() == 1 { ReadBy::One(only, before) } else { ReadBy::Many(both, at) }
            }
            (Some(ReadBy::Many(mut before, _)), _) => {
                before |= set;
                ReadBy::Many(before, at)
            }
        };
        legs.insert(leg, read_by);
    }

    /// Forgets legs that nobody can list any more: those that are gone, and those of messages that were made
    /// so long ago that every one of them has expired.
    pub(super) fn forget(&self, gone: &[LegId], now: At) {
        let mut legs = self.legs.write();
        gone.iter().for_each(|leg| drop(legs.remove(leg)));
        legs.retain(|leg, _| leg.message().made_at().plus(LISTED_MAX) > now);
    }
}

/// Takes marks and writes them in groups; cheap to clone.
#[derive(Clone)]
pub(super) struct Marks {
    queue: mpsc::Sender<Mark>,
}

struct Mark {
    legs: Vec<LegId>,
    ordinal: u32,
    answer: oneshot::Sender<store::Result<()>>,
}

impl Marks {
    /// Starts the task that writes.
    pub(super) fn start(store: Store, sets: Arc<ReadSets>, clock: SharedClock, tasks: &Tasks) -> Marks {
        let (queue, marks) = mpsc::channel(QUEUE);
        let stop = tasks.stop_token();
        tasks.spawn(async move {
            let mut marks = marks;
            loop {
                let first = tokio::select! {
                    biased;
                    mark = marks.recv() => mark,
                    () = stop.cancelled() => None,
                };
                let Some(first) = first else { return };
                let group = gather(first, &mut marks).await;
                write(&store, &sets, clock.now(), group).await;
            }
        });
        Marks { queue }
    }

    /// A person has read some legs. Ends after the commit.
    pub(super) async fn read(&self, ordinal: u32, legs: Vec<LegId>) -> Result<(), Refusal> {
        let gone = || Refusal::new(Reason::Draining, "The node is going away; repeat the call.");
        let (answer, answered) = oneshot::channel();
        self.queue.send(Mark { legs, ordinal, answer }).await.map_err(|_| gone())?;
        Ok(answered.await.map_err(|_| gone())??)
    }
}

async fn gather(first: Mark, marks: &mut mpsc::Receiver<Mark>) -> Vec<Mark> {
    let mut group = vec![first];
    let more = async {
        while group.len() < GROUP {
            match marks.recv().await {
                Some(mark) => group.push(mark),
                None => break,
            }
        }
    };
    // Time running out is the ordinary end of a group.
    let _ = tokio::time::timeout(GATHER, more).await;
    group
}

async fn write(store: &Store, sets: &ReadSets, at: At, group: Vec<Mark>) {
    let mut by_leg: HashMap<LegId, Set> = HashMap::new();
    for mark in &group {
        for leg in &mark.legs {
            by_leg.entry(*leg).or_default().insert(mark.ordinal);
        }
    }
    let receipts = by_leg.into_iter().map(|(leg, set)| Receipt { leg, kind: ReceiptKind::Read, set, at });
    let receipts: Vec<Receipt> = receipts.collect();
    let result = store.inbox.add_receipts(receipts.clone()).await;
    if result.is_ok() {
        receipts.iter().for_each(|receipt| sets.add(receipt.leg, &receipt.set, at));
    }
    for mark in group {
        // Nobody waits any more if the caller went away.
        let _ = mark.answer.send(result.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::id::MessageId;

    #[test]
    fn read_sets_know_one_reader_and_many() {
        let sets = ReadSets::default();
        let leg = MessageId(16).leg(1);
        sets.add(leg, &Set::from_iter([5]), At(10));
        sets.add(leg, &Set::from_iter([5]), At(20));
        assert_eq!((sets.read_at(leg, 5), sets.read_at(leg, 6)), (Some(At(10)), None), "the first time stays");
        sets.add(leg, &Set::from_iter([6, 7]), At(30));
        assert!([5, 6, 7].iter().all(|one| sets.read_at(leg, *one).is_some()));
        let other = MessageId(32).leg(1);
        sets.add(other, &Set::from_iter([5]), At(30));
        sets.forget(&[leg], leg.message().made_at());
        assert_eq!((sets.read_at(leg, 5), sets.read_at(other, 5)), (None, Some(At(30))));
        sets.forget(&[], other.message().made_at().plus(LISTED_MAX));
        assert_eq!(sets.read_at(other, 5), None, "too old to be listed");
    }
}
