//! Checks an exported trail without the service: chain by chain, against the checkpoints in the file and against
//! checkpoints that were kept elsewhere.

use std::io;

use super::is_signed;
use super::line::{self, Line};
use crate::domain::audit::{Broken, Checkpoint, Verifier};
use crate::domain::time::At;

/// What a file was found to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checked {
    /// Entries that fit.
    pub entries: i64,
    /// When the last checkpoint in the file was made.
    pub checkpoint_at: Option<At>,
    /// The file holds a span of time only.
    pub partial: bool,
}

/// Why a file is not a whole trail.
#[derive(Debug, thiserror::Error)]
pub enum Flaw {
    /// It cannot be read.
    #[error("the file cannot be read: {0}")]
    Io(#[from] io::Error),
    /// It does not begin as an export does.
    #[error("the file is no export of an audit trail: its first line is none")]
    NoTrail,
    /// A line says nothing that can be understood.
    #[error("line {0} cannot be read; the file was altered or damaged")]
    Line(usize),
    /// Something does not fit.
    #[error("{}", .0.sentence())]
    Broken(Broken),
}

impl From<Broken> for Flaw {
    fn from(broken: Broken) -> Flaw {
        Flaw::Broken(broken)
    }
}

/// Checks the lines of an export against the checkpoints in it and those that were kept elsewhere. All must be signed
/// with the key that the first line names.
///
/// # Errors
/// The first thing that does not fit.
pub fn check(lines: impl Iterator<Item = io::Result<String>>, kept: &[Checkpoint]) -> Result<Checked, Flaw> {
    let mut lines = lines.enumerate();
    let first = lines.next().ok_or(Flaw::NoTrail)?.1?;
    let Some(Line::Trail { version: 1, key, partial }) = line::read(&first) else { return Err(Flaw::NoTrail) };
    let key = line::key_in(&key).ok_or(Flaw::NoTrail)?;
    let mut verifier = if partial { Verifier::partial() } else { Verifier::new() };
    for checkpoint in kept {
        verifier.shipped(checkpoint, is_signed(checkpoint, &key))?;
    }
    for (place, text) in lines {
        let unreadable = || Flaw::Line(place + 1);
        match line::read(&text?).ok_or_else(unreadable)? {
            Line::Trail { .. } => return Err(unreadable()),
            Line::Entry(entry) => {
                let (entry, previous) = entry.into_entry().ok_or_else(unreadable)?;
                verifier.entry(&entry, previous.as_ref())?;
            }
            checkpoint => {
                let checkpoint = checkpoint.into_checkpoint().ok_or_else(unreadable)?;
                verifier.checkpoint(&checkpoint, is_signed(&checkpoint, &key))?;
            }
        }
    }
    verifier.finish(None)?;
    Ok(Checked { entries: verifier.checked(), checkpoint_at: verifier.checkpoint_at(), partial })
}

/// The checkpoints in the lines of an earlier export or of the service's log.
///
/// # Errors
/// If the lines cannot be read.
pub fn checkpoints(lines: impl Iterator<Item = io::Result<String>>) -> Result<Vec<Checkpoint>, Flaw> {
    let mut found = Vec::new();
    for text in lines {
        found.extend(line::checkpoint_within(&text?));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::Seal;
    use crate::domain::access::Principal;
    use crate::domain::audit::chain::{START, messages_bytes};
    use crate::domain::audit::{Action, Entry, Head, Object};
    use crate::domain::id::{ApplicationId, GrantId, MessageId};

    /// An export of three entries, the last of them after the checkpoint.
    fn export() -> Vec<String> {
        let signer = Seal::new(&[7; 32]).signer().unwrap();
        let (mut hash, mut entries) = (START, Vec::new());
        let objects = [Object::Grant(GrantId(4)).codes(), Object::Message(MessageId(16)).codes(), (77, -5)];
        for (sequence, object) in (1..).zip(objects) {
            let message = (MessageId(16), Principal::Application(ApplicationId(2)));
            let mut entry = Entry {
                epoch: 2,
                sequence,
                at: At(sequence),
                actor: [0, 9, -8, 7][usize::try_from(sequence).unwrap()],
                key: sequence - 1,
                action: [0, 8, Action::MessagePublish.code(), 999][usize::try_from(sequence).unwrap()],
                object,
                messages: if sequence == 2 { messages_bytes([message]) } else { vec![] },
                denied: sequence == 3,
                digest: [3; 32],
                hash: START,
            };
            entry.hash = entry.hash_after(&hash);
            hash = entry.hash;
            entries.push(entry);
        }
        let heads = vec![Head { epoch: 2, sequence: 2, hash: entries[1].hash }];
        let bare = Checkpoint { number: 1, at: At(2), entries: 2, heads, previous: START, signature: vec![] };
        let mut lines = vec![line::trail(signer.public_key(), false), line::checkpoint(&signer.sign(bare))];
        lines.extend(entries.iter().map(|entry| line::entry(entry, None)));
        lines
    }

    fn checked(lines: &[String], kept: &[Checkpoint]) -> Result<Checked, Flaw> {
        check(lines.iter().cloned().map(Ok), kept)
    }

    #[test]
    fn a_file_is_whole_until_a_byte_of_it_changes() {
        let lines = export();
        let whole = Checked { entries: 3, checkpoint_at: Some(At(2)), partial: false };
        assert_eq!(checked(&lines, &[]).unwrap(), whole);
        for (place, line) in lines.iter().enumerate() {
            let from = if place == 0 { line.find("\"key\"").unwrap() + 8 } else { 8 };
            for at in from..line.len() - 1 {
                let byte = line.as_bytes()[at];
                let other = if byte == b'1' { "2" } else { "1" };
                let mut changed = lines.clone();
                changed[place].replace_range(at..=at, other);
                assert!(checked(&changed, &[]).is_err(), "line {place} byte {at}: {}", changed[place]);
            }
        }
    }

    #[test]
    fn what_was_kept_elsewhere_finds_a_file_that_was_made_anew() {
        let lines = export();
        let kept = checkpoints(lines.iter().cloned().map(Ok)).unwrap();
        let log = format!("10:00 INFO the audit trail has a checkpoint checkpoint={:?} x=1", lines[1]);
        assert_eq!((kept.len(), &checkpoints([Ok(log)].into_iter()).unwrap()), (1, &kept));
        assert_eq!(checked(&lines, &kept).unwrap().entries, 3);
        let shorter = [&lines[..1], &lines[2..3]].concat();
        assert_eq!(checked(&shorter, &[]).unwrap().entries, 1, "nothing in it says that there was more");
        assert!(checked(&shorter, &kept).unwrap_err().to_string().contains("Entry 2 of node 2 is missing"));
        let stranger = Seal::new(&[8; 32]).signer().unwrap();
        let anew = [vec![line::trail(stranger.public_key(), false)], lines[2..].to_vec()].concat();
        assert!(checked(&anew, &[]).is_ok() && checked(&anew, &kept).is_err());
    }
}
