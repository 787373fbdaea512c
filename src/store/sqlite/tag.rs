//! Tags: their rows, and edits of static ones.

use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension, Row};

use super::encode::{head, known, union};
use super::{department, fault, feed, member, user};
use crate::domain::change::ChangeCode;
use crate::domain::set::Set;
use crate::domain::tag::{Tag, TagKind};
use crate::domain::time::At;
use crate::store::members::MemberChanges;
use crate::store::tags::{self, Step};
use crate::store::{MembersWritten, Result, TagDraft, refuse};

const COLUMNS: &str = "select id, kind, name, title, description, rule, department_id, sensitive, user_grants, \
                       expire_at, version from tag";

/// The tag with a number.
pub(super) fn by_id(connection: &Connection, id: i64) -> Result<Option<Tag>> {
    connection
        .prepare_cached(&format!("{COLUMNS} where id = ?1"))
        .and_then(|mut statement| statement.query_row([id], columns).optional())
        .map_err(fault)?
        .map(tag)
        .transpose()
}

/// Every tag.
pub(super) fn all(connection: &Connection) -> Result<Vec<Tag>> {
    all_of(connection, &format!("{COLUMNS} order by id"))
}

fn all_of(connection: &Connection, sql: &str) -> Result<Vec<Tag>> {
    let rows: Vec<Columns> = connection
        .prepare_cached(sql)
        .and_then(|mut statement| statement.query_map([], columns)?.collect())
        .map_err(fault)?;
    rows.into_iter().map(tag).collect()
}

/// The static or rule tag with a name. No two of them share one.
pub(super) fn named(connection: &Connection, name: &str) -> Result<Option<Tag>> {
    connection
        .prepare_cached(&format!("{COLUMNS} where kind in (1, 2) and name = ?1"))
        .and_then(|mut statement| statement.query_row([name], columns).optional())
        .map_err(fault)?
        .map(tag)
        .transpose()
}

/// The number of a tag of one kind.
pub(super) fn id_of(connection: &Connection, kind: TagKind, name: &str) -> Result<Option<i64>> {
    connection
        .prepare_cached("select id from tag where kind = ?1 and name = ?2")
        .and_then(|mut statement| statement.query_row((kind as i64, name), |row| row.get(0)).optional())
        .map_err(fault)
}

/// The tags that follow from addresses and status.
pub(super) fn implied(connection: &Connection) -> Result<HashMap<(TagKind, String), i64>> {
    let tags = all_of(connection, &format!("{COLUMNS} where kind in (4, 5, 6)"))?;
    Ok(tags.into_iter().map(|tag| ((tag.kind, tag.name), tag.id)).collect())
}

/// Creates a tag without title or rule. Its number is that of its change, so that none is ever used twice.
pub(super) fn create(
    connection: &Connection,
    kind: TagKind,
    name: &str,
    department_id: Option<i64>,
    at: At,
) -> Result<i64> {
    insert(connection, &Tag { department_id, ..Tag::new(0, kind, name) }, at)
}

/// Creates a static or rule tag or changes it. Returns it with the change number.
pub(super) fn upsert(connection: &Connection, draft: TagDraft, at: At) -> Result<(Tag, i64)> {
    let department_id = match &draft.department {
        Some(department) => Some(department::id_of(connection, department, "tag.department_id")?),
        None => None,
    };
    let kept = named(connection, &draft.name)?;
    let tag = match tags::step(draft, department_id, kept)? {
        Step::Keep(tag) => tag,
        Step::Insert(tag) => {
            let id = insert(connection, &tag, at)?;
            Tag { id, version: id, ..tag }
        }
        Step::Update(tag) => {
            update(connection, &tag, at)?;
            tag
        }
    };
    Ok((tag, head(connection, "change")?))
}

/// Deletes a static or rule tag with its members. Returns the change number.
pub(super) fn delete(connection: &Connection, name: &str, version: Option<i64>, at: At) -> Result<i64> {
    let tag = named(connection, name)?.ok_or_else(|| refuse::unknown_tag(name))?;
    tags::same_version(version, Some(&tag))?;
    for ordinal in members(connection, tag.id)? {
        member::delete_row(connection, ordinal, tag.id)?;
        user::touch(connection, ordinal)?;
    }
    remove(connection, tag.id, at)
}

/// Removes the row and the sets of a tag that nobody's rows name any more. Returns the change number.
pub(super) fn remove(connection: &Connection, id: i64, at: At) -> Result<i64> {
    member::drop_segments(connection, id)?;
    connection
        .prepare_cached("delete from tag where id = ?1")
        .and_then(|mut statement| statement.execute([id]))
        .map_err(fault)?;
    feed::append(connection, at, ChangeCode::TagDeleted, id)
}

/// Puts people into a static tag and takes people out. Who is in both sets is taken out: in doubt a tag
/// reaches fewer. Ordinals that nobody has are left out; a group refuses the whole edit.
pub(super) fn edit(connection: &Connection, name: &str, add: Set, remove: Set, at: At) -> Result<MembersWritten> {
    let tag = named(connection, name)?.ok_or_else(|| refuse::unknown_tag(name))?;
    if tag.kind != TagKind::Static {
        return Err(refuse::rule_has_no_members(name).into());
    }
    let kept = members(connection, tag.id)?;
    let (add, remove) = (add - &remove - &kept, remove & &kept);
    let mut changes = MemberChanges::default();
    let mut written = MembersWritten { removed: remove.len(), ..MembersWritten::default() };
    for ordinal in add {
        if user::join(connection, ordinal)? {
            member::insert_row(connection, ordinal, tag.id)?;
            changes.add(tag.id, ordinal);
            written.added += 1;
        }
    }
    for ordinal in remove {
        member::delete_row(connection, ordinal, tag.id)?;
        user::touch(connection, ordinal)?;
        changes.remove(tag.id, ordinal);
    }
    member::write(connection, changes, at)?;
    written.seq = head(connection, "change")?;
    Ok(written)
}

fn members(connection: &Connection, tag_id: i64) -> Result<Set> {
    union(connection, "select members from tag_segment where tag_id = ?1", tag_id)
}

/// Stores a new tag. Its number is that of its change, so that none is ever used twice.
pub(super) fn insert(connection: &Connection, tag: &Tag, at: At) -> Result<i64> {
    const SQL: &str = "insert into tag (id, kind, name, title, description, rule, department_id, sensitive, \
                       user_grants, expire_at, version) values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)";
    let id = feed::next(connection)?;
    write(connection, SQL, &Tag { id, version: id, ..tag.clone() })?;
    feed::record(connection, id, at, ChangeCode::Tag, id)?;
    Ok(id)
}

fn update(connection: &Connection, tag: &Tag, at: At) -> Result<()> {
    const SQL: &str = "update tag set kind = ?2, name = ?3, title = ?4, description = ?5, rule = ?6, \
                       department_id = ?7, sensitive = ?8, user_grants = ?9, expire_at = ?10, version = ?11 \
                       where id = ?1";
    write(connection, SQL, tag)?;
    feed::append(connection, at, ChangeCode::Tag, tag.id)?;
    Ok(())
}

fn write(connection: &Connection, sql: &str, tag: &Tag) -> Result<()> {
    let (grants, expire_at) = (tags::grants_text(tag)?, tag.expire_at.map(|end| end.0));
    let Tag { name, title, description, rule, department_id, sensitive, version, .. } = tag;
    let values = rusqlite::params![
        tag.id,
        tag.kind as i64,
        name,
        title,
        description,
        rule,
        department_id,
        sensitive,
        grants,
        expire_at,
        version
    ];
    connection.prepare_cached(sql).and_then(|mut statement| statement.execute(values)).map(|_| ()).map_err(fault)
}

/// A tag, its kind and its grants as they are stored.
type Columns = (Tag, i64, String);

fn columns(row: &Row<'_>) -> rusqlite::Result<Columns> {
    let tag = Tag {
        title: row.get(3)?,
        description: row.get(4)?,
        rule: row.get(5)?,
        department_id: row.get(6)?,
        sensitive: row.get(7)?,
        expire_at: row.get::<_, Option<i64>>(9)?.map(At),
        version: row.get(10)?,
        ..Tag::new(row.get(0)?, TagKind::Static, row.get::<_, String>(2)?)
    };
    Ok((tag, row.get(1)?, row.get(8)?))
}

fn tag((tag, kind, grants): Columns) -> Result<Tag> {
    let kind = known(TagKind::from_code(kind), "tag")?;
    Ok(Tag { kind, user_grants: tags::grants_of(&grants)?, ..tag })
}
