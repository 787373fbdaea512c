//! Members of tags: the sets by segment, and the rows beside them from which one user's tags are read.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension};

use super::encode::set_of;
use super::{fault, feed};
use crate::domain::set::{self, Set};
use crate::domain::time::At;
use crate::store::Result;
use crate::store::members::MemberChanges;

/// Writes every touched segment and appends what really changed to the feed.
pub(super) fn write(connection: &Connection, changes: MemberChanges, at: At) -> Result<()> {
    for (place, delta) in changes.by_segment() {
        if let Some(edited) = delta.apply(segment(connection, place)?) {
            store_segment(connection, place, &edited.after)?;
            feed::append_members(connection, at, place, &edited.added, &edited.removed)?;
        }
    }
    Ok(())
}

fn segment(connection: &Connection, place: (i64, u32)) -> Result<Set> {
    let bytes: Option<Vec<u8>> = connection
        .prepare_cached("select members from tag_segment where tag_id = ?1 and segment = ?2")
        .and_then(|mut statement| statement.query_row(place, |row| row.get(0)).optional())
        .map_err(fault)?;
    bytes.map_or_else(|| Ok(Set::new()), |bytes| set_of(&bytes))
}

fn store_segment(connection: &Connection, (tag_id, segment): (i64, u32), members: &Set) -> Result<()> {
    const SQL: &str = "insert into tag_segment (tag_id, segment, members) values (?1, ?2, ?3) \
                       on conflict (tag_id, segment) do update set members = excluded.members";
    let result = if members.is_empty() {
        connection
            .prepare_cached("delete from tag_segment where tag_id = ?1 and segment = ?2")
            .and_then(|mut statement| statement.execute((tag_id, segment)))
    } else {
        connection
            .prepare_cached(SQL)
            .and_then(|mut statement| statement.execute((tag_id, segment, set::to_bytes(members))))
    };
    result.map(|_| ()).map_err(fault)
}

/// Every tag's members, as one table scan.
pub(super) fn all(connection: &Connection) -> Result<BTreeMap<i64, Set>> {
    let mut statement = connection.prepare_cached("select tag_id, members from tag_segment").map_err(fault)?;
    let mut rows = statement.query([]).map_err(fault)?;
    let mut tags: BTreeMap<i64, Set> = BTreeMap::new();
    while let Some(row) = rows.next().map_err(fault)? {
        let members = set_of(row.get_ref(1).and_then(|value| Ok(value.as_blob()?)).map_err(fault)?)?;
        *tags.entry(row.get(0).map_err(fault)?).or_default() |= members;
    }
    Ok(tags)
}

/// Removes the segments of a tag that goes away.
pub(super) fn drop_segments(connection: &Connection, tag_id: i64) -> Result<()> {
    connection
        .prepare_cached("delete from tag_segment where tag_id = ?1")
        .and_then(|mut statement| statement.execute([tag_id]))
        .map(|_| ())
        .map_err(fault)
}

/// The tags in a user's rows: static ones and departments, ascending.
pub(super) fn rows_of(connection: &Connection, ordinal: u32) -> Result<Vec<i64>> {
    connection
        .prepare_cached("select tag_id from membership where ordinal = ?1 order by tag_id")
        .and_then(|mut statement| statement.query_map([ordinal], |row| row.get(0))?.collect())
        .map_err(fault)
}

/// Notes a tag in a user's rows.
pub(super) fn insert_row(connection: &Connection, ordinal: u32, tag_id: i64) -> Result<()> {
    connection
        .prepare_cached("insert or ignore into membership (ordinal, tag_id) values (?1, ?2)")
        .and_then(|mut statement| statement.execute((ordinal, tag_id)))
        .map(|_| ())
        .map_err(fault)
}

/// Removes a tag from a user's rows.
pub(super) fn delete_row(connection: &Connection, ordinal: u32, tag_id: i64) -> Result<()> {
    connection
        .prepare_cached("delete from membership where ordinal = ?1 and tag_id = ?2")
        .and_then(|mut statement| statement.execute((ordinal, tag_id)))
        .map(|_| ())
        .map_err(fault)
}
