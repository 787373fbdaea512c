//! Whole sources of people and departments: read to the end, compared with the directory, and only then written.
//!
//! A source that is cut off changes nothing. It is written in groups, so that a crash leaves a directory that the next
//! run completes. What one source says of its people, no other takes away.

mod difference;
mod read;
mod spool;
mod tree;

use std::collections::HashSet;
use std::sync::Arc;

use tokio::sync::OwnedSemaphorePermit;

use difference::Gathered;
pub use difference::{ENDED_MAX, SyncDifference};
use spool::{GROUP, Spool};

use super::bulk::{Tags, add_kept_tags};
use super::{Refused, Registrar, leaving};
use crate::access::Caller;
use crate::domain::audit::{Action, Deed};
use crate::domain::directory::UserDraft;
use crate::domain::id::SyncId;
use crate::domain::refusal::{Reason, Refusal};
use crate::domain::set::Set;
use crate::store::DepartmentDraft;

/// The share of people who may leave, unless the caller says otherwise.
pub const SHARE_DEFAULT: f64 = 0.05;

/// The place of a refusal that is about nobody in the source.
pub const NO_ROW: usize = usize::MAX;

/// What a sync is about.
#[derive(Clone, Debug, PartialEq)]
pub struct SyncDraft {
    /// The name of the source: as an external id.
    pub source: String,
    /// Only tell the difference.
    pub dry_run: bool,
    /// The largest share of people who may leave, 0 to 1.
    pub max_removed_share: f64,
}

/// What the source says that it sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SyncTotals {
    /// Departments.
    pub departments: u64,
    /// People.
    pub users: u64,
}

/// How far a sync is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SyncProgress {
    /// Departments read.
    pub departments: u64,
    /// People read.
    pub users: u64,
    /// People compared.
    pub compared: u64,
    /// People written.
    pub written: u64,
}

/// What came of a sync.
#[derive(Clone, Debug)]
pub struct SyncDone {
    /// How the source differed.
    pub difference: SyncDifference,
    /// It was taken over.
    pub applied: bool,
    /// The change number.
    pub seq: i64,
}

/// A sync under way.
pub struct SyncRun {
    registrar: Registrar,
    draft: SyncDraft,
    /// Who takes it over.
    caller: Caller,
    /// Its id.
    pub id: SyncId,
    departments: Vec<DepartmentDraft>,
    spool: Spool,
    /// Everybody whom a row names, whether the row can be used or not.
    named: HashSet<Box<str>>,
    /// Rows that do not even say whom they are about.
    nameless: usize,
    refused: Refused,
    progress: SyncProgress,
    /// One source at a time: each takes up to half a gigabyte.
    _turn: OwnedSemaphorePermit,
}

/// What the comparison found.
struct Compared {
    gathered: Gathered,
    /// People of the source who are no longer in it.
    vanished: Set,
    /// People who would leave and alone can administer.
    spared: Set,
    /// Everybody who receives and is of the source, or in it.
    people: Set,
}

impl SyncRun {
    /// The source is complete: compares it and, unless it is a dry run, takes it over. `progress` hears how far it is.
    ///
    /// # Errors
    /// `FIELD_INVALID` if the source was not read completely, those of a wrong department, `SNAPSHOT_SHRINKS` if more
    /// would leave than may, and those of the store. Unless the store failed half-way, nothing is written then.
    pub async fn finish(
        mut self,
        totals: SyncTotals,
        mut progress: impl FnMut(SyncProgress) + Send,
    ) -> Result<SyncDone, Refusal> {
        self.refuse_incomplete(totals)?;
        let parts = self.registrar.parts.clone();
        let departments = tree::parents_first(std::mem::take(&mut self.departments));
        let departments_n = parts.store.departments.check(departments.clone()).await?;
        parts.follower.catch_up(parts.store.directory.head().await?).await?;
        let mut found = self.compare(&departments, &mut progress).await?;
        let left = &found.gathered.leaving - &found.spared;
        if self.draft.dry_run {
            let ended = self.would_end(&left);
            found.gathered.grants.extend(ended);
            found.gathered.leaving = left;
        } else {
            self.refuse_shrinking(&left, &found.people)?;
            let deed = Deed::of(Action::DirectorySync).over([&self.draft.source]);
            parts.audit.record(&self.caller, deed).await?;
            found = self.write(departments, found, &mut progress).await?;
        }
        let (seq, snapshot) = (found.gathered.seq, parts.memory.index.snapshot());
        for one in &found.spared {
            let id = snapshot.users().external_id(one).unwrap_or_default();
            self.refused.add(NO_ROW, leaving::refused().with("user_id", id));
        }
        found.gathered.departments = departments_n;
        let difference = found.gathered.told(self.refused, &snapshot);
        let seq = if seq == 0 { snapshot.seq() } else { seq };
        Ok(SyncDone { difference, applied: !self.draft.dry_run, seq })
    }

    /// What writing would change. Writes nothing.
    async fn compare(
        &mut self,
        departments: &[DepartmentDraft],
        progress: &mut (impl FnMut(SyncProgress) + Send),
    ) -> Result<Compared, Refusal> {
        let parts = self.registrar.parts.clone();
        let coming: Arc<HashSet<String>> = Arc::new(departments.iter().map(|one| one.external_id.clone()).collect());
        let mut gathered = Gathered::default();
        for group in self.spool.groups() {
            let (places, rows) = group?;
            self.progress.compared += rows.len() as u64;
            let rows = self.with_kept_tags(rows);
            gathered.add(&places, parts.store.sources.compare(&self.draft.source, rows, Arc::clone(&coming)).await?);
            progress(self.progress);
        }
        let snapshot = parts.memory.index.snapshot();
        let named: Vec<&str> = self.named.iter().map(AsRef::as_ref).collect();
        let named: Set = snapshot.users().ordinals(&named).into_iter().flatten().collect();
        let own = parts.store.sources.people(&self.draft.source).await?;
        // A row without an id may be anybody's: then nobody is taken to have left.
        let vanished = if self.nameless == 0 { &own - &named } else { Set::new() };
        gathered.leaving |= &vanished;
        let spared = leaving::last_to_administer(&parts, &gathered.leaving);
        let people = (own | named) & snapshot.everyone().as_ref();
        Ok(Compared { gathered, vanished, spared, people })
    }

    /// Takes the source over. What is found is what is written.
    async fn write(
        &mut self,
        departments: Vec<DepartmentDraft>,
        found: Compared,
        progress: &mut (impl FnMut(SyncProgress) + Send),
    ) -> Result<Compared, Refusal> {
        let parts = self.registrar.parts.clone();
        let (source, now) = (&self.draft.source, parts.clock.now());
        let seq = parts.store.directory.upsert_departments(departments, now).await?;
        let mut gathered = Gathered::after(seq);
        for group in self.spool.groups() {
            let (places, rows) = group?;
            self.progress.written += rows.len() as u64;
            let (places, rows) = without(&found.spared, places, rows, &parts.memory.index.snapshot());
            let difference = parts.store.sources.put(source, self.with_kept_tags(rows), now).await?;
            leaving::follow(&parts, &difference.ended, difference.seq).await?;
            gathered.add(&places, difference);
            progress(self.progress);
        }
        let leaving: Vec<u32> = (&found.vanished - &found.spared).iter().collect();
        for group in leaving.chunks(GROUP) {
            let difference = parts.store.sources.leave(source, group.iter().copied().collect(), now).await?;
            leaving::follow(&parts, &difference.ended, difference.seq).await?;
            gathered.add(&[], difference);
            progress(self.progress);
        }
        parts.follower.catch_up(gathered.seq).await?;
        Ok(Compared { gathered, ..found })
    }

    /// The rows with the tags that their people keep: all whose key the row does not name.
    fn with_kept_tags(&self, mut rows: Vec<UserDraft>) -> Vec<UserDraft> {
        let now = self.registrar.parts.clock.now();
        add_kept_tags(&mut rows, &self.registrar.parts.memory.index.snapshot(), Tags::ByKey, now);
        rows
    }

    fn refuse_shrinking(&self, left: &Set, people: &Set) -> Result<(), Refusal> {
        let (left, people, most) = (left.len(), people.len(), self.draft.max_removed_share);
        // Numbers of people are far below what a double counts exactly.
        let share = if people == 0 { 0.0 } else { left as f64 / people as f64 };
        if left == 0 || share <= most {
            return Ok(());
        }
        let message = format!(
            "{left} of {people} people would leave, more than the share of {most} that may. Nothing is written; check \
             the source, or allow a larger share."
        );
        let refusal = Refusal::new(Reason::SnapshotShrinks, message).field("header.max_removed_share");
        Err(refusal.with("share", format!("{share:.4}")).with("limit", most).with("left", left).with("people", people))
    }

    /// The grants that would end with these people.
    fn would_end(&self, left: &Set) -> Vec<crate::domain::id::GrantId> {
        let grants = &self.registrar.parts.memory.grants;
        let held = left.iter().flat_map(|one| grants.of(crate::domain::access::Principal::Person(one)).to_vec());
        held.filter(|grant| grant.revoked_at.is_none()).map(|grant| grant.id).collect()
    }
}

/// The rows but for those of some people.
fn without(
    spared: &Set,
    places: Vec<usize>,
    rows: Vec<UserDraft>,
    snapshot: &crate::audience::Snapshot,
) -> (Vec<usize>, Vec<UserDraft>) {
    if spared.is_empty() {
        return (places, rows);
    }
    let stays = |row: &UserDraft| !snapshot.users().ordinal(&row.external_id).is_some_and(|one| spared.contains(one));
    places.into_iter().zip(rows).filter(|(_, row)| stays(row)).unzip()
}
