//! An application system as a caller of the service: it calls one node, and when that does not answer any more, it
//! repeats the call at the next one with the same idempotency key.

use std::sync::atomic::{AtomicUsize, Ordering};

use tonic::{Code, Status};
use tonic_types::StatusExt;

use super::super::client::{Failure, Session, timed};
use campanile::api::v1;

/// One application's sessions, one per node.
pub struct Caller {
    sessions: Vec<Session>,
    /// The node that is called now.
    at: AtomicUsize,
    repeats: AtomicUsize,
}

impl Caller {
    /// A caller with a token whose node is the `home`th, counted round.
    pub fn new(nodes: &[Session], token: &str, home: usize) -> Result<Caller, Failure> {
        let sessions: Vec<Session> = nodes.iter().map(|node| node.with_token(token)).collect::<Result<_, _>>()?;
        let at = AtomicUsize::new(home % sessions.len());
        Ok(Caller { sessions, at, repeats: AtomicUsize::new(0) })
    }

    /// The session at the first node, which is there from the beginning to the end.
    #[must_use]
    pub fn reader(&self) -> &Session {
        &self.sessions[0]
    }

    /// The session at the node that is called now.
    #[must_use]
    pub fn session(&self) -> &Session {
        &self.sessions[self.at.load(Ordering::Relaxed)]
    }

    /// Calls the next node from now on.
    pub fn turn(&self) {
        let next = (self.at.load(Ordering::Relaxed) + 1) % self.sessions.len();
        self.at.store(next, Ordering::Relaxed);
    }

    /// Calls that were made again at another node.
    #[must_use]
    pub fn repeats(&self) -> usize {
        self.repeats.load(Ordering::Relaxed)
    }

    /// A try of a call that may take several.
    #[must_use]
    pub fn attempt(&self) -> Attempt<'_> {
        Attempt { caller: self, place: self.at.load(Ordering::Relaxed), failed: 0 }
    }

    /// Publishes a message.
    pub async fn publish(&self, request: v1::PublishRequest) -> Result<v1::PublishResponse, Failure> {
        let mut attempt = self.attempt();
        loop {
            match attempt.session().publish().publish(timed(request.clone())).await {
                Ok(answer) => return Ok(answer.into_inner()),
                Err(status) => attempt.failed(status)?,
            }
        }
    }
}

/// A try of a call at one node.
pub struct Attempt<'a> {
    caller: &'a Caller,
    place: usize,
    failed: usize,
}

impl<'a> Attempt<'a> {
    /// Where to try.
    #[must_use]
    pub fn session(&self) -> &'a Session {
        &self.caller.sessions[self.place]
    }

    /// Goes on to the next node if this one gave no answer and there is one that was not tried.
    pub fn failed(&mut self, status: Status) -> Result<(), Failure> {
        self.failed += 1;
        if self.failed >= self.caller.sessions.len() || !is_lost(&status) {
            return Err(status.into());
        }
        let next = (self.place + 1) % self.caller.sessions.len();
        // Of several calls at once that fail the first one moves the caller.
        self.caller.at.compare_exchange(self.place, next, Ordering::Relaxed, Ordering::Relaxed).ok();
        self.caller.repeats.fetch_add(1, Ordering::Relaxed);
        self.place = next;
        Ok(())
    }
}

/// Whether a call ended without the service's answer, or with the advice to try elsewhere.
#[must_use]
pub fn is_lost(status: &Status) -> bool {
    status.code() == Code::Unavailable || status.get_details_error_info().is_none()
}

#[cfg(test)]
mod tests {
    use tonic_types::ErrorDetails;

    use super::*;

    #[test]
    fn a_refusal_is_an_answer_and_a_broken_connection_is_none() {
        let details = ErrorDetails::with_error_info("UNKNOWN_TAG", "campanile", []);
        assert!(!is_lost(&Status::with_error_details(Code::FailedPrecondition, "no such tag", details)));
        let details = ErrorDetails::with_error_info("DRAINING", "campanile", []);
        assert!(is_lost(&Status::with_error_details(Code::Unavailable, "going", details)));
        assert!(is_lost(&Status::unknown("transport error")));
    }
}
