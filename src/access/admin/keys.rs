//! Keys: made, shown once, revoked.

use std::collections::HashMap;
use std::sync::Arc;

use secrecy::SecretString;

use super::Admin;
use super::roles::nobody;
use crate::access::announce::SERVICE;
use crate::access::authority::exceeds;
use crate::access::{Caller, Reach};
use crate::domain::access::{GrantState, Key, KeyScope, KeyScopes, Mode, Principal};
use crate::domain::audit::{Action, Deed, Object};
use crate::domain::certificate::Fingerprint;
use crate::domain::directory::ADMINISTRATOR;
use crate::domain::id::{ApplicationId, KeyId};
use crate::domain::network::Network;
use crate::domain::page::{Page, PageRequest};
use crate::domain::refusal::{Reason, Refusal};
use crate::domain::time::At;
use crate::store::KeyUse;

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
    /// Where it may be used; empty: anywhere.
    pub networks: Vec<Network>,
    /// With which client certificates; empty: with any and without.
    pub certificates: Vec<Fingerprint>,
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
    /// `SCOPE_MISSING`, `TEST_KEY`, `ROLE_MISSING`, `EXCEEDS_OWN_RIGHTS`, `NOT_FOUND` for an unknown application, `UNKNOWN_USER`, `FIELD_INVALID`.
    pub async fn create_key(&self, caller: &Caller, draft: KeyDraft) -> Result<NewKey, Refusal> {
        caller.require_live()?;
        let now = self.parts.clock.now();
        let reach = caller.require_administrator(now)?;
        if draft.expire_at.is_some_and(|end| end <= now) {
            let message = "The key would expire at once; choose a time in the future, or none.";
            return Err(Refusal::new(Reason::FieldInvalid, message).field("expire_at"));
        }
        let principal = self.owner(&draft.owner, &reach)?;
        self.could_be(&reach, principal, now)?;
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
        let made = Key::new(id, principal, draft.mode, hash, now);
        let KeyDraft { expire_at, networks, certificates, .. } = draft;
        let key = Key { scopes, expire_at, networks, certificates, ..made };
        let detail = format!(
            "{:?} {:?} {:?} {:?} {:?} {:?}",
            key.principal, key.mode, key.scopes, key.expire_at, key.networks, key.certificates
        );
        self.parts.audit.record(caller, Deed::of(Action::KeyCreate).on(Object::Key(id)).over([detail])).await?;
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
        let reach = self.watched(caller, self.parts.clock.now())?;
        let owner = owner.map(|owner| self.owner(owner, &reach)).transpose()?;
        let wanted = |key: &Key| match owner {
            Some(owner) => key.principal == owner,
            None => self.looks_after(&reach, key.principal),
        };
        self.parts.keyring.list(wanted, page)
    }

    /// When and from where these keys were used last, to the minute and as far as it is written down.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn key_uses(&self, keys: Vec<KeyId>) -> Result<HashMap<KeyId, KeyUse>, Refusal> {
        Ok(self.parts.store.key_uses.of(keys).await?)
    }

    /// Revokes a key: the next call with it is refused, and so is a publish that is under way.
    ///
    /// # Errors
    /// `SCOPE_MISSING`, `TEST_KEY`, `NOT_FOUND`, `LAST_ADMINISTRATOR`.
    pub async fn revoke_key(&self, caller: &Caller, id: KeyId) -> Result<Key, Refusal> {
        caller.require_live()?;
        let now = self.parts.clock.now();
        let reach = caller.require_administrator(now)?;
        let key = self.stored_key(id).await?;
        if !self.looks_after(&reach, key.principal) {
            return Err(no_key(id));
        }
        if self.administers(&key, now) && !self.somebody_administers(now, |other| other.id != id).await? {
            let message = "This is the last key that can administer; make another one first.";
            return Err(Refusal::new(Reason::LastAdministrator, message).field("key_id"));
        }
        self.parts.audit.record(caller, Deed::of(Action::KeyRevoke).on(Object::Key(id))).await?;
        self.parts.store.access.revoke_key(id, now).await?;
        let key = self.stored_key(id).await?;
        self.parts.keyring.put(key.clone());
        Ok(key)
    }

    pub(super) async fn stored_key(&self, id: KeyId) -> Result<Key, Refusal> {
        let found = self.parts.store.access.key(id).await?;
        // The service's own key is nobody's to revoke.
        found.filter(|key| key.principal != SERVICE).ok_or_else(|| no_key(id))
    }

    /// Whether some key can administer the whole that passes the test. Memory says which ones may, the store
    /// whether one still can.
    pub(super) async fn somebody_administers(&self, now: At, passes: impl Fn(&Key) -> bool) -> Result<bool, Refusal> {
        for other in self.parts.keyring.administrators(now) {
            let fits = passes(&other) && self.administers(&other, now);
            if fits && self.parts.store.access.key(other.id).await?.is_some_and(|key| key.administers(now)) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn administers(&self, key: &Key, now: At) -> bool {
        key.administers(now) && self.parts.roles.runs_the_platform(key.principal, now)
    }

    /// Whoever has a key of somebody can do all that one can: nobody makes a key of somebody who may do more.
    pub(super) fn could_be(&self, reach: &Reach, principal: Principal, now: At) -> Result<(), Refusal> {
        let snapshot = self.parts.index.snapshot();
        let tree = snapshot.tree();
        let grants = self.parts.grants.of(principal);
        let gateway = match principal {
            Principal::Application(id) => self.parts.applications.get(id).is_some_and(|one| one.inbox_gateway),
            Principal::Person(_) => false,
        };
        let within = grants
            .iter()
            .filter(|grant| grant.state(now) != GrantState::Revoked)
            .all(|one| reach.holds(one, tree))
            && self.parts.roles.of(principal).iter().filter(|one| one.is_valid(now)).all(|one| reach.gives(one, tree))
            && (!gateway || reach.is_everywhere());
        if within { Ok(()) } else { Err(exceeds("What the owner of the key may do")) }
    }

    fn owner(&self, owner: &KeyOwner, reach: &Reach) -> Result<Principal, Refusal> {
        match owner {
            KeyOwner::Application(id) => {
                let principal = Principal::Application(*id);
                self.known_principal(principal, reach, "application_id").map(|()| principal)
            }
            KeyOwner::Person(user_id) => {
                let principal = Principal::Person(self.person(user_id)?);
                if self.looks_after(reach, principal) { Ok(principal) } else { Err(nobody("user_id")) }
            }
        }
    }

    /// The ordinal of a person.
    pub(super) fn person(&self, user_id: &str) -> Result<u32, Refusal> {
        if user_id == crate::domain::directory::ADMINISTRATOR_ID {
            return Ok(ADMINISTRATOR);
        }
        self.parts.index.snapshot().users().ordinal(user_id).ok_or_else(|| nobody("user_id"))
    }
}

pub(super) fn no_key(id: KeyId) -> Refusal {
    Refusal::new(Reason::NotFound, format!("There is no key {id}.")).field("key_id")
}
