//! The change feed: appended to in the transaction of the change itself, so that the order of numbers is the
//! order of commits.

use rusqlite::{Connection, Row};

use super::encode::{advance, known, set_of};
use super::{department, fault, leaving, tag, user};
use crate::domain::change::{Change, ChangeCode, ChangeKind};
use crate::domain::id::{ApplicationId, GrantId, KeyId, MessageId};
use crate::domain::set::{self, Set};
use crate::domain::time::At;
use crate::store::{Error, Result};

/// Takes the next change number. Who takes one writes its row in the same transaction.
pub(super) fn next(connection: &Connection) -> Result<i64> {
    advance(connection, "change", 1)
}

/// Writes the row of a number that [`next`] gave.
pub(super) fn record(connection: &Connection, seq: i64, at: At, code: ChangeCode, object_id: i64) -> Result<()> {
    connection
        .prepare_cached("insert into change (seq, at, kind, object_id) values (?1, ?2, ?3, ?4)")
        .and_then(|mut statement| statement.execute((seq, at.0, code as i64, object_id)))
        .map_err(fault)?;
    Ok(())
}

/// Appends that an object changed. Its state is read from its own table when the feed is read.
pub(super) fn append(connection: &Connection, at: At, code: ChangeCode, object_id: i64) -> Result<i64> {
    let seq = next(connection)?;
    record(connection, seq, at, code, object_id)?;
    Ok(seq)
}

/// Appends that there are new or erased users.
pub(super) fn append_users(connection: &Connection, at: At, users: &Set) -> Result<i64> {
    append_people(connection, at, ChangeCode::Users, users)
}

/// Appends that users have other further ids.
pub(super) fn append_aliases(connection: &Connection, at: At, users: &Set) -> Result<i64> {
    append_people(connection, at, ChangeCode::Aliases, users)
}

/// Appends what happened to some people.
pub(super) fn append_people(connection: &Connection, at: At, code: ChangeCode, people: &Set) -> Result<i64> {
    let seq = next(connection)?;
    connection
        .prepare_cached("insert into change (seq, at, kind, object_id, added) values (?1, ?2, ?3, 0, ?4)")
        .and_then(|mut statement| statement.execute((seq, at.0, code as i64, set::to_bytes(people))))
        .map_err(fault)?;
    Ok(seq)
}

/// Appends who came into one segment of a tag and who left it.
pub(super) fn append_members(
    connection: &Connection,
    at: At,
    (tag_id, segment): (i64, u32),
    added: &Set,
    removed: &Set,
) -> Result<i64> {
    const SQL: &str = "insert into change (seq, at, kind, object_id, segment, added, removed) \
                       values (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
    let seq = next(connection)?;
    let (added, removed) = (set::to_bytes(added), set::to_bytes(removed));
    connection
        .prepare_cached(SQL)
        .and_then(|mut statement| {
            statement.execute((seq, at.0, ChangeCode::Members as i64, tag_id, segment, added, removed))
        })
        .map_err(fault)?;
    Ok(seq)
}

/// At most `limit` changes after `seq`, ascending.
pub(super) fn changes_after(connection: &Connection, seq: i64, limit: usize) -> Result<Vec<Change>> {
    const SQL: &str = "select seq, at, kind, object_id, segment, added, removed from change \
                       where seq > ?1 order by seq limit ?2";
    let mut statement = connection.prepare_cached(SQL).map_err(fault)?;
    let mut rows = statement.query((seq, i64::try_from(limit).unwrap_or(i64::MAX))).map_err(fault)?;
    let mut changes = Vec::new();
    while let Some(row) = rows.next().map_err(fault)? {
        changes.push(Change {
            seq: row.get(0).map_err(fault)?,
            at: At(row.get(1).map_err(fault)?),
            what: what(connection, row)?,
        });
    }
    Ok(changes)
}

fn what(connection: &Connection, row: &Row<'_>) -> Result<ChangeKind> {
    let code = known(ChangeCode::from_code(row.get(2).map_err(fault)?), "change")?;
    let id: i64 = row.get(3).map_err(fault)?;
    Ok(match code {
        ChangeCode::Members => ChangeKind::Members {
            tag_id: id,
            segment: row.get(4).map_err(fault)?,
            added: set_in(row, 5)?,
            removed: set_in(row, 6)?,
        },
        // Numbers of tags are never used twice: a tag that is gone by now was deleted by a later change.
        ChangeCode::Tag => match tag::by_id(connection, id)? {
            Some(tag) => ChangeKind::Tag(tag),
            None => ChangeKind::TagDeleted { tag_id: id },
        },
        ChangeCode::TagDeleted => ChangeKind::TagDeleted { tag_id: id },
        // Nor are keys of departments.
        ChangeCode::Department => match department::by_id(connection, id)? {
            Some(department) => ChangeKind::Department(department),
            None => ChangeKind::DepartmentDeleted { id },
        },
        ChangeCode::DepartmentDeleted => ChangeKind::DepartmentDeleted { id },
        ChangeCode::Users => ChangeKind::Users(
            set_in(row, 5)?
                .iter()
                .map(|ordinal| Ok((ordinal, user::external_id(connection, ordinal)?)))
                .collect::<Result<_>>()?,
        ),
        ChangeCode::TokensEnded => ChangeKind::TokensEnded(
            set_in(row, 5)?
                .iter()
                .map(|ordinal| Ok((ordinal, leaving::epoch(connection, ordinal)?)))
                .collect::<Result<_>>()?,
        ),
        ChangeCode::Aliases => ChangeKind::Aliases(
            set_in(row, 5)?
                .iter()
                .map(|ordinal| Ok((ordinal, user::aliases(connection, ordinal)?)))
                .collect::<Result<_>>()?,
        ),
        ChangeCode::Key => ChangeKind::Key { id: KeyId(id) },
        ChangeCode::Grant => ChangeKind::Grant { id: GrantId(id) },
        ChangeCode::Topic => ChangeKind::Topic { id },
        ChangeCode::Application => ChangeKind::Application { id: ApplicationId(id) },
        ChangeCode::Cancel => ChangeKind::Cancel { id: MessageId(id) },
        ChangeCode::Role => {
            ChangeKind::Role { ordinal: u32::try_from(id).map_err(|_| Error::Damaged("a role of the feed".into()))? }
        }
    })
}

fn set_in(row: &Row<'_>, column: usize) -> Result<Set> {
    set_of(row.get_ref(column).and_then(|value| Ok(value.as_blob()?)).map_err(fault)?)
}
