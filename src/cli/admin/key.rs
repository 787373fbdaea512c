//! `campanile admin key …`.

use clap::Subcommand;

use super::super::client::{Connection, Failure, timed};
use super::super::{print, whoami};
use super::LIST_MAX;
use campanile::api::v1;
use campanile::api::v1::create_key_request::Owner;

/// What to do with keys.
#[derive(Clone, Debug, Subcommand)]
pub enum Key {
    /// Make one and show its token, this once
    Create(Create),
    /// Make a successor and show its token, this once; the old one works for a while
    Rotate {
        /// key_…
        id: String,
        /// How long the old one works beside it, such as 24h, 7d or 0s; at most 30 days
        #[arg(long, value_name = "SPAN", default_value = "24h", value_parser = parse_span)]
        overlap: std::time::Duration,
    },
    /// List keys without their tokens
    List {
        /// Only those of this application
        #[arg(long, value_name = "ID", default_value = "", hide_default_value = true)]
        application: String,
        /// Only those of this person
        #[arg(long, value_name = "ID", default_value = "", hide_default_value = true)]
        user: String,
    },
}

/// A key to make.
#[derive(Clone, Debug, clap::Args)]
pub struct Create {
    /// The application it stands for
    #[arg(long, value_name = "ID", required_unless_present = "user", conflicts_with = "user")]
    application: Option<String>,
    /// The person it stands for
    #[arg(long, value_name = "ID")]
    user: Option<String>,
    /// publish, read, tags, issue-user-tokens, admin; may be repeated
    #[arg(long = "scope", value_parser = parse_scope, default_values = ["publish", "read"])]
    scopes: Vec<v1::KeyScope>,
    /// A key that reaches nobody
    #[arg(long)]
    test: bool,
    /// Network it may be used in, such as 10.0.0.0/8; may be repeated; default: any
    #[arg(long = "network", value_name = "CIDR")]
    networks: Vec<String>,
    /// Client certificate it may be used with, by its SHA-256 as `openssl x509 -fingerprint -sha256` shows it; may be
    /// repeated; default: any and none
    #[arg(long = "client-certificate", value_name = "SHA256")]
    certificates: Vec<String>,
}

fn parse_scope(name: &str) -> Result<v1::KeyScope, String> {
    let known = v1::KeyScope::from_str_name(&format!("KEY_SCOPE_{}", name.to_uppercase().replace('-', "_")));
    known
        .filter(|&scope| scope != v1::KeyScope::Unspecified)
        .ok_or_else(|| "known are publish, read, tags, issue-user-tokens and admin".to_owned())
}

/// Carries out a command about keys.
pub(super) async fn run(connection: &Connection, command: Key) -> Result<(), Failure> {
    match command {
        Key::Create(create) => make(connection, create).await,
        Key::Rotate { id, overlap } => rotate(connection, id, overlap).await,
        Key::List { application, user } => list(connection, application, user).await,
    }
}

async fn make(connection: &Connection, create: Create) -> Result<(), Failure> {
    let owner = match (create.application, create.user) {
        (Some(application), _) => Owner::ApplicationId(application),
        (None, user) => Owner::UserId(user.unwrap_or_default()),
    };
    let mode = if create.test { v1::KeyMode::Test } else { v1::KeyMode::Live };
    let request = v1::CreateKeyRequest {
        owner: Some(owner),
        mode: mode.into(),
        scopes: create.scopes.into_iter().map(i32::from).collect(),
        networks: create.networks,
        certificates: create.certificates,
        ..Default::default()
    };
    let mut client = connection.open().await?.access();
    let answer = client.create_key(timed(request)).await?.into_inner();
    if connection.json {
        return print::json("CreateKeyResponse", &answer);
    }
    eprintln!("{}; its token is shown this once:", answer.key.unwrap_or_default().key_id);
    println!("{}", answer.token);
    Ok(())
}

fn parse_span(text: &str) -> Result<std::time::Duration, String> {
    let digits = text.trim_end_matches(char::is_alphabetic);
    let number: u64 = digits.parse().map_err(|_| "give a number and a unit, such as 24h".to_owned())?;
    let seconds = match &text[digits.len()..] {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return Err("known units are s, m, h and d".to_owned()),
    };
    number.checked_mul(seconds).map(std::time::Duration::from_secs).ok_or_else(|| "that is too long".to_owned())
}

async fn rotate(connection: &Connection, key_id: String, overlap: std::time::Duration) -> Result<(), Failure> {
    let seconds = i64::try_from(overlap.as_secs()).unwrap_or(i64::MAX);
    let overlap = Some(prost_types::Duration { seconds, nanos: 0 });
    let mut client = connection.open().await?.access();
    let answer = client.rotate_key(timed(v1::RotateKeyRequest { key_id, overlap })).await?.into_inner();
    if connection.json {
        return print::json("RotateKeyResponse", &answer);
    }
    let new = answer.key.unwrap_or_default().key_id;
    eprintln!(
        "{new}; the old key ends {}; the new token is shown this once:",
        print::time(answer.old_expire_at.as_ref())
    );
    println!("{}", answer.token);
    Ok(())
}

async fn list(connection: &Connection, application_id: String, user_id: String) -> Result<(), Failure> {
    let request = v1::ListKeysRequest { application_id, user_id, page_size: LIST_MAX, ..Default::default() };
    let mut client = connection.open().await?.access();
    let answer = client.list_keys(timed(request)).await?.into_inner();
    if connection.json {
        return print::json("ListKeysResponse", &answer);
    }
    let mut table =
        print::table(&["key", "of", "mode", "scopes", "begins with", "made", "used", "from", "tied to", "ends"]);
    for entry in answer.keys {
        let test = entry.mode == i32::from(v1::KeyMode::Test);
        table.add_row([
            entry.key_id,
            whoami::describe(&entry.principal.unwrap_or_default()),
            if test { "test" } else { "live" }.to_owned(),
            whoami::scopes(&entry.scopes),
            entry.prefix,
            print::time(entry.created_at.as_ref()),
            print::time(entry.last_used_at.as_ref()),
            entry.last_used_address,
            ties(&entry.networks, &entry.certificates),
            print::time(entry.revoked_at.as_ref().or(entry.expire_at.as_ref())),
        ]);
    }
    println!("{table}");
    Ok(())
}

/// Networks as they are, certificates by the beginning of their fingerprints.
fn ties(networks: &[String], certificates: &[String]) -> String {
    let certificates = certificates.iter().map(|one| format!("certificate {}…", one.get(..8).unwrap_or(one)));
    networks.iter().cloned().chain(certificates).collect::<Vec<_>>().join(", ")
}
