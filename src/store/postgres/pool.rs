//! The pool of connections: where to connect, how to encrypt, how long to wait.

use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use deadpool_postgres::{Manager, ManagerConfig, Object, Pool, PoolError, RecyclingMethod, Runtime, Timeouts};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres::{Config, NoTls};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::{Options, fault};
use crate::store::{Error, Result};

/// How long a connection may take to be made, and how long a call waits for one.
const CONNECT: Duration = Duration::from_secs(5);
/// How long the server works at one statement.
const STATEMENT: Duration = Duration::from_secs(15);
/// How long the server lets a transaction of a silent node keep its locks.
const IDLE: Duration = Duration::from_secs(20);

/// Where to connect and how.
#[derive(Debug)]
struct Target {
    config: Config,
    /// Of the authority that signed the server's certificate; `None`: those that the system trusts.
    root_certificate: Option<String>,
}

/// The pool; connects to nobody yet.
pub(super) fn new(url: &str, options: &Options) -> Result<Pool> {
    let Target { mut config, root_certificate } = target(url)?;
    let settings = format!(
        "-c statement_timeout={} -c idle_in_transaction_session_timeout={} -c jit=off -c client_min_messages=warning",
        STATEMENT.as_millis(),
        IDLE.as_millis(),
    );
    let settings = config.get_options().map_or(settings.clone(), |own| format!("{settings} {own}"));
    config.options(settings).application_name("campanile").connect_timeout(CONNECT);
    config.keepalives_idle(Duration::from_secs(10)).keepalives_interval(Duration::from_secs(5)).keepalives_retries(2);
    config.tcp_user_timeout(STATEMENT + CONNECT);
    let recycling = ManagerConfig { recycling_method: RecyclingMethod::Fast };
    let manager = match config.get_ssl_mode() {
        SslMode::Disable => Manager::from_config(config, NoTls, recycling),
        _ => Manager::from_config(config, MakeRustlsConnect::new(tls(root_certificate.as_deref())?), recycling),
    };
    Pool::builder(manager)
        .max_size(options.connections)
        .timeouts(Timeouts { wait: Some(CONNECT), create: Some(CONNECT), recycle: Some(CONNECT) })
        .runtime(Runtime::Tokio1)
        .build()
        .map_err(|_| Error::Unavailable("the pool cannot be made".into()))
}

/// A connection that was alive a moment ago.
pub(super) async fn connection(pool: &Pool) -> Result<Object> {
    pool.get().await.map_err(|error| match error {
        PoolError::Backend(error) => fault(error),
        PoolError::Timeout(_) => Error::Unavailable("no connection to PostgreSQL was to be had in time".into()),
        PoolError::Closed | PoolError::NoRuntimeSpecified | PoolError::PostCreateHook(_) => {
            Error::Unavailable("the pool is closed".into())
        }
    })
}

/// Reads `postgres://…`. `sslmode` is `verify-full` unless it says `disable`, which only this machine may.
fn target(url: &str) -> Result<Target> {
    let refuse = |why: &str| Error::Unavailable(format!("the URL of the database {why}"));
    if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
        return Err(refuse("begins with postgres://"));
    }
    let (place, query) = url.split_once('?').unwrap_or((url, ""));
    let (mut encrypted, mut root_certificate, mut rest) = (None, None, Vec::new());
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        match pair.split_once('=') {
            Some(("sslmode", "disable")) => encrypted = Some(false),
            Some(("sslmode", "verify-full")) => encrypted = Some(true),
            Some(("sslmode", _)) => return Err(refuse("takes sslmode=verify-full or, on this machine, disable")),
            Some(("sslrootcert", path)) => root_certificate = Some(path.to_owned()),
            _ => rest.push(pair),
        }
    }
    let url = if rest.is_empty() { place.to_owned() } else { format!("{place}?{}", rest.join("&")) };
    // The parser's own words would show the password.
    let mut config: Config = url.parse().map_err(|_| refuse("cannot be read"))?;
    if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
        return Err(refuse("names no host"));
    }
    let sockets_only = config.get_hosts().iter().all(|host| !matches!(host, Host::Tcp(_)));
    let encrypted = encrypted.unwrap_or(!sockets_only || !config.get_hostaddrs().is_empty());
    if !encrypted && !stays_here(&config) {
        return Err(refuse("may say sslmode=disable only for this machine; leave it out"));
    }
    config.ssl_mode(if encrypted { SslMode::Require } else { SslMode::Disable });
    Ok(Target { config, root_certificate })
}

/// Whether everything that is said to these hosts stays on this machine.
fn stays_here(config: &Config) -> bool {
    let local = |host: &Host| match host {
        Host::Tcp(name) => name == "localhost" || name.parse().is_ok_and(|address: IpAddr| address.is_loopback()),
        #[allow(unreachable_patterns, reason = "sockets by path exist only on some systems")]
        _ => true,
    };
    config.get_hosts().iter().all(local) && config.get_hostaddrs().iter().all(IpAddr::is_loopback)
}

/// Certificates are always verified, with the name of the host.
fn tls(root_certificate: Option<&str>) -> Result<ClientConfig> {
    let refuse = |why: &str| Error::Unavailable(format!("the connection cannot be encrypted: {why}"));
    let mut roots = RootCertStore::empty();
    match root_certificate {
        Some(path) => {
            let unreadable = || refuse("sslrootcert names no readable PEM file");
            for certificate in CertificateDer::pem_file_iter(Path::new(path)).map_err(|_| unreadable())? {
                roots.add(certificate.map_err(|_| unreadable())?).map_err(|_| unreadable())?;
            }
        }
        None => drop(roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs)),
    }
    if roots.is_empty() {
        return Err(refuse("no authority is trusted; install ca-certificates or say sslrootcert=FILE"));
    }
    ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|_| refuse("no protocol version fits"))
        .map(|builder| builder.with_root_certificates(roots).with_no_client_auth())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(url: &str) -> String {
        target(url).unwrap_err().to_string()
    }

    #[test]
    fn nothing_goes_over_a_network_in_clear_text() {
        let encrypted = |url: &str| target(url).unwrap().config.get_ssl_mode() == SslMode::Require;
        assert!(encrypted("postgres://u:p@db.example/campanile"));
        assert!(encrypted("postgres://u:p@127.0.0.1/campanile"));
        assert!(!encrypted("postgres://u:p@127.0.0.1:5433/campanile?sslmode=disable"));
        assert!(!encrypted("postgresql://u@%2Fvar%2Frun%2Fpostgresql/campanile"));
        assert!(refused("postgres://u:p@db.example/campanile?sslmode=disable").contains("only for this machine"));
        assert!(refused("postgres://u:p@localhost,db.example/x?sslmode=disable").contains("only for this machine"));
        assert!(refused("postgres://u:p@db.example/campanile?sslmode=prefer").contains("verify-full"));
    }

    #[test]
    fn an_url_that_cannot_be_read_is_refused_without_being_shown() {
        for url in ["postgres://u:hush@db:port/x", "mysql://u:hush@db/x", "postgres://u:hush@db/x?no=such", "hush"] {
            assert!(!refused(url).contains("hush"), "{url}");
        }
        let own = target("postgres://u:p@db/x?sslrootcert=/etc/ca.pem&target_session_attrs=read-write").unwrap();
        assert_eq!(own.root_certificate.as_deref(), Some("/etc/ca.pem"));
    }
}
