//! Departments: the tree, and the tag of each one's direct members.

use tokio_postgres::Row;

use super::encode::get;
use super::feed::Feed;
use super::session::Session;
use super::tag;
use crate::domain::change::ChangeCode;
use crate::domain::directory::{Department, Tag, TagKind};
use crate::domain::time::At;
use crate::store::departments::{self, Plan};
use crate::store::{DepartmentDraft, Result, refuse};

/// The department with an external id.
pub(super) async fn by_external_id(session: &Session, external_id: &str) -> Result<Option<Department>> {
    const SQL: &str = "select id, external_id, parent_id, name from department where external_id = $1";
    session.maybe(SQL, &[&external_id]).await?.as_ref().map(read).transpose()
}

/// The departments with these keys.
pub(super) async fn by_ids(session: &Session, ids: &[i64]) -> Result<Vec<Department>> {
    const SQL: &str = "select id, external_id, parent_id, name from department where id = any($1)";
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    session.rows(SQL, &[&ids]).await?.iter().map(read).collect()
}

/// Every department.
pub(super) async fn all(session: &Session) -> Result<Vec<Department>> {
    const SQL: &str = "select id, external_id, parent_id, name from department order by id";
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
    let mut feed = Feed::lock(session).await?;
    let kept = all(session).await?;
    let next = kept.last().map_or(1, |last| last.id + 1);
    let Plan { created, updated, changes } = departments::plan(rows, kept, next..)?;
    insert(session, &created).await?;
    update(session, &updated).await?;
    let (mut new, mut tags) = (created.into_iter(), Vec::new());
    for (id, is_new) in changes {
        if let Some(department) = if is_new { new.next() } else { None } {
            let tag_id = feed.append_new(ChangeCode::Tag);
            let (name, title) = (department.external_id, String::new());
            let kind = TagKind::Department;
            tags.push(Tag { id: tag_id, kind, name, title, rule: None, department_id: Some(id) });
        }
        feed.append(ChangeCode::Department, id);
    }
    tag::insert(session, &tags).await?;
    feed.write(session, at).await
}

async fn insert(session: &Session, departments: &[Department]) -> Result<()> {
    const SQL: &str = "insert into department (id, external_id, parent_id, name, version) \
                       select id, external_id, parent_id, name, 1 \
                       from unnest($1::bigint[], $2::text[], $3::bigint[], $4::text[]) \
                       as new (id, external_id, parent_id, name)";
    write(session, SQL, departments).await
}

async fn update(session: &Session, departments: &[Department]) -> Result<()> {
    const SQL: &str = "update department set parent_id = new.parent_id, name = new.name, version = version + 1 \
                       from unnest($1::bigint[], $2::text[], $3::bigint[], $4::text[]) \
                       as new (id, external_id, parent_id, name) where department.id = new.id";
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
    session.execute(sql, &[&ids, &external_ids, &parents, &names]).await.map(|_| ())
}

fn read(row: &Row) -> Result<Department> {
    Ok(Department { id: get(row, 0)?, external_id: get(row, 1)?, parent_id: get(row, 2)?, name: get(row, 3)? })
}
