//! `campanile serve`: run a node until it is told to stop.

use std::fs::{DirBuilder, OpenOptions};
use std::io::{self, IsTerminal, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use clap::Args;
use secrecy::{ExposeSecret, SecretString};

use super::client::Failure;
use campanile::app::App;
use campanile::config::{self, Settings};
use campanile::telemetry::logging;

/// The file in the data directory that holds the first administrator's token.
pub(super) const TOKEN_FILE: &str = "admin-token";

/// How to run the node.
#[derive(Debug, Args)]
pub(super) struct ServeArgs {
    /// Settings file [default: ./campanile.toml, if there is one]
    #[arg(long)]
    config: Option<PathBuf>,
    /// Data directory; goes before the settings
    #[arg(long)]
    data: Option<PathBuf>,
    /// Address for gRPC, such as 127.0.0.1:7700; goes before the settings
    #[arg(long)]
    grpc: Option<SocketAddr>,
    /// Address for health and metrics; goes before the settings
    #[arg(long)]
    http: Option<SocketAddr>,
}

/// Serves until SIGTERM or Ctrl-C, then drains.
pub(super) async fn run(args: ServeArgs) -> Result<(), Failure> {
    let mut settings = config::load(args.config.as_deref()).map_err(failed)?;
    settings.store.directory = args.data.unwrap_or(settings.store.directory);
    settings.grpc.listen = args.grpc.unwrap_or(settings.grpc.listen);
    settings.http.listen = args.http.unwrap_or(settings.http.listen);
    #[cfg(feature = "sabotage")]
    campanile::runtime::sabotage::choose(settings.sabotage);
    logging::start(&settings.log.level, settings.log.json).map_err(failed)?;
    let directory = settings.store.directory.clone();
    let shared = settings.store.url.is_some();
    warn_without_providers(&settings);
    let mut opened = App::open(settings).await.map_err(failed)?;
    // Who sees the node serve finds the token where it belongs.
    if let Some(token) = opened.take_first_token() {
        announce(&directory, &token).map_err(failed)?;
    }
    let app = opened.start().await.map_err(failed)?;
    println!("Campanile {} is ready", env!("CARGO_PKG_VERSION"));
    println!("  gRPC     {}  (reflection and health on)", app.grpc());
    println!("  HTTP     http://{}/readyz  /healthz  /metrics", app.http());
    match shared {
        true => println!("  store    PostgreSQL, shared with other nodes"),
        false => println!("  data     {}", directory.display()),
    }
    stop_signal().await.map_err(failed)?;
    println!("stopping: open calls end, the rest waits in the store");
    if app.stop().await { Ok(()) } else { Err(Failure::refused("some calls did not end in time; nothing is lost")) }
}

fn failed(why: impl ToString) -> Failure {
    Failure::refused(why.to_string())
}

fn warn_without_providers(settings: &Settings) {
    if settings.channel.email.is_empty() && settings.channel.wechat.is_empty() {
        eprintln!("note: no e-mail relay and no WeChat provider is configured; only the app's inbox can be reached");
    }
}

/// The first token is shown once: to a person at a terminal, otherwise in a file that only the owner can read.
fn announce(directory: &Path, token: &SecretString) -> io::Result<()> {
    if io::stdout().is_terminal() {
        println!("The administrator's token, shown this once; keep it:");
        println!("  export CAMPANILE_TOKEN={}", token.expose_secret());
        return Ok(());
    }
    let path = directory.join(TOKEN_FILE);
    private(directory)?;
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    writeln!(options.open(&path)?, "{}", token.expose_secret())?;
    println!(
        "The administrator's token is in {} (readable by its owner only); move it to a safe place.",
        path.display()
    );
    Ok(())
}

/// Makes the directory if it is missing, as it is where the store is elsewhere; for its owner only.
fn private(directory: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt;
        builder.mode(0o700);
    }
    builder.create(directory)
}

/// Ends at SIGTERM or Ctrl-C.
#[cfg(unix)]
pub(super) async fn stop_signal() -> io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        _ = terminate.recv() => Ok(()),
        pressed = tokio::signal::ctrl_c() => pressed,
    }
}

/// Ends at Ctrl-C.
#[cfg(not(unix))]
pub(super) async fn stop_signal() -> io::Result<()> {
    tokio::signal::ctrl_c().await
}
