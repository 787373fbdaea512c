//! Tags: their rows, and edits of static ones.

use tokio_postgres::Row;

use super::encode::{get, known, ordinals};
use super::feed::Feed;
use super::session::Session;
use super::{department, member};
use crate::domain::change::ChangeCode;
use crate::domain::directory::{Tag, TagKind, UserKind};
use crate::domain::set::Set;
use crate::domain::time::At;
use crate::store::members::MemberChanges;
use crate::store::{MembersWritten, Result, TagDraft, refuse};

const COLUMNS: &str = "select id, kind, name, title, rule, department_id from tag";

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
    session.rows(&format!("{COLUMNS} where kind in (4, 5)"), &[]).await?.iter().map(read).collect()
}

/// Stores new tags. Their numbers are those of their changes, so that none is ever used twice.
pub(super) async fn insert(session: &Session, tags: &[Tag]) -> Result<()> {
    const SQL: &str = "insert into tag (id, kind, name, title, rule, department_id, version) \
                       select id, kind, name, title, rule, department_id, 1 from unnest($1::bigint[], $2::bigint[], \
                       $3::text[], $4::text[], $5::text[], $6::bigint[]) \
                       as new (id, kind, name, title, rule, department_id)";
    if tags.is_empty() {
        return Ok(());
    }
    let ids: Vec<i64> = tags.iter().map(|tag| tag.id).collect();
    let kinds: Vec<i64> = tags.iter().map(|tag| tag.kind as i64).collect();
    let names: Vec<&str> = tags.iter().map(|tag| tag.name.as_str()).collect();
    let titles: Vec<&str> = tags.iter().map(|tag| tag.title.as_str()).collect();
    let rules: Vec<Option<&str>> = tags.iter().map(|tag| tag.rule.as_deref()).collect();
    let departments: Vec<Option<i64>> = tags.iter().map(|tag| tag.department_id).collect();
    session.execute(SQL, &[&ids, &kinds, &names, &titles, &rules, &departments]).await.map(|_| ())
}

/// Creates a static or rule tag or changes it. Returns it with the change number.
pub(super) async fn upsert(session: &Session, draft: TagDraft, at: At) -> Result<(Tag, i64)> {
    const UPDATE: &str =
        "update tag set title = $2, rule = $3, department_id = $4, version = version + 1 where id = $1";
    if !matches!(draft.kind, TagKind::Static | TagKind::Rule) {
        return Err(refuse::tag_follows_from_others().into());
    }
    let mut feed = Feed::lock(session).await?;
    let department_id = match &draft.department {
        Some(department) => Some(department::id_of(session, department, "tag.department_id").await?),
        None => None,
    };
    let kept = named(session, std::slice::from_ref(&draft.name)).await?.pop();
    let id = kept.as_ref().map_or(0, |kept| kept.id);
    let TagDraft { name, kind, title, rule, .. } = draft;
    let mut wanted = Tag { id, kind, name, title, rule, department_id };
    match kept {
        None => {
            wanted.id = feed.append_new(ChangeCode::Tag);
            insert(session, std::slice::from_ref(&wanted)).await?;
        }
        Some(kept) if kept.kind != wanted.kind => return Err(refuse::tag_of_another_kind(&wanted.name).into()),
        Some(kept) if kept == wanted => {}
        Some(_) => {
            session.execute(UPDATE, &[&wanted.id, &wanted.title, &wanted.rule, &wanted.department_id]).await?;
            feed.append(ChangeCode::Tag, wanted.id);
        }
    }
    let seq = feed.write(session, at).await?;
    Ok((wanted, seq))
}

/// Deletes a static or rule tag with its members. Returns the change number.
pub(super) async fn delete(session: &Session, name: &str, at: At) -> Result<i64> {
    let mut feed = Feed::lock(session).await?;
    let tag = find(session, name).await?;
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
        rule: get(row, 4)?,
        department_id: get(row, 5)?,
    })
}
