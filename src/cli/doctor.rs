//! `campanile doctor`: looks for what is wrong, in a running service or before one is started, and says what to do.

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Value, json};

use super::client::{Connection, Exit, Failure, timed};
use super::print;
use super::serve::TOKEN_FILE;
use campanile::api::v1;
use campanile::app;
use campanile::config::{self, Settings};
use campanile::operations::{Check, Level};

/// Where to look.
#[derive(Clone, Debug, Args)]
pub struct DoctorArgs {
    /// Settings file of the node on this machine [default: ./campanile.toml, if there is one]
    #[arg(long)]
    config: Option<PathBuf>,
    /// Data directory; goes before the settings
    #[arg(long)]
    data: Option<PathBuf>,
}

/// Prints every check; fails if one fails.
pub async fn run(connection: &Connection, args: DoctorArgs) -> Result<(), Failure> {
    let mut checks = Vec::new();
    let settings = settings(args, &mut checks);
    let served = service(connection, &mut checks).await;
    if let Some(settings) = settings {
        checks.extend(token_file(&settings.store.directory));
        if !served {
            checks.extend(app::before_start(&settings).await);
        }
    }
    let worst = checks.iter().map(|check| check.level).max().unwrap_or(Level::Ok);
    if connection.json {
        show_json(&checks, worst)?;
    } else {
        show(&checks);
    }
    let failed = checks.iter().filter(|check| check.level == Level::Fail).count();
    match worst {
        Level::Fail => Err(Failure::refused(format!("{failed} of {} checks failed", checks.len()))),
        Level::Ok | Level::Warn => Ok(()),
    }
}

fn check(subject: &str, level: Level, sentence: impl Into<String>) -> Check {
    Check { subject: subject.to_owned(), level, sentence: sentence.into() }
}

fn settings(args: DoctorArgs, checks: &mut Vec<Check>) -> Option<Settings> {
    match config::load(args.config.as_deref()) {
        Ok(mut settings) => {
            checks.push(check("settings", Level::Ok, "They can be read, and every key is known."));
            settings.store.directory = args.data.unwrap_or(settings.store.directory);
            Some(settings)
        }
        Err(fault) => {
            checks.push(check("settings", Level::Fail, format!("{fault}. A node would not start.")));
            None
        }
    }
}

/// Asks the service how it is; whether one answers.
async fn service(connection: &Connection, checks: &mut Vec<Check>) -> bool {
    let url = &connection.url;
    match asked(connection).await {
        Ok(status) => {
            let sentence = format!("Campanile {} answers at {url}.", status.version);
            checks.push(check("service", Level::Ok, sentence));
            checks.extend(status.checks.into_iter().map(judged));
            true
        }
        Err(failure) if failure.exit == Exit::TryAgain && failure.reason.is_empty() => {
            let sentence = format!("None answers at {url}; what follows is what a start would find.");
            checks.push(check("service", Level::Warn, sentence));
            false
        }
        Err(failure) if failure.exit == Exit::NotPermitted => {
            let sentence = match connection.has_token() {
                true => format!("One answers at {url} and refuses the token: {}", failure.message),
                false => {
                    format!("One answers at {url}; to look inside, give an administrator's token (CAMPANILE_TOKEN).")
                }
            };
            checks.push(check("service", Level::Warn, sentence));
            true
        }
        Err(failure) => {
            checks.push(check("service", Level::Fail, format!("At {url}: {}.", failure.message)));
            true
        }
    }
}

async fn asked(connection: &Connection) -> Result<v1::GetStatusResponse, Failure> {
    let session = match connection.has_token() {
        true => connection.open().await?,
        // It will be refused; but whether anybody is there shows.
        false => connection.open_as("none").await?,
    };
    Ok(session.operations().get_status(timed(v1::GetStatusRequest {})).await?.into_inner())
}

/// A check of the service as one of ours.
pub(super) fn judged(one: v1::Check) -> Check {
    let level = match one.level() {
        v1::CheckLevel::Ok => Level::Ok,
        v1::CheckLevel::Fail => Level::Fail,
        v1::CheckLevel::Warn | v1::CheckLevel::Unspecified => Level::Warn,
    };
    Check { subject: one.subject, level, sentence: one.sentence }
}

/// The first administrator's token, if it still lies where the first start left it.
fn token_file(directory: &Path) -> Option<Check> {
    let path = directory.join(TOKEN_FILE);
    let found = std::fs::metadata(&path).ok()?;
    let shown = path.display();
    Some(if is_private(&found) {
        check("administrator's token", Level::Ok, format!("{shown} can be read by its owner only."))
    } else {
        let sentence = format!("{shown} can be read by others; say chmod 600 {shown}, and make a new token.");
        check("administrator's token", Level::Fail, sentence)
    })
}

#[cfg(unix)]
fn is_private(found: &std::fs::Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt;
    found.permissions().mode() & 0o077 == 0
}

#[cfg(not(unix))]
fn is_private(_found: &std::fs::Metadata) -> bool {
    true
}

/// The name of a level as programs read it.
fn name(level: Level) -> &'static str {
    match level {
        Level::Ok => "ok",
        Level::Warn => "warn",
        Level::Fail => "fail",
    }
}

/// Prints checks, one a row.
pub(super) fn show(checks: &[Check]) {
    let mut table = print::table(&["", "what", "how it is"]);
    for check in checks {
        table.add_row([name(check.level).to_owned(), check.subject.clone(), check.sentence.clone()]);
    }
    println!("{table}");
}

fn show_json(checks: &[Check], worst: Level) -> Result<(), Failure> {
    let rows: Vec<Value> = checks
        .iter()
        .map(|check| json!({ "subject": check.subject, "level": name(check.level), "sentence": check.sentence }))
        .collect();
    print::value(&json!({ "worst": name(worst), "checks": rows }))
}
