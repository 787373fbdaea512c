//! Guarantees to break, one at a time, so that a test can prove that it would notice. Chosen once, when the program
//! starts, and asked at the very place where the guarantee is kept. Only builds with the feature have this.

use std::sync::OnceLock;

use serde::Deserialize;

/// Guarantees to break.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Sabotage {
    /// A publish is answered before it is stored.
    pub answer_before_commit: bool,
    /// Nobody takes over what the dead held.
    pub leave_the_dead_alone: bool,
    /// Calls begin and go on although the lease has ended.
    pub outlive_the_lease: bool,
    /// Settlements count although the batch is somebody else's by now.
    pub settle_without_fence: bool,
    /// A commit believes what this node remembers of keys and grants.
    pub believe_in_old_rights: bool,
    /// Every publish counts as the first one with its key.
    pub forget_idempotency: bool,
    /// What a node holds goes on although it was cancelled.
    pub ignore_cancels: bool,
    /// Each node uses a provider's limit as if it were alone.
    pub share_no_limits: bool,
    /// Nobody looks into the store unless somebody says that there is something.
    pub wait_for_hints: bool,
    /// No message needs a second person.
    pub skip_review: bool,
}

static CHOSEN: OnceLock<Sabotage> = OnceLock::new();

/// From now on these guarantees are broken. Only the first choice counts.
pub fn choose(sabotage: Sabotage) {
    CHOSEN.get_or_init(|| sabotage);
}

/// What is broken; nothing if nobody has chosen.
#[must_use]
pub fn chosen() -> Sabotage {
    CHOSEN.get().copied().unwrap_or_default()
}
