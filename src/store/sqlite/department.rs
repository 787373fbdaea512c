//! Departments: the tree, and the tag of each one's direct members.

use rusqlite::{Connection, OptionalExtension, Row};

use super::{fault, feed, tag};
use crate::domain::change::ChangeCode;
use crate::domain::directory::{Department, TagKind};
use crate::domain::time::At;
use crate::store::{DepartmentDraft, Result, refuse};

/// No tree is deeper; a longer walk to the root means that the rows are damaged.
const DEPTH_MAX: usize = 1_000;

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

/// Creates a department or renames and moves it. An unchanged one writes nothing.
pub(super) fn upsert(connection: &Connection, draft: &DepartmentDraft, at: At) -> Result<()> {
    let parent_id = match &draft.parent {
        Some(parent) => Some(id_of(connection, parent, "department.parent_id")?),
        None => None,
    };
    let id = match by_external_id(connection, &draft.external_id)? {
        Some(kept) if kept.parent_id == parent_id && kept.name == draft.name => return Ok(()),
        Some(kept) => {
            refuse_cycle(connection, &kept, parent_id)?;
            update(connection, kept.id, parent_id, &draft.name)?;
            kept.id
        }
        None => {
            let id = insert(connection, parent_id, draft)?;
            tag::create(connection, TagKind::Department, &draft.external_id, Some(id), at)?;
            id
        }
    };
    feed::append(connection, at, ChangeCode::Department, id)?;
    Ok(())
}

fn refuse_cycle(connection: &Connection, moved: &Department, parent_id: Option<i64>) -> Result<()> {
    let mut above = parent_id;
    for _ in 0..DEPTH_MAX {
        match above {
            None => return Ok(()),
            Some(id) if id == moved.id => break,
            Some(id) => above = by_id(connection, id)?.and_then(|department| department.parent_id),
        }
    }
    Err(refuse::department_cycle(&moved.external_id).into())
}

fn insert(connection: &Connection, parent_id: Option<i64>, draft: &DepartmentDraft) -> Result<i64> {
    connection
        .prepare_cached(
            "insert into department (parent_id, external_id, name, version) values (?1, ?2, ?3, 1) returning id",
        )
        .and_then(|mut statement| statement.query_row((parent_id, &draft.external_id, &draft.name), |row| row.get(0)))
        .map_err(fault)
}

fn update(connection: &Connection, id: i64, parent_id: Option<i64>, name: &str) -> Result<()> {
    connection
        .prepare_cached("update department set parent_id = ?2, name = ?3, version = version + 1 where id = ?1")
        .and_then(|mut statement| statement.execute((id, parent_id, name)))
        .map(|_| ())
        .map_err(fault)
}

fn read(row: &Row<'_>) -> rusqlite::Result<Department> {
    Ok(Department { id: row.get(0)?, external_id: row.get(1)?, parent_id: row.get(2)?, name: row.get(3)? })
}
