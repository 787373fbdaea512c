//! Users: in bulk from the institution's own lists, and one by one for those who look.

use super::{Registrar, check};
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

impl Registrar {
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
