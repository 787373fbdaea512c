//! Members of tags: the sets by segment, and the rows beside them from which one user's tags are read.

use std::collections::BTreeMap;

use tokio_postgres::types::Type;

use super::encode::{get, set_in, small};
use super::feed::Feed;
use super::session::Session;
use crate::domain::set::{self, Set};
use crate::store::Result;
use crate::store::members::MemberChanges;

/// Writes every touched segment and appends what really changed to the feed.
pub(super) async fn write(session: &Session, feed: &mut Feed, changes: MemberChanges) -> Result<()> {
    const STORE: &str = "insert into tag_segment (tag_id, segment, members) \
                         select * from unnest($1::bigint[], $2::bigint[], $3::bytea[]) \
                         on conflict (tag_id, segment) do update set members = excluded.members";
    const DROP: &str = "delete from tag_segment using unnest($1::bigint[], $2::bigint[]) as gone (tag_id, segment) \
                        where tag_segment.tag_id = gone.tag_id and tag_segment.segment = gone.segment";
    let parts = changes.by_segment();
    if parts.is_empty() {
        return Ok(());
    }
    let mut before = segments(session, parts.keys()).await?;
    let (mut tags, mut numbers, mut sets) = (Vec::new(), Vec::new(), Vec::new());
    let (mut empty_tags, mut empty_numbers) = (Vec::new(), Vec::new());
    for (place, delta) in parts {
        let Some(edited) = delta.apply(before.remove(&place).unwrap_or_default()) else { continue };
        feed.append_members(place, &edited.added, &edited.removed);
        let (tag_id, segment) = (place.0, i64::from(place.1));
        if edited.after.is_empty() {
            empty_tags.push(tag_id);
            empty_numbers.push(segment);
        } else {
            tags.push(tag_id);
            numbers.push(segment);
            sets.push(set::to_bytes(&edited.after));
        }
    }
    if !tags.is_empty() {
        session.execute(STORE, &[&tags, &numbers, &sets]).await?;
    }
    if !empty_tags.is_empty() {
        session.execute(DROP, &[&empty_tags, &empty_numbers]).await?;
    }
    Ok(())
}

async fn segments(session: &Session, places: impl Iterator<Item = &(i64, u32)>) -> Result<BTreeMap<(i64, u32), Set>> {
    const SQL: &str = "select tag_id, segment, members from tag_segment \
                       join unnest($1::bigint[], $2::bigint[]) as wanted (tag_id, segment) using (tag_id, segment)";
    let (tags, numbers): (Vec<i64>, Vec<i64>) = places.map(|(tag_id, segment)| (*tag_id, i64::from(*segment))).unzip();
    let mut found = BTreeMap::new();
    for row in session.rows(SQL, &[&tags, &numbers]).await? {
        found.insert((get(&row, 0)?, small(&row, 1)?), set_in(&row, 2)?);
    }
    Ok(found)
}

/// Every tag's members, as one table scan.
pub(super) async fn all(session: &Session) -> Result<BTreeMap<i64, Set>> {
    let mut tags: BTreeMap<i64, Set> = BTreeMap::new();
    let add = |row| {
        *tags.entry(get(&row, 0)?).or_default() |= set_in(&row, 1)?;
        Ok(())
    };
    session.each("select tag_id, members from tag_segment", add).await?;
    Ok(tags)
}

/// The members of one tag.
pub(super) async fn of(session: &Session, tag_id: i64) -> Result<Set> {
    let mut whole = Set::new();
    for row in session.rows("select members from tag_segment where tag_id = $1", &[&tag_id]).await? {
        whole |= set_in(&row, 0)?;
    }
    Ok(whole)
}

/// Notes tags in the rows of users who have none of these yet.
pub(super) async fn insert_rows(session: &Session, rows: &[(i64, i64)]) -> Result<()> {
    const SQL: &str = "copy membership (ordinal, tag_id) from stdin binary";
    let rows: Vec<_> = rows.iter().map(|(ordinal, tag_id)| vec![ordinal as _, tag_id as _]).collect();
    session.copy(SQL, &[Type::INT8, Type::INT8], &rows).await
}

/// Removes tags from the rows of users.
pub(super) async fn delete_rows(session: &Session, rows: &[(i64, i64)]) -> Result<()> {
    const SQL: &str = "delete from membership using unnest($1::bigint[], $2::bigint[]) as gone (ordinal, tag_id) \
                       where membership.ordinal = gone.ordinal and membership.tag_id = gone.tag_id";
    if rows.is_empty() {
        return Ok(());
    }
    let (ordinals, tags): (Vec<i64>, Vec<i64>) = rows.iter().copied().unzip();
    session.execute(SQL, &[&ordinals, &tags]).await.map(|_| ())
}
