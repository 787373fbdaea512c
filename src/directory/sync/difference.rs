//! What a sync finds, gathered over its groups.

use super::super::Refused;
use crate::audience::Snapshot;
use crate::domain::id::GrantId;
use crate::domain::refusal::Refusal;
use crate::domain::set::Set;
use crate::store::{Difference, RowError};

/// Ids of people that a difference names.
const SAMPLE: usize = 20;
/// Those of them who are kept for each kind of difference, if there are so many.
const SAMPLE_EACH: usize = 7;
/// Grants that a difference names.
pub const ENDED_MAX: usize = 1_000;

/// How a source differs from the directory.
#[derive(Clone, Debug, Default)]
pub struct SyncDifference {
    /// People who are new.
    pub joined: u64,
    /// People who received and no longer do: they are not in the source any more, or it says that they are gone.
    pub left: u64,
    /// Other people whose record differs.
    pub changed: u64,
    /// Those of them whose primary department differs.
    pub moved: u64,
    /// Departments that are new or differ.
    pub departments: u64,
    /// External ids of some of all of them.
    pub sample_user_ids: Vec<String>,
    /// Grants that end, the first 1,000.
    pub ended_grants: Vec<GrantId>,
    /// Refused rows: the first of them, by place.
    pub errors: Vec<RowError>,
    /// Refused rows in all.
    pub error_count: u64,
}

/// The difference so far.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    joined: u64,
    changed: u64,
    moved: u64,
    /// Departments that are new or differ.
    pub(super) departments: u64,
    joined_ids: Vec<String>,
    changed_ids: Vec<String>,
    /// Who leaves.
    pub(super) leaving: Set,
    /// Grants that ended.
    pub(super) grants: Vec<GrantId>,
    /// The last change number.
    pub(super) seq: i64,
    errors: Vec<(usize, Refusal)>,
}

impl Gathered {
    /// Nothing yet, after a change.
    pub(super) fn after(seq: i64) -> Gathered {
        Gathered { seq, ..Gathered::default() }
    }

    /// Adds what a group found; its rows stand at these places.
    pub(super) fn add(&mut self, places: &[usize], found: Difference) {
        self.joined += found.joined;
        self.changed += found.changed;
        self.moved += found.moved;
        self.joined_ids.extend(found.joined_ids);
        self.changed_ids.extend(found.changed_ids);
        self.joined_ids.truncate(SAMPLE);
        self.changed_ids.truncate(SAMPLE);
        self.leaving |= found.leaving;
        self.grants.extend(found.ended.grants);
        self.seq = self.seq.max(found.seq);
        let place = |row: usize| places.get(row).copied().unwrap_or(row);
        self.errors.extend(found.errors.into_iter().map(|one| (place(one.row), one.refusal)));
    }

    /// The difference in all, with the rows that were refused before.
    pub(super) fn told(mut self, mut refused: Refused, snapshot: &Snapshot) -> SyncDifference {
        for (place, refusal) in self.errors {
            refused.add(place, refusal);
        }
        refused.errors.sort_by_key(|one| one.row);
        self.grants.sort_unstable();
        self.grants.truncate(ENDED_MAX);
        let left = self.leaving.iter().take(SAMPLE).filter_map(|one| snapshot.users().external_id(one));
        let kinds = [left.map(|id| id.to_string()).collect(), self.joined_ids, self.changed_ids];
        SyncDifference {
            joined: self.joined,
            left: self.leaving.len(),
            changed: self.changed,
            moved: self.moved,
            departments: self.departments,
            sample_user_ids: mixed(kinds),
            ended_grants: self.grants,
            errors: refused.errors,
            error_count: refused.count,
        }
    }
}

/// Some of each kind, and more of those of which there are more.
fn mixed(kinds: [Vec<String>; 3]) -> Vec<String> {
    let mut chosen: Vec<String> = kinds.iter().flat_map(|ids| ids.iter().take(SAMPLE_EACH)).cloned().collect();
    chosen.extend(kinds.iter().flat_map(|ids| ids.iter().skip(SAMPLE_EACH)).cloned());
    chosen.truncate(SAMPLE);
    chosen
}
