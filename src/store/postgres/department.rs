//! Departments: the tree, and the tag of each one's direct members.

use tokio_postgres::Row;

use super::encode::get;
use super::session::Session;
use crate::domain::directory::Department;
use crate::store::{Result, refuse};

/// The department with an external id.
pub(super) async fn by_external_id(session: &Session, external_id: &str) -> Result<Option<Department>> {
    const SQL: &str = "select id, external_id, parent_id, name from department where external_id = $1";
    session.maybe(SQL, &[&external_id]).await?.as_ref().map(read).transpose()
}

/// The store's key of a department that a caller names in `field`, or `UNKNOWN_DEPARTMENT`.
pub(super) async fn id_of(session: &Session, external_id: &str, field: &str) -> Result<i64> {
    match by_external_id(session, external_id).await? {
        Some(department) => Ok(department.id),
        None => Err(refuse::unknown_department(external_id, field).into()),
    }
}

fn read(row: &Row) -> Result<Department> {
    Ok(Department { id: get(row, 0)?, external_id: get(row, 1)?, parent_id: get(row, 2)?, name: get(row, 3)? })
}
