//! A provider that reaches nobody and answers what the address asks for. Every leg under a test key gets it,
//! whatever its channel.
//!
//! | the address begins with | answer |
//! | --- | --- |
//! | `sim-refused` | rejected: the recipient is refused |
//! | `sim-no-address` | rejected: there is no address |
//! | `sim-slow` | accepted, but only after 2 s or shortly before the deadline |
//! | `sim-unknown` | unknown |
//! | `sim-retry` | retry, the recipient's fault |
//! | anything else, `sim-sent` too | accepted |

use std::time::Duration;

use async_trait::async_trait;

use super::{Call, Capacity, Channel, Report};
use crate::domain::channel;
use crate::domain::outcome::Reason;
use crate::domain::verdict::{Fault, Verdict};

/// How slow `sim-slow` is, if the deadline allows.
const SLOW: Duration = Duration::from_secs(2);

/// The stub.
#[derive(Clone, Copy, Debug)]
pub struct Stub {
    kind: channel::Channel,
}

impl Default for Stub {
    /// The kind says nothing about a stub: it serves the test legs of every channel.
    fn default() -> Stub {
        Stub::new(channel::Channel::Email)
    }
}

impl Stub {
    /// A stub that says it is of a kind.
    #[must_use]
    pub fn new(kind: channel::Channel) -> Stub {
        Stub { kind }
    }
}

#[async_trait]
impl Channel for Stub {
    fn kind(&self) -> channel::Channel {
        self.kind
    }

    fn capacity(&self) -> Capacity {
        Capacity { per_call: 1_000, concurrency: 64, rate: None, dedupes_identical: false }
    }

    async fn send(&self, call: Call) -> Report {
        if call.recipients.iter().any(|recipient| begins(&recipient.address, "sim-slow")) {
            tokio::time::sleep(SLOW.min(super::within(call.deadline))).await;
        }
        let verdicts = call.recipients.iter().map(|recipient| verdict(&recipient.address)).collect();
        Report { verdicts, cool_down: None }
    }

    async fn check(&self) -> Result<(), String> {
        Ok(())
    }
}

fn verdict(address: &str) -> Verdict {
    let detail = || "as the address asks".into();
    let rejected = |reason| Verdict::Rejected { reason, detail: detail() };
    match address {
        a if begins(a, "sim-refused") => rejected(Reason::RefusedRecipient),
        a if begins(a, "sim-no-address") => rejected(Reason::NoAddress),
        a if begins(a, "sim-unknown") => Verdict::Unknown { detail: detail() },
        a if begins(a, "sim-retry") => Verdict::Retry { after: None, fault: Fault::Recipient, detail: detail() },
        _ => Verdict::Accepted { reference: None },
    }
}

fn begins(address: &str, name: &str) -> bool {
    address.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_chooses_the_verdict() {
        assert!(matches!(verdict("sim-sent@x.cn"), Verdict::Accepted { .. }));
        assert!(matches!(verdict("漢字"), Verdict::Accepted { .. }));
        assert!(matches!(verdict("SIM-refused"), Verdict::Rejected { reason: Reason::RefusedRecipient, .. }));
        assert!(matches!(verdict("sim-no-address@x"), Verdict::Rejected { reason: Reason::NoAddress, .. }));
        assert!(matches!(verdict("sim-unknown"), Verdict::Unknown { .. }));
        assert!(matches!(verdict("sim-retry-3"), Verdict::Retry { .. }));
    }
}
