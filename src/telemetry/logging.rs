//! The log: one line per event on standard error, as text or JSON.

use std::io::{self, IsTerminal};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

/// Begins to log. `RUST_LOG` goes before `level`. A second call changes nothing, so that tests may call it.
///
/// # Errors
/// A sentence if `level` cannot be read.
pub fn start(level: &str, json: bool) -> Result<(), String> {
    if let Some(word) = level.split(',').map(str::trim).find(|word| !is_directive(word)) {
        return Err(format!(
            "[log] level: {word:?} is none; write error, warn, info, debug, trace, off or TARGET=LEVEL"
        ));
    }
    let wanted = EnvFilter::try_from_default_env().or_else(|_| EnvFilter::try_new(level));
    let filter = wanted.map_err(|fault| format!("[log] level cannot be read: {fault}"))?;
    let colours = io::stderr().is_terminal();
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(colours).with_writer(io::stderr);
    // Fails only if a log is running already, which then goes on.
    let _ = if json { lines.json().try_init() } else { lines.try_init() };
    Ok(())
}

/// Whether a word says at which level something is logged. The filter itself takes any word for the name of a target,
/// all of which is then logged and nothing else.
fn is_directive(word: &str) -> bool {
    word.contains('=') || word.parse::<LevelFilter>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_level_is_refused() {
        for level in ["loud", "info,campanile", "inof"] {
            assert!(start(level, false).unwrap_err().contains("write error, warn, info"), "{level}");
        }
        for level in ["info", "WARN", "warn,campanile=debug", "off"] {
            assert!(level.split(',').all(is_directive), "{level}");
        }
    }
}
