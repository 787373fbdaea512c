//! Nodes and their leases: who may own work, and who takes over from whom.

use std::time::Duration;

use async_trait::async_trait;

use super::Result;
use crate::domain::node::{NodeState, Roles};
use crate::domain::time::At;

/// How long a node that ended is remembered.
pub(super) const REMEMBERED: Duration = Duration::from_secs(7 * 86_400);

/// The nodes on a store. Leases run in the store's own time, so that no node's clock matters; whoever must
/// judge its own lease without asking counts on its monotonic clock from before the call that renewed it.
#[async_trait]
pub trait Nodes: Send + Sync {
    /// Enters a node under a new epoch with a lease, and forgets nodes that ended more than a week ago. The
    /// epoch is larger than every earlier one and shares its [`crate::domain::node::number`] with no living
    /// node. On a store that only one process can open, every other node is dead by that: their batches are
    /// given back in the same transaction.
    async fn join(&self, node: NodeDraft, lease: Duration) -> Result<i64>;

    /// Lengthens the lease of a living node to `lease` from now, also when it ran out and nobody has taken
    /// over. `false`, and nothing written: the node is dead, has left or never was, and owns nothing.
    async fn renew(&self, epoch: i64, lease: Duration) -> Result<bool>;

    /// Marks every living node dead whose lease has run out, each in one transaction with giving back its
    /// batches, and gives back what a node took that was not living any more. Returns the epochs that it
    /// marked, ascending; several nodes may do this at a time, and each epoch is returned to one of them.
    async fn take_over(&self) -> Result<Vec<i64>>;

    /// The node goes: gives its batches back and ends its lease. Twice is once; a dead node stays dead.
    async fn leave(&self, epoch: i64) -> Result<()>;

    /// Every node that is remembered, by epoch.
    async fn nodes(&self) -> Result<Vec<NodeRow>>;
}

/// A node that joins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeDraft {
    /// What operators call it; need not be unique.
    pub name: String,
    /// What it does.
    pub roles: Roles,
}

/// A node as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeRow {
    /// Its epoch.
    pub epoch: i64,
    /// What operators call it.
    pub name: String,
    /// What it does.
    pub roles: Roles,
    /// Whether it may own work.
    pub state: NodeState,
    /// When it joined, in the store's time.
    pub started_at: At,
    /// When its lease ends or ended, in the store's time.
    pub lease_until: At,
    /// How long its lease still lasts, in the store's time; zero when it ran out or the node is not living.
    pub lease_left: Duration,
    /// How many batches it holds.
    pub held: u64,
}

/// What is left of a lease.
pub(super) fn lease_left(state: NodeState, lease_until: At, now: At) -> Duration {
    if state == NodeState::Alive { lease_until.since(now) } else { Duration::ZERO }
}

/// A span as the stores count it; as long as it may be, it can be added to a time.
pub(super) fn millis(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX).min(i64::MAX / 4)
}
