//! The lines of an exported trail: JSON, one a line, and nothing lost of what is hashed, whatever it is.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use serde::{Deserialize, Serialize};

use crate::domain::access::Principal;
use crate::domain::audit::chain::{SERVICE, hash_in, heads_bytes, heads_in, messages_bytes};
use crate::domain::audit::{Action, Checkpoint, Entry, Object};
use crate::domain::id::{ApplicationId, KeyId, MessageId};
use crate::domain::time::At;

/// One line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub(super) enum Line {
    /// The first.
    Trail {
        /// Of these lines.
        version: u32,
        /// The public half of the key that signs checkpoints.
        key: String,
        /// Not the whole trail.
        partial: bool,
    },
    /// A checkpoint.
    Checkpoint { number: i64, at: i64, entries: i64, heads: String, previous: String, signature: String },
    /// An entry.
    Entry(Box<EntryLine>),
}

/// An entry as a line.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct EntryLine {
    node: i64,
    sequence: i64,
    at: i64,
    actor: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    key: String,
    action: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    object: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    messages: Vec<String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    denied: bool,
    digest: String,
    /// Where the entry does not follow the line before: the hash of the one before it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    previous: Option<String>,
    hash: String,
}

/// The first line of an export.
pub(super) fn trail(public_key: &[u8], partial: bool) -> String {
    text(&Line::Trail { version: 1, key: BASE64.encode(public_key), partial })
}

/// A checkpoint as a line.
pub(super) fn checkpoint(checkpoint: &Checkpoint) -> String {
    let Checkpoint { number, at, entries, heads, previous, signature } = checkpoint;
    text(&Line::Checkpoint {
        number: *number,
        at: at.0,
        entries: *entries,
        heads: BASE64.encode(heads_bytes(heads)),
        previous: BASE64.encode(previous),
        signature: BASE64.encode(signature),
    })
}

/// An entry as a line, with the hash of the one before it if that is not the line before.
pub(super) fn entry(entry: &Entry, previous: Option<&[u8; 32]>) -> String {
    let message = |(id, principal): (MessageId, Principal)| format!("{id} {}", actor(principal.code()));
    text(&Line::Entry(Box::new(EntryLine {
        node: entry.epoch,
        sequence: entry.sequence,
        at: entry.at.0,
        actor: actor(entry.actor),
        key: if entry.key == 0 { String::new() } else { KeyId(entry.key).to_string() },
        action: entry.known_action().map_or_else(|| format!("#{}", entry.action), |action| action.name().to_owned()),
        object: object(entry.object),
        messages: entry.messages().map(message).collect(),
        denied: entry.denied,
        digest: BASE64.encode(entry.digest),
        previous: previous.map(|hash| BASE64.encode(hash)),
        hash: BASE64.encode(entry.hash),
    })))
}

fn text(line: &Line) -> String {
    serde_json::to_string(line).unwrap_or_default()
}

fn actor(code: i64) -> String {
    match Principal::from_code(code) {
        _ if code == SERVICE => "service".to_owned(),
        Principal::Application(id) if code > 0 => id.to_string(),
        Principal::Person(ordinal) => format!("user:{ordinal}"),
        Principal::Application(_) => format!("#{code}"),
    }
}

fn actor_in(text: &str) -> Option<i64> {
    if text == "service" {
        return Some(SERVICE);
    }
    if let Some(ordinal) = text.strip_prefix("user:") {
        return Some(Principal::Person(ordinal.parse().ok()?).code());
    }
    text.strip_prefix('#').map_or_else(|| text.parse().ok().map(|id: ApplicationId| id.0), |code| code.parse().ok())
}

fn object(codes: (i64, i64)) -> String {
    match Object::from_codes(codes.0, codes.1) {
        Some(known) if known.codes() == codes => match known {
            Object::None => String::new(),
            Object::Message(id) => id.to_string(),
            Object::Application(id) => id.to_string(),
            Object::Key(id) => id.to_string(),
            Object::Grant(id) => id.to_string(),
            Object::User(ordinal) => format!("user:{ordinal}"),
            Object::Department(id) => format!("department:{id}"),
            Object::Tag(id) => format!("tag:{id}"),
            Object::Request(id) => id.to_string(),
        },
        _ => format!("#{}:{}", codes.0, codes.1),
    }
}

fn object_in(text: &str) -> Option<(i64, i64)> {
    let object = match text.split_once([':', '_']) {
        _ if text.is_empty() => Object::None,
        Some(("msg", _)) => Object::Message(text.parse().ok()?),
        Some(("app", _)) => Object::Application(text.parse().ok()?),
        Some(("key", _)) => Object::Key(text.parse().ok()?),
        Some(("grt", _)) => Object::Grant(text.parse().ok()?),
        Some(("user", ordinal)) => Object::User(ordinal.parse().ok()?),
        Some(("department", id)) => Object::Department(id.parse().ok()?),
        Some(("tag", id)) => Object::Tag(id.parse().ok()?),
        Some(("req", _)) => Object::Request(text.parse().ok()?),
        Some((kind, id)) => return Some((kind.strip_prefix('#')?.parse().ok()?, id.parse().ok()?)),
        None => return None,
    };
    Some(object.codes())
}

/// Reads a line; `None` if it is none.
pub(super) fn read(text: &str) -> Option<Line> {
    serde_json::from_str(text).ok()
}

/// The checkpoint that stands somewhere in a text: in a line of an export, or in one of the log, where quotes are
/// escaped. A checkpoint holds no braces.
pub(super) fn checkpoint_within(text: &str) -> Option<Checkpoint> {
    let plain = text.replace("\\\"", "\"");
    let rest = &plain[plain.find("{\"kind\":\"checkpoint\"")?..];
    read(&rest[..=rest.find('}')?])?.into_checkpoint()
}

impl Line {
    /// The checkpoint in the line.
    pub(super) fn into_checkpoint(self) -> Option<Checkpoint> {
        let Line::Checkpoint { number, at, entries, heads, previous, signature } = self else { return None };
        Some(Checkpoint {
            number,
            at: At(at),
            entries,
            heads: heads_in(&bytes(&heads)?),
            previous: hash(&previous)?,
            signature: bytes(&signature)?,
        })
    }
}

impl EntryLine {
    /// The entry in the line, and the hash of the one before it if it stands there.
    pub(super) fn into_entry(self) -> Option<(Entry, Option<[u8; 32]>)> {
        let action = Action::from_name(&self.action).map(Action::code);
        let messages: Option<Vec<_>> = self.messages.iter().map(|one| message_in(one)).collect();
        let entry = Entry {
            epoch: self.node,
            sequence: self.sequence,
            at: At(self.at),
            actor: actor_in(&self.actor)?,
            key: if self.key.is_empty() { 0 } else { self.key.parse::<KeyId>().ok()?.0 },
            action: action.or_else(|| self.action.strip_prefix('#')?.parse().ok())?,
            object: object_in(&self.object)?,
            messages: messages_bytes(messages?),
            denied: self.denied,
            digest: hash(&self.digest)?,
            hash: hash(&self.hash)?,
        };
        let previous = match &self.previous {
            Some(text) => Some(hash(text)?),
            None => None,
        };
        Some((entry, previous))
    }
}

fn message_in(text: &str) -> Option<(MessageId, Principal)> {
    let (id, principal) = text.split_once(' ')?;
    Some((id.parse().ok()?, Principal::from_code(actor_in(principal)?)))
}

fn bytes(text: &str) -> Option<Vec<u8>> {
    BASE64.decode(text).ok()
}

fn hash(text: &str) -> Option<[u8; 32]> {
    bytes(text).map(|bytes| hash_in(&bytes))
}

/// The public key in the first line.
pub(super) fn key_in(text: &str) -> Option<Vec<u8>> {
    bytes(text)
}
