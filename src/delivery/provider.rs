//! One provider as the engine sees it: its queues, its pauses, its claims.

use std::sync::Arc;
use std::time::Duration;

use super::hold::Standing;
use super::lanes::Lanes;
use crate::channel::{Capacity, Channel};
use crate::domain::batch::ProviderId;

/// A provider and what waits for it.
pub(super) struct Provider {
    pub id: ProviderId,
    pub channel: Arc<dyn Channel>,
    pub capacity: Capacity,
    /// Batches that are not prepared.
    pub waiting: Lanes<u64>,
    /// Batches that can be called.
    pub ready: Lanes<u64>,
    /// Deliveries that are being prepared or wait prepared, by lane.
    pub prepared: [u64; 3],
    /// Groups that are being prepared.
    pub preparing: usize,
    /// No call before this moment: the provider asked for it or failed as a whole.
    pub paused_until: Duration,
    /// No call before this moment: its limit is used up.
    pub limited_until: Duration,
    /// Whether its settings are right, as far as is known.
    pub standing: Standing,
    pub claims: [ClaimState; 3],
    /// Deliveries that ended since the window was measured last, by lane.
    pub ended: [u64; 3],
}

/// Whether to ask the store for batches.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct ClaimState {
    pub under_way: bool,
    /// There may be more in the store.
    pub more: bool,
}

impl Provider {
    pub(super) fn new(id: ProviderId, channel: Arc<dyn Channel>, capacity: Capacity) -> Provider {
        let quantum = u32::try_from(capacity.per_call).unwrap_or(u32::MAX).max(1);
        Provider {
            id,
            channel,
            capacity,
            waiting: Lanes::new(1),
            ready: Lanes::new(quantum),
            prepared: [0; 3],
            preparing: 0,
            paused_until: Duration::ZERO,
            limited_until: Duration::ZERO,
            standing: Standing::Good,
            claims: [ClaimState { under_way: false, more: true }; 3],
            ended: [0; 3],
        }
    }

    /// How many deliveries of a lane are prepared ahead of their calls.
    pub(super) fn ahead(&self) -> u64 {
        let calls = 2 * self.capacity.concurrency as u64 * self.capacity.per_call as u64;
        calls.clamp(1_000, 16_000)
    }

    /// When calls may begin again.
    pub(super) fn resumes_at(&self) -> Duration {
        self.paused_until.max(self.limited_until)
    }
}
