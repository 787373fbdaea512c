//! Whole sources of people, both ways.

use super::{count, error_row, invalid};
use crate::api::v1;
use crate::directory::{NO_ROW, RowError, SHARE_DEFAULT, SyncDone, SyncDraft, SyncProgress, SyncTotals};
use crate::domain::id::SyncId;
use crate::domain::refusal::Refusal;

/// What a sync is about.
#[must_use]
pub fn draft(header: v1::SyncHeader) -> SyncDraft {
    let v1::SyncHeader { source, dry_run, max_removed_share } = header;
    SyncDraft { source, dry_run, max_removed_share: max_removed_share.unwrap_or(SHARE_DEFAULT) }
}

/// What the source says that it sent.
///
/// # Errors
/// `FIELD_INVALID` for a number below 0.
pub fn totals(end: &v1::SyncEnd) -> Result<SyncTotals, Refusal> {
    let number = |path: &str, n: i32| u64::try_from(n).map_err(|_| invalid(path, "is a number from 0 on"));
    Ok(SyncTotals {
        departments: number("end.department_count", end.department_count)?,
        users: number("end.user_count", end.user_count)?,
    })
}

/// How far a sync is.
#[must_use]
pub fn progress(progress: SyncProgress) -> v1::SyncDirectoryResponse {
    let progress = v1::SyncProgress {
        departments: count(progress.departments),
        users: count(progress.users),
        compared: count(progress.compared),
        written: count(progress.written),
    };
    v1::SyncDirectoryResponse { progress: Some(progress), ..Default::default() }
}

/// A person who was left out; of somebody who is not in the source the row is 0.
fn row(one: RowError) -> v1::RowError {
    match one.row {
        NO_ROW => v1::RowError { row: 0, ..error_row(0, one.refusal) },
        row => error_row(row, one.refusal),
    }
}

/// What came of a sync.
#[must_use]
pub fn done(id: SyncId, done: SyncDone) -> v1::SyncDirectoryResponse {
    let found = done.difference;
    let difference = v1::SyncDifference {
        joined: count(found.joined),
        left: count(found.left),
        changed: count(found.changed),
        moved: count(found.moved),
        departments: count(found.departments),
        sample_user_ids: found.sample_user_ids,
        ended_grant_ids: found.ended_grants.into_iter().map(|id| id.to_string()).collect(),
        errors: found.errors.into_iter().map(row).collect(),
        error_count: count(found.error_count),
    };
    v1::SyncDirectoryResponse {
        difference: Some(difference),
        applied: done.applied,
        sync_id: id.to_string(),
        directory_seq: done.seq,
        ..Default::default()
    }
}
