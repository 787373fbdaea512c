//! An application is changed.

use super::{Admin, CONTACT_CHARS_MAX, NewApplication};
use crate::access::Caller;
use crate::access::authority::exceeds;
use crate::domain::access::{Application, Principal};
use crate::domain::audit::{Action, Deed, Object};
use crate::domain::id::ApplicationId;
use crate::domain::line;
use crate::domain::refusal::{Reason, Refusal};

impl Admin {
    /// Replaces what is known of an application, but for its department. With a version it has to have that.
    ///
    /// # Errors
    /// `SCOPE_MISSING`, `ROLE_MISSING`, `TEST_KEY`, `EXCEEDS_OWN_RIGHTS`, `NOT_FOUND`, `FIELD_INVALID` for another department, `FIELD_REQUIRED`,
    /// `FIELD_TOO_LONG`, `CONTROL_CHARACTER`, `ETAG_MISMATCH`.
    pub async fn update_application(
        &self,
        caller: &Caller,
        id: ApplicationId,
        wanted: NewApplication,
        version: Option<i64>,
    ) -> Result<Application, Refusal> {
        caller.require_live()?;
        let reach = caller.require_administrator(self.parts.clock.now())?;
        line::name("application.title", &wanted.title)?;
        line::one_line("application.contact", &wanted.contact, CONTACT_CHARS_MAX)?;
        let known = self.parts.applications.get(id).filter(|_| self.looks_after(&reach, Principal::Application(id)));
        let known = known.ok_or_else(|| {
            let message = format!("There is no application {id}.");
            Refusal::new(Reason::NotFound, message).field("application.application_id")
        })?;
        if wanted.inbox_gateway && !known.inbox_gateway && !reach.is_everywhere() {
            return Err(exceeds("An inbox gateway").field("application.inbox_gateway_department_ids"));
        }
        let snapshot = self.parts.index.snapshot();
        let department = snapshot.tree().by_external_id(&wanted.department_id);
        if department.is_none_or(|department| department.id != known.department_id) {
            let message = "An application stays with its department; connect another one for another department.";
            return Err(Refusal::new(Reason::FieldInvalid, message).field("application.department_id"));
        }
        self.check_topic(wanted.default_topic.as_deref().filter(|name| known.default_topic.as_deref() != Some(*name)))?;
        let application = Application {
            title: wanted.title,
            inbox_gateway: wanted.inbox_gateway,
            default_channels: wanted.default_channels,
            default_topic: wanted.default_topic,
            contact: wanted.contact,
            ..(*known).clone()
        };
        let deed = Deed::of(Action::ApplicationUpdate).on(Object::Application(id)).over([format!("{application:?}")]);
        self.parts.audit.record(caller, deed).await?;
        let now = self.parts.clock.now();
        let (application, _) = self.parts.store.access.update_application(application, version, now).await?;
        self.parts.applications.put(application.clone());
        Ok(application)
    }

    /// Whether an application may have this topic when it names none.
    pub(super) fn check_topic(&self, name: Option<&str>) -> Result<(), Refusal> {
        name.map_or(Ok(()), |name| self.parts.topics.named(name, "application.default_topic").map(|_| ()))
    }
}
