//! Messages as rows: writing the facts and reading them back.

use rusqlite::{Connection, OptionalExtension, Row};

use super::encode::signed;
use super::fault;
use crate::domain::access::Principal;
use crate::domain::id::MessageId;
use crate::domain::message::MessageState;
pub(super) use crate::store::facts::COLUMNS;
use crate::store::facts::{self, Columns, Texts};
use crate::store::{Accept, MessageRow, Result};

/// Stores the message row. `false`: the principal used the idempotency key before, and nothing was written.
pub(super) fn insert(connection: &Connection, item: &Accept, texts: &Texts, state: MessageState) -> Result<bool> {
    let facts = &item.facts;
    let mut statement = connection
        .prepare_cached(
            "insert into message (id, principal, state, mode, class, department_id, members_n, only_member, send_at, \
             expire_at, idem_key, idem_digest, reference, facts, content, counted) \
             values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16) \
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
            facts::only_member(item),
            facts.send_at.0,
            facts.expire_at.0,
            item.idempotency_key,
            &item.digest[..],
            facts.reference,
            texts.facts,
            texts.content,
            facts::counted(facts),
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
    columns(row).map_err(fault)?.decode()
}

fn columns(row: &Row<'_>) -> rusqlite::Result<Columns> {
    Ok(Columns {
        id: row.get(0)?,
        principal: row.get(1)?,
        state: row.get(2)?,
        mode: row.get(3)?,
        class: row.get(4)?,
        department_id: row.get(5)?,
        members_n: row.get(6)?,
        only_member: row.get(7)?,
        send_at: row.get(8)?,
        expire_at: row.get(9)?,
        cancelled_at: row.get(10)?,
        reference: row.get(11)?,
        facts: row.get(12)?,
        content: row.get(13)?,
    })
}
