//! The gRPC edge: who calls, what the request means, one use-case, what the answer looks like.
//!
//! One file per service; each handler takes the same four steps. [`auth`] says who, [`convert`] what, the
//! use-case does it, and `convert` or [`error`] answers. RPCs that are not built yet have their answer from the
//! generated defaults, to which [`answer`] gives the reason.

mod access;
pub mod answer;
mod audit;
pub mod auth;
pub mod codec;
pub mod convert;
mod directory;
pub mod error;
mod export;
mod inbox;
pub mod json;
mod operations;
mod publish;
mod publish_stream;
mod report;
mod review;
pub mod server;
mod sync;

use std::sync::Arc;

use futures::stream::{self, Stream, StreamExt};
use tokio_util::sync::CancellationToken;
use tonic::Status;

use crate::access::admin::Admin;
use crate::access::{Applications, Audit, Keyring, Roles};
use crate::audience::Index;
use crate::directory::{Follower, Registrar};
use crate::domain::refusal::{Reason, Refusal};
use crate::inbox::Inboxes;
use crate::operations::Operations;
use crate::publish::Publisher;
use crate::report::Reporter;
use crate::runtime::clock::SharedClock;

/// The generated messages, clients and servers of `campanile.v1`.
#[allow(clippy::large_enum_variant, reason = "generated code")]
#[allow(missing_docs, reason = "the module of each service; the interface documents what is in it")]
pub mod v1 {
    tonic::include_proto!("campanile.v1");
}

/// The encoded descriptors of the whole interface, comments included; for reflection and for tests.
pub const DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/campanile.bin"));

/// The use-cases that the services speak to; cheap to clone.
#[derive(Clone)]
pub struct Services {
    /// Who calls.
    pub keyring: Arc<Keyring>,
    /// What people who call are here for.
    pub roles: Arc<Roles>,
    /// Gives and takes rights.
    pub admin: Admin,
    /// Who did what.
    pub audit: Audit,
    /// Keeps departments, users and tags.
    pub registrar: Registrar,
    /// Keeps the memory true.
    pub follower: Follower,
    /// The applications in memory, for their names.
    pub applications: Arc<Applications>,
    /// The directory in memory, for the institution's ids.
    pub index: Arc<Index>,
    /// Publishes, previews and cancels.
    pub publisher: Publisher,
    /// Says what became of messages.
    pub reporter: Reporter,
    /// The inboxes.
    pub inboxes: Inboxes,
    /// Answers operators.
    pub operations: Operations,
    /// The clock.
    pub clock: SharedClock,
    /// Tells long streams to end.
    pub stop: CancellationToken,
}

impl Services {
    /// A stream of answers that ends with `DRAINING` when the node goes away.
    fn until_drain<T: Send + 'static>(
        &self,
        answers: impl Stream<Item = Result<T, Status>> + Send + 'static,
    ) -> impl Stream<Item = Result<T, Status>> + Send + 'static {
        let stop = self.stop.clone();
        self.drained(answers.take_until(stop.cancelled_owned()))
    }

    /// A stream of answers that ends by itself when the node goes away, and says so with `DRAINING` then.
    fn drained<T: Send + 'static>(
        &self,
        answers: impl Stream<Item = Result<T, Status>> + Send + 'static,
    ) -> impl Stream<Item = Result<T, Status>> + Send + 'static {
        let drained = self.stop.clone();
        let last = stream::once(async move { drained.is_cancelled().then(|| Err(error::status(&draining()))) });
        answers.chain(last.filter_map(|last| async move { last }))
    }
}

/// What long streams hear when the node goes away.
fn draining() -> Refusal {
    Refusal::new(Reason::Draining, "The node is going away; connect again and repeat what was not answered.")
}

#[tonic::async_trait]
impl v1::event_service_server::EventService for Services {}
#[tonic::async_trait]
impl v1::template_service_server::TemplateService for Services {}
