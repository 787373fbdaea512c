//! `campanile admin user …`.

use std::io::{BufRead, IsTerminal, Write};

use clap::Subcommand;

use super::super::client::{Connection, Failure, Session, timed};
use super::super::print;
use crate::api::v1;

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
        User::Erase { id, why, dry_run, yes } => erase(connection, &session, id, why, (dry_run, yes)).await,
    }
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
