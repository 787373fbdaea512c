//! Use-cases of those who give rights: applications, keys and grants.
//!
//! Every change is committed first and then entered into this node's memory, so that the next call here sees
//! it; other nodes follow the change feed.

mod bootstrap;
mod grants;
mod keys;

use std::sync::Arc;

pub use bootstrap::bootstrap;
pub use grants::{GrantDraft, GrantFilter, Question};
pub use keys::{KeyDraft, KeyOwner, NewKey};

use super::{Applications, Caller, Grants, Keyring, Policy, Seal};
use crate::audience::Index;
use crate::domain::access::{Application, KeyScope, Mode, Principal};
use crate::domain::channel::Channel;
use crate::domain::directory::is_external_id;
use crate::domain::id::ApplicationId;
use crate::domain::line;
use crate::domain::page::{Page, PageRequest};
use crate::domain::refusal::{Reason, Refusal};
use crate::runtime::clock::SharedClock;
use crate::runtime::ids::IdSource;
use crate::store::{ApplicationDraft, Store};

/// What administration works with.
#[derive(Clone)]
pub struct AdminParts {
    /// The truth.
    pub store: Store,
    /// The directory in memory.
    pub index: Arc<Index>,
    /// The keys in memory.
    pub keyring: Arc<Keyring>,
    /// The grants in memory.
    pub grants: Arc<Grants>,
    /// The decision about rights.
    pub policy: Arc<Policy>,
    /// The applications in memory.
    pub applications: Arc<Applications>,
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
}

impl Admin {
    /// Administration over these parts.
    #[must_use]
    pub fn new(parts: AdminParts) -> Admin {
        Admin { parts: Arc::new(parts) }
    }

    /// Connects an application.
    ///
    /// # Errors
    /// `SCOPE_MISSING`, `TEST_KEY`, `FIELD_REQUIRED`, `FIELD_TOO_LONG`, `CONTROL_CHARACTER`, `UNKNOWN_DEPARTMENT`.
    pub async fn create_application(&self, caller: &Caller, wanted: NewApplication) -> Result<Application, Refusal> {
        administrator(caller)?;
        line::name("application.title", &wanted.title)?;
        if !is_external_id(&wanted.department_id) {
            let message = "Name the owning department by its id: 1 to 64 letters, digits, dots, dashes or underlines.";
            return Err(Refusal::new(Reason::FieldInvalid, message).field("application.department_id"));
        }
        let draft = ApplicationDraft {
            id: ApplicationId(self.parts.ids.next()),
            department: wanted.department_id,
            title: wanted.title,
            inbox_gateway: wanted.inbox_gateway,
            default_channels: wanted.default_channels,
        };
        let (application, _) = self.parts.store.access.create_application(draft, self.parts.clock.now()).await?;
        self.parts.applications.put(application.clone());
        Ok(application)
    }

    /// One page of applications, ascending by id; those of some departments (the store's keys) if given.
    ///
    /// # Errors
    /// `SCOPE_MISSING`, `PAGE_TOKEN_INVALID`.
    pub fn list_applications(
        &self,
        caller: &Caller,
        departments: Option<&[i64]>,
        page: &PageRequest,
    ) -> Result<Page<Arc<Application>>, Refusal> {
        caller.require(KeyScope::Admin)?;
        self.parts.applications.list(departments, page)
    }

    /// Refuses a principal that does not exist.
    fn known_principal(&self, principal: Principal, field: &str) -> Result<(), Refusal> {
        let known = match principal {
            Principal::Application(id) => self.parts.applications.get(id).is_some(),
            Principal::Person(ordinal) => self.parts.index.snapshot().users().external_id(ordinal).is_some(),
        };
        if known {
            return Ok(());
        }
        Err(Refusal::new(Reason::NotFound, "There is no such application or person.").field(field))
    }
}

/// An administrator with a live key: a test key changes nothing that live keys stand on.
fn administrator(caller: &Caller) -> Result<(), Refusal> {
    caller.require(KeyScope::Admin)?;
    if caller.mode() == Mode::Test {
        return Err(Refusal::new(Reason::TestKey, "A test key may not administer; use a live one."));
    }
    Ok(())
}
