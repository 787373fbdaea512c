//! Tags: their rows, and edits of static ones.

use tokio_postgres::Row;

use super::encode::{get, known, ordinals};
use super::feed::Feed;
use super::session::{Session, Values};
use super::{department, member};
use crate::domain::change::ChangeCode;
use crate::domain::directory::UserKind;
use crate::domain::set::Set;
use crate::domain::tag::{Tag, TagKind};
use crate::domain::time::At;
use crate::store::members::MemberChanges;
use crate::store::tags::{self, Step};
use crate::store::{MembersWritten, Result, TagDraft, refuse};

const COLUMNS: &str = "select id, kind, name, title, description, rule, department_id, sensitive, user_grants, \
                       expire_at, version from tag";

/// The tags with these numbers.
pub(super) async fn by_ids(session: &Session, ids: &[i64]) -> Result<Vec<Tag>> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let sql = format!("{COLUMNS} where id = any($1)");
    session.rows(&sql, &[&ids]).await?.iter().map(read).collect()
}

/// Every tag.
pub(super) async fn all(session: &Session) -> Result<Vec<Tag>> {
    session.rows(&format!("{COLUMNS} order by id"), &[]).await?.iter().map(read).collect()
}

/// The static and rule tags with these names. No two of them share one.
pub(super) async fn named(session: &Session, names: &[String]) -> Result<Vec<Tag>> {
    let sql = format!("{COLUMNS} where kind in (1, 2) and name = any($1)");
    session.rows(&sql, &[&names]).await?.iter().map(read).collect()
}

/// The tags that follow from addresses and status.
pub(super) async fn implied(session: &Session) -> Result<Vec<Tag>> {
    session.rows(&format!("{COLUMNS} where kind in (4, 5, 6)"), &[]).await?.iter().map(read).collect()
}

/// Stores new tags. Their numbers are those of their changes, so that none is ever used twice.
pub(super) async fn insert(session: &Session, tags: &[Tag]) -> Result<()> {
    const SQL: &str = "insert into tag (id, kind, name, title, description, rule, department_id, sensitive, \
                       user_grants, expire_at, version) \
                       select * from unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::text[], \
                       $7::bigint[], $8::bigint[], $9::text[], $10::bigint[], $11::bigint[])";
    if tags.is_empty() {
        return Ok(());
    }
    let column = |value: fn(&Tag) -> i64| tags.iter().map(value).collect::<Vec<i64>>();
    let maybe = |value: fn(&Tag) -> Option<i64>| tags.iter().map(value).collect::<Vec<Option<i64>>>();
    let text = |value: fn(&Tag) -> &str| tags.iter().map(value).collect::<Vec<&str>>();
    let (ids, kinds) = (column(|tag| tag.id), column(|tag| tag.kind as i64));
    let (names, titles) = (text(|tag| &tag.name), text(|tag| &tag.title));
    let descriptions = text(|tag| &tag.description);
    let rules: Vec<Option<&str>> = tags.iter().map(|tag| tag.rule.as_deref()).collect();
    let departments = maybe(|tag| tag.department_id);
    let sensitive = column(|tag| i64::from(tag.sensitive));
    let grants: Vec<String> = tags.iter().map(tags::grants_text).collect::<Result<_>>()?;
    let (ends, versions) = (maybe(|tag| tag.expire_at.map(|end| end.0)), column(|tag| tag.version));
    let values: &Values<'_> =
        &[&ids, &kinds, &names, &titles, &descriptions, &rules, &departments, &sensitive, &grants, &ends, &versions];
    session.execute(SQL, values).await.map(|_| ())
}

async fn update(session: &Session, tag: &Tag) -> Result<()> {
    const SQL: &str = "update tag set title = $2, description = $3, rule = $4, department_id = $5, sensitive = $6, \
                       user_grants = $7, expire_at = $8, version = $9 where id = $1";
    let Tag { id, title, description, rule, department_id, version, .. } = tag;
    let (sensitive, grants) = (i64::from(tag.sensitive), tags::grants_text(tag)?);
    let end = tag.expire_at.map(|end| end.0);
    let values: &Values<'_> = &[id, title, description, rule, department_id, &sensitive, &grants, &end, version];
    session.execute(SQL, values).await.map(|_| ())
}

/// Creates a static or rule tag or changes it. Returns it with the change number.
pub(super) async fn upsert(session: &Session, draft: TagDraft, at: At) -> Result<(Tag, i64)> {
    let mut feed = Feed::lock(session).await?;
    let department_id = match &draft.department {
        Some(department) => Some(department::id_of(session, department, "tag.department_id").await?),
        None => None,
    };
    let kept = named(session, std::slice::from_ref(&draft.name)).await?.pop();
    let tag = match tags::step(draft, department_id, kept)? {
        Step::Keep(tag) => tag,
        Step::Insert(tag) => {
            let id = feed.append_new(ChangeCode::Tag);
            let tag = Tag { id, version: id, ..tag };
            insert(session, std::slice::from_ref(&tag)).await?;
            tag
        }
        Step::Update(tag) => {
            update(session, &tag).await?;
            feed.append(ChangeCode::Tag, tag.id);
            tag
        }
    };
    let seq = feed.write(session, at).await?;
    Ok((tag, seq))
}

/// Deletes a static or rule tag with its members. Returns the change number.
pub(super) async fn delete(session: &Session, name: &str, version: Option<i64>, at: At) -> Result<i64> {
    let mut feed = Feed::lock(session).await?;
    let tag = find(session, name).await?;
    tags::same_version(version, Some(&tag))?;
    let members = ordinals(member::of(session, tag.id).await?);
    leave(session, tag.id, &members).await?;
    session.execute("delete from tag_segment where tag_id = $1", &[&tag.id]).await?;
    session.execute("delete from tag where id = $1", &[&tag.id]).await?;
    feed.append(ChangeCode::TagDeleted, tag.id);
    feed.write(session, at).await
}

/// Puts people into a static tag and takes people out. Who is in both sets is taken out: in doubt a tag
/// reaches fewer. Ordinals that nobody has are left out; a group refuses the whole edit.
pub(super) async fn edit(session: &Session, name: &str, add: Set, remove: Set, at: At) -> Result<MembersWritten> {
    let mut feed = Feed::lock(session).await?;
    let tag = find(session, name).await?;
    if tag.kind != TagKind::Static {
        return Err(refuse::rule_has_no_members(name).into());
    }
    let kept = member::of(session, tag.id).await?;
    let (add, remove) = (add - &remove - &kept, remove & &kept);
    let joined = join(session, tag.id, &ordinals(add)).await?;
    leave(session, tag.id, &ordinals(&remove)).await?;
    let mut changes = MemberChanges::default();
    joined.iter().for_each(|ordinal| changes.add(tag.id, ordinal));
    remove.iter().for_each(|ordinal| changes.remove(tag.id, ordinal));
    member::write(session, &mut feed, changes).await?;
    let seq = feed.write(session, at).await?;
    Ok(MembersWritten { added: joined.len(), removed: remove.len(), seq })
}

/// Notes a tag in the rows of users and returns who they are; refused if one of them is a group.
async fn join(session: &Session, tag_id: i64, ordinals: &[i64]) -> Result<Set> {
    const TOUCH: &str = "update \"user\" set version = version + 1 \
                         where ordinal = any($1) and external_id is not null returning ordinal, kind";
    let (mut joined, mut rows) = (Set::new(), Vec::new());
    if ordinals.is_empty() {
        return Ok(joined);
    }
    for row in session.rows(TOUCH, &[&ordinals]).await? {
        if get::<i64>(&row, 1)? == UserKind::Group as i64 {
            return Err(refuse::groups_have_no_tags("tag.members").into());
        }
        joined.insert(super::encode::small(&row, 0)?);
        rows.push((get(&row, 0)?, tag_id));
    }
    member::insert_rows(session, &rows).await?;
    Ok(joined)
}

/// Removes a tag from the rows of its members.
async fn leave(session: &Session, tag_id: i64, members: &[i64]) -> Result<()> {
    const TOUCH: &str = "update \"user\" set version = version + 1 where ordinal = any($1)";
    if members.is_empty() {
        return Ok(());
    }
    let rows: Vec<_> = members.iter().map(|ordinal| (*ordinal, tag_id)).collect();
    member::delete_rows(session, &rows).await?;
    session.execute(TOUCH, &[&members]).await.map(|_| ())
}

async fn find(session: &Session, name: &str) -> Result<Tag> {
    let found = named(session, &[name.to_owned()]).await?.pop();
    found.ok_or_else(|| refuse::unknown_tag(name).into())
}

fn read(row: &Row) -> Result<Tag> {
    Ok(Tag {
        id: get(row, 0)?,
        kind: known(TagKind::from_code(get(row, 1)?), "tag")?,
        name: get(row, 2)?,
        title: get(row, 3)?,
        description: get(row, 4)?,
        rule: get(row, 5)?,
        department_id: get(row, 6)?,
        sensitive: get::<i64>(row, 7)? != 0,
        user_grants: tags::grants_of(get(row, 8)?)?,
        expire_at: get::<Option<i64>>(row, 9)?.map(At),
        version: get(row, 10)?,
    })
}
