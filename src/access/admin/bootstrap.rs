//! The first key of an installation.

use secrecy::SecretString;

use crate::access::{Keyring, Seal};
use crate::domain::access::{Key, KeyScopes, Mode, Principal};
use crate::domain::directory::ADMINISTRATOR;
use crate::domain::id::KeyId;
use crate::domain::refusal::Refusal;
use crate::runtime::clock::Clock;
use crate::runtime::ids::IdSource;
use crate::store::Store;

/// If there is no key at all, makes the administrator's and returns its token, to be shown this once.
///
/// # Errors
/// Those of the store.
pub async fn bootstrap(
    store: &Store,
    keyring: &Keyring,
    seal: &Seal,
    ids: &IdSource,
    clock: &dyn Clock,
) -> Result<Option<SecretString>, Refusal> {
    if !keyring.is_empty() {
        return Ok(None);
    }
    let id = KeyId(ids.next());
    let (token, hash) = seal.mint(id, Mode::Live)?;
    let key = Key {
        scopes: KeyScopes::all(),
        title: "first administrator".into(),
        ..Key::new(id, Principal::Person(ADMINISTRATOR), Mode::Live, hash, clock.now())
    };
    store.access.create_key(key.clone()).await?;
    keyring.put(key);
    Ok(Some(token))
}
