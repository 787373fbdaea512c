//! The service's own voice: its key and grant in the store, and the adapter through which others make it speak.

use async_trait::async_trait;

use crate::access::announce::{Announcement, Announcer, SERVICE, SERVICE_GRANT, SERVICE_KEY};
use crate::access::{Grants, Keyring, Seal};
use crate::domain::access::{Grant, Key, KeyScope, Mode};
use crate::domain::channel::Channel;
use crate::domain::class::Class;
use crate::domain::refusal::{Reason, Refusal};
use crate::publish::Publisher;
use crate::runtime::clock::Clock;
use crate::store::{Error, Store};

/// Speaks through the ordinary publish path.
pub(super) struct Voice(pub(super) Publisher);

#[async_trait]
impl Announcer for Voice {
    async fn announce(&self, wanted: Announcement) -> Result<(), Refusal> {
        self.0.say(&wanted).await
    }
}

/// Makes the service's own key and grant, if nobody has made them yet. The key's secret is forgotten at once.
///
/// # Errors
/// Those of the store.
pub(super) async fn prepare(
    store: &Store,
    keyring: &Keyring,
    grants: &Grants,
    seal: &Seal,
    clock: &dyn Clock,
) -> Result<(), Refusal> {
    if keyring.get(SERVICE_KEY).is_none() {
        let (_, hash) = seal.mint(SERVICE_KEY, Mode::Live)?;
        let key = Key {
            scopes: [KeyScope::Publish].into_iter().collect(),
            title: "the service itself".into(),
            ..Key::new(SERVICE_KEY, SERVICE, Mode::Live, hash, clock.now())
        };
        if made(store.access.create_key(key.clone()).await)? {
            keyring.put(key);
        }
    }
    if grants.of(SERVICE).is_empty() {
        let grant = Grant {
            audience: Some("everyone".into()),
            channels: Channel::ALL.into(),
            classes: vec![Class::Emergency, Class::Transactional],
            ..Grant::new(SERVICE_GRANT, SERVICE, SERVICE, clock.now())
        };
        if made(store.access.create_grant(grant.clone()).await)? {
            grants.put(grant);
        }
    }
    Ok(())
}

/// Whether it was made here; another node may have been first.
fn made<T>(written: Result<T, Error>) -> Result<bool, Refusal> {
    match written {
        Ok(_) => Ok(true),
        Err(Error::Refused(refusal)) if refusal.reason == Reason::IdTaken => Ok(false),
        Err(error) => Err(error.into()),
    }
}
