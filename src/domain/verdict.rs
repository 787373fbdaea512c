//! What a channel says of each recipient of one call, and what the engine makes of it.

use std::sync::Arc;
use std::time::Duration;

use super::outcome::Reason;

/// What a channel says of one recipient of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The provider took it, by its business code.
    Accepted {
        /// The provider's own name for it, to find later receipts by.
        reference: Option<Arc<str>>,
    },
    /// Not now.
    Retry {
        /// The provider's wish; the engine clamps it.
        after: Option<Duration>,
        /// Who has to change for the next try to go better.
        fault: Fault,
        /// The provider's words, without addresses.
        detail: Arc<str>,
    },
    /// Never, for this recipient or this content.
    Rejected {
        /// Why.
        reason: Reason,
        /// The provider's words, without addresses.
        detail: Arc<str>,
    },
    /// The answer was lost after the provider may have acted.
    Unknown {
        /// What was seen.
        detail: Arc<str>,
    },
}

/// Who has to change for another try to go better.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Only this recipient: the mailbox is full, a greylist.
    Recipient,
    /// The whole provider: a limit, an outage. The engine pauses it.
    Provider,
    /// The road to it: the connection was refused or reset before the call began.
    Network,
    /// Whoever runs this installation: credentials, rights or settings are wrong, and no call can go better until
    /// a person mends them. The engine holds the provider; nobody's delivery fails for it.
    Operator,
}
