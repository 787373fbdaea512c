//! Values as PostgreSQL keeps them: every number a bigint, sets as bytes; the numbers in `head`.

use std::time::Duration;

use tokio_postgres::Row;
use tokio_postgres::types::FromSql;

use super::fault;
use super::session::Session;
use crate::domain::set::Set;
pub(super) use crate::store::encode::{known, set_of, unsigned};
use crate::store::{Error, Result};

/// A column of a row.
pub(super) fn get<'a, T: FromSql<'a>>(row: &'a Row, column: usize) -> Result<T> {
    row.try_get(column).map_err(fault)
}

/// A column that holds an ordinal, a segment or another small number.
pub(super) fn small(row: &Row, column: usize) -> Result<u32> {
    u32::try_from(get::<i64>(row, column)?).map_err(|_| Error::Damaged("a small number".into()))
}

/// A column that holds a set.
pub(super) fn set_in(row: &Row, column: usize) -> Result<Set> {
    set_of(get(row, column)?)
}

/// The ordinals as PostgreSQL takes them.
pub(super) fn ordinals(set: impl IntoIterator<Item = u32>) -> Vec<i64> {
    set.into_iter().map(i64::from).collect()
}

/// The number of the last change.
pub(super) async fn head(session: &Session) -> Result<i64> {
    get(&session.one("select value from head where name = 'change'", &[]).await?, 0)
}

/// The server's time in milliseconds, at the moment of the statement and not of its transaction.
pub(super) const CLOCK: &str = "(extract(epoch from clock_timestamp()) * 1000)::bigint";

/// A span as the server counts it; what is longer than any clock is cut.
pub(super) fn millis(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX / 4).min(i64::MAX / 4)
}
