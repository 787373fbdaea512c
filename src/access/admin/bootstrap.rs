//! The first key of an installation.

use secrecy::SecretString;

use crate::access::audit::before_any_node;
use crate::access::{Keyring, Seal};
use crate::domain::access::{Key, KeyScopes, Mode, Principal};
use crate::domain::audit::{Action, Deed, Object};
use crate::domain::directory::ADMINISTRATOR;
use crate::domain::id::KeyId;
use crate::domain::refusal::{Reason, Refusal};
use crate::runtime::clock::Clock;
use crate::store::{Error, Store};

/// The first key's id: always the same, so that of two nodes that start at once only one can make it. No
/// source of ids ever draws it.
const FIRST: KeyId = KeyId(1);

/// If there is no key at all, makes the administrator's and returns its token, to be shown this once.
///
/// # Errors
/// Those of the store.
pub async fn bootstrap(
    store: &Store,
    keyring: &Keyring,
    seal: &Seal,
    clock: &dyn Clock,
) -> Result<Option<SecretString>, Refusal> {
    if !keyring.is_empty() {
        return Ok(None);
    }
    let (token, hash) = seal.mint(FIRST, Mode::Live)?;
    let key = Key {
        scopes: KeyScopes::all(),
        title: "first administrator".into(),
        ..Key::new(FIRST, Principal::Person(ADMINISTRATOR), Mode::Live, hash, clock.now())
    };
    let deed = Deed::of(Action::KeyCreate).on(Object::Key(FIRST));
    store.audit.append(before_any_node(clock.now(), deed)).await?;
    match store.access.create_key(key.clone()).await {
        Ok(_) => {
            keyring.put(key);
            Ok(Some(token))
        }
        // Another node that started at the same moment was first.
        Err(Error::Refused(refusal)) if refusal.reason == Reason::IdTaken => Ok(None),
        Err(error) => Err(error.into()),
    }
}
