//! All API keys, and who calls with one.

use std::net::IpAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use super::announce::SERVICE;
use super::rate::Rate;
use super::roles::Held;
use super::table::Table;
use super::token::{Seal, Token, invalid};
use super::uses::Uses;
use crate::domain::access::{Key, KeyScope, Mode, Principal};
use crate::domain::certificate::Fingerprint;
use crate::domain::id::KeyId;
use crate::domain::page::{Page, PageRequest};
use crate::domain::refusal::{Reason, Refusal};
use crate::domain::time::At;
use crate::store::KeyUse;

/// How long after it was made a key may be unknown to a node, with what clocks differ by.
const NEW: Duration = Duration::from_secs(10);

/// All keys, revoked ones included.
#[derive(Debug)]
pub struct Keyring {
    seal: Arc<Seal>,
    table: Table<KeyId, Arc<Key>>,
    uses: Uses,
    rate: OnceLock<Rate>,
}

/// From where a call came, as far as that is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// The other end of the connection.
    pub address: Option<IpAddr>,
    /// The client certificate that it showed.
    pub certificate: Option<Fingerprint>,
}

/// Who calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// In whose name.
    pub principal: Principal,
    /// With which key; its version is verified by the commit.
    pub key: Arc<Key>,
    /// What the person has and had of roles; nothing for an application.
    pub roles: Held,
}

impl Keyring {
    /// These keys under the installation's seal.
    #[must_use]
    pub fn new(seal: Arc<Seal>, keys: Vec<Key>) -> Keyring {
        Keyring { seal, table: Table::new(rows(keys)), uses: Uses::default(), rate: OnceLock::new() }
    }

    /// Enters a key, new or changed. An older version never takes the place of a newer one.
    pub fn put(&self, key: Key) {
        let key = Arc::new(key);
        self.table
            .change(&key.id, |old| old.is_none_or(|known| known.version <= key.version).then(|| Arc::clone(&key)));
    }

    /// Whether there is no key at all, not even a revoked one.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.table.all().is_empty()
    }

    /// The key with an id.
    #[must_use]
    pub fn get(&self, id: KeyId) -> Option<Arc<Key>> {
        self.table.get(&id)
    }

    /// One page of the keys that are wanted, ascending by id.
    ///
    /// # Errors
    /// `PAGE_TOKEN_INVALID`.
    pub fn list(&self, wanted: impl Fn(&Key) -> bool, page: &PageRequest) -> Result<Page<Arc<Key>>, Refusal> {
        let (rows, after) = (self.table.all(), page.after::<KeyId>()?);
        let rest = rows.values().filter(|key| after.is_none_or(|last| key.id > last));
        // The service's own key is nobody's to manage.
        let rest = rest.filter(|key| key.principal != SERVICE);
        let mut found: Vec<&Arc<Key>> = rest.filter(|key| wanted(key)).collect();
        found.sort_unstable_by_key(|key| key.id);
        Ok(Page::first(found, page.limit(), |key| key.id.to_string()).map(Arc::clone))
    }

    /// The keys that can administer, if their owner's role lets them, as this node has them.
    #[must_use]
    pub fn administrators(&self, now: At) -> Vec<Arc<Key>> {
        self.table.all().values().filter(|key| key.administers(now)).cloned().collect()
    }

    /// Who calls with this token.
    ///
    /// # Errors
    /// `TOKEN_INVALID`, with one text for every fault.
    pub fn authenticate(&self, token: &str, now: At) -> Result<Caller, Refusal> {
        let token = Token::parse(token).ok_or_else(invalid)?;
        let key = self.table.get(&token.key_id);
        // An unknown key costs the same time as a wrong secret.
        let fits = self.seal.fits(&token, key.as_ref().map_or(&[0; 32], |key| &key.hash));
        key.filter(|key| fits && key.mode == token.mode && key.is_valid(now)).map(Caller::new).ok_or_else(invalid)
    }
}

impl Keyring {
    /// Whether this token's key is unknown here and so young that another node may have made it just now. Says
    /// nothing about the secret.
    #[must_use]
    pub fn may_be_new(&self, token: &str, now: At) -> bool {
        let Some(token) = Token::parse(token) else { return false };
        let made_at = token.key_id.made_at();
        let near = now.since(made_at).max(made_at.since(now)) < NEW;
        near && self.table.get(&token.key_id).is_none()
    }
}

impl Keyring {
    /// Lets a caller in whose key may be used at this address, and notes the use.
    ///
    /// # Errors
    /// `NETWORK_NOT_ALLOWED`, also where the address is not known and the key is for some networks only;
    /// `CERTIFICATE_NOT_ALLOWED`, also without any where the key is bound to some.
    pub fn admit(&self, caller: &Caller, origin: Origin, now: At) -> Result<(), Refusal> {
        let Origin { address, certificate } = origin;
        let Key { id, networks, certificates, .. } = &*caller.key;
        if !certificates.is_empty() && !certificate.is_some_and(|shown| certificates.contains(&shown)) {
            let message = "The key is bound to a client certificate, and this connection does not show it. Connect over \
                           TLS with that certificate, or ask for another key.";
            return Err(Refusal::new(Reason::CertificateNotAllowed, message));
        }
        let inside = |address: IpAddr| networks.iter().any(|network| network.contains(address));
        if !networks.is_empty() && !address.is_some_and(inside) {
            let message =
                "The key may not be used from this network. Call from one of its networks, or ask for another key.";
            return Err(Refusal::new(Reason::NetworkNotAllowed, message));
        }
        self.uses.note(*id, now, address);
        Ok(())
    }

    /// The uses that were noted since the last time.
    #[must_use]
    pub fn take_uses(&self) -> Vec<KeyUse> {
        self.uses.take()
    }

    /// Limits how often each key publishes, once and for all.
    pub fn limit(&self, rate: Rate) {
        // A second limit has no say: the first one is what the settings said at the start.
        let _ = self.rate.set(rate);
    }

    /// Counts one publish of a caller, by the monotonic clock.
    ///
    /// # Errors
    /// `RATE_LIMITED`.
    pub fn step(&self, caller: &Caller, now: Duration) -> Result<(), Refusal> {
        self.rate.get().map_or(Ok(()), |rate| rate.step(caller.key.id, now))
    }
}

impl Caller {
    /// Whoever has this key, without any role.
    #[must_use]
    pub fn new(key: Arc<Key>) -> Caller {
        Caller { principal: key.principal, key, roles: Arc::new([]) }
    }

    /// The same with these roles.
    #[must_use]
    pub fn with_roles(self, roles: Held) -> Caller {
        Caller { roles, ..self }
    }

    /// Live or test.
    #[must_use]
    pub fn mode(&self) -> Mode {
        self.key.mode
    }

    /// Whether the key may be used for this. `ADMIN` reads everything and administers tags with the rest of
    /// the directory; it neither publishes nor issues user tokens.
    #[must_use]
    pub fn may(&self, scope: KeyScope) -> bool {
        let by_admin = matches!(scope, KeyScope::Read | KeyScope::Tags) && self.key.scopes.has(KeyScope::Admin);
        self.key.scopes.has(scope) || by_admin
    }

    /// Goes on if the key may be used for this.
    ///
    /// # Errors
    /// `SCOPE_MISSING` with `scope`.
    pub fn require(&self, scope: KeyScope) -> Result<(), Refusal> {
        if self.may(scope) {
            return Ok(());
        }
        let name = scope.name();
        let message = format!("The key lacks the scope {name}. Ask an administrator for a key that has it.");
        Err(Refusal::new(Reason::ScopeMissing, message).with("scope", name))
    }

    /// The ordinal of the person who calls.
    ///
    /// # Errors
    /// `PERSON_REQUIRED` if an application calls.
    pub fn require_person(&self) -> Result<u32, Refusal> {
        match self.principal {
            Principal::Person(ordinal) => Ok(ordinal),
            Principal::Application(_) => {
                let advice = "Only a person may do this. Call with a person's own token.";
                Err(Refusal::new(Reason::PersonRequired, advice))
            }
        }
    }
}

fn rows(keys: Vec<Key>) -> impl Iterator<Item = (KeyId, Arc<Key>)> {
    keys.into_iter().map(|key| (key.id, Arc::new(key)))
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;
    use crate::domain::access::KeyScopes;
    use crate::domain::id::ApplicationId;

    fn ring() -> (Keyring, Key, String) {
        let seal = Arc::new(Seal::new(&[7; 32]));
        let (token, hash) = seal.mint(KeyId(5), Mode::Live).unwrap();
        let key = Key {
            scopes: [KeyScope::Publish].into_iter().collect(),
            expire_at: Some(At(100)),
            ..Key::new(KeyId(5), Principal::Application(ApplicationId(9)), Mode::Live, hash, At(0))
        };
        (Keyring::new(seal, vec![key.clone()]), key, token.expose_secret().to_owned())
    }

    #[test]
    fn a_right_token_says_who_calls() {
        let (ring, key, token) = ring();
        let caller = ring.authenticate(&token, At(99)).unwrap();
        assert_eq!((caller.principal, caller.mode(), caller.key.version), (key.principal, Mode::Live, 1));
    }

    #[test]
    fn every_wrong_token_gets_the_same_answer() {
        let (ring, key, token) = ring();
        let seal = Seal::new(&[7; 32]);
        let unknown = seal.mint(KeyId(6), Mode::Live).unwrap().0;
        let wrong = seal.mint(KeyId(5), Mode::Live).unwrap().0;
        let other_mode = token.replace("cpl_live_", "cpl_test_");
        for bad in ["", "nonsense", unknown.expose_secret(), wrong.expose_secret(), &other_mode] {
            assert_eq!(ring.authenticate(bad, At(0)), Err(invalid()));
        }
        assert_eq!(ring.authenticate(&token, At(100)), Err(invalid()), "expired");
        ring.put(Key { revoked_at: Some(At(1)), version: 2, ..key.clone() });
        assert_eq!(ring.authenticate(&token, At(2)), Err(invalid()), "revoked");
        ring.put(key);
        assert_eq!(ring.authenticate(&token, At(2)), Err(invalid()), "an old version comes late");
    }

    #[test]
    fn a_key_does_only_what_its_scopes_say() {
        let (ring, key, token) = ring();
        let caller = ring.authenticate(&token, At(0)).unwrap();
        assert!(caller.require(KeyScope::Publish).is_ok());
        let refusal = caller.require(KeyScope::Read).unwrap_err();
        assert_eq!((refusal.reason, &refusal.metadata[0].1[..]), (Reason::ScopeMissing, "READ"));
        assert_eq!(caller.require_person().unwrap_err().reason, Reason::PersonRequired);
        let scopes: KeyScopes = [KeyScope::Admin].into_iter().collect();
        let admin = Caller::new(Arc::new(Key { scopes, principal: Principal::Person(0), ..key }));
        assert!(admin.may(KeyScope::Read) && admin.may(KeyScope::Tags) && !admin.may(KeyScope::Publish));
        assert_eq!(admin.require_person(), Ok(0));
    }
}
