//! One SMTP session: commands in lock-step over lettre's connection, each within its time.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use lettre::transport::smtp::Error;
use lettre::transport::smtp::client::AsyncSmtpConnection;
use lettre::transport::smtp::extension::ClientId;
use lettre::transport::smtp::response::Response;
use tokio::time::timeout;

use super::settings::Settings;
use super::verdict::Refusal;
use super::wire::Wire;

/// Postfix hangs up after 20 errors in a session and slows down after 10; a session is replaced before that.
const REFUSALS_MAX: u32 = 8;

/// Why a step brought no positive reply.
#[derive(Debug)]
pub(super) enum Failure {
    /// The server said no.
    Refused(Refusal),
    /// No usable reply came: the connection is gone, too slow or talks nonsense. It must not be used again,
    /// because replies and commands may be out of step.
    Lost(&'static str),
}

/// A greeted session. Dropping it closes the connection.
pub(super) struct Session {
    smtp: AsyncSmtpConnection,
    /// Taken from the idle ones: the server may have closed it meanwhile.
    pub(super) reused: bool,
    mails: u32,
    refusals: u32,
}

impl Session {
    /// Connects, reads the greeting and says EHLO.
    pub(super) async fn open(settings: &Settings) -> Result<Session, Failure> {
        let open = async {
            let wire = Wire::connect(&settings.host, settings.port).await.map_err(|error| lost(error.kind()))?;
            let hello = ClientId::Domain(settings.hello().to_owned());
            let greeted = AsyncSmtpConnection::connect_with_transport(Box::new(wire), &hello).await;
            let smtp = greeted.map_err(|error| failure(&error))?;
            Ok(Session { smtp, reused: false, mails: 0, refusals: 0 })
        };
        timeout(settings.connect_timeout, open).await.unwrap_or(Err(Failure::Lost("no answer in time")))
    }

    /// Sends one line, which must end in CRLF, and waits for a positive reply.
    pub(super) async fn command(&mut self, line: &str, limit: Duration) -> Result<(), Failure> {
        let reply = timeout(limit, self.smtp.command(line)).await;
        match self.reply(reply)? {
            reply if reply.code().severity as u8 == 2 => Ok(()),
            _ => Err(Failure::Lost("an answer that does not belong here")),
        }
    }

    /// Says DATA and waits for leave to send the body.
    pub(super) async fn data(&mut self, limit: Duration) -> Result<(), Failure> {
        let reply = timeout(limit, self.smtp.command("DATA\r\n")).await;
        match self.reply(reply)? {
            reply if reply.has_code(354) => Ok(()),
            _ => Err(Failure::Lost("an answer that does not belong here")),
        }
    }

    /// Sends the body and the final dot; the answer is the server's text. `dot` becomes true when the final
    /// dot is about to be written: from then on nobody knows what a missing answer means.
    pub(super) async fn body(
        &mut self,
        parts: [&[u8]; 2],
        limit: Duration,
        dot: &AtomicBool,
    ) -> Result<String, Failure> {
        let end = std::iter::from_fn(|| {
            dot.store(true, Ordering::Relaxed);
            None
        });
        let reply = timeout(limit, self.smtp.message_iter(parts.into_iter().chain(end))).await;
        match self.reply(reply)? {
            reply if reply.code().severity as u8 == 2 => {
                self.mails += 1;
                Ok(reply.first_line().unwrap_or_default().to_owned())
            }
            _ => Err(Failure::Lost("an answer that does not belong here")),
        }
    }

    /// Whether the session has done enough.
    pub(super) fn is_worn(&self, settings: &Settings) -> bool {
        self.mails >= settings.mails_per_connection || self.refusals >= REFUSALS_MAX
    }

    /// Says QUIT and does not care for the answer.
    pub(super) async fn quit(mut self) {
        drop(timeout(Duration::from_millis(500), self.smtp.quit()).await);
    }

    fn reply(
        &mut self,
        reply: Result<Result<Response, Error>, tokio::time::error::Elapsed>,
    ) -> Result<Response, Failure> {
        let Ok(reply) = reply else { return Err(Failure::Lost("no answer in time")) };
        reply.map_err(|error| {
            self.refusals += 1;
            failure(&error)
        })
    }
}

fn failure(error: &Error) -> Failure {
    match error.status() {
        Some(code) => {
            let text = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
            Failure::Refused(Refusal::parse(code.into(), &text))
        }
        None if error.is_response() => Failure::Lost("the connection ended or the answer was no SMTP"),
        None => Failure::Lost("the connection broke"),
    }
}

fn lost(kind: std::io::ErrorKind) -> Failure {
    use std::io::ErrorKind::{ConnectionRefused, ConnectionReset, HostUnreachable, NetworkUnreachable, TimedOut};
    Failure::Lost(match kind {
        ConnectionRefused => "the connection was refused",
        ConnectionReset => "the connection was reset",
        HostUnreachable | NetworkUnreachable => "the host cannot be reached",
        TimedOut => "no answer in time",
        _ => "the host cannot be found or reached",
    })
}
