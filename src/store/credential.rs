//! Access tokens of providers, kept so that all nodes of an installation use the same one and one node at a
//! time asks for the next: a provider may end a token the moment that it gives out another.
//!
//! The store never sees a token: what it keeps is sealed by its caller. Every span here is measured by the
//! store's own clock, so that nodes whose clocks differ agree.

use std::time::Duration;

use async_trait::async_trait;

use super::Result;
use crate::domain::batch::ProviderId;

/// One credential per provider, replaced by compare-and-set.
#[async_trait]
pub trait Credentials: Send + Sync {
    /// What is kept for a provider; `None` before the first.
    async fn credential(&self, provider: ProviderId) -> Result<Option<Credential>>;

    /// Asks for the turn to replace a credential. The turn lasts for `span`, or until it is given back; asking
    /// again in the same name renews it. Whoever holds a turn that has passed has lost it to the next who asks.
    async fn begin_refresh(&self, refresh: Refresh, span: Duration) -> Result<Turn>;

    /// Replaces the credential that the turn was about, and ends the turn. Returns the new version; `None`, with
    /// nothing written, if somebody else has the turn or has replaced it already.
    async fn finish_refresh(&self, refresh: Refresh, body: Vec<u8>, lasts: Duration) -> Result<Option<i64>>;

    /// Gives the turn back with nothing replaced. Does nothing for somebody else's turn.
    async fn end_refresh(&self, refresh: Refresh) -> Result<()>;
}

/// A credential as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credential {
    /// Grows by one with every replacement; the first is 1.
    pub version: i64,
    /// The sealed token.
    pub body: Vec<u8>,
    /// How long it is still to be used; zero when it is due to be replaced.
    pub lasts: Duration,
}

/// Somebody's wish to replace a credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refresh {
    /// Of this provider.
    pub provider: ProviderId,
    /// The version to be replaced; 0 when there is none yet.
    pub known: i64,
    /// In whose name; unique among living nodes.
    pub by: i64,
}

/// What came of asking for the turn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Turn {
    /// It is the caller's.
    Mine,
    /// Somebody else has it.
    Theirs {
        /// For at most so long.
        left: Duration,
    },
    /// Another version than the known one is there already.
    Replaced(Credential),
}
