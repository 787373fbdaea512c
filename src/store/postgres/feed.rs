//! The change feed: appended to in the transaction of the change itself, under the lock of the head, so that
//! the order of numbers is the order of commits.

use super::encode::get;
use super::session::Session;
use crate::domain::change::ChangeCode;
use crate::domain::time::At;
use crate::store::Result;

/// Takes the next change number and holds all other writers of changes until the commit.
pub(super) async fn next(session: &Session) -> Result<i64> {
    advance(session, 1).await
}

/// Takes the next `n` numbers and returns the last.
pub(super) async fn advance(session: &Session, n: i64) -> Result<i64> {
    const SQL: &str = "update head set value = value + $1 where name = 'change' returning value";
    get(&session.one(SQL, &[&n]).await?, 0)
}

/// Appends that an object changed. Its state is read from its own table when the feed is read.
pub(super) async fn append(session: &Session, at: At, code: ChangeCode, object_id: i64) -> Result<i64> {
    const SQL: &str = "insert into change (seq, at, kind, object_id) values ($1, $2, $3, $4)";
    let seq = next(session).await?;
    session.execute(SQL, &[&seq, &at.0, &(code as i64), &object_id]).await?;
    Ok(seq)
}
