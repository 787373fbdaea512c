//! Keys: made, shown once, revoked.

use std::sync::Arc;

use secrecy::SecretString;

use super::{Admin, administrator};
use crate::access::Caller;
use crate::domain::access::{Key, KeyScope, KeyScopes, Mode, Principal};
use crate::domain::directory::ADMINISTRATOR;
use crate::domain::id::{ApplicationId, KeyId};
use crate::domain::page::{Page, PageRequest};
use crate::domain::refusal::{Reason, Refusal};
use crate::domain::time::At;

/// Whose key it will be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyOwner {
    /// An application's.
    Application(ApplicationId),
    /// A person's, by external id.
    Person(String),
}

/// A key as an administrator wants it.
#[derive(Clone, Debug)]
pub struct KeyDraft {
    /// Whose.
    pub owner: KeyOwner,
    /// Live or test.
    pub mode: Mode,
    /// What it may be used for; empty: publish and read.
    pub scopes: KeyScopes,
    /// After this it is refused.
    pub expire_at: Option<At>,
}

/// A new key with its token, which is shown this once.
#[derive(Clone, Debug)]
pub struct NewKey {
    /// The key.
    pub key: Key,
    /// The token.
    pub token: SecretString,
}

impl Admin {
    /// Makes a key.
    ///
    /// # Errors
    /// `SCOPE_MISSING`, `TEST_KEY`, `NOT_FOUND` for an unknown application, `UNKNOWN_USER`, `FIELD_INVALID`.
    pub async fn create_key(&self, caller: &Caller, draft: KeyDraft) -> Result<NewKey, Refusal> {
        administrator(caller)?;
        let now = self.parts.clock.now();
        if draft.expire_at.is_some_and(|end| end <= now) {
            let message = "The key would expire at once; choose a time in the future, or none.";
            return Err(Refusal::new(Reason::FieldInvalid, message).field("expire_at"));
        }
        let principal = self.owner(&draft.owner)?;
        let scopes = match draft.scopes {
            KeyScopes(0) => [KeyScope::Publish, KeyScope::Read].into_iter().collect(),
            scopes => scopes,
        };
        if scopes.has(KeyScope::Admin) && matches!(principal, Principal::Application(_)) {
            let message = "Only a person's key may have the scope ADMIN; create one for the administrator.";
            return Err(Refusal::new(Reason::PersonRequired, message).field("scopes"));
        }
        let id = KeyId(self.parts.ids.next());
        let (token, hash) = self.parts.seal.mint(id, draft.mode)?;
        let key = Key { scopes, expire_at: draft.expire_at, ..Key::new(id, principal, draft.mode, hash, now) };
        self.parts.store.access.create_key(key.clone()).await?;
        self.parts.keyring.put(key.clone());
        Ok(NewKey { key, token })
    }

    /// One page of the keys of one owner, or of everybody, ascending by id; revoked ones included.
    ///
    /// # Errors
    /// `SCOPE_MISSING`, `UNKNOWN_USER`, `NOT_FOUND`, `PAGE_TOKEN_INVALID`.
    pub fn list_keys(
        &self,
        caller: &Caller,
        owner: Option<&KeyOwner>,
        page: &PageRequest,
    ) -> Result<Page<Arc<Key>>, Refusal> {
        caller.require(KeyScope::Admin)?;
        let wanted = owner.map(|owner| self.owner(owner)).transpose()?;
        self.parts.keyring.list(wanted, page)
    }

    /// Revokes a key: the next call with it is refused, and so is a publish that is under way.
    ///
    /// # Errors
    /// `SCOPE_MISSING`, `TEST_KEY`, `NOT_FOUND`, `LAST_ADMINISTRATOR`.
    pub async fn revoke_key(&self, caller: &Caller, id: KeyId) -> Result<Key, Refusal> {
        administrator(caller)?;
        let now = self.parts.clock.now();
        if self.stored_key(id).await?.administers(now) && !self.others_administer(id, now).await? {
            let message = "This is the last key that can administer; make another one first.";
            return Err(Refusal::new(Reason::LastAdministrator, message).field("key_id"));
        }
        self.parts.store.access.revoke_key(id, now).await?;
        let key = self.stored_key(id).await?;
        self.parts.keyring.put(key.clone());
        Ok(key)
    }

    async fn stored_key(&self, id: KeyId) -> Result<Key, Refusal> {
        let missing = || Refusal::new(Reason::NotFound, format!("There is no key {id}.")).field("key_id");
        self.parts.store.access.key(id).await?.ok_or_else(missing)
    }

    /// Whether another key can administer. Memory says which ones may, the store whether one still can.
    async fn others_administer(&self, id: KeyId, now: At) -> Result<bool, Refusal> {
        for other in self.parts.keyring.administrators(now) {
            if other != id && self.parts.store.access.key(other).await?.is_some_and(|key| key.administers(now)) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn owner(&self, owner: &KeyOwner) -> Result<Principal, Refusal> {
        match owner {
            KeyOwner::Application(id) => {
                let principal = Principal::Application(*id);
                self.known_principal(principal, "application_id").map(|()| principal)
            }
            KeyOwner::Person(user_id) => self.person(user_id).map(Principal::Person),
        }
    }

    /// The ordinal of a person.
    pub(super) fn person(&self, user_id: &str) -> Result<u32, Refusal> {
        if user_id == crate::domain::directory::ADMINISTRATOR_ID {
            return Ok(ADMINISTRATOR);
        }
        self.parts.index.snapshot().users().ordinal(user_id).ok_or_else(|| {
            let message = "There is no such user; put the person into the directory first.";
            Refusal::new(Reason::UnknownUser, message).field("user_id").with("count", 1)
        })
    }
}
