//! The log: one line per event on standard error, as text or JSON.

use std::io::{self, IsTerminal};

use tracing_subscriber::EnvFilter;

/// Begins to log. `RUST_LOG` goes before `level`. A second call changes nothing, so that tests may call it.
///
/// # Errors
/// A sentence if `level` cannot be read.
pub fn start(level: &str, json: bool) -> Result<(), String> {
    let wanted = EnvFilter::try_from_default_env().or_else(|_| EnvFilter::try_new(level));
    let filter = wanted.map_err(|fault| format!("[log] level cannot be read: {fault}"))?;
    let colours = io::stderr().is_terminal();
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(colours).with_writer(io::stderr);
    // Fails only if a log is running already, which then goes on.
    let _ = if json { lines.json().try_init() } else { lines.try_init() };
    Ok(())
}
