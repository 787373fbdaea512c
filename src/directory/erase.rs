//! Erasing a person for good.

use super::{Registrar, check, leaving};
use crate::access::Caller;
use crate::domain::audit::{Action, Deed, Object};
use crate::domain::directory::FIRST_ORDINAL;
use crate::domain::refusal::{Reason, Refusal};
use crate::domain::set::Set;
use crate::domain::time::At;
use crate::store::Erased;

/// What an erasure took away, without anything about the person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErasureReceipt {
    /// Names the erasure, `ers_…`; empty when it was only counted.
    pub id: String,
    /// When; `None` when it was only counted.
    pub at: Option<At>,
    /// How much.
    pub erased: Erased,
}

impl Registrar {
    /// Erases a person: what is left is a number that nobody can resolve. What is on its way to her ends as suppressed.
    /// With `dry` only counts.
    ///
    /// # Errors
    /// `SCOPE_MISSING`, `ROLE_MISSING`, `TEST_KEY`, `NOT_FOUND`, `USER_IS_OWN`, `LAST_ADMINISTRATOR`, `FIELD_INVALID` for a reason that
    /// names the person.
    pub async fn erase_user(&self, caller: &Caller, id: &str, why: &str, dry: bool) -> Result<ErasureReceipt, Refusal> {
        self.may_write(caller)?;
        check::external_id("user_id", id)?;
        let user = self.user(caller, id).await?;
        let names = user.alias_ids.iter().chain([&user.external_id, &user.name]);
        if names.into_iter().any(|name| !name.is_empty() && why.contains(name.as_str())) {
            let message = "The reason is kept and must not name the person. Say it without id and name.";
            return Err(Refusal::new(Reason::FieldInvalid, message).field("why"));
        }
        let her = Set::from_iter([user.ordinal]);
        if user.ordinal >= FIRST_ORDINAL && !leaving::last_to_administer(&self.parts, &her).is_empty() {
            return Err(leaving::refused().field("user_id"));
        }
        let now = self.parts.clock.now();
        if !dry {
            let deed = Deed::of(Action::UserErase).on(Object::User(user.ordinal)).over([why]);
            self.parts.audit.record(caller, deed).await?;
        }
        let erased = self.parts.store.erasures.erase(&user.external_id, dry, now).await?;
        if dry {
            return Ok(ErasureReceipt { id: String::new(), at: None, erased });
        }
        self.parts.follower.catch_up(erased.seq).await?;
        tracing::info!(seq = erased.seq, "a person was erased");
        Ok(ErasureReceipt { id: format!("ers_{}", erased.seq), at: Some(now), erased })
    }
}
