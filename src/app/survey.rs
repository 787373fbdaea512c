//! What a node would find if it were started with some settings: looked at without starting or changing anything.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use tokio::net::TcpListener;

use super::{backend, channels};
use crate::channel::credential::{Credentials, LocalCredentials};
use crate::channel::{Channel, wechat};
use crate::config::{self, Settings};
use crate::domain::batch::STUB_PROVIDER;
use crate::operations::{Check, Level};
use crate::runtime::clock::SystemClock;
use crate::store::sqlite::Sqlite;

/// How long a provider may take to say whether it knows us.
const PROVIDER_WITHIN: Duration = Duration::from_secs(10);
/// The disk should have more than this before a start.
const DISK_MIN: u64 = 1 << 30;
/// Files that a node has open besides its clients' connections.
#[cfg(unix)]
const FILES_BESIDES: u64 = 512;

/// What would be in the way of a start, and what would not.
pub fn before_start(settings: &Settings) -> BoxFuture<'_, Vec<Check>> {
    Box::pin(looked(settings))
}

async fn looked(settings: &Settings) -> Vec<Check> {
    let mut checks =
        vec![port("port of gRPC", settings.grpc.listen).await, port("port of HTTP", settings.http.listen).await];
    checks.extend(store(&settings.store).await);
    checks.extend(files(settings));
    checks.extend(providers(settings).await);
    checks
}

fn check(subject: impl Into<String>, level: Level, sentence: impl Into<String>) -> Check {
    Check { subject: subject.into(), level, sentence: sentence.into() }
}

async fn port(subject: &str, address: SocketAddr) -> Check {
    match TcpListener::bind(address).await {
        Ok(_) => check(subject, Level::Ok, format!("{address} is free.")),
        Err(fault) => {
            let sentence = format!("{address} cannot be listened on: {fault}; choose another or stop who uses it.");
            check(subject, Level::Fail, sentence)
        }
    }
}

async fn store(settings: &config::Store) -> Vec<Check> {
    let Some(found) = backend::look(settings).await else {
        let path = &settings.directory;
        return [directory(path)].into_iter().chain(disk(path)).collect();
    };
    vec![match found {
        Ok(server) if server.keeps() => {
            let (major, minor) = (server.server / 10_000, server.server % 10_000);
            check("database", Level::Ok, format!("PostgreSQL {major}.{minor} answers and keeps what it confirms."))
        }
        Ok(_) => check("database", Level::Warn, "A power cut may lose acknowledged messages, as the settings allow."),
        Err(fault) => check("database", Level::Fail, format!("{fault}.")),
    }]
}

fn directory(path: &Path) -> Check {
    let (subject, shown) = ("data directory", path.display());
    let found = Sqlite::survey(path);
    let level_and_sentence = match () {
        () if found.served => {
            (Level::Fail, format!("{shown} is served by another process; stop it or choose another directory."))
        }
        () if !found.writable => {
            (Level::Fail, format!("{shown} cannot be written by this user; give it to the user who runs the service."))
        }
        () if found.open_to_others => {
            (Level::Warn, format!("{shown} can be read by others than its owner; say chmod 700 {shown}."))
        }
        () if found.holds_store => (Level::Ok, format!("{shown} holds a store that nobody serves.")),
        () => (Level::Ok, format!("{shown} holds no store; the first start makes one.")),
    };
    check(subject, level_and_sentence.0, level_and_sentence.1)
}

fn disk(path: &Path) -> Option<Check> {
    let free = Sqlite::survey(path).disk_free?;
    let mib = free >> 20;
    Some(if free < DISK_MIN {
        check("disk", Level::Fail, format!("Only {mib} MiB are left for the data directory; make room."))
    } else {
        check("disk", Level::Ok, format!("{mib} MiB are left for the data directory."))
    })
}

/// Whether the system lets a process have as many connections as the settings allow.
#[cfg(unix)]
fn files(settings: &Settings) -> Option<Check> {
    let wanted = settings.grpc.connections as u64 + FILES_BESIDES;
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    Some(match limit.filter(|limit| *limit < wanted) {
        None => check("open files", Level::Ok, format!("The system allows the {wanted} that the settings may need.")),
        Some(limit) => {
            let sentence = format!(
                "The system allows {limit}, and [grpc] connections may need {wanted}; raise the limit \
                 (LimitNOFILE, ulimit -n) or lower connections."
            );
            check("open files", Level::Warn, sentence)
        }
    })
}

#[cfg(not(unix))]
fn files(_settings: &Settings) -> Option<Check> {
    None
}

/// Asks every provider whether it can be reached and knows us, all at once.
async fn providers(settings: &Settings) -> Vec<Check> {
    let clock = SystemClock::shared();
    let keep = |_: &str, application: &wechat::Settings| -> Arc<dyn Credentials> {
        Arc::new(LocalCredentials::new(clock.clone(), application.token_margin))
    };
    let registry = match channels::registry(settings, &clock, &keep) {
        Ok(registry) => registry,
        Err(fault) => return vec![check("providers", Level::Fail, format!("{fault}."))],
    };
    let configured = registry.iter().filter(|(id, _)| &***id != STUB_PROVIDER);
    let checks = futures::future::join_all(configured.map(|(id, provider)| ask(id, &**provider))).await;
    if checks.is_empty() {
        let sentence = "None is configured; only the app's inbox can be reached. Add [channel.email.NAME] or \
                        [channel.wechat.NAME].";
        return vec![check("providers", Level::Warn, sentence)];
    }
    checks
}

async fn ask(id: &str, provider: &dyn Channel) -> Check {
    let subject = format!("provider {id}");
    match tokio::time::timeout(PROVIDER_WITHIN, provider.check()).await {
        Ok(Ok(())) => check(subject, Level::Ok, "Answers and knows us."),
        Ok(Err(fault)) => {
            check(subject, Level::Fail, format!("{fault}. Correct its settings, or see why it cannot be reached."))
        }
        Err(_) => check(subject, Level::Fail, "Does not answer in time; see why it cannot be reached."),
    }
}
