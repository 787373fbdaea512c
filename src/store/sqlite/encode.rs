//! Values as SQLite keeps them, and the numbers in `head`.

use rusqlite::{Connection, OptionalExtension};

use super::fault;
use crate::domain::set::Set;
pub(super) use crate::store::encode::{known, set_of, signed, unsigned};
use crate::store::{Error, Result};

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
