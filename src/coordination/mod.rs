//! What nodes agree on while they work: how much of a provider's limit may be used now, and what each should
//! look at at once. Neither is ever the truth: credit that is lost is only time, and whoever misses a hint
//! finds the same in the store a little later.

mod hint;
pub mod local;
mod pace;
mod peers;
pub mod redis;

use std::time::Duration;

use tokio::sync::broadcast;

pub use hint::Hint;
pub use peers::Peers;

/// The providers' limits. Asked before a call, never waited for.
pub trait Limits: Send + Sync {
    /// Takes `n` recipients out of what the key (a provider's id) may use now. A key without a limit always
    /// may.
    ///
    /// # Errors
    ///
    /// How long to wait at least before asking again; nothing was taken.
    fn acquire(&self, key: &str, n: u32) -> Result<(), Duration>;

    /// The most recipients that one call of this key may have: what is asked for beyond it is never granted.
    /// It changes when the limit has to be shared in another way, so it is asked anew for every call.
    fn largest(&self, key: &str) -> u32;
}

/// Hints between nodes. A hint may be lost, late or told twice; it is never the only word of anything.
pub trait Hints: Send + Sync {
    /// Tells the other nodes. Does not wait: what cannot be told now is dropped.
    fn tell(&self, hint: Hint);

    /// What other nodes tell from now on. Whoever falls behind or may have missed something gets
    /// [`Hint::CatchUp`] or a lagged receiver, and looks into the store.
    fn listen(&self) -> broadcast::Receiver<Hint>;
}

/// How nodes agree at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// There is one node, and nobody to agree with.
    Alone,
    /// Through Redis.
    Redis,
    /// Redis is configured and away: this node keeps to its part of each limit and polls the store.
    Apart,
}

impl Mode {
    /// Every mode.
    pub const ALL: [Mode; 3] = [Mode::Alone, Mode::Redis, Mode::Apart];

    /// Lower-case name, for logs and metrics.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Mode::Alone => "alone",
            Mode::Redis => "redis",
            Mode::Apart => "apart",
        }
    }
}
