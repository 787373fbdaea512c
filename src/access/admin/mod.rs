//! Use-cases of those who give rights: applications, keys and grants.
//!
//! Every change is committed first and then entered into this node's memory, so that the next call here sees
//! it; other nodes follow the change feed.

mod application;
mod bootstrap;
mod grants;
mod keys;
mod requests;
mod roles;
mod rotation;

use std::sync::Arc;

pub use bootstrap::bootstrap;
pub use grants::{GrantDraft, GrantFilter, Question};
pub use keys::{KeyDraft, KeyOwner, NewKey};
pub use requests::{RequestAnswer, RequestQuery};
pub use roles::{RoleDraft, RoleFilter};
pub use rotation::OVERLAP_MAX;

use super::authority::{exceeds, role_missing};
use super::scope::Scopes;
use super::{Applications, Audit, Caller, Grants, Keyring, Policy, Reach, Roles, Seal, Topics};
use crate::audience::Index;
use crate::domain::access::{Application, Principal};
use crate::domain::audit::{Action, Deed, Object};
use crate::domain::channel::Channel;
use crate::domain::directory::is_external_id;
use crate::domain::id::ApplicationId;
use crate::domain::line;
use crate::domain::page::{Page, PageRequest};
use crate::domain::refusal::{Reason, Refusal};
use crate::domain::role::Role;
use crate::domain::time::At;
use crate::runtime::clock::SharedClock;
use crate::runtime::ids::IdSource;
use crate::store::{ApplicationDraft, Store};

/// The longest contact of an application, in characters.
pub const CONTACT_CHARS_MAX: usize = 200;

/// What administration works with.
#[derive(Clone)]
pub struct AdminParts {
    /// The truth.
    pub store: Store,
    /// The directory in memory.
    pub index: Arc<Index>,
    /// Who did what.
    pub audit: Audit,
    /// The keys in memory.
    pub keyring: Arc<Keyring>,
    /// The grants in memory.
    pub grants: Arc<Grants>,
    /// The roles in memory.
    pub roles: Arc<Roles>,
    /// The decision about rights.
    pub policy: Arc<Policy>,
    /// The applications in memory.
    pub applications: Arc<Applications>,
    /// The declared topics in memory.
    pub topics: Arc<Topics>,
    /// Mints tokens.
    pub seal: Arc<Seal>,
    /// Where ids come from.
    pub ids: Arc<IdSource>,
    /// The clock.
    pub clock: SharedClock,
}

/// Gives and takes rights; cheap to clone.
#[derive(Clone)]
pub struct Admin {
    parts: Arc<AdminParts>,
    /// Whom grants reach that are asked for or given.
    scopes: Arc<Scopes>,
}

/// An application as an administrator wants it.
#[derive(Clone, Debug)]
pub struct NewApplication {
    /// External id of the owning department.
    pub department_id: String,
    /// The shown name: one line of 1 to 200 characters.
    pub title: String,
    /// May issue user tokens.
    pub inbox_gateway: bool,
    /// Channels of a publish that names none.
    pub default_channels: Vec<Channel>,
    /// Topic of a publish that names none.
    pub default_topic: Option<String>,
    /// Whom to ask about it: one line of at most [`CONTACT_CHARS_MAX`] characters.
    pub contact: String,
}

impl Admin {
    /// Administration over these parts.
    #[must_use]
    pub fn new(parts: AdminParts) -> Admin {
        Admin { parts: Arc::new(parts), scopes: Arc::default() }
    }

    /// Connects an application.
    ///
    /// # Errors
    /// `SCOPE_MISSING`, `TEST_KEY`, `ROLE_MISSING`, `EXCEEDS_OWN_RIGHTS`, `FIELD_REQUIRED`, `FIELD_TOO_LONG`,
    /// `CONTROL_CHARACTER`, `UNKNOWN_DEPARTMENT`.
    pub async fn create_application(&self, caller: &Caller, wanted: NewApplication) -> Result<Application, Refusal> {
        caller.require_live()?;
        let reach = caller.require_administrator(self.parts.clock.now())?;
        line::name("application.title", &wanted.title)?;
        line::one_line("application.contact", &wanted.contact, CONTACT_CHARS_MAX)?;
        if !is_external_id(&wanted.department_id) {
            let message = "Name the owning department by its id: 1 to 64 letters, digits, dots, dashes or underlines.";
            return Err(Refusal::new(Reason::FieldInvalid, message).field("application.department_id"));
        }
        let department_id = self.department(&wanted.department_id, "application.department_id")?;
        if !reach.covers(department_id, self.parts.index.snapshot().tree()) {
            return Err(role_missing(Role::DepartmentAdministrator).field("application.department_id"));
        }
        if wanted.inbox_gateway && !reach.is_everywhere() {
            return Err(exceeds("An inbox gateway").field("application.inbox_gateway_department_ids"));
        }
        self.check_topic(wanted.default_topic.as_deref())?;
        let draft = ApplicationDraft {
            id: ApplicationId(self.parts.ids.next()),
            department: wanted.department_id,
            title: wanted.title,
            inbox_gateway: wanted.inbox_gateway,
            default_channels: wanted.default_channels,
            default_topic: wanted.default_topic,
            contact: wanted.contact,
        };
        let deed = Deed::of(Action::ApplicationCreate).on(Object::Application(draft.id));
        self.parts.audit.record(caller, deed.over([format!("{draft:?}")])).await?;
        let (application, _) = self.parts.store.access.create_application(draft, self.parts.clock.now()).await?;
        self.parts.applications.put(application.clone());
        Ok(application)
    }

    /// One page of the applications that the caller's office reaches, ascending by id; those of some departments
    /// (the store's keys) if given.
    ///
    /// # Errors
    /// `SCOPE_MISSING`, `ROLE_MISSING`, `PAGE_TOKEN_INVALID`.
    pub fn list_applications(
        &self,
        caller: &Caller,
        departments: Option<&[i64]>,
        page: &PageRequest,
    ) -> Result<Page<Arc<Application>>, Refusal> {
        let reach = self.watched(caller, self.parts.clock.now())?;
        let snapshot = self.parts.index.snapshot();
        let wanted = |one: &Application| {
            departments.is_none_or(|under| under.contains(&one.department_id))
                && reach.covers(one.department_id, snapshot.tree())
        };
        self.parts.applications.list(wanted, page)
    }

    /// Where the caller may see what is administered.
    fn watched(&self, caller: &Caller, now: At) -> Result<Reach, Refusal> {
        match caller.audited(now) {
            reach if reach.is_nowhere() => caller.require_administrator(now),
            reach => Ok(reach),
        }
    }

    /// Whether an application or person lies in the reach of an office.
    fn looks_after(&self, reach: &Reach, principal: Principal) -> bool {
        let snapshot = self.parts.index.snapshot();
        match principal {
            Principal::Application(id) => {
                self.parts.applications.get(id).is_some_and(|one| reach.covers(one.department_id, snapshot.tree()))
            }
            Principal::Person(ordinal) => reach.has(ordinal, &snapshot),
        }
    }

    fn department(&self, external_id: &str, field: &str) -> Result<i64, Refusal> {
        let snapshot = self.parts.index.snapshot();
        snapshot.tree().by_external_id(external_id).map(|department| department.id).ok_or_else(|| {
            let message = "There is no such department; look its id up in the directory.";
            Refusal::new(Reason::UnknownDepartment, message).field(field)
        })
    }

    /// Refuses a principal that does not exist, or lies outside the reach of an office: both alike.
    fn known_principal(&self, principal: Principal, reach: &Reach, field: &str) -> Result<(), Refusal> {
        let known = match principal {
            Principal::Application(id) => self.parts.applications.get(id).is_some(),
            Principal::Person(ordinal) => self.parts.index.snapshot().users().external_id(ordinal).is_some(),
        };
        if known && self.looks_after(reach, principal) {
            return Ok(());
        }
        Err(Refusal::new(Reason::NotFound, "There is no such application or person.").field(field))
    }
}
