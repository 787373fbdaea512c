//! An SMTP relay that takes every mail and delivers it into a log. Written by hand over reused buffers,
//! because it shares its machine with the sender that is measured.
//!
//! A receipt's id is the header X-Campanile-Leg, else Message-ID; its content is the decoded subject. The
//! local part of a recipient decides how it is treated:
//!
//! | begins with | treatment |
//! | --- | --- |
//! | `gone.` | 550 5.1.1 |
//! | `full.` | 452 4.2.2 at first, then accepted |
//! | `many.` | 452 4.5.3 unless it is the first of its transaction |
//! | `busy.` | 421 and the connection is closed, once |
//! | `drop.` | accepted and logged, but the connection is closed instead of the answer to the final dot, once |

mod mail;
mod session;

use std::collections::HashSet;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use futures::future::BoxFuture;
use parking_lot::Mutex;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

pub use mail::decode_words;

use super::accept;
use super::log::{BreakLog, Log};
use crate::runtime::clock::{SharedClock, SystemClock};
use crate::runtime::tasks::Tasks;

/// How the stand-in behaves.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Where receipts are appended.
    pub log: PathBuf,
    /// More recipients in one transaction are answered 452 4.5.3.
    pub recipients_max: Option<usize>,
    /// Waits so long before each answer.
    pub step_delay: Option<Duration>,
    /// Cheats once.
    pub break_log: Option<BreakLog>,
    /// Gets a copy of every mail taken, as long as there is room.
    pub copies: Option<mpsc::Sender<Mail>>,
}

/// A mail as it came over the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mail {
    /// The envelope's sender.
    pub from: String,
    /// The recipients accepted.
    pub recipients: Vec<String>,
    /// Headers and body without dot-stuffing and final dot.
    pub data: Vec<u8>,
}

/// What all sessions share.
struct Shared {
    options: Options,
    log: Log,
    clock: SharedClock,
    /// Addresses whose one misfortune has happened.
    spent: Mutex<HashSet<String>>,
    mails: AtomicU64,
}

/// Serves until the tasks are stopped; sessions run as tasks of `tasks`. Fails if the log cannot be opened.
pub fn serve(listener: TcpListener, options: Options, tasks: Tasks) -> BoxFuture<'static, io::Result<()>> {
    Box::pin(async move {
        let log = Log::open(&options.log, options.break_log)?;
        let clock = SystemClock::shared();
        let shared = Arc::new(Shared { options, log, clock, spent: Mutex::default(), mails: AtomicU64::new(0) });
        while let Some(stream) = accept(&listener, &tasks).await {
            let (shared, stop) = (shared.clone(), tasks.stop_token());
            tasks.spawn(async move {
                // How a session ends is its client's affair.
                drop(stop.run_until_cancelled(session::run(stream, &shared)).await);
            });
        }
        Ok(())
    })
}
