//! [`Roles`] on PostgreSQL.

use async_trait::async_trait;
use tokio_postgres::Row;

use super::encode::{get, known, small};
use super::{Postgres, feed};
use crate::domain::access::Principal;
use crate::domain::change::ChangeCode;
use crate::domain::role::{Assignment, Role};
use crate::domain::time::At;
use crate::store::{Result, Roles, refuse};

#[async_trait]
impl Roles for Postgres {
    async fn all(&self) -> Result<Vec<Assignment>> {
        const SQL: &str = "select ordinal, role, department_id, expire_at, given_by, given_at from role \
                           order by ordinal, role, department_id";
        self.session().await?.rows(SQL, &[]).await?.iter().map(read).collect()
    }

    async fn of(&self, ordinal: u32) -> Result<Vec<Assignment>> {
        const SQL: &str = "select ordinal, role, department_id, expire_at, given_by, given_at from role \
                           where ordinal = $1 order by role, department_id";
        self.session().await?.rows(SQL, &[&i64::from(ordinal)]).await?.iter().map(read).collect()
    }

    async fn assign(&self, assignment: Assignment) -> Result<i64> {
        const SQL: &str = "insert into role (ordinal, role, department_id, expire_at, given_by, given_at) \
                           values ($1, $2, $3, $4, $5, $6) on conflict (ordinal, role, department_id) do update \
                           set expire_at = $4, given_by = $5, given_at = $6";
        let Assignment { ordinal, role, department_id, expire_at, given_by, given_at } = assignment;
        let (ordinal, role, department_id) = (i64::from(ordinal), role as i64, department_id.unwrap_or(0));
        let (expire_at, given_by) = (expire_at.map(|at| at.0), given_by.code());
        let session = self.transaction().await?;
        session.execute(SQL, &[&ordinal, &role, &department_id, &expire_at, &given_by, &given_at.0]).await?;
        let seq = feed::append(&session, given_at, ChangeCode::Role, ordinal).await?;
        session.commit().await?;
        Ok(seq)
    }

    async fn withdraw(&self, ordinal: u32, role: Role, department_id: Option<i64>, at: At) -> Result<i64> {
        const SQL: &str = "delete from role where ordinal = $1 and role = $2 and department_id = $3";
        let (ordinal, role, department_id) = (i64::from(ordinal), role as i64, department_id.unwrap_or(0));
        let session = self.transaction().await?;
        if session.execute(SQL, &[&ordinal, &role, &department_id]).await? == 0 {
            return Err(refuse::unknown_role().into());
        }
        let seq = feed::append(&session, at, ChangeCode::Role, ordinal).await?;
        session.commit().await?;
        Ok(seq)
    }
}

fn read(row: &Row) -> Result<Assignment> {
    Ok(Assignment {
        ordinal: small(row, 0)?,
        role: known(Role::from_code(get(row, 1)?), "role")?,
        department_id: Some(get(row, 2)?).filter(|id| *id != 0),
        expire_at: get::<Option<i64>>(row, 3)?.map(At),
        given_by: Principal::from_code(get(row, 4)?),
        given_at: At(get(row, 5)?),
    })
}
