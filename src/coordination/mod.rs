//! What nodes agree on before they call a provider: how much of its limit may be used now.

pub mod local;

use std::time::Duration;

/// The providers' limits. Asked before a call, never waited for.
pub trait Limits: Send + Sync {
    /// Takes `n` recipients out of what the key (a provider's id) may use now. A key without a limit always
    /// may.
    ///
    /// # Errors
    ///
    /// How long to wait at least before asking again; nothing was taken.
    fn acquire(&self, key: &str, n: u32) -> Result<(), Duration>;
}
