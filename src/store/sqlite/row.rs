//! Messages as rows: writing the facts and reading them back.

use std::collections::BTreeMap;
use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, Row};
use serde::{Deserialize, Serialize};

use super::encode::{known, signed, unsigned};
use super::fault;
use crate::domain::access::{Mode, Principal};
use crate::domain::channel::Channel;
use crate::domain::class::Class;
use crate::domain::id::{GrantId, KeyId, MessageId};
use crate::domain::message::{LostAnswer, MessageFacts, MessageState};
use crate::domain::time::At;
use crate::store::{Accept, Error, Members, MessageRow, Result};

/// The columns that [`read`] wants, in its order.
pub(super) const COLUMNS: &str = "id, principal, state, mode, class, department_id, members_n, only_member, send_at, \
     expire_at, cancelled_at, reference, facts, content";

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
}

/// Stores the message row. `false`: the principal used the idempotency key before, and nothing was written.
pub(super) fn insert(connection: &Connection, item: &Accept, state: MessageState) -> Result<bool> {
    let facts = &item.facts;
    let only_member = match item.members {
        Members::One(ordinal) => Some(ordinal),
        Members::Many(_) => None,
    };
    let content = serde_json::to_string(&*item.content).map_err(|_| Error::Damaged("content".into()))?;
    let mut statement = connection
        .prepare_cached(
            "insert into message (id, principal, state, mode, class, department_id, members_n, only_member, send_at, \
             expire_at, idem_key, idem_digest, reference, facts, content) \
             values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15) \
             on conflict (principal, idem_key) do nothing",
        )
        .map_err(fault)?;
    let written = statement
        .execute(rusqlite::params![
            facts.id.0,
            facts.principal.code(),
            state as i64,
            facts.mode as i64,
            facts.class.code(),
            facts.department_id,
            signed(item.members.len()),
            only_member,
            facts.send_at.0,
            facts.expire_at.0,
            item.idempotency_key,
            &item.digest[..],
            facts.reference,
            encode(facts)?,
            content,
        ])
        .map_err(fault)?;
    Ok(written == 1)
}

/// One message by its id.
pub(super) fn by_id(connection: &Connection, id: MessageId) -> Result<Option<MessageRow>> {
    let sql = format!("select {COLUMNS} from message where id = ?1");
    let mut statement = connection.prepare_cached(&sql).map_err(fault)?;
    statement.query_row([id.0], |row| Ok(read(row))).optional().map_err(fault)?.transpose()
}

/// One message by its idempotency key, with the digest of its request.
pub(super) fn by_key(
    connection: &Connection,
    principal: Principal,
    key: &str,
) -> Result<Option<(MessageRow, [u8; 32])>> {
    let sql = format!("select {COLUMNS}, idem_digest from message where principal = ?1 and idem_key = ?2");
    let mut statement = connection.prepare_cached(&sql).map_err(fault)?;
    let found = statement
        .query_row((principal.code(), key), |row| Ok((read(row), row.get::<_, [u8; 32]>("idem_digest")?)))
        .optional()
        .map_err(fault)?;
    found.map(|(row, digest)| Ok((row?, digest))).transpose()
}

/// Sets the state of a message.
pub(super) fn set_state(connection: &Connection, id: MessageId, state: MessageState) -> Result<()> {
    connection
        .prepare_cached("update message set state = ?2 where id = ?1")
        .and_then(|mut statement| statement.execute((id.0, state as i64)))
        .map(|_| ())
        .map_err(fault)
}

/// A row with [`COLUMNS`] as a message.
pub(super) fn read(row: &Row<'_>) -> Result<MessageRow> {
    let text: String = row.get("facts").map_err(fault)?;
    let facts: Facts = serde_json::from_str(&text).map_err(|_| Error::Damaged("the facts of a message".into()))?;
    let content: String = row.get("content").map_err(fault)?;
    let content = serde_json::from_str(&content).map_err(|_| Error::Damaged("the content of a message".into()))?;
    let code = |column: &str| row.get::<_, i64>(column).map_err(fault);
    let channels = facts.channels.iter().map(|code| known(Channel::from_code(i64::from(*code)), "channel"));
    Ok(MessageRow {
        state: known(MessageState::from_code(code("state")?), "message state")?,
        cancelled_at: row.get::<_, Option<i64>>("cancelled_at").map_err(fault)?.map(At),
        content: Arc::new(content),
        only_member: row.get("only_member").map_err(fault)?,
        facts: MessageFacts {
            id: MessageId(code("id")?),
            principal: Principal::from_code(code("principal")?),
            key_id: KeyId(facts.key),
            grant: (GrantId(facts.grant.0), facts.grant.1),
            department_id: code("department_id")?,
            sender: facts.sender,
            class: known(Class::from_code(code("class")?), "class")?,
            mode: known(Mode::from_code(code("mode")?), "mode")?,
            channels: channels.collect::<Result<_>>()?,
            audience_text: facts.audience,
            directory_seq: facts.seq,
            members_n: unsigned(code("members_n")?),
            topic: facts.topic,
            reference: row.get("reference").map_err(fault)?,
            labels: facts.labels,
            lost_answer: known(LostAnswer::from_code(i64::from(facts.lost)), "lost answer")?,
            created_at: At(facts.at),
            send_at: At(code("send_at")?),
            expire_at: At(code("expire_at")?),
        },
    })
}

fn encode(facts: &MessageFacts) -> Result<String> {
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
    };
    serde_json::to_string(&whole).map_err(|_| Error::Damaged("the facts of a message".into()))
}
