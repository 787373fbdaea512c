//! Applications, keys and grants.

use std::fmt::Display;
use std::str::FromStr;

use async_trait::async_trait;

use super::encode::known;
use super::{Result, refuse};
use crate::domain::access::{Application, Grant, Key};
use crate::domain::channel::Channel;
use crate::domain::id::{ApplicationId, GrantId, KeyId};
use crate::domain::time::At;

/// Applications, keys and grants. Few rows; every node holds them in memory and the publish commit verifies
/// their versions. Every write appends to the change feed and returns its change number.
#[async_trait]
pub trait Access: Send + Sync {
    /// Everything, revoked keys and grants included.
    async fn load(&self) -> Result<AccessImage>;

    /// Stores an application. `UNKNOWN_DEPARTMENT` if its department does not exist.
    async fn create_application(&self, draft: ApplicationDraft, at: At) -> Result<(Application, i64)>;

    /// One application.
    async fn application(&self, id: ApplicationId) -> Result<Option<Application>>;

    /// Replaces an application, but for its department; `NOT_FOUND` if there is none. With a version it has to have that:
    /// `ETAG_MISMATCH`. Returns it as it is now.
    async fn update_application(
        &self,
        application: Application,
        version: Option<i64>,
        at: At,
    ) -> Result<(Application, i64)>;

    /// Stores a new key. Its `version` is taken as given.
    async fn create_key(&self, key: Key) -> Result<i64>;

    /// One key.
    async fn key(&self, id: KeyId) -> Result<Option<Key>>;

    /// Revokes a key; `NOT_FOUND` if there is none. Revoking twice keeps the first time.
    async fn revoke_key(&self, id: KeyId, at: At) -> Result<i64>;

    /// Puts a successor beside a key, which ends at `old_end`: no later than it would have, and at once if that is not
    /// after `at`; then it is revoked. One transaction. `NOT_FOUND` if there is no such key.
    async fn rotate_key(&self, old: KeyId, successor: Key, old_end: At, at: At) -> Result<i64>;

    /// Stores a new grant. Its `version` is taken as given.
    async fn create_grant(&self, grant: Grant) -> Result<i64>;

    /// One grant.
    async fn grant(&self, id: GrantId) -> Result<Option<Grant>>;

    /// Revokes a grant; `NOT_FOUND` if there is none. Revoking twice keeps the first time.
    async fn revoke_grant(&self, id: GrantId, at: At) -> Result<i64>;

    /// Moves the end of a grant that is not revoked; `NOT_FOUND` if there is none. With a version the grant has to have
    /// it: `ETAG_MISMATCH`.
    async fn renew_grant(&self, id: GrantId, expire_at: At, version: Option<i64>, at: At) -> Result<i64>;

    /// How many people the grant has reached on a day (days since 1970, UTC).
    async fn used(&self, grant: GrantId, day: i64) -> Result<u64>;
}

/// Everything about access.
#[derive(Clone, Debug, Default)]
pub struct AccessImage {
    /// The installation's own key, 32 bytes, made when the store is.
    pub secret: [u8; 32],
    /// Every application.
    pub applications: Vec<Application>,
    /// Every key.
    pub keys: Vec<Key>,
    /// Every grant.
    pub grants: Vec<Grant>,
}

/// An application as a caller wants it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApplicationDraft {
    /// Its new id.
    pub id: ApplicationId,
    /// External id of the owning department.
    pub department: String,
    /// The shown name.
    pub title: String,
    /// May issue user tokens.
    pub inbox_gateway: bool,
    /// Channels of a publish that names none.
    pub default_channels: Vec<Channel>,
    /// Topic of a publish that names none.
    pub default_topic: Option<String>,
    /// Whom to ask about it.
    pub contact: String,
}

impl ApplicationDraft {
    /// The new application; its department is the store's key.
    pub(super) fn of(self, department_id: i64) -> Application {
        Application {
            id: self.id,
            department_id,
            title: self.title,
            weight: 1,
            inbox_gateway: self.inbox_gateway,
            default_channels: self.default_channels,
            default_topic: self.default_topic,
            contact: self.contact,
            version: 1,
        }
    }
}

/// An application in the place of a known one, if that has the version that is meant.
pub(super) fn updated(known: &Application, wanted: Application, version: Option<i64>) -> Result<Application> {
    refuse::other_version(version, known.version, "application.etag")?;
    Ok(Application { department_id: known.department_id, version: known.version + 1, ..wanted })
}

/// Several values as one column keeps them, none of which has a blank.
pub(super) fn words<T: Display>(values: &[T]) -> String {
    values.iter().map(T::to_string).collect::<Vec<_>>().join(" ")
}

/// The values of a text of [`words`].
pub(super) fn unwords<T: FromStr>(text: &str, what: &str) -> Result<Vec<T>> {
    text.split_whitespace().map(|one| known(one.parse().ok(), what)).collect()
}
