//! People of other systems, such as that of the staff or of the students: whole snapshots, in pieces.

use std::collections::HashSet;
use std::sync::Arc;

use async_trait::async_trait;

use super::users::Plan;
use super::{Ended, Result, RowError};
use crate::domain::directory::UserDraft;
use crate::domain::set::Set;
use crate::domain::time::At;

/// Ids of each kind that a difference names.
pub const SAMPLE: usize = 20;

/// People by the source that they come from. A person is of one source or of none; whoever still receives stays with
/// hers, and all others belong to the source that names them last.
#[async_trait]
pub trait Sources: Send + Sync {
    /// The people of a source who receive; nobody of one that never was.
    async fn people(&self, source: &str) -> Result<Set>;

    /// What [`Sources::put`] would do, once the departments `coming` were there. Writes nothing.
    async fn compare(&self, source: &str, rows: Vec<UserDraft>, coming: Arc<HashSet<String>>) -> Result<Difference>;

    /// Creates or replaces people as [`super::Directory::upsert_users`] does, in the name of a source. A row about
    /// somebody of another source (`ID_TAKEN`) is refused alone.
    async fn put(&self, source: &str, rows: Vec<UserDraft>, at: At) -> Result<Difference>;

    /// People of the source who are no longer in it: whoever receives has left now, and loses what leavers lose.
    async fn leave(&self, source: &str, people: Set, at: At) -> Result<Difference>;
}

/// How some rows differ from what is kept.
#[derive(Clone, Debug, Default)]
pub struct Difference {
    /// New people.
    pub joined: u64,
    /// People whose record differs, but for those who leave.
    pub changed: u64,
    /// Those of them whose primary department differs.
    pub moved: u64,
    /// People who receive and no longer shall.
    pub leaving: Set,
    /// External ids of some who are new.
    pub joined_ids: Vec<String>,
    /// External ids of some whose record differs.
    pub changed_ids: Vec<String>,
    /// Refused rows.
    pub errors: Vec<RowError>,
    /// What ended with those who left.
    pub ended: Ended,
    /// The change number; 0 when only compared.
    pub seq: i64,
}

impl Difference {
    /// That of a plan; what ends is not known before it is written.
    pub(super) fn of(plan: &Plan) -> Difference {
        let mut found = Difference { leaving: plan.leaving.clone(), ..Difference::default() };
        found.errors.clone_from(&plan.written.errors);
        for write in &plan.users {
            match &write.kept {
                None => {
                    found.joined += 1;
                    sample(&mut found.joined_ids, &write.external_id);
                }
                Some(_) if plan.leaving.contains(write.ordinal) => {}
                // Only the source is new.
                Some(kept) if kept.says_as_much_as(&write.wanted) => {}
                Some(kept) => {
                    found.changed += 1;
                    found.moved += u64::from(kept.primary_id != write.wanted.primary_id);
                    sample(&mut found.changed_ids, &write.external_id);
                }
            }
        }
        found
    }
}

fn sample(ids: &mut Vec<String>, id: &str) {
    if ids.len() < SAMPLE {
        ids.push(id.to_owned());
    }
}
