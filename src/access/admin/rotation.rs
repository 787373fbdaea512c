//! A key gets a successor, and a grant a later end.

use std::time::Duration;

use super::Admin;
use super::keys::{NewKey, no_key};
use crate::access::Caller;
use crate::access::authority::exceeds;
use crate::domain::access::{Grant, GrantState, Key};
use crate::domain::audit::{Action, Deed, Object};
use crate::domain::id::{GrantId, KeyId};
use crate::domain::refusal::{Reason, Refusal};
use crate::domain::time::At;

/// The longest time for which a key and its successor both work.
pub const OVERLAP_MAX: Duration = Duration::from_secs(30 * 86_400);

impl Admin {
    /// Makes a successor of a key, with the same rights and the same end. The old key works for `overlap` longer, or until
    /// its own end. Returns the new one and when the old one ends.
    ///
    /// # Errors
    /// `SCOPE_MISSING`, `ROLE_MISSING`, `TEST_KEY`, `EXCEEDS_OWN_RIGHTS`, `NOT_FOUND`, `FIELD_INVALID` for an overlap above [`OVERLAP_MAX`] and for a key that
    /// has ended.
    pub async fn rotate_key(&self, caller: &Caller, id: KeyId, overlap: Duration) -> Result<(NewKey, At), Refusal> {
        caller.require_live()?;
        let now = self.parts.clock.now();
        let reach = caller.require_administrator(now)?;
        if overlap > OVERLAP_MAX {
            let message = "Both keys work for at most 30 days; give a shorter overlap.";
            return Err(Refusal::new(Reason::FieldInvalid, message).field("overlap"));
        }
        let old = self.stored_key(id).await?;
        if !self.looks_after(&reach, old.principal) {
            return Err(no_key(id));
        }
        self.could_be(&reach, old.principal, now)?;
        if !old.is_valid(now) {
            let message = "The key has ended; make a new one instead.";
            return Err(Refusal::new(Reason::FieldInvalid, message).field("key_id"));
        }
        let new_id = KeyId(self.parts.ids.next());
        let (token, hash) = self.parts.seal.mint(new_id, old.mode)?;
        let key = Key { id: new_id, hash, created_at: now, version: 1, ..old };
        let deed = Deed::of(Action::KeyRotate).on(Object::Key(id)).over([new_id.0.to_be_bytes()]);
        self.parts.audit.record(caller, deed).await?;
        self.parts.audit.record(caller, Deed::of(Action::KeyCreate).on(Object::Key(new_id))).await?;
        self.parts.store.access.rotate_key(id, key.clone(), now.plus(overlap), now).await?;
        let old = self.stored_key(id).await?;
        let old_end = old.revoked_at.or(old.expire_at).unwrap_or(now);
        self.parts.keyring.put(old);
        self.parts.keyring.put(key.clone());
        Ok((NewKey { key, token }, old_end))
    }

    /// Moves the end of a grant to a later time. With a version the grant has to have it.
    ///
    /// # Errors
    /// `SCOPE_MISSING`, `ROLE_MISSING`, `TEST_KEY`, `EXCEEDS_OWN_RIGHTS`, `NOT_FOUND`, `FIELD_INVALID` for an end that is not later and for a grant that was
    /// taken back, `ETAG_MISMATCH`.
    pub async fn renew_grant(
        &self,
        caller: &Caller,
        id: GrantId,
        expire_at: At,
        version: Option<i64>,
    ) -> Result<Grant, Refusal> {
        caller.require_live()?;
        let now = self.parts.clock.now();
        let reach = caller.require_administrator(now)?;
        let known = self.concerning(&reach, id).await?;
        if !reach.holds(&known, self.parts.index.snapshot().tree()) {
            return Err(exceeds("The grant").field("grant_id"));
        }
        let later = known.expire_at.is_some_and(|end| expire_at > end) && expire_at > now;
        if !later && known.state(now) != GrantState::Revoked {
            let message = "The grant would not last longer; give an end that is later than its present one.";
            return Err(Refusal::new(Reason::FieldInvalid, message).field("expire_at"));
        }
        let deed = Deed::of(Action::GrantRenew).on(Object::Grant(id)).over([expire_at.0.to_be_bytes()]);
        self.parts.audit.record(caller, deed).await?;
        self.parts.store.access.renew_grant(id, expire_at, version, now).await?;
        let grant = self.concerning(&reach, id).await?;
        self.parts.grants.put(grant.clone());
        Ok(grant)
    }
}
