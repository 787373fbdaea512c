//! A provider as the rest of the service sees it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;

use super::hold::Standing;
use super::vitals::{Trouble, Vitals};
use super::window::Window;
use crate::channel::{Capacity, Channel};
use crate::domain::batch::ProviderId;
use crate::domain::channel::Channel as Kind;
use crate::domain::leg::BATCH_MAX;
use crate::domain::time::At;

/// A provider as handles see it.
pub(super) struct View {
    pub id: ProviderId,
    pub capacity: Capacity,
    pub windows: [Window; 3],
    pub vitals: Mutex<Vitals>,
    /// Calls without an answer.
    pub open: AtomicUsize,
    /// No call before this moment of the monotonic clock, in milliseconds.
    paused_until_ms: AtomicU64,
    kind: Kind,
    stands: Mutex<(ProviderState, Option<At>)>,
}

impl View {
    pub(super) fn new(id: ProviderId, channel: &dyn Channel) -> View {
        let capacity = channel.capacity();
        let largest = if capacity.dedupes_identical { capacity.per_call as u64 } else { BATCH_MAX };
        let window = |batch| Window::new(capacity.rate, batch);
        View {
            id,
            capacity,
            windows: [window(1), window(1), window(largest.min(BATCH_MAX))],
            vitals: Mutex::default(),
            open: AtomicUsize::new(0),
            paused_until_ms: AtomicU64::new(0),
            kind: channel.kind(),
            stands: Mutex::new((ProviderState::Working, None)),
        }
    }

    /// Shows how the provider stands.
    pub(super) fn stand(&self, standing: &Standing) {
        *self.stands.lock() = match standing {
            Standing::Good => (ProviderState::Working, None),
            Standing::Held { since, .. } => (ProviderState::Held, Some(*since)),
            Standing::Trial { since } => (ProviderState::OnTrial, Some(*since)),
        };
    }

    /// Shows until when it is left alone, by the monotonic clock.
    pub(super) fn pause(&self, until: Duration) {
        let millis = u64::try_from(until.as_millis()).unwrap_or(u64::MAX);
        self.paused_until_ms.store(millis, Ordering::Relaxed);
    }

    /// Takes nothing fresh: held, or on trial.
    pub(super) fn is_held(&self) -> bool {
        self.stands.lock().0 != ProviderState::Working
    }

    pub(super) fn report(&self, now: Duration) -> ProviderReport {
        let (stands, since) = *self.stands.lock();
        let vitals = self.vitals.lock();
        let (recent_calls, recent_failures) = vitals.recent(now);
        let state = match stands {
            ProviderState::Working if now.as_millis() < u128::from(self.paused_until_ms.load(Ordering::Relaxed)) => {
                ProviderState::CoolingDown
            }
            ProviderState::Working if recent_failures > 0 && recent_failures * 2 >= recent_calls => {
                ProviderState::Failing
            }
            stands => stands,
        };
        ProviderReport {
            id: self.id.clone(),
            channel: self.kind,
            state,
            since,
            calls: vitals.calls(),
            recent_calls,
            recent_failures,
            open: self.open.load(Ordering::Relaxed),
            last: vitals.last().cloned(),
        }
    }
}

/// Whether a provider takes calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProviderState {
    /// It does.
    Working,
    /// Half of the last calls came to nothing.
    Failing,
    /// It asked to be left alone for a while, or failed as a whole.
    CoolingDown,
    /// Its settings or credentials are wrong: nothing is handed over, and nothing fails, until they are mended.
    Held,
    /// It was held and says that it would take calls; the next one shows.
    OnTrial,
}

/// How a provider does, as this node sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProviderReport {
    /// Its name in the settings.
    pub id: ProviderId,
    /// Its kind.
    pub channel: Kind,
    /// Whether it takes calls.
    pub state: ProviderState,
    /// Since when it is held or on trial.
    pub since: Option<At>,
    /// Calls since this node started.
    pub calls: u64,
    /// Calls of the last five minutes.
    pub recent_calls: u32,
    /// How many of those came to nothing.
    pub recent_failures: u32,
    /// Calls without an answer.
    pub open: usize,
    /// Its last trouble: of what kind, in its own words without addresses, and when.
    pub last: Option<(Trouble, Arc<str>, At)>,
}
