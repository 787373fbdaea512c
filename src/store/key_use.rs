//! When and from where keys were used last.

use std::collections::HashMap;

use async_trait::async_trait;

use super::Result;
use crate::domain::id::KeyId;
use crate::domain::time::At;

/// The last uses of keys. No change of a key: nobody's memory has to follow.
#[async_trait]
pub trait KeyUses: Send + Sync {
    /// Remembers uses; one that is not later than what is known changes nothing.
    async fn note(&self, uses: Vec<KeyUse>) -> Result<()>;

    /// The last uses of these keys; a key that was never used is missing.
    async fn of(&self, keys: Vec<KeyId>) -> Result<HashMap<KeyId, KeyUse>>;
}

/// A use of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyUse {
    /// The key.
    pub key: KeyId,
    /// When, to the minute.
    pub at: At,
    /// From which network address; empty if that is not known.
    pub address: String,
}
