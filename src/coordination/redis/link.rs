//! The connection to Redis: one, kept up by the client's connection manager, for scripts, hints and pushes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::io::tcp::TcpSettings;
use redis::{Client, IntoConnectionInfo, ProtocolVersion, PushInfo, PushKind, RedisError, Script};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::broadcast;

use super::Error;
use super::stock::{Ask, Grant};
use crate::coordination::Hint;
use crate::coordination::pace::Pace;

/// How long an answer may take.
pub(super) const ANSWER_MAX: Duration = Duration::from_millis(300);
/// How long a connection may take to come up.
const CONNECT_MAX: Duration = Duration::from_millis(1_000);
/// The shortest and the longest wait between two attempts to connect.
const RECONNECT: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(1));
/// A peer that acknowledges nothing for so long is gone.
const SILENCE_MAX: Duration = Duration::from_secs(5);

/// What to do with this node's signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sign {
    /// This node takes part.
    In,
    /// It does not any more.
    Out,
    /// It only looks.
    Look,
}

/// Why Redis did not do it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// It said no; nothing was done.
    Refused,
    /// No answer came; whether it was done is not known.
    Silent,
}

/// A connection that comes up by itself; cheap to clone.
#[derive(Clone)]
pub(super) struct Link {
    manager: ConnectionManager,
    pushes: Arc<Pushes>,
    names: Arc<Names>,
    scripts: Arc<Scripts>,
}

/// What the connection itself has told.
struct Pushes {
    heard: broadcast::Sender<Hint>,
    me: String,
    subscribed: AtomicBool,
    /// The connection broke since somebody asked.
    broken: AtomicBool,
}

/// Every key ends in a tag of its own in braces, so that a script's key has one place in a cluster.
struct Names {
    prefix: String,
    nodes: String,
    hints: String,
}

struct Scripts {
    exchange: Script,
    present: Script,
}

impl Link {
    /// A link that connects when it is used first. Hints of others go to `heard`; `me` tells them apart from
    /// this node's own.
    pub(super) fn new(
        url: &SecretString,
        prefix: &str,
        me: &str,
        heard: broadcast::Sender<Hint>,
    ) -> Result<Link, Error> {
        // What the client says of a wrong address may hold the address, and with it the password.
        let info = url.expose_secret().into_connection_info().map_err(|_| Error::Url)?;
        let tcp = TcpSettings::default().set_nodelay(true);
        #[cfg(target_os = "linux")]
        let tcp = tcp.set_user_timeout(SILENCE_MAX);
        let settings = info.redis_settings().clone().set_protocol(ProtocolVersion::RESP3);
        let info = info.set_tcp_settings(tcp).set_redis_settings(settings);
        let client = Client::open(info).map_err(|_| Error::Url)?;
        let names = Names {
            prefix: prefix.to_owned(),
            nodes: format!("{prefix}:{{nodes}}"),
            hints: format!("{prefix}:{{hints}}"),
        };
        let subscribed = AtomicBool::new(false);
        let pushes = Arc::new(Pushes { heard, me: me.to_owned(), subscribed, broken: AtomicBool::new(false) });
        let hear = Arc::clone(&pushes);
        let config = ConnectionManagerConfig::new()
            .set_connection_timeout(Some(CONNECT_MAX))
            .set_response_timeout(Some(ANSWER_MAX))
            .set_min_delay(RECONNECT.0)
            .set_max_delay(RECONNECT.1)
            .set_automatic_resubscription()
            .set_push_sender(move |push: PushInfo| {
                hear.hear(&push);
                Ok::<(), std::convert::Infallible>(())
            });
        let manager = ConnectionManager::new_lazy_with_config(client, config).map_err(|_| Error::Url)?;
        let scripts = Scripts {
            exchange: Script::new(include_str!("exchange.lua")),
            present: Script::new(include_str!("present.lua")),
        };
        Ok(Link { manager, pushes, names: Arc::new(names), scripts: Arc::new(scripts) })
    }

    /// Asks for hints unless they come already. The manager asks again by itself after each reconnection.
    pub(super) async fn subscribe(&self) {
        if !self.pushes.subscribed.load(Ordering::Relaxed) {
            let mut manager = self.manager.clone();
            // If it fails the next call tries again.
            let _ = tokio::time::timeout(ANSWER_MAX, manager.subscribe(&self.names.hints)).await;
        }
    }

    /// Whether the connection broke since this was asked last.
    pub(super) fn take_broken(&self) -> bool {
        self.pushes.broken.swap(false, Ordering::Relaxed)
    }

    /// Signs this node in or out, or only looks. Returns how many take part.
    pub(super) async fn present(&self, sign: Sign, lasts: Duration) -> Result<u32, Fault> {
        let word = match sign {
            Sign::In => "in",
            Sign::Out => "out",
            Sign::Look => "look",
        };
        let mut invocation = self.scripts.present.key(&self.names.nodes);
        let lasts_ms = u64::try_from(lasts.as_millis()).unwrap_or(u64::MAX);
        invocation.arg(&self.pushes.me).arg(lasts_ms).arg(word);
        let mut manager = self.manager.clone();
        answered(invocation.invoke_async(&mut manager)).await
    }

    /// Gives credit of a limit back and leases a block; `empty` begins without credit.
    pub(super) async fn exchange(&self, key: &str, pace: &Pace, ask: &Ask, empty: bool) -> Result<Grant, Fault> {
        let mut invocation = self.scripts.exchange.key(format!("{}:{{limit:{key}}}", self.names.prefix));
        invocation.arg(pace.each_us).arg(pace.saved_us()).arg(ask.least).arg(ask.most);
        invocation.arg(ask.unused.micros).arg(&ask.unused.born).arg(ask.unused.at_us).arg(u8::from(empty));
        let mut manager = self.manager.clone();
        let (n, at_us, wait_us, born) = answered(invocation.invoke_async(&mut manager)).await?;
        Ok(Grant { n, at_us, wait: Duration::from_micros(wait_us), born })
    }

    /// Tells hints to all other nodes.
    pub(super) async fn publish(&self, words: &[String]) -> Result<(), Fault> {
        let text = format!("{} {}", self.pushes.me, words.join(" "));
        let mut manager = self.manager.clone();
        let mut publish = redis::cmd("PUBLISH");
        publish.arg(&self.names.hints).arg(text);
        answered(publish.query_async(&mut manager)).await
    }
}

/// A reconnection may hold a command up for longer than its answer may take.
async fn answered<T>(command: impl Future<Output = Result<T, RedisError>>) -> Result<T, Fault> {
    match tokio::time::timeout(ANSWER_MAX, command).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(error)) => {
            tracing::debug!(%error, "Redis");
            let said_no = matches!(error.kind(), redis::ErrorKind::Server(_) | redis::ErrorKind::Extension);
            Err(if said_no { Fault::Refused } else { Fault::Silent })
        }
        Err(_) => Err(Fault::Silent),
    }
}

impl Pushes {
    fn hear(&self, push: &PushInfo) {
        match push.kind {
            PushKind::Message => self.message(push),
            // What was told while nobody listened is found in the store.
            PushKind::Subscribe => {
                self.subscribed.store(true, Ordering::Relaxed);
                self.pass_on(Hint::CatchUp);
            }
            PushKind::Disconnection => {
                self.subscribed.store(false, Ordering::Relaxed);
                self.broken.store(true, Ordering::Relaxed);
                self.pass_on(Hint::CatchUp);
            }
            _ => {}
        }
    }

    fn message(&self, push: &PushInfo) {
        let Some(redis::Value::BulkString(payload)) = push.data.get(1) else { return };
        let Ok(text) = std::str::from_utf8(payload) else { return };
        let mut words = text.split(' ');
        if words.next().is_some_and(|from| from != self.me) {
            words.filter_map(Hint::parse).for_each(|hint| self.pass_on(hint));
        }
    }

    fn pass_on(&self, hint: Hint) {
        // Nobody listens: nobody needs to know.
        let _ = self.heard.send(hint);
    }
}
