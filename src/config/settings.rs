//! The settings tree, section by section.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use toml::{Table, Value};

use super::Error;
use super::review::Review;
use crate::audience::nearest::nearest;
use crate::channel::{email, wechat};
use crate::domain::line;
use crate::domain::node::Role;
#[cfg(feature = "sabotage")]
use crate::runtime::sabotage::Sabotage;

/// Everything an operator can say.
#[derive(Clone, Debug)]
pub struct Settings {
    /// This process.
    pub node: Node,
    /// Where the truth is kept.
    pub store: Store,
    /// How several nodes agree.
    pub coordination: Coordination,
    /// The institution.
    pub campus: Campus,
    /// Which messages need a second person.
    pub review: Review,
    /// The gRPC server.
    pub grpc: Grpc,
    /// The HTTP server.
    pub http: Http,
    /// What one key may do.
    pub limits: Limits,
    /// The log.
    pub log: Log,
    /// The providers.
    pub channel: Channels,
    /// Which guarantees to break.
    #[cfg(feature = "sabotage")]
    pub sabotage: Sabotage,
}

/// This process.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Node {
    /// What operators call it; empty: the address of its gRPC server.
    pub name: String,
    /// What it does; at least one.
    pub roles: Vec<Role>,
    /// The longest that a stop takes.
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    pub drain: Duration,
    /// How much of that a node goes on serving after it turned unready.
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    pub grace: Duration,
}

/// Where the truth is kept.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Store {
    /// Where the embedded store and the first administrator's token live.
    pub directory: PathBuf,
    /// The database that many nodes share; `None`: the embedded store. Holds a password.
    pub url: Option<SecretString>,
    /// The most connections of this node to that database.
    pub connections: usize,
    /// Run although that database may lose what it confirmed.
    pub allow_weak_durability: bool,
}

/// How several nodes agree.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Coordination {
    /// The Redis that all nodes share; `None`: this node is alone. May hold a password.
    pub url: Option<SecretString>,
    /// What the names of all its keys begin with.
    pub prefix: String,
}

/// The institution.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Campus {
    /// Its name.
    pub name: String,
    /// The zone in which people read times.
    pub time_zone: String,
}

/// The gRPC server.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grpc {
    /// Address and port; port 0 takes a free one.
    pub listen: SocketAddr,
    /// The most connections at a time.
    pub connections: usize,
    /// How it encrypts; `None`: in clear text.
    pub tls: Option<Tls>,
}

/// How a server encrypts. The files are read at the start.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    /// Its certificate with those between it and its authority, in PEM.
    pub certificate: PathBuf,
    /// Its private key, in PEM.
    pub private_key: PathBuf,
    /// The authorities of client certificates, in PEM; `None`: none is asked for.
    pub client_authority: Option<PathBuf>,
}

/// The HTTP server.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Http {
    /// Address and port; port 0 takes a free one.
    pub listen: SocketAddr,
    /// The most connections at a time.
    pub connections: usize,
}

/// What one key may do on this node.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// The most publishes a second; 0: no limit.
    pub publishes_per_second: u32,
    /// The most at once after a rest.
    pub publishes_at_once: u32,
}

/// The log.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Log {
    /// A level or directives.
    pub level: String,
    /// JSON instead of text.
    pub json: bool,
}

/// The providers by kind and name.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Channels {
    /// SMTP relays.
    #[serde(default)]
    pub email: BTreeMap<String, email::Settings>,
    /// WeChat providers.
    #[serde(default)]
    pub wechat: BTreeMap<String, wechat::Settings>,
}

/// The longest name of a node, in bytes.
const NODE_NAME_MAX: usize = 200;

/// Publishing, settling, the lease and one reader each need one.
const STORE_CONNECTIONS_MIN: usize = 4;

/// The longest prefix of names in Redis, in bytes.
const PREFIX_MAX: usize = 50;

const SECTIONS: &[&str] = &[
    "node",
    "store",
    "coordination",
    "campus",
    "review",
    "grpc",
    "http",
    "limits",
    "log",
    "channel",
    #[cfg(feature = "sabotage")]
    "sabotage",
];

/// The merged tree as settings.
pub(super) fn read(mut tree: Table) -> Result<Settings, Error> {
    if let Some(unknown) = tree.keys().find(|key| !SECTIONS.contains(&key.as_str())) {
        return Err(unknown_name("section", &format!("[{unknown}]"), unknown, SECTIONS));
    }
    let settings = Settings {
        node: section(&mut tree, "node")?,
        store: section(&mut tree, "store")?,
        coordination: section(&mut tree, "coordination")?,
        campus: section(&mut tree, "campus")?,
        review: section(&mut tree, "review")?,
        grpc: section(&mut tree, "grpc")?,
        http: section(&mut tree, "http")?,
        limits: section(&mut tree, "limits")?,
        log: section(&mut tree, "log")?,
        channel: channels(&mut tree)?,
        #[cfg(feature = "sabotage")]
        sabotage: section(&mut tree, "sabotage")?,
    };
    check(&settings)?;
    Ok(settings)
}

fn check(settings: &Settings) -> Result<(), Error> {
    let wrong = |text: String| Err(Error::Value(text));
    if settings.node.roles.is_empty() {
        return wrong("[node] roles is empty; a node serves \"api\", does \"deliver\", or both".to_owned());
    }
    if settings.node.name.contains(char::is_control) || settings.node.name.len() > NODE_NAME_MAX {
        return wrong(format!("[node] name must be one line of at most {NODE_NAME_MAX} bytes"));
    }
    if settings.node.grace >= settings.node.drain {
        return wrong("[node] grace is a part of drain and must be shorter".to_owned());
    }
    if settings.store.connections < STORE_CONNECTIONS_MIN {
        return wrong(format!("[store] connections must be at least {STORE_CONNECTIONS_MIN}"));
    }
    let prefix = &settings.coordination.prefix;
    if prefix.is_empty()
        || prefix.len() > PREFIX_MAX
        || !prefix.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    {
        return wrong(format!("[coordination] prefix must be 1 to {PREFIX_MAX} letters, digits or hyphens"));
    }
    if settings.coordination.url.is_some() && settings.store.url.is_none() {
        return wrong(
            "[coordination] url is for nodes that share a store; set [store] url too, or leave it out".to_owned(),
        );
    }
    settings.review.check()?;
    if settings.grpc.connections == 0 {
        return wrong("[grpc] connections must be at least 1".to_owned());
    }
    if line::name("name", &settings.campus.name).is_err() {
        return wrong("[campus] name must be one line of 1 to 200 characters".to_owned());
    }
    if jiff::tz::TimeZone::get(&settings.campus.time_zone).is_err() {
        return wrong(format!("[campus] time_zone knows no zone `{}`; try Asia/Shanghai", settings.campus.time_zone));
    }
    Ok(())
}

fn section<T: DeserializeOwned>(tree: &mut Table, name: &str) -> Result<T, Error> {
    typed(tree.remove(name).unwrap_or(Value::Table(Table::new())), name)
}

/// Providers one by one, so that a fault names its table.
fn channels(tree: &mut Table) -> Result<Channels, Error> {
    const KINDS: [&str; 2] = ["email", "wechat"];
    let table: Table = section(tree, "channel")?;
    if let Some(unknown) = table.keys().find(|key| !KINDS.contains(&key.as_str())) {
        return Err(unknown_name("kind", &format!("[channel.{unknown}]"), unknown, &KINDS));
    }
    Ok(Channels { email: providers(&table, "email")?, wechat: providers(&table, "wechat")? })
}

fn providers<T: DeserializeOwned>(table: &Table, kind: &str) -> Result<BTreeMap<String, T>, Error> {
    let Some(found) = table.get(kind) else { return Ok(BTreeMap::new()) };
    let named: Table = typed(found.clone(), &format!("channel.{kind}"))?;
    named
        .into_iter()
        .map(|(name, value)| {
            let path = format!("channel.{kind}.{name}");
            let plain = name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
            if !plain {
                return Err(Error::Value(format!("[{path}]: name a provider with a-z, 0-9 and hyphens")));
            }
            typed(value, &path).map(|settings| (name, settings))
        })
        .collect()
}

fn typed<T: DeserializeOwned>(value: Value, path: &str) -> Result<T, Error> {
    value.try_into().map_err(|fault: toml::de::Error| {
        let message = fault.message();
        match unknown_key(message) {
            Some((key, known)) => unknown_name("key", &format!("`{key}` in [{path}]"), key, &known),
            None => Error::Value(format!("[{path}]: {message}; spans carry units, such as \"30s\"")),
        }
    })
}

/// The key and its alternatives out of the complaint about an unknown one.
fn unknown_key(message: &str) -> Option<(&str, Vec<&str>)> {
    let rest = message.strip_prefix("unknown field `")?;
    let (key, rest) = rest.split_once('`')?;
    let known = rest.split('`').skip(1).step_by(2).collect();
    Some((key, known))
}

fn unknown_name(kind: &str, shown: &str, name: &str, known: &[&str]) -> Error {
    let hint = match nearest(name, known.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("known are {}", known.join(", ")),
    };
    Error::Value(format!("unknown {kind} {shown}: {hint}"))
}

#[cfg(test)]
mod tests {
    use super::super::layers;
    use super::*;

    fn with(text: &str) -> Result<Settings, Error> {
        let mut tree = layers::parse(super::super::DEFAULTS, "defaults").unwrap();
        layers::merge(&mut tree, layers::parse(text, "a test").unwrap());
        read(tree)
    }

    #[test]
    fn the_defaults_are_complete_and_listen_on_this_machine_only() {
        let settings = with("").unwrap();
        assert!(settings.grpc.listen.ip().is_loopback() && settings.http.listen.ip().is_loopback());
        assert_eq!((settings.node.drain, settings.grpc.listen.port()), (Duration::from_secs(30), 7700));
        assert!(settings.channel.email.is_empty());
        assert_eq!(settings.review.rules(), crate::access::review::Rules::default());
        assert_eq!(with("[review]\nthreshold = \"off\"").unwrap().review.threshold, None);
    }

    #[test]
    fn an_unknown_key_refuses_and_names_the_nearest() {
        for (text, hint) in [
            ("[grpc]\nlissen = \"x\"", "`listen`"),
            ("[grcp]\nlisten = \"x\"", "`grpc`"),
            ("[channel.email.main]\nhost = \"h\"\nfrom = \"a@b.cn\"\nports = 1", "`port`"),
            ("[channel.emial.main]\nhost = \"h\"", "`email`"),
        ] {
            let error = with(text).unwrap_err().to_string();
            assert!(error.contains("did you mean") && error.contains(hint), "{error}");
        }
    }

    #[test]
    fn a_value_that_cannot_be_refuses() {
        for text in [
            "[node]\ndrain = 30",
            "[node]\nroles = []",
            "[node]\nroles = [\"brew\"]",
            "[node]\ngrace = \"30s\"",
            "[store]\nconnections = 3",
            "[coordination]\nprefix = \"a:{b}\"",
            "[coordination]\nurl = \"redis://127.0.0.1\"",
            "[grpc]\nlisten = \"everywhere\"",
            "[campus]\ntime_zone = \"Mars/Base\"",
            "[review]\nthreshold = \"none\"",
            "[review]\ncampus_approvals = 0",
            "[review]\nlapse = \"1s\"",
            "[channel.email.\"A B\"]\nhost = \"h\"\nfrom = \"a@b.cn\"",
        ] {
            assert!(with(text).is_err(), "{text}");
        }
        assert_eq!(with("[channel.email.main]\nhost = \"h\"\nfrom = \"a@b.cn\"").unwrap().channel.email.len(), 1);
    }
}
