//! Channels against stand-ins that speak the real wire.

mod email;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use campanile::channel::email::{Email, Settings};
use campanile::channel::{Call, Channel, Recipient, Sender};
use campanile::domain::class::Class;
use campanile::domain::content::Content;
use campanile::domain::id::LegId;
use campanile::domain::verdict::Verdict;
use campanile::runtime::clock::SystemClock;
use campanile::runtime::tasks::Tasks;
use campanile::standin::log::Receipt;
use campanile::standin::{log, smtp};
use tempfile::TempDir;
use tokio::net::TcpListener;

/// A stand-in that runs until the value is dropped.
pub struct Running {
    pub port: u16,
    pub log: PathBuf,
    tasks: Tasks,
    _dir: TempDir,
}

impl Running {
    /// The receipts so far.
    pub fn receipts(&self) -> Vec<Receipt<'static>> {
        log::read(&self.log).unwrap()
    }

    /// The addresses of the receipts so far.
    pub fn addresses(&self) -> Vec<String> {
        self.receipts().into_iter().map(|receipt| receipt.address.into_owned()).collect()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.tasks.stop_token().cancel();
    }
}

async fn listen() -> (TcpListener, u16, TempDir, PathBuf) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("receipts");
    (listener, port, dir, log)
}

/// Starts an SMTP stand-in.
pub async fn smtp(options: smtp::Options) -> Running {
    let (listener, port, dir, log) = listen().await;
    let tasks = Tasks::new();
    let options = smtp::Options { log: log.clone(), ..options };
    tokio::spawn(smtp::serve(listener, options, tasks.clone()));
    Running { port, log, tasks, _dir: dir }
}

/// The settings of an e-mail channel to a port of this machine.
pub fn relay(port: u16) -> Settings {
    Settings::new("127.0.0.1", port, "notice@example.edu")
}

/// An e-mail channel.
pub fn mail(settings: Settings) -> Arc<dyn Channel> {
    Arc::new(Email::new(settings, SystemClock::shared()).unwrap())
}

/// A call with a Chinese text.
pub fn call(leg: i64, addresses: &[&str]) -> Call {
    let content = Content {
        title: "关于期末考试安排的通知".to_owned(),
        body: "各位同学:\n\n.考试时间见**附件**。\n\n.\n\n结束".to_owned(),
        ..Content::default()
    };
    let recipient = |(n, address): (usize, &&str)| Recipient { ordinal: n as u32, address: (*address).into() };
    Call {
        leg: LegId(leg),
        class: Class::Notice,
        content: Arc::new(content),
        sender: Arc::new(Sender { name: "教务处".to_owned() }),
        recipients: addresses.iter().enumerate().map(recipient).collect(),
        deadline: Duration::from_secs(10),
    }
}

/// One letter per verdict, and the reason or fault.
pub fn short(verdicts: &[Verdict]) -> Vec<String> {
    let short = |verdict: &Verdict| match verdict {
        Verdict::Accepted { .. } => "accepted".to_owned(),
        Verdict::Retry { fault, .. } => format!("retry {fault:?}"),
        Verdict::Rejected { reason, .. } => format!("rejected {reason:?}"),
        Verdict::Unknown { .. } => "unknown".to_owned(),
    };
    verdicts.iter().map(short).collect()
}

/// The detail of a verdict; empty if it has none.
pub fn detail(verdict: &Verdict) -> &str {
    match verdict {
        Verdict::Accepted { reference } => reference.as_deref().unwrap_or_default(),
        Verdict::Retry { detail, .. } | Verdict::Rejected { detail, .. } | Verdict::Unknown { detail } => detail,
    }
}
