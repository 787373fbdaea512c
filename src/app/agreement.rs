//! How this node agrees with the others: limits and hints through Redis if the settings name one, otherwise alone.

use std::sync::Arc;
use std::time::Duration;

use crate::config;
use crate::coordination::local::{LocalHints, LocalLimits};
use crate::coordination::redis::{Error, Options, Redis};
use crate::coordination::{Hints, Limits, Mode, Peers};
use crate::runtime::clock::SharedClock;
use crate::runtime::tasks::Tasks;

/// What nodes agree through.
#[derive(Clone)]
pub(super) struct Agreement {
    pub(super) limits: Arc<dyn Limits>,
    pub(super) hints: Arc<dyn Hints>,
    /// How they agree at the moment.
    pub(super) mode: Arc<dyn Fn() -> Mode + Send + Sync>,
}

/// What this node brings along.
pub(super) struct Own {
    /// The providers' limits: key, recipients, and in how long.
    pub(super) rates: Vec<(String, u32, Duration)>,
    /// How many nodes share the work.
    pub(super) peers: Peers,
    /// Whether it calls providers.
    pub(super) delivers: bool,
}

/// Begins to agree; does not wait for Redis.
pub(super) fn start(
    settings: &config::Coordination,
    own: Own,
    clock: &SharedClock,
    tasks: &Tasks,
) -> Result<Agreement, Error> {
    let Own { rates, peers, delivers } = own;
    let Some(url) = settings.url.clone() else {
        return Ok(Agreement {
            limits: Arc::new(LocalLimits::new(clock, rates)),
            hints: Arc::new(LocalHints::alone()),
            mode: Arc::new(|| Mode::Alone),
        });
    };
    #[cfg(feature = "sabotage")]
    let own = LocalLimits::new(clock, rates.clone());
    let options = Options { url, prefix: settings.prefix.clone(), delivers, rates, peers };
    let redis = Redis::start(options, clock, tasks)?;
    let mode = redis.mode();
    let limits = redis.limits();
    #[cfg(feature = "sabotage")]
    let limits = if crate::runtime::sabotage::chosen().share_no_limits { Arc::new(own) } else { limits };
    Ok(Agreement { limits, hints: redis.hints(), mode: Arc::new(move || mode.get()) })
}
