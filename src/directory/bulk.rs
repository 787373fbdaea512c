//! Users in bulk, from the institution's own lists: in groups, of which one is written while the next one comes in.

use std::collections::HashSet;

use tokio::sync::oneshot;

use super::{Refused, Registrar, check, leaving};
use crate::access::Caller;
use crate::audience::Snapshot;
use crate::domain::audit::{Action, Deed};
use crate::domain::directory::{TagKind, UserDraft};
use crate::domain::refusal::{Reason, Refusal};
use crate::domain::set::Set;
use crate::domain::time::At;
use crate::store::{self, RowError, UsersWritten};

/// Rows that are written in one transaction. What is published meanwhile waits for it: some 40 ms.
const GROUP: usize = 2_000;
/// People whose latest rows this node's index may not have yet.
const UNSEEN_MAX: usize = 20 * GROUP;

/// What a bulk write of users did.
#[derive(Clone, Debug, Default)]
pub struct UsersUpserted {
    /// New users.
    pub created: u64,
    /// Changed users.
    pub updated: u64,
    /// Users that were so already.
    pub unchanged: u64,
    /// The first refused rows, in order.
    pub errors: Vec<RowError>,
    /// Refused rows in all.
    pub error_count: u64,
    /// The change number.
    pub seq: i64,
}

/// A bulk write of users under way. What was put in full groups stands, whatever becomes of the rest.
pub struct UserBulk {
    registrar: Registrar,
    /// Until it is written down who does it.
    caller: Option<Caller>,
    rows: Vec<UserDraft>,
    /// The place of each of `rows` among all that were put.
    places: Vec<usize>,
    /// Ids of rows that were written and that the index may not have yet.
    unseen: HashSet<String>,
    /// The group that is being written.
    group: Option<Group>,
    next: usize,
    refused: Refused,
    written: UsersUpserted,
}

/// A group that is being written, and the places of its rows among all. It is written to its end also when nobody
/// waits for it any more.
struct Group {
    places: Vec<usize>,
    written: oneshot::Receiver<store::Result<UsersWritten>>,
}

impl Registrar {
    /// Begins a bulk write of users.
    ///
    /// # Errors
    /// `SCOPE_MISSING`, `ROLE_MISSING`, `TEST_KEY`.
    pub fn upsert_users(&self, caller: &Caller) -> Result<UserBulk, Refusal> {
        self.may_write(caller)?;
        Ok(UserBulk {
            registrar: self.clone(),
            caller: Some(caller.clone()),
            rows: Vec::with_capacity(GROUP),
            places: Vec::with_capacity(GROUP),
            unseen: HashSet::new(),
            group: None,
            next: 0,
            refused: Refused::default(),
            written: UsersUpserted::default(),
        })
    }
}

impl UserBulk {
    /// Puts one more row: a user, or why what the caller sent is none. A row at fault is refused alone.
    ///
    /// # Errors
    /// Those of the store; the rows of the group at hand and of the one before it may then be lost.
    pub async fn put(&mut self, row: Result<UserDraft, Refusal>) -> Result<(), Refusal> {
        let place = self.next;
        self.next += 1;
        match row.and_then(check::user) {
            Ok(draft) => {
                self.rows.push(draft);
                self.places.push(place);
            }
            Err(refusal) => self.refused.add(place, refusal),
        }
        if self.rows.len() == GROUP { self.write().await } else { Ok(()) }
    }

    /// Writes what is left and waits until this node's index has all of it.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn finish(mut self) -> Result<UsersUpserted, Refusal> {
        self.write().await?;
        self.settle().await?;
        let parts = &self.registrar.parts;
        if self.written.seq == 0 {
            self.written.seq = parts.memory.index.seq();
        }
        parts.follower.catch_up(self.written.seq).await?;
        self.refused.errors.sort_by_key(|one| one.row);
        Ok(UsersUpserted { errors: self.refused.errors, error_count: self.refused.count, ..self.written })
    }

    /// Begins to write the rows at hand, after the group before them.
    async fn write(&mut self) -> Result<(), Refusal> {
        self.settle().await?;
        if self.rows.is_empty() {
            return Ok(());
        }
        let parts = &self.registrar.parts;
        if let Some(caller) = self.caller.take() {
            parts.audit.record(&caller, Deed::of(Action::UsersUpsert)).await?;
        }
        let (mut rows, mut places) = (std::mem::take(&mut self.rows), std::mem::take(&mut self.places));
        let kept = leaving::indispensable(parts, &rows);
        if !kept.is_empty() {
            kept.iter().for_each(|place| self.refused.add(places[*place], leaving::refused()));
            let mut place = 0..;
            rows.retain(|_| place.next().is_none_or(|place| !kept.contains(&place)));
            let mut place = 0..;
            places.retain(|_| place.next().is_none_or(|place| !kept.contains(&place)));
        }
        self.see(&rows).await?;
        let parts = &self.registrar.parts;
        let named: Vec<&str> = rows.iter().flat_map(|row| &row.tags).map(String::as_str).collect();
        self.registrar.bury(&named).await?;
        add_kept_tags(&mut rows, &parts.memory.index.snapshot(), Tags::All, parts.clock.now());
        let (directory, now) = (parts.store.directory.clone(), parts.clock.now());
        let (tell, written) = oneshot::channel();
        parts.tasks.spawn(async move {
            // Nobody may wait for it any more.
            let _ = tell.send(directory.upsert_users(rows, now).await);
        });
        self.group = Some(Group { places, written });
        Ok(())
    }

    /// Sees to it that the index has what was written before of the people in these rows: their tags stay.
    async fn see(&mut self, rows: &[UserDraft]) -> Result<(), Refusal> {
        let parts = &self.registrar.parts;
        let again = rows.iter().any(|row| self.unseen.contains(&row.external_id));
        if again || self.unseen.len() > UNSEEN_MAX {
            parts.follower.catch_up(self.written.seq).await?;
        }
        if parts.memory.index.seq() >= self.written.seq {
            self.unseen.clear();
        }
        self.unseen.extend(rows.iter().map(|row| row.external_id.clone()));
        Ok(())
    }

    /// Waits for the group that is being written and takes over what came of it.
    async fn settle(&mut self) -> Result<(), Refusal> {
        let Some(Group { places, written }) = self.group.take() else { return Ok(()) };
        let lost = |_| Refusal::new(Reason::Internal, "The rows were not written; the operator's log says why.");
        let written = written.await.map_err(lost)??;
        self.written.created += written.created;
        self.written.updated += written.updated;
        self.written.unchanged += written.unchanged;
        self.written.seq = written.seq;
        leaving::follow(&self.registrar.parts, &written.ended, written.seq).await?;
        for RowError { row, refusal } in written.errors {
            self.refused.add(places.get(row).copied().unwrap_or(row), refusal);
        }
        Ok(())
    }
}

/// Which of the tags that a user has stay beside those of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tags {
    /// All of them.
    All,
    /// Those `key:value` whose key the row does not name, and all plain ones.
    ByKey,
}

/// An upsert adds tags and takes none away, while the store's rows are whole: the tags that stay with a user are
/// added to the row.
pub(super) fn add_kept_tags(rows: &mut [UserDraft], snapshot: &Snapshot, stay: Tags, now: At) {
    let ids: Vec<&str> = rows.iter().map(|row| row.external_id.as_str()).collect();
    let ordinals = snapshot.users().ordinals(&ids);
    let known: Set = ordinals.iter().flatten().copied().collect();
    if known.is_empty() {
        return;
    }
    let sets = snapshot.tags().filter(|entry| entry.tag.kind == TagKind::Static && entry.tag.is_current(now));
    let kept: Vec<(&str, Set)> = sets
        .map(|entry| (entry.tag.name.as_str(), snapshot.members(entry.tag.id).as_ref() & &known))
        .filter(|(_, members)| !members.is_empty())
        .collect();
    for (row, ordinal) in rows.iter_mut().zip(ordinals) {
        let Some(ordinal) = ordinal else { continue };
        for (name, members) in &kept {
            let key = if stay == Tags::ByKey { key_of(name) } else { None };
            let stands = |tag: &String| tag == name || key.is_some() && key_of(tag) == key;
            if members.contains(ordinal) && !row.tags.iter().any(stands) {
                row.tags.push((*name).to_owned());
            }
        }
    }
}

/// The key of a tag `key:value`.
fn key_of(tag: &str) -> Option<&str> {
    tag.split_once(':').map(|(key, _)| key)
}
