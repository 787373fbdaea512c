//! Whether chains are whole: every entry follows the one before it, and every head that was ever written down is met.

use std::collections::BTreeMap;

use super::chain::{Checkpoint, Entry, Head, START};
use crate::domain::time::At;

/// What does not fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The entry is not there, or another stands in its place.
    Missing,
    /// The entry says something else than when it was chained.
    Altered,
    /// The chain fits in itself, but not what a checkpoint or its head says of this entry.
    Rewritten,
    /// The entry stands behind the end of its chain.
    Added,
    /// The checkpoint of this number is not signed, is missing or does not follow the one before it.
    Checkpoint,
}

/// The first thing that does not fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Broken {
    /// The chain; 0 for a checkpoint.
    pub epoch: i64,
    /// The entry's number, or the checkpoint's.
    pub sequence: i64,
    /// What is wrong with it.
    pub fault: Fault,
}

impl Broken {
    /// One sentence for a person.
    #[must_use]
    pub fn sentence(&self) -> String {
        let Broken { epoch, sequence, fault } = self;
        match fault {
            Fault::Missing => format!("Entry {sequence} of node {epoch} is missing or not where it belongs."),
            Fault::Altered => format!("Entry {sequence} of node {epoch} was altered."),
            Fault::Rewritten => {
                format!(
                    "Entry {sequence} of node {epoch} is not the one that was written down: the chain was rewritten."
                )
            }
            Fault::Added => format!("Entry {sequence} of node {epoch} was added behind the end of its chain."),
            Fault::Checkpoint => {
                format!("Checkpoint {sequence} is missing, altered or not signed by this installation.")
            }
        }
    }
}

/// Walks over all chains, entry by entry, ascending by chain and number.
#[derive(Debug, Default)]
pub struct Verifier {
    /// What entries must hash to.
    marks: BTreeMap<(i64, i64), [u8; 32]>,
    /// The heads that the checkpoints so far make together.
    heads: BTreeMap<i64, Head>,
    last_checkpoint: Option<(i64, At, [u8; 32])>,
    /// The last entry.
    last: Option<Head>,
    /// Where each chain ended.
    ends: Vec<Head>,
    checked: i64,
    partial: bool,
}

impl Verifier {
    /// Of chains from their beginnings.
    #[must_use]
    pub fn new() -> Verifier {
        Verifier::default()
    }

    /// Of parts of chains: what is not there may lie outside.
    #[must_use]
    pub fn partial() -> Verifier {
        Verifier { partial: true, ..Verifier::default() }
    }

    /// Takes the next checkpoint of the installation, in order from the first.
    ///
    /// # Errors
    /// If it does not follow the one before, is not signed, or goes back behind it.
    pub fn checkpoint(&mut self, checkpoint: &Checkpoint, is_signed: bool) -> Result<(), Broken> {
        let (number, previous) = self.last_checkpoint.map_or((0, START), |(number, _, digest)| (number, digest));
        let wrong = |number| Broken { epoch: 0, sequence: number, fault: Fault::Checkpoint };
        if checkpoint.number != number + 1 {
            return Err(wrong(number + 1));
        }
        for head in &checkpoint.heads {
            let before = self.heads.insert(head.epoch, *head);
            if before.is_some_and(|before| before.sequence >= head.sequence) {
                return Err(wrong(checkpoint.number));
            }
        }
        let entries = self.heads.values().map(|head| head.sequence).fold(0_i64, i64::saturating_add);
        if checkpoint.previous != previous || checkpoint.entries != entries {
            return Err(wrong(checkpoint.number));
        }
        self.shipped(checkpoint, is_signed)?;
        self.last_checkpoint = Some((checkpoint.number, checkpoint.at, checkpoint.digest()));
        Ok(())
    }

    /// Takes a checkpoint that was kept elsewhere, whichever it is.
    ///
    /// # Errors
    /// If it is not signed, or says something else of an entry than another one.
    pub fn shipped(&mut self, checkpoint: &Checkpoint, is_signed: bool) -> Result<(), Broken> {
        if !is_signed {
            return Err(Broken { epoch: 0, sequence: checkpoint.number, fault: Fault::Checkpoint });
        }
        self.heads(&checkpoint.heads)
    }

    /// Takes heads as they stood before the walk: entries up to them must be there.
    ///
    /// # Errors
    /// If they say something else of an entry than a checkpoint.
    pub fn heads(&mut self, heads: &[Head]) -> Result<(), Broken> {
        for head in heads {
            let known = *self.marks.entry((head.epoch, head.sequence)).or_insert(head.hash);
            if known != head.hash {
                return Err(Broken { epoch: head.epoch, sequence: head.sequence, fault: Fault::Rewritten });
            }
        }
        Ok(())
    }

    /// Takes the next entry. `before` is the hash of the one before it, for those parts that do not begin at 1.
    ///
    /// # Errors
    /// The first thing that does not fit; going on then makes no sense.
    pub fn entry(&mut self, entry: &Entry, before: Option<&[u8; 32]>) -> Result<(), Broken> {
        let here = |sequence, fault| Broken { epoch: entry.epoch, sequence, fault };
        if self.last.is_none_or(|last| last.epoch != entry.epoch) {
            if self.last.is_some_and(|last| last.epoch > entry.epoch) {
                return Err(here(entry.sequence, Fault::Missing));
            }
            self.end_chain(entry.epoch)?;
        }
        let last = self.last.filter(|last| last.epoch == entry.epoch);
        let (sequence, hash) = last.map_or((0, START), |last| (last.sequence, last.hash));
        let previous = match before {
            _ if entry.sequence == sequence.saturating_add(1) => hash,
            Some(before) if self.partial && entry.sequence > sequence => *before,
            _ => return Err(here(sequence.saturating_add(1), Fault::Missing)),
        };
        if entry.hash_after(&previous) != entry.hash {
            return Err(here(entry.sequence, Fault::Altered));
        }
        if self.marks.get(&(entry.epoch, entry.sequence)).is_some_and(|mark| *mark != entry.hash) {
            return Err(here(entry.sequence, Fault::Rewritten));
        }
        self.last = Some(Head { epoch: entry.epoch, sequence: entry.sequence, hash: entry.hash });
        self.checked += 1;
        Ok(())
    }

    /// After the last entry, with the heads as they stand after the walk, where they can be asked.
    ///
    /// # Errors
    /// If something that was written down is not there, or something is there that has no head.
    pub fn finish(&mut self, heads: Option<&[Head]>) -> Result<(), Broken> {
        self.end_chain(i64::MAX)?;
        let Some(heads) = heads else { return Ok(()) };
        let heads: BTreeMap<i64, &Head> = heads.iter().map(|head| (head.epoch, head)).collect();
        for end in &self.ends {
            let last = heads.get(&end.epoch).map_or((0, START), |head| (head.sequence, head.hash));
            if last.0 < end.sequence {
                return Err(Broken { epoch: end.epoch, sequence: last.0 + 1, fault: Fault::Added });
            }
            if last.0 == end.sequence && last.1 != end.hash {
                return Err(Broken { epoch: end.epoch, sequence: end.sequence, fault: Fault::Rewritten });
            }
        }
        Ok(())
    }

    /// How many entries were taken.
    #[must_use]
    pub fn checked(&self) -> i64 {
        self.checked
    }

    /// When the last checkpoint was made that [`Verifier::checkpoint`] took.
    #[must_use]
    pub fn checkpoint_at(&self) -> Option<At> {
        self.last_checkpoint.map(|(_, at, _)| at)
    }

    /// The last chain is over, and the next one is `epoch`: whatever is written down in between must have been met.
    fn end_chain(&mut self, epoch: i64) -> Result<(), Broken> {
        let end = self.last;
        self.ends.extend(end);
        let from = end.map_or((i64::MIN, i64::MIN), |end| (end.epoch, end.sequence.saturating_add(1)));
        match self.marks.range(from..(epoch, i64::MIN)).next() {
            Some(((chain, _), _)) if !self.partial => {
                let sequence = end.filter(|end| end.epoch == *chain).map_or(1, |end| end.sequence + 1);
                Err(Broken { epoch: *chain, sequence, fault: Fault::Missing })
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
