//! [`Roles`] on SQLite.

use async_trait::async_trait;
use rusqlite::{Connection, Params, Row};

use super::encode::known;
use super::{Sqlite, fault, feed};
use crate::domain::access::Principal;
use crate::domain::change::ChangeCode;
use crate::domain::role::{Assignment, Role};
use crate::domain::time::At;
use crate::store::{Result, Roles, refuse};

const COLUMNS: &str = "select ordinal, role, department_id, expire_at, given_by, given_at from role";

#[async_trait]
impl Roles for Sqlite {
    async fn all(&self) -> Result<Vec<Assignment>> {
        self.readers.read(|connection| found(connection, "", [])).await
    }

    async fn of(&self, ordinal: u32) -> Result<Vec<Assignment>> {
        self.readers.read(move |connection| found(connection, "where ordinal = ?1", [ordinal])).await
    }

    async fn assign(&self, assignment: Assignment) -> Result<i64> {
        const SQL: &str = "insert into role (ordinal, role, department_id, expire_at, given_by, given_at) \
                           values (?1, ?2, ?3, ?4, ?5, ?6) on conflict (ordinal, role, department_id) do update \
                           set expire_at = ?4, given_by = ?5, given_at = ?6";
        let write = move |connection: &Connection| {
            let Assignment { ordinal, role, department_id, expire_at, given_by, given_at } = assignment;
            let expire_at = expire_at.map(|at| at.0);
            let values = (ordinal, role as i64, department_id.unwrap_or(0), expire_at, given_by.code(), given_at.0);
            connection.prepare_cached(SQL).and_then(|mut statement| statement.execute(values)).map_err(fault)?;
            feed::append(connection, given_at, ChangeCode::Role, ordinal.into())
        };
        self.writer.write(write).await
    }

    async fn withdraw(&self, ordinal: u32, role: Role, department_id: Option<i64>, at: At) -> Result<i64> {
        const SQL: &str = "delete from role where ordinal = ?1 and role = ?2 and department_id = ?3";
        let write = move |connection: &Connection| {
            let values = (ordinal, role as i64, department_id.unwrap_or(0));
            let gone = connection.prepare_cached(SQL).and_then(|mut statement| statement.execute(values));
            match gone.map_err(fault)? {
                0 => Err(refuse::unknown_role().into()),
                _ => feed::append(connection, at, ChangeCode::Role, ordinal.into()),
            }
        };
        self.writer.write(write).await
    }
}

fn found(connection: &Connection, which: &str, values: impl Params) -> Result<Vec<Assignment>> {
    let sql = format!("{COLUMNS} {which} order by ordinal, role, department_id");
    let mut statement = connection.prepare_cached(&sql).map_err(fault)?;
    let mut rows = statement.query(values).map_err(fault)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next().map_err(fault)? {
        found.push(read(row)?);
    }
    Ok(found)
}

fn read(row: &Row<'_>) -> Result<Assignment> {
    Ok(Assignment {
        ordinal: row.get(0).map_err(fault)?,
        role: known(Role::from_code(row.get(1).map_err(fault)?), "role")?,
        department_id: Some(row.get(2).map_err(fault)?).filter(|id| *id != 0),
        expire_at: row.get::<_, Option<i64>>(3).map_err(fault)?.map(At),
        given_by: Principal::from_code(row.get(4).map_err(fault)?),
        given_at: At(row.get(5).map_err(fault)?),
    })
}
