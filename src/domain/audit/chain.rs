//! Entries as they are chained: the hash of each covers all it says and the hash of the one before, so that whoever
//! alters one must alter all after it, and the head with them. Checkpoints are signed words about all heads.

use aws_lc_rs::digest;

use super::{Action, Object, finished};
use crate::domain::access::Principal;
use crate::domain::id::MessageId;
use crate::domain::time::At;

/// The hash before the first entry of a chain.
pub const START: [u8; 32] = [0; 32];
/// What stands for a hash that is none.
pub const FITS_NOTHING: [u8; 32] = [0xff; 32];
/// The actor of what the service does by itself; no principal has this code.
pub const SERVICE: i64 = 0;
/// Bytes of one message in [`Entry::messages`]: its id and its principal's code.
const MESSAGE_BYTES: usize = 16;

/// A deed as it is written down. The numbers are those of the store, whatever they are: an entry that somebody
/// altered must be readable to be found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The chain: the epoch of the node that wrote it.
    pub epoch: i64,
    /// Its number in the chain, from 1.
    pub sequence: i64,
    /// When.
    pub at: At,
    /// Who: a principal's code, or [`SERVICE`]. Of a publish commit each message has its own.
    pub actor: i64,
    /// With which key; 0 for none.
    pub key: i64,
    /// [`Action::code`].
    pub action: i64,
    /// [`Object::codes`].
    pub object: (i64, i64),
    /// Of a publish commit: the ids of its messages, each with the code of its principal; see [`messages_bytes`].
    pub messages: Vec<u8>,
    /// It was refused for want of a right.
    pub denied: bool,
    /// Over the details.
    pub digest: [u8; 32],
    /// Over all of the above and the hash before it.
    pub hash: [u8; 32],
}

impl Entry {
    /// The hash that the entry has if the one before it has `previous`.
    #[must_use]
    pub fn hash_after(&self, previous: &[u8; 32]) -> [u8; 32] {
        let mut hash = digest::Context::new(&digest::SHA256);
        hash.update(b"campanile audit entry 1");
        hash.update(previous);
        let (kind, object) = self.object;
        let denied = i64::from(self.denied);
        let length = i64::try_from(self.messages.len()).unwrap_or(i64::MAX);
        let numbers = [self.epoch, self.sequence, self.at.0, self.actor, self.key, self.action, kind, object, denied];
        for number in numbers.into_iter().chain([length]) {
            hash.update(&number.to_be_bytes());
        }
        hash.update(&self.messages);
        hash.update(&self.digest);
        finished(hash)
    }

    /// The messages of a publish commit with their principals.
    pub fn messages(&self) -> impl Iterator<Item = (MessageId, Principal)> + '_ {
        self.messages.chunks_exact(MESSAGE_BYTES).map(|chunk| {
            let (id, principal) = chunk.split_at(MESSAGE_BYTES / 2);
            (MessageId(number(id)), Principal::from_code(number(principal)))
        })
    }

    /// What was done; `None` if this version knows no such action.
    #[must_use]
    pub fn known_action(&self) -> Option<Action> {
        Action::from_code(self.action)
    }

    /// To what; `None` if this version knows no such object.
    #[must_use]
    pub fn known_object(&self) -> Option<Object> {
        Object::from_codes(self.object.0, self.object.1)
    }

    /// Who did it; `None` for the service itself.
    #[must_use]
    pub fn principal(&self) -> Option<Principal> {
        (self.actor != SERVICE).then(|| Principal::from_code(self.actor))
    }
}

/// Messages as [`Entry::messages`] keeps them.
#[must_use]
pub fn messages_bytes(messages: impl IntoIterator<Item = (MessageId, Principal)>) -> Vec<u8> {
    messages
        .into_iter()
        .flat_map(|(id, principal)| [id.0.to_be_bytes(), principal.code().to_be_bytes()])
        .flatten()
        .collect()
}

/// A hash as stored; what is no hash becomes one that fits nothing.
#[must_use]
pub fn hash_in(bytes: &[u8]) -> [u8; 32] {
    bytes.try_into().unwrap_or(FITS_NOTHING)
}

fn number(bytes: &[u8]) -> i64 {
    bytes.try_into().map(i64::from_be_bytes).unwrap_or_default()
}

/// How far a chain goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// The chain.
    pub epoch: i64,
    /// The number of its last entry, and so how many it has.
    pub sequence: i64,
    /// The hash of its last entry.
    pub hash: [u8; 32],
}

/// A signed word about all chains at a moment. It names only the heads that moved since the one before it, whose
/// digest it holds; so the last one vouches for all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// Its number, from 1.
    pub number: i64,
    /// When.
    pub at: At,
    /// Entries of all chains together.
    pub entries: i64,
    /// The heads that moved since the one before, ascending by chain.
    pub heads: Vec<Head>,
    /// [`Checkpoint::digest`] of the one before; [`START`] for the first.
    pub previous: [u8; 32],
    /// Over the digest.
    pub signature: Vec<u8>,
}

impl Checkpoint {
    /// What is signed.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        let mut hash = digest::Context::new(&digest::SHA256);
        hash.update(b"campanile audit checkpoint 1");
        hash.update(&self.previous);
        for number in [self.number, self.at.0, self.entries] {
            hash.update(&number.to_be_bytes());
        }
        hash.update(&heads_bytes(&self.heads));
        finished(hash)
    }
}

/// Bytes of one head in [`heads_bytes`].
const HEAD_BYTES: usize = 48;

/// Heads as they are stored and signed.
#[must_use]
pub fn heads_bytes(heads: &[Head]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(heads.len() * HEAD_BYTES);
    for head in heads {
        bytes.extend(head.epoch.to_be_bytes());
        bytes.extend(head.sequence.to_be_bytes());
        bytes.extend(head.hash);
    }
    bytes
}

/// The heads in bytes of [`heads_bytes`]; what is left over is lost, and no signature fits then.
#[must_use]
pub fn heads_in(bytes: &[u8]) -> Vec<Head> {
    let head = |chunk: &[u8]| Head {
        epoch: number(&chunk[..8]),
        sequence: number(&chunk[8..16]),
        hash: hash_in(&chunk[16..]),
    };
    bytes.chunks_exact(HEAD_BYTES).map(head).collect()
}
