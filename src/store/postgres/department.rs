//! Departments: the tree, and the tag of each one's direct members.

use tokio_postgres::Row;

use super::encode::get;
use super::feed::Feed;
use super::session::Session;
use super::tag;
use crate::domain::change::ChangeCode;
use crate::domain::directory::{Department, Tag, TagKind};
use crate::domain::time::At;
use crate::store::departments::{self, InUse, Plan};
use crate::store::encode::signed;
use crate::store::{DepartmentDraft, Result, refuse};

/// The department with an external id.
pub(super) async fn by_external_id(session: &Session, external_id: &str) -> Result<Option<Department>> {
    const SQL: &str = "select id, external_id, parent_id, name, version from department where external_id = $1";
    session.maybe(SQL, &[&external_id]).await?.as_ref().map(read).transpose()
}

/// The departments with these keys.
pub(super) async fn by_ids(session: &Session, ids: &[i64]) -> Result<Vec<Department>> {
    const SQL: &str = "select id, external_id, parent_id, name, version from department where id = any($1)";
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    session.rows(SQL, &[&ids]).await?.iter().map(read).collect()
}

/// Every department.
pub(super) async fn all(session: &Session) -> Result<Vec<Department>> {
    const SQL: &str = "select id, external_id, parent_id, name, version from department order by id";
    session.rows(SQL, &[]).await?.iter().map(read).collect()
}

/// The store's key of a department that a caller names in `field`, or `UNKNOWN_DEPARTMENT`.
pub(super) async fn id_of(session: &Session, external_id: &str, field: &str) -> Result<i64> {
    match by_external_id(session, external_id).await? {
        Some(department) => Ok(department.id),
        None => Err(refuse::unknown_department(external_id, field).into()),
    }
}

/// Creates departments or renames and moves them, in order. Returns the change number.
pub(super) async fn upsert(session: &Session, rows: Vec<DepartmentDraft>, at: At) -> Result<i64> {
    const LAST: &str = "select value from head where name = 'department'";
    const TAKE: &str = "update head set value = value + $1 where name = 'department'";
    let mut feed = Feed::lock(session).await?;
    let next = get::<i64>(&session.one(LAST, &[]).await?, 0)? + 1;
    let Plan { created, updated, changes } = departments::plan(rows, all(session).await?, next..)?;
    session.execute(TAKE, &[&signed(created.len() as u64)]).await?;
    insert(session, &created).await?;
    update(session, &updated).await?;
    let (mut new, mut tags) = (created.into_iter(), Vec::new());
    for (id, is_new) in changes {
        if let Some(department) = if is_new { new.next() } else { None } {
            let tag_id = feed.append_new(ChangeCode::Tag);
            let tag = Tag::new(tag_id, TagKind::Department, department.external_id);
            tags.push(Tag { department_id: Some(id), ..tag });
        }
        feed.append(ChangeCode::Department, id);
    }
    tag::insert(session, &tags).await?;
    feed.write(session, at).await
}

/// How many departments the rows would make or change.
pub(super) async fn check(session: &Session, rows: Vec<DepartmentDraft>) -> Result<u64> {
    let Plan { created, updated, .. } = departments::plan(rows, all(session).await?, i64::MIN..)?;
    Ok((created.len() + updated.len()) as u64)
}

/// Hangs a department under another one, or makes it a root. Returns the change number.
pub(super) async fn relocate(session: &Session, external_id: &str, parent: Option<&str>, at: At) -> Result<i64> {
    let mut feed = Feed::lock(session).await?;
    let kept = all(session).await?;
    if let Some(moved) = departments::moved(kept, external_id, parent)? {
        update(session, &[Department { version: moved.version + 1, ..moved.clone() }]).await?;
        feed.append(ChangeCode::Department, moved.id);
    }
    feed.write(session, at).await
}

/// Removes a department that nothing needs, with the tag of its members. Returns the change number.
pub(super) async fn delete(session: &Session, external_id: &str, version: Option<i64>, at: At) -> Result<i64> {
    const TAG: &str = "select id from tag where kind = 3 and name = $1";
    let mut feed = Feed::lock(session).await?;
    let found = by_external_id(session, external_id).await?.ok_or_else(|| refuse::no_department(external_id))?;
    refuse::other_version(version, found.version, "etag")?;
    let tag_id: i64 = get(&session.one(TAG, &[&external_id]).await?, 0)?;
    refuse::in_use(external_id, uses(session, found.id, tag_id, at).await?)?;
    session.execute("delete from tag_segment where tag_id = $1", &[&tag_id]).await?;
    session.execute("delete from tag where id = $1", &[&tag_id]).await?;
    session.execute("delete from department where id = $1", &[&found.id]).await?;
    feed.append(ChangeCode::TagDeleted, tag_id);
    feed.append(ChangeCode::DepartmentDeleted, found.id);
    feed.write(session, at).await
}

async fn uses(session: &Session, id: i64, tag_id: i64, at: At) -> Result<InUse> {
    const SQL: &str = "select (select count(*) from department where parent_id = $1), \
                       (select count(*) from \"user\" where primary_department_id = $1 \
                         or ordinal in (select ordinal from membership where tag_id = $2)), \
                       (select count(*) from application where department_id = $1), \
                       (select count(*) from access_grant where revoked_at is null \
                         and coalesce((body::jsonb ->> 'expire_at')::bigint > $3, true) \
                         and (body::jsonb -> 'department_ids' @> to_jsonb($1::bigint) \
                           or coalesce(body::jsonb -> 'ceiling' @> to_jsonb($1::bigint), false) \
                           or coalesce((body::jsonb ->> 'while_in')::bigint = $1, false))), \
                       (select count(*) from tag where department_id = $1 and id <> $2), \
                       (select count(*) from role where department_id = $1 and coalesce(expire_at > $3, true)), \
                       (select count(*) from topic where department_id = $1)";
    let row = session.one(SQL, &[&id, &tag_id, &at.0]).await?;
    Ok(InUse {
        departments: get(&row, 0)?,
        people: get(&row, 1)?,
        applications: get(&row, 2)?,
        grants: get(&row, 3)?,
        tags: get(&row, 4)?,
        roles: get(&row, 5)?,
        topics: get(&row, 6)?,
    })
}

async fn insert(session: &Session, departments: &[Department]) -> Result<()> {
    const SQL: &str = "insert into department (id, external_id, parent_id, name, version) \
                       select * from unnest($1::bigint[], $2::text[], $3::bigint[], $4::text[], $5::bigint[])";
    write(session, SQL, departments).await
}

async fn update(session: &Session, departments: &[Department]) -> Result<()> {
    const SQL: &str = "update department set parent_id = new.parent_id, name = new.name, version = new.version \
                       from unnest($1::bigint[], $2::text[], $3::bigint[], $4::text[], $5::bigint[]) \
                       as new (id, external_id, parent_id, name, version) where department.id = new.id";
    write(session, SQL, departments).await
}

async fn write(session: &Session, sql: &str, departments: &[Department]) -> Result<()> {
    if departments.is_empty() {
        return Ok(());
    }
    let ids: Vec<i64> = departments.iter().map(|one| one.id).collect();
    let external_ids: Vec<&str> = departments.iter().map(|one| one.external_id.as_str()).collect();
    let parents: Vec<Option<i64>> = departments.iter().map(|one| one.parent_id).collect();
    let names: Vec<&str> = departments.iter().map(|one| one.name.as_str()).collect();
    let versions: Vec<i64> = departments.iter().map(|one| one.version).collect();
    session.execute(sql, &[&ids, &external_ids, &parents, &names, &versions]).await.map(|_| ())
}

fn read(row: &Row) -> Result<Department> {
    let (id, external_id, parent_id) = (get(row, 0)?, get(row, 1)?, get(row, 2)?);
    Ok(Department { id, external_id, parent_id, name: get(row, 3)?, version: get(row, 4)? })
}
