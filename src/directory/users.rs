//! Users: in bulk from the institution's own lists, and one by one for those who look.

use super::{Refused, Registrar, check, leaving};
use crate::access::{Caller, Reach};
use crate::audience::Snapshot;
use crate::audience::resolve::{Usable, expression};
use crate::domain::address::{Address, AddressState};
use crate::domain::audience::{Expression, Term};
use crate::domain::audit::{Action, Deed, Object};
use crate::domain::channel::Channel;
use crate::domain::directory::{TagKind, User, UserDraft};
use crate::domain::line;
use crate::domain::page::{Page, PageRequest};
use crate::domain::refusal::{Reason, Refusal};
use crate::domain::set::Set;
use crate::domain::time::At;
use crate::store::{RowError, UserFilter};

/// How often a change of one user is tried against changes by others.
const ROUNDS: usize = 4;
/// Rows that are written in one transaction.
const GROUP: usize = 1_000;

/// Which users to list; what is `None` does not filter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UserQuery {
    /// Part of the name, or the beginning of the id.
    pub query: Option<String>,
    /// Members of this department or one below it.
    pub department: Option<String>,
    /// Members of this tag.
    pub tag: Option<String>,
}

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
    next: usize,
    refused: Refused,
    written: UsersUpserted,
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
            next: 0,
            refused: Refused::default(),
            written: UsersUpserted::default(),
        })
    }

    /// One user with everything that the directory knows.
    ///
    /// # Errors
    /// `SCOPE_MISSING`, `ROLE_MISSING`, `NOT_FOUND`, also for people outside the caller's departments.
    pub async fn user(&self, caller: &Caller, external_id: &str) -> Result<User, Refusal> {
        let reach = caller.require_administrator(self.parts.clock.now())?;
        check::external_id("user_id", external_id)?;
        let snapshot = self.parts.memory.index.snapshot();
        let user = self.parts.store.directory.user(external_id).await?;
        let user = user.filter(|user| reach.has(user.ordinal, &snapshot)).ok_or_else(|| {
            Refusal::new(Reason::NotFound, "There is no such user. Correct the id.")
                .field("user_id")
                .with("user_id", external_id)
        })?;
        self.parts.audit.record(caller, Deed::of(Action::UserRead).on(Object::User(user.ordinal))).await?;
        Ok(user)
    }

    /// Makes the dead and invalid addresses of a user on a channel usable again. Returns the user as it is then.
    ///
    /// # Errors
    /// `SCOPE_MISSING`, `ROLE_MISSING`, `TEST_KEY`, `NOT_FOUND` for the user, or if there is no such address.
    pub async fn reinstate_address(&self, caller: &Caller, id: &str, channel: Channel) -> Result<User, Refusal> {
        self.may_write(caller)?;
        for _ in 0..ROUNDS {
            let user = self.user(caller, id).await?;
            let gone = |one: &Address| {
                one.channel == channel && matches!(one.state, AddressState::Dead | AddressState::Invalid)
            };
            if !user.addresses.iter().any(gone) {
                let message = format!("There is no dead address of this user on the channel {channel}.");
                return Err(Refusal::new(Reason::NotFound, message).field("channel"));
            }
            let mut draft = UserDraft::of(&user);
            for (wanted, kept) in draft.addresses.iter_mut().zip(&user.addresses) {
                wanted.state = if gone(kept) { Some(AddressState::Usable) } else { None };
            }
            let deed = Deed::of(Action::UsersUpsert).on(Object::User(user.ordinal));
            self.parts.audit.record(caller, deed).await?;
            let written = self.parts.store.directory.upsert_users(vec![draft], self.parts.clock.now()).await?;
            match written.errors.into_iter().next() {
                None => {
                    self.parts.follower.catch_up(written.seq).await?;
                    return self.user(caller, id).await;
                }
                Some(RowError { refusal, .. }) if refusal.reason == Reason::EtagMismatch => {}
                Some(RowError { refusal, .. }) => return Err(refusal),
            }
        }
        let message = "The user is being changed by others all the time; repeat the call.";
        Err(Refusal::new(Reason::EtagMismatch, message).field("user_id"))
    }

    /// Users in the order in which they came into the directory.
    ///
    /// # Errors
    /// `SCOPE_MISSING`, `ROLE_MISSING`, `UNKNOWN_DEPARTMENT`, `UNKNOWN_TAG`, `PAGE_TOKEN_INVALID`.
    pub async fn users(&self, caller: &Caller, query: &UserQuery, page: &PageRequest) -> Result<Page<User>, Refusal> {
        let reach = caller.require_administrator(self.parts.clock.now())?;
        if let Some(text) = &query.query {
            line::one_line("query", text, line::NAME_CHARS_MAX)?;
        }
        let after = page.after::<u32>()?;
        self.parts.audit.record(caller, Deed::of(Action::UsersList).on(self.looked_at(query))).await?;
        let filter = UserFilter { among: self.among(query, &reach)?, query: query.query.clone() };
        let limit = page.limit();
        let items = self.parts.store.directory.list_users(filter, after, limit + 1).await?;
        Ok(Page::first(items, limit, |last| last.ordinal.to_string()))
    }

    /// The people in question, as far as the caller looks after them; `None`: everybody.
    fn among(&self, query: &UserQuery, reach: &Reach) -> Result<Option<Set>, Refusal> {
        let snapshot = self.parts.memory.index.snapshot();
        let looked_after = match reach {
            Reach::Everywhere => None,
            Reach::Departments(ids) => {
                Some(ids.iter().map(|id| Set::clone(&snapshot.under(*id))).fold(Set::new(), |all, part| all | part))
            }
        };
        let under = query.department.as_ref().map(|id| of_department(id, &snapshot)).transpose()?;
        let tagged = query.tag.as_ref().map(|name| of_tag(name, &snapshot, self.parts.clock.now())).transpose()?;
        Ok([under, tagged, looked_after].into_iter().flatten().reduce(|all, part| all & part))
    }
}

impl Registrar {
    /// Among whom somebody looks.
    fn looked_at(&self, query: &UserQuery) -> Object {
        let snapshot = self.parts.memory.index.snapshot();
        let department = query.department.as_ref().and_then(|id| snapshot.tree().by_external_id(id));
        let tag = query.tag.as_ref().and_then(|name| snapshot.tag(name));
        let tagged = tag.map_or(Object::None, |entry| Object::Tag(entry.tag.id));
        department.map_or(tagged, |department| Object::Department(department.id))
    }
}

fn of_department(id: &str, snapshot: &Snapshot) -> Result<Set, Refusal> {
    // Not as an expression: those who have left are still found here.
    let department = snapshot.tree().by_external_id(id);
    let department = department.ok_or_else(|| {
        Refusal::new(Reason::UnknownDepartment, "There is no such department. Correct the id.").field("department_id")
    })?;
    Ok(Set::clone(&snapshot.under(department.id)))
}

fn of_tag(name: &str, snapshot: &Snapshot, now: At) -> Result<Set, Refusal> {
    let any = Usable::any(now);
    let name = check::tag_name("tag", name)?;
    match snapshot.tag(&name) {
        Some(entry) if entry.tag.kind == TagKind::Static && any.allows(&entry.tag) => {
            Ok(Set::clone(snapshot.members(entry.tag.id)))
        }
        _ => expression(&Expression::Term(Term::Tag(name)), snapshot, &any).map_err(|one| one.field("tag")),
    }
}

impl UserBulk {
    /// Puts one more row: a user, or why what the caller sent is none. A row at fault is refused alone.
    ///
    /// # Errors
    /// Those of the store; the rows of the group at hand are then lost.
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
        if self.rows.len() == GROUP { self.flush().await } else { Ok(()) }
    }

    /// Writes what is left and waits until this node's index has all of it.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn finish(mut self) -> Result<UsersUpserted, Refusal> {
        self.flush().await?;
        let parts = &self.registrar.parts;
        if self.written.seq == 0 {
            self.written.seq = parts.memory.index.seq();
        }
        parts.follower.catch_up(self.written.seq).await?;
        self.refused.errors.sort_by_key(|one| one.row);
        Ok(UsersUpserted { errors: self.refused.errors, error_count: self.refused.count, ..self.written })
    }

    async fn flush(&mut self) -> Result<(), Refusal> {
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
        let named: Vec<&str> = rows.iter().flat_map(|row| &row.tags).map(String::as_str).collect();
        self.registrar.bury(&named).await?;
        add_kept_tags(&mut rows, &parts.memory.index.snapshot(), Tags::All, parts.clock.now());
        let written = parts.store.directory.upsert_users(rows, parts.clock.now()).await?;
        self.written.created += written.created;
        self.written.updated += written.updated;
        self.written.unchanged += written.unchanged;
        self.written.seq = written.seq;
        leaving::follow(parts, &written.ended, written.seq).await?;
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
