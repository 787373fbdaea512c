//! A message as columns: what of it is only ever read as a whole is JSON.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::encode::{known, unsigned};
use super::release::accepted_state;
use super::{Accept, Error, Members, MessageRow, Result};
use crate::domain::access::{Mode, Principal};
use crate::domain::channel::Channel;
use crate::domain::class::Class;
use crate::domain::id::{GrantId, KeyId, MessageId};
use crate::domain::message::{LostAnswer, MessageFacts, MessageState};
use crate::domain::relation::{Relation, RelationKind};
use crate::domain::time::At;

/// The columns of [`Columns`], in its order.
pub(super) const COLUMNS: &str = "id, principal, state, mode, class, department_id, members_n, only_member, send_at, \
     expire_at, cancelled_at, reference, facts, content";

/// A message row as it is read.
pub(super) struct Columns {
    pub(super) id: i64,
    pub(super) principal: i64,
    pub(super) state: i64,
    pub(super) mode: i64,
    pub(super) class: i64,
    pub(super) department_id: i64,
    pub(super) members_n: i64,
    pub(super) only_member: Option<i64>,
    pub(super) send_at: i64,
    pub(super) expire_at: i64,
    pub(super) cancelled_at: Option<i64>,
    pub(super) reference: Option<String>,
    pub(super) facts: String,
    pub(super) content: String,
}

/// What of the facts is only ever read as a whole.
#[derive(Serialize, Deserialize)]
struct Facts {
    key: i64,
    grant: (i64, i64),
    channels: Vec<u8>,
    seq: i64,
    at: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sender: Option<u32>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    audience: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    topic: Option<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    labels: BTreeMap<String, String>,
    #[serde(default)]
    lost: u8,
    /// The kind and the other message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    relation: Option<(u8, i64)>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    proof: bool,
}

impl Columns {
    /// The message. Errors: what was stored does not read back.
    pub(super) fn decode(self) -> Result<MessageRow> {
        let facts: Facts =
            serde_json::from_str(&self.facts).map_err(|_| Error::Damaged("the facts of a message".into()))?;
        let content =
            serde_json::from_str(&self.content).map_err(|_| Error::Damaged("the content of a message".into()))?;
        let channels = facts.channels.iter().map(|code| known(Channel::from_code(i64::from(*code)), "channel"));
        let only_member = self.only_member.map(|ordinal| known(u32::try_from(ordinal).ok(), "user")).transpose()?;
        Ok(MessageRow {
            state: known(MessageState::from_code(self.state), "message state")?,
            cancelled_at: self.cancelled_at.map(At),
            content: Arc::new(content),
            only_member,
            facts: MessageFacts {
                id: MessageId(self.id),
                principal: Principal::from_code(self.principal),
                key_id: KeyId(facts.key),
                grant: (GrantId(facts.grant.0), facts.grant.1),
                department_id: self.department_id,
                sender: facts.sender,
                class: known(Class::from_code(self.class), "class")?,
                mode: known(Mode::from_code(self.mode), "mode")?,
                channels: channels.collect::<Result<_>>()?,
                audience_text: facts.audience,
                directory_seq: facts.seq,
                members_n: unsigned(self.members_n),
                topic: facts.topic,
                reference: self.reference,
                labels: facts.labels,
                lost_answer: known(LostAnswer::from_code(i64::from(facts.lost)), "lost answer")?,
                relation: facts.relation.map(relation).transpose()?,
                proof: facts.proof,
                created_at: At(facts.at),
                send_at: At(self.send_at),
                expire_at: At(self.expire_at),
            },
        })
    }
}

fn relation((kind, message): (u8, i64)) -> Result<Relation> {
    let kind = known(RelationKind::from_code(i64::from(kind)), "relation")?;
    Ok(Relation { kind, message: MessageId(message) })
}

/// A message's two columns of JSON.
#[derive(Clone, Debug)]
pub(super) struct Texts {
    pub(super) facts: String,
    pub(super) content: String,
}

impl Texts {
    /// Encodes both. To be done before a thread or a lock is taken that others wait for.
    pub(super) fn of(item: &Accept) -> Result<Texts> {
        let content = serde_json::to_string(&*item.content).map_err(|_| Error::Damaged("content".into()))?;
        Ok(Texts { facts: encode(&item.facts)?, content })
    }
}

/// The facts that have no column of their own.
pub(super) fn encode(facts: &MessageFacts) -> Result<String> {
    let whole = Facts {
        key: facts.key_id.0,
        grant: (facts.grant.0.0, facts.grant.1),
        channels: facts.channels.iter().map(|channel| *channel as u8).collect(),
        seq: facts.directory_seq,
        at: facts.created_at.0,
        sender: facts.sender,
        audience: facts.audience_text.clone(),
        topic: facts.topic.clone(),
        labels: facts.labels.clone(),
        lost: facts.lost_answer as u8,
        relation: facts.relation.map(|relation| (relation.kind as u8, relation.message.0)),
        proof: facts.proof,
    };
    serde_json::to_string(&whole).map_err(|_| Error::Damaged("the facts of a message".into()))
}

/// A publish as it will read back once it is stored.
pub(super) fn row_of(item: &Accept) -> MessageRow {
    MessageRow {
        facts: item.facts.clone(),
        state: accepted_state(item),
        cancelled_at: None,
        content: item.content.clone(),
        only_member: only_member(item),
    }
}

/// Whether a message is in the totals.
pub(super) fn counted(facts: &MessageFacts) -> bool {
    facts.mode == Mode::Live && !facts.proof
}

/// The one person of a short message.
pub(super) fn only_member(item: &Accept) -> Option<u32> {
    match item.members {
        Members::One(ordinal) => Some(ordinal),
        Members::Many(_) => None,
    }
}

/// The least id of a message that can have been made at `at`: creation times are in the ids, so a span of time
/// is a span of the key.
pub(super) fn first_id(at: At) -> i64 {
    let since = at.0.saturating_sub(crate::domain::id::EPOCH_MS).max(0);
    since.saturating_mul(1 << crate::domain::id::SEQUENCE_BITS)
}
