//! `campanile admin user …`.

use std::fs::File;
use std::io::{BufRead, IsTerminal, Write};
use std::path::{Path, PathBuf};

use clap::Subcommand;

use super::super::client::{Connection, Failure, Session, timed};
use super::super::print;
use campanile::api::v1;

/// What to do with one person.
#[derive(Clone, Debug, Subcommand)]
pub enum User {
    /// Show everything that the directory knows of a person
    Show {
        /// The person's id or an alias id
        id: String,
    },
    /// Make the dead addresses of a person on a channel usable again
    Reinstate {
        /// The person's id
        id: String,
        /// The channel
        #[arg(value_parser = print::parse_channel)]
        channel: v1::Channel,
    },
    /// Write all that is kept about a person into a ZIP file
    Export {
        /// The person's id
        id: String,
        /// The file to make; default: ID.zip
        #[arg(long, value_name = "FILE")]
        to: Option<PathBuf>,
        /// For the record
        #[arg(long, default_value = "", hide_default_value = true)]
        why: String,
    },
    /// Erase a person for good
    Erase {
        /// The person's id
        id: String,
        /// For the record; must not name the person
        #[arg(long, default_value = "", hide_default_value = true)]
        why: String,
        /// Only tell what would go
        #[arg(long)]
        dry_run: bool,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
}

/// Carries out a command about one person.
pub(super) async fn run(connection: &Connection, command: User) -> Result<(), Failure> {
    let session = connection.open().await?;
    match command {
        User::Show { id } => {
            let answer = session.directory().get_user(timed(v1::GetUserRequest { user_id: id })).await?.into_inner();
            if connection.json {
                return print::json("GetUserResponse", &answer);
            }
            show(&answer.user.unwrap_or_default());
            Ok(())
        }
        User::Reinstate { id, channel } => {
            let request = v1::ReinstateAddressRequest { user_id: id, channel: channel.into() };
            let answer = session.directory().reinstate_address(timed(request)).await?.into_inner();
            if connection.json {
                return print::json("ReinstateAddressResponse", &answer);
            }
            show(&answer.user.unwrap_or_default());
            Ok(())
        }
        User::Export { id, to, why } => {
            let file = to.unwrap_or_else(|| PathBuf::from(format!("{id}.zip")));
            let bytes = export(&session, v1::ExportUserRequest { user_id: id, why }, &file).await?;
            if connection.json {
                return print::value(&serde_json::json!({ "file": file, "bytes": bytes }));
            }
            println!("{} holds {} bytes.", file.display(), print::number(bytes));
            Ok(())
        }
        User::Erase { id, why, dry_run, yes } => erase(connection, &session, id, why, (dry_run, yes)).await,
    }
}

/// Writes the export and returns its size. What broke off leaves no file, and nothing that is there is written over.
async fn export(session: &Session, request: v1::ExportUserRequest, to: &Path) -> Result<usize, Failure> {
    let name = to.display();
    let fault = |fault: std::io::Error| Failure::usage(format!("cannot write {name}: {fault}"));
    let mut pieces = session.directory().export_user(request).await?.into_inner();
    let mut first = pieces.message().await?;
    let mut file = open_private(to).map_err(fault)?;
    let written = async {
        let mut bytes = 0;
        while let Some(piece) = first.take() {
            file.write_all(&piece.chunk).map_err(fault)?;
            bytes += piece.chunk.len();
            first = pieces.message().await?;
        }
        file.sync_all().map_err(fault)?;
        Ok(bytes)
    };
    let written: Result<usize, Failure> = written.await;
    if written.is_err() {
        // Half a file would look like all that is known.
        let _ = std::fs::remove_file(to);
    }
    written
}

/// A new file that only its owner may read.
fn open_private(path: &Path) -> std::io::Result<File> {
    let mut options = File::options();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

async fn erase(
    connection: &Connection,
    session: &Session,
    user_id: String,
    why: String,
    (dry_run, yes): (bool, bool),
) -> Result<(), Failure> {
    let request = |validate_only| v1::EraseUserRequest { user_id: user_id.clone(), why: why.clone(), validate_only };
    if dry_run || (!yes && std::io::stdin().is_terminal()) {
        let answer = session.directory().erase_user(timed(request(true))).await?.into_inner();
        if dry_run && connection.json {
            return print::json("EraseUserResponse", &answer);
        }
        println!("To be erased: {}.", counts(&answer.receipt.unwrap_or_default()));
        if dry_run {
            return Ok(());
        }
        confirm(&user_id)?;
    }
    let answer = session.directory().erase_user(timed(request(false))).await?.into_inner();
    if connection.json {
        return print::json("EraseUserResponse", &answer);
    }
    let receipt = answer.receipt.unwrap_or_default();
    println!("{} at {}: {}.", receipt.erasure_id, print::time(receipt.erased_at.as_ref()), counts(&receipt));
    Ok(())
}

/// What cannot be undone is asked for by name.
fn confirm(user_id: &str) -> Result<(), Failure> {
    eprint!("This cannot be undone. Type the id again to erase the person: ");
    let mut typed = String::new();
    let read = std::io::stderr().flush().and_then(|()| std::io::stdin().lock().read_line(&mut typed));
    match read {
        Ok(_) if typed.trim() == user_id => Ok(()),
        _ => Err(Failure::refused("nothing was erased")),
    }
}

fn counts(receipt: &v1::ErasureReceipt) -> String {
    let all = [
        (receipt.addresses, "addresses"),
        (receipt.tags, "tags"),
        (receipt.messages, "messages to this person alone"),
        (receipt.rights, "keys, grants and roles"),
    ];
    all.map(|(n, what)| format!("{} {what}", print::number(n))).join(", ")
}

fn show(user: &v1::User) {
    let mut table = print::table(&["", ""]);
    let mut row = |name: &str, value: String| {
        if !value.is_empty() {
            table.add_row([name.to_owned(), value]);
        }
    };
    let word = |name: &str, prefix: &str| name.trim_start_matches(prefix).to_lowercase().replace('_', " ");
    row("id", user.user_id.clone());
    row("alias ids", user.alias_ids.join(", "));
    row("kind", word(user.kind().as_str_name(), "USER_KIND_"));
    row("name", user.name.clone());
    row("status", word(user.status().as_str_name(), "USER_STATUS_"));
    row("department", user.primary_department_id.clone());
    row("departments", user.department_ids.join(", "));
    for address in &user.addresses {
        let state = word(address.state().as_str_name(), "ADDRESS_STATE_");
        row(&print::channel(address.channel), format!("{} ({state})", address.value));
    }
    row("tags", user.tags.join(", "));
    row("locale", user.locale.clone());
    println!("{table}");
}
