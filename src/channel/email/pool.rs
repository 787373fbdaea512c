//! The sessions to one relay: never more than the settings say, the idle ones kept for the next mail. There
//! is no probing: a session that went stale shows it at MAIL, when nothing has been handed over yet.

use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{Semaphore, SemaphorePermit};

use super::client::{Failure, Session};
use super::settings::Settings;
use crate::runtime::clock::SharedClock;

struct Idle {
    session: Session,
    since: Duration,
}

/// A bounded set of sessions.
pub(super) struct Pool {
    clock: SharedClock,
    idle: Mutex<Vec<Idle>>,
    permits: Semaphore,
}

impl Pool {
    pub(super) fn new(settings: &Settings, clock: SharedClock) -> Pool {
        Pool { clock, idle: Mutex::new(Vec::new()), permits: Semaphore::new(settings.connections) }
    }

    /// The right to have a session open; waits while all are in use.
    pub(super) async fn permit(&self) -> Result<SemaphorePermit<'_>, Failure> {
        self.permits.acquire().await.map_err(|_| Failure::Lost("the channel is closed"))
    }

    /// An idle session, the one used last, or a new one.
    pub(super) async fn session(&self, settings: &Settings) -> Result<Session, Failure> {
        let now = self.clock.monotonic();
        let parked = {
            let mut idle = self.idle.lock();
            idle.retain(|parked| now.saturating_sub(parked.since) <= settings.idle_max);
            idle.pop()
        };
        match parked {
            Some(Idle { mut session, .. }) => {
                session.reused = true;
                Ok(session)
            }
            None => Session::open(settings).await,
        }
    }

    /// Keeps a session whose last transaction is over for the next one. The caller still holds its permit.
    pub(super) fn park(&self, session: Session) {
        let since = self.clock.monotonic();
        self.idle.lock().push(Idle { session, since });
    }

    /// Drops the idle sessions: when one is stale, those parked before it are too.
    pub(super) fn forget_idle(&self) {
        self.idle.lock().clear();
    }
}
