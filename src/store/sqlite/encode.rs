//! Values as SQLite keeps them: sets by segment, codes that must read back.

use rusqlite::{Connection, OptionalExtension};

use super::fault;
use crate::domain::set::{self, Set};
use crate::store::{Error, Result};

/// The set in a stored blob.
pub(super) fn set_of(bytes: &[u8]) -> Result<Set> {
    set::from_bytes(bytes).ok_or_else(|| Error::Damaged("a set".into()))
}

/// The value with a stored code.
pub(super) fn known<T>(value: Option<T>, what: &str) -> Result<T> {
    value.ok_or_else(|| Error::Damaged(format!("the code of a {what}")))
}

/// A stored number that is never negative.
pub(super) fn unsigned(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}

/// A number as SQLite keeps it.
pub(super) fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// The union of the segments that a statement finds: its one column is the blob.
pub(super) fn union(connection: &Connection, sql: &str, id: i64) -> Result<Set> {
    let mut statement = connection.prepare_cached(sql).map_err(fault)?;
    let mut rows = statement.query([id]).map_err(fault)?;
    let mut whole = Set::new();
    while let Some(row) = rows.next().map_err(fault)? {
        whole |= set_of(row.get_ref(0).and_then(|value| Ok(value.as_blob()?)).map_err(fault)?)?;
    }
    Ok(whole)
}

/// A number in `head`.
pub(super) fn head(connection: &Connection, name: &str) -> Result<i64> {
    connection
        .prepare_cached("select value from head where name = ?1")
        .and_then(|mut statement| statement.query_row([name], |row| row.get(0)).optional())
        .map_err(fault)?
        .ok_or_else(|| Error::Damaged("the head table".into()))
}

/// Raises a number in `head` and returns the new value.
pub(super) fn advance(connection: &Connection, name: &str, by: i64) -> Result<i64> {
    connection
        .prepare_cached("update head set value = value + ?2 where name = ?1 returning value")
        .and_then(|mut statement| statement.query_row((name, by), |row| row.get(0)))
        .map_err(fault)
}
