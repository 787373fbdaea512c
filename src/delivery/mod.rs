//! From the store to the providers and back: claims batches, makes their calls within each provider's limits,
//! and commits what became of every delivery. Begins where publish ends.
//!
//! One task, the [`engine`], owns every batch that this node holds, as plain data: the queues ([`lanes`]), how
//! far each batch is ([`progress`]), how many calls are open ([`slots`]). Everything that waits for something
//! (reading addresses in [`prepare`], a [`call`], a commit in [`settle`], a [`claim`]) is a task of its own
//! that reports back. Decisions are pure: [`decide`], [`tally`].
//!
//! ```text
//! claim ──▶ waiting ──▶ prepare ──▶ ready ──▶ call ──▶ tally ──▶ settle ──▶ closed
//!  take ──▶                          lanes, limits,                └─ again: a new batch, later
//!                                    cancel, expiry, lease
//! ```
//!
//! A call is open from its first byte until its outcomes are committed. What is open at a crash may be
//! delivered twice (or is recorded as unknown, where the message says so); nothing else is.

mod activity;
mod call;
mod cancel;
mod claim;
mod decide;
mod engine;
mod flow;
mod handle;
mod hold;
mod lanes;
mod lease;
mod material;
mod prepare;
mod progress;
mod provider;
mod settle;
mod slots;
mod strays;
mod tally;
mod view;
mod vitals;
mod window;

use std::sync::Arc;
use std::time::Duration;

pub use activity::Activity;
pub use handle::Handle;
pub use lease::Lease;
pub use view::{ProviderReport, ProviderState};
pub use vitals::Trouble;

use crate::channel::Registry;
use crate::coordination::Limits;
use crate::runtime::clock::SharedClock;
use crate::runtime::tasks::Tasks;
use crate::store::Deliveries;

/// The delivery engine of a node.
pub struct Engine;

impl Engine {
    /// Starts delivering. The lease comes from [`crate::store::Nodes::join`], which the caller has awaited.
    #[must_use]
    pub fn start(deps: Deps) -> Handle {
        engine::Engine::start(deps, Settings::default())
    }

    /// The same with other numbers than the usual ones.
    #[must_use]
    pub fn start_with(deps: Deps, settings: Settings) -> Handle {
        engine::Engine::start(deps, settings)
    }
}

/// What the engine works with.
#[derive(Clone)]
pub struct Deps {
    /// Where batches come from and outcomes go.
    pub store: Arc<dyn Deliveries>,
    /// The providers.
    pub registry: Registry,
    /// The providers' limits, by provider id.
    pub limits: Arc<dyn Limits>,
    /// The clocks.
    pub clock: SharedClock,
    /// Where its tasks run.
    pub tasks: Tasks,
    /// Under which it claims; see [`Handle::set_lease`].
    pub lease: Lease,
    /// Whether this node delivers at all. If not it claims nothing and gives back what it is handed.
    pub delivers: bool,
}

/// The engine's numbers.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// The most calls without an answer.
    pub unanswered_max: usize,
    /// Answered calls without a commit; at so many a commit is not put off.
    pub unflushed_max: usize,
    /// The longest a decision waits for company before it is committed.
    pub flush_after: Duration,
    /// The most batches in one commit.
    pub settle_group: usize,
    /// The most commits under way.
    pub settles_max: usize,
    /// The most batches in one claim.
    pub claim_max: usize,
    /// How often the store is asked without a hint.
    pub poll_every: Duration,
    /// How long a call may take.
    pub call_timeout: Duration,
    /// A channel that overstays its deadline by this is left.
    pub call_grace: Duration,
    /// A call begins only if the lease lasts so much longer; one that takes longer needs it renewed.
    pub lease_margin: Duration,
    /// How long a graceful stop may take when shutdown came without one.
    pub stop_deadline: Duration,
    /// How often a provider whose settings are wrong is asked whether it believes us by now.
    pub probe_every: Duration,
    /// How often the store is asked for what has ended while its provider is held.
    pub sweep_every: Duration,
    /// How long a batch that the store says this node holds may be unknown here before it is given back, and how
    /// often the store is asked. Longer than a call of the store can take.
    pub strays_every: Duration,
    /// The longest the engine sleeps between two looks at the clock.
    pub nap_max: Duration,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            unanswered_max: 64,
            unflushed_max: 64,
            flush_after: Duration::from_millis(50),
            settle_group: 256,
            settles_max: 2,
            claim_max: 256,
            poll_every: Duration::from_secs(1),
            call_timeout: Duration::from_secs(30),
            call_grace: Duration::from_secs(1),
            lease_margin: Duration::from_secs(10),
            stop_deadline: Duration::from_secs(10),
            probe_every: Duration::from_secs(60),
            sweep_every: Duration::from_secs(20),
            strays_every: Duration::from_secs(30),
            nap_max: Duration::from_millis(500),
        }
    }
}
