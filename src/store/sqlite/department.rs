//! Departments: the tree, and the tag of each one's direct members.

use rusqlite::{Connection, OptionalExtension, Row};

use super::{fault, feed, tag};
use crate::domain::change::ChangeCode;
use crate::domain::directory::{Department, TagKind};
use crate::domain::time::At;
use crate::store::departments::{self, Plan};
use crate::store::{DepartmentDraft, Result, refuse};

/// One department.
pub(super) fn by_id(connection: &Connection, id: i64) -> Result<Option<Department>> {
    connection
        .prepare_cached("select id, external_id, parent_id, name from department where id = ?1")
        .and_then(|mut statement| statement.query_row([id], read).optional())
        .map_err(fault)
}

/// The department with an external id.
pub(super) fn by_external_id(connection: &Connection, external_id: &str) -> Result<Option<Department>> {
    connection
        .prepare_cached("select id, external_id, parent_id, name from department where external_id = ?1")
        .and_then(|mut statement| statement.query_row([external_id], read).optional())
        .map_err(fault)
}

/// Every department.
pub(super) fn all(connection: &Connection) -> Result<Vec<Department>> {
    connection
        .prepare_cached("select id, external_id, parent_id, name from department order by id")
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
    let kept = all(connection)?;
    let next = kept.last().map_or(1, |last| last.id + 1);
    let Plan { created, updated, changes } = departments::plan(rows, kept, next..)?;
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

fn insert(connection: &Connection, department: &Department) -> Result<()> {
    let Department { id, external_id, parent_id, name } = department;
    connection
        .prepare_cached("insert into department (id, parent_id, external_id, name, version) values (?1, ?2, ?3, ?4, 1)")
        .and_then(|mut statement| statement.execute((id, parent_id, external_id, name)))
        .map(|_| ())
        .map_err(fault)
}

fn update(connection: &Connection, department: &Department) -> Result<()> {
    connection
        .prepare_cached("update department set parent_id = ?2, name = ?3, version = version + 1 where id = ?1")
        .and_then(|mut statement| statement.execute((department.id, department.parent_id, &department.name)))
        .map(|_| ())
        .map_err(fault)
}

fn read(row: &Row<'_>) -> rusqlite::Result<Department> {
    Ok(Department { id: row.get(0)?, external_id: row.get(1)?, parent_id: row.get(2)?, name: row.get(3)? })
}
