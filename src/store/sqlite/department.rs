//! Departments: the tree, and the tag of each one's direct members.

use rusqlite::{Connection, OptionalExtension, Row};

use super::encode::{advance, head, signed};
use super::{fault, feed, tag};
use crate::domain::change::ChangeCode;
use crate::domain::directory::{Department, TagKind};
use crate::domain::time::At;
use crate::store::departments::{self, InUse, Plan};
use crate::store::{DepartmentDraft, Error, Result, refuse};

/// One department.
pub(super) fn by_id(connection: &Connection, id: i64) -> Result<Option<Department>> {
    connection
        .prepare_cached("select id, external_id, parent_id, name, version from department where id = ?1")
        .and_then(|mut statement| statement.query_row([id], read).optional())
        .map_err(fault)
}

/// The department with an external id.
pub(super) fn by_external_id(connection: &Connection, external_id: &str) -> Result<Option<Department>> {
    connection
        .prepare_cached("select id, external_id, parent_id, name, version from department where external_id = ?1")
        .and_then(|mut statement| statement.query_row([external_id], read).optional())
        .map_err(fault)
}

/// Every department.
pub(super) fn all(connection: &Connection) -> Result<Vec<Department>> {
    connection
        .prepare_cached("select id, external_id, parent_id, name, version from department order by id")
        .and_then(|mut statement| statement.query_map([], read)?.collect())
        .map_err(fault)
}

/// The store's key of a department that a caller names in `field`, or `UNKNOWN_DEPARTMENT`.
pub(super) fn id_of(connection: &Connection, external_id: &str, field: &str) -> Result<i64> {
    match by_external_id(connection, external_id)? {
        Some(department) => Ok(department.id),
        None => Err(refuse::unknown_department(external_id, field).into()),
    }
}

/// Creates departments or renames and moves them, in order.
pub(super) fn upsert(connection: &Connection, rows: Vec<DepartmentDraft>, at: At) -> Result<()> {
    let next = head(connection, "department")? + 1;
    let Plan { created, updated, changes } = departments::plan(rows, all(connection)?, next..)?;
    advance(connection, "department", signed(created.len() as u64))?;
    for new in &created {
        insert(connection, new)?;
    }
    for kept in &updated {
        update(connection, kept)?;
    }
    let mut created = created.iter();
    for (id, new) in changes {
        if let Some(department) = if new { created.next() } else { None } {
            tag::create(connection, TagKind::Department, &department.external_id, Some(id), at)?;
        }
        feed::append(connection, at, ChangeCode::Department, id)?;
    }
    Ok(())
}

/// How many departments the rows would make or change.
pub(super) fn check(connection: &Connection, rows: Vec<DepartmentDraft>) -> Result<u64> {
    let Plan { created, updated, .. } = departments::plan(rows, all(connection)?, i64::MIN..)?;
    Ok((created.len() + updated.len()) as u64)
}

/// Hangs a department under another one, or makes it a root. Returns the change number.
pub(super) fn relocate(connection: &Connection, external_id: &str, parent: Option<&str>, at: At) -> Result<i64> {
    match departments::moved(all(connection)?, external_id, parent)? {
        None => head(connection, "change"),
        Some(moved) => {
            update(connection, &Department { version: moved.version + 1, ..moved.clone() })?;
            feed::append(connection, at, ChangeCode::Department, moved.id)
        }
    }
}

/// Removes a department that nothing needs, with the tag of its members. Returns the change number.
pub(super) fn delete(connection: &Connection, external_id: &str, version: Option<i64>, at: At) -> Result<i64> {
    let found = by_external_id(connection, external_id)?.ok_or_else(|| refuse::no_department(external_id))?;
    refuse::other_version(version, found.version, "etag")?;
    let tag_id = tag::id_of(connection, TagKind::Department, external_id)?;
    let tag_id = tag_id.ok_or_else(|| Error::Damaged("the tag of a department".into()))?;
    refuse::in_use(external_id, uses(connection, found.id, tag_id, at)?)?;
    tag::remove(connection, tag_id, at)?;
    connection
        .prepare_cached("delete from department where id = ?1")
        .and_then(|mut statement| statement.execute([found.id]))
        .map_err(fault)?;
    feed::append(connection, at, ChangeCode::DepartmentDeleted, found.id)
}

fn uses(connection: &Connection, id: i64, tag_id: i64, at: At) -> Result<InUse> {
    const SQL: &str = "select (select count(*) from department where parent_id = ?1), \
                       (select count(*) from user where primary_department_id = ?1 \
                         or ordinal in (select ordinal from membership where tag_id = ?2)), \
                       (select count(*) from application where department_id = ?1), \
                       (select count(*) from access_grant where revoked_at is null \
                         and coalesce(json_extract(body, '$.expire_at') > ?3, 1) \
                         and (?1 in (select value from json_each(body, '$.department_ids')) \
                           or ?1 in (select value from json_each(body, '$.ceiling')) \
                           or json_extract(body, '$.while_in') = ?1)), \
                       (select count(*) from tag where department_id = ?1 and id <> ?2), \
                       (select count(*) from role where department_id = ?1 and coalesce(expire_at > ?3, 1)), \
                       (select count(*) from topic where department_id = ?1)";
    let read = |row: &Row<'_>| {
        Ok(InUse {
            departments: row.get(0)?,
            people: row.get(1)?,
            applications: row.get(2)?,
            grants: row.get(3)?,
            tags: row.get(4)?,
            roles: row.get(5)?,
            topics: row.get(6)?,
        })
    };
    connection
        .prepare_cached(SQL)
        .and_then(|mut statement| statement.query_row((id, tag_id, at.0), read))
        .map_err(fault)
}

fn insert(connection: &Connection, department: &Department) -> Result<()> {
    const SQL: &str = "insert into department (id, parent_id, external_id, name, version) values (?1, ?2, ?3, ?4, ?5)";
    let Department { id, external_id, parent_id, name, version } = department;
    connection
        .prepare_cached(SQL)
        .and_then(|mut statement| statement.execute((id, parent_id, external_id, name, version)))
        .map(|_| ())
        .map_err(fault)
}

fn update(connection: &Connection, department: &Department) -> Result<()> {
    let Department { id, parent_id, name, version, .. } = department;
    connection
        .prepare_cached("update department set parent_id = ?2, name = ?3, version = ?4 where id = ?1")
        .and_then(|mut statement| statement.execute((id, parent_id, name, version)))
        .map(|_| ())
        .map_err(fault)
}

fn read(row: &Row<'_>) -> rusqlite::Result<Department> {
    let (id, external_id, parent_id) = (row.get(0)?, row.get(1)?, row.get(2)?);
    Ok(Department { id, external_id, parent_id, name: row.get(3)?, version: row.get(4)? })
}
