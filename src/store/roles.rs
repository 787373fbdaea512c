//! Who has which role.

use async_trait::async_trait;

use super::Result;
use crate::domain::role::{Assignment, Role};
use crate::domain::time::At;

/// Who has which role. Few rows; every node holds them in memory. Every write appends to the change feed and
/// returns its change number.
#[async_trait]
pub trait Roles: Send + Sync {
    /// Every role that is held or ran out, by person, role and department.
    async fn all(&self) -> Result<Vec<Assignment>>;

    /// The roles of a person, by role and department.
    async fn of(&self, ordinal: u32) -> Result<Vec<Assignment>>;

    /// Gives a role; the same one again takes the place of the old.
    async fn assign(&self, assignment: Assignment) -> Result<i64>;

    /// Takes a role; `NOT_FOUND` if the person has not got it there.
    async fn withdraw(&self, ordinal: u32, role: Role, department_id: Option<i64>, at: At) -> Result<i64>;
}
