//! Deputies: who reviews in somebody's place for a time.

use super::list::live;
use crate::access::Caller;
use crate::access::authority::role_missing;
use crate::access::review::DEPUTY_MAX;
use crate::domain::access::KeyScope;
use crate::domain::audit::{Action, Deed, Object};
use crate::domain::refusal::{Reason, Refusal};
use crate::domain::review::Deputy;
use crate::domain::role::Role;
use crate::domain::time::At;
use crate::publish::Publisher;

impl Publisher {
    /// Names a deputy for the caller's reviews until a time, in place of an earlier one; `None`: nobody any more.
    ///
    /// # Errors
    /// `PERSON_REQUIRED`, `TEST_KEY`, `SCOPE_MISSING`, `ROLE_MISSING`, `UNKNOWN_USER`, `FIELD_INVALID`.
    pub async fn delegate_reviews(&self, caller: &Caller, deputy: Option<(String, At)>) -> Result<(), Refusal> {
        let reviews = &self.parts.store.reviews;
        let (person, named) = self.deputy(caller, deputy)?;
        let deed = Deed::of(Action::ReviewDelegate);
        let deed = match &named {
            Some(named) => deed.on(Object::User(named.deputy)).over([named.until.0.to_be_bytes()]),
            None => deed,
        };
        self.parts.audit.record(caller, deed).await?;
        match named {
            Some(deputy) => Ok(reviews.depute(deputy).await?),
            None => Ok(reviews.recall_deputy(person).await?),
        }
    }

    /// Who calls, and whom she may name.
    fn deputy(&self, caller: &Caller, wanted: Option<(String, At)>) -> Result<(u32, Option<Deputy>), Refusal> {
        let person = caller.require_person()?;
        live(caller)?;
        caller.require(KeyScope::Publish)?;
        let now = self.parts.clock.now();
        if !self.parts.panels.sits(person, now) {
            return Err(role_missing(Role::Reviewer));
        }
        let Some((user_id, until)) = wanted else { return Ok((person, None)) };
        let Some(deputy) = self.parts.index.snapshot().users().ordinal(&user_id) else {
            let message = "There is no user with this id; look it up in the directory.";
            return Err(Refusal::new(Reason::UnknownUser, message).field("user_id").with("count", 1));
        };
        if deputy == person {
            let message = "Nobody is their own deputy; name somebody else.";
            return Err(Refusal::new(Reason::FieldInvalid, message).field("user_id"));
        }
        if until <= now || until > now.plus(DEPUTY_MAX) {
            let message = "A deputy's time ends in the future and within 90 days; choose such a time.";
            return Err(Refusal::new(Reason::FieldInvalid, message).field("until"));
        }
        Ok((person, Some(Deputy { of: person, deputy, until })))
    }
}
