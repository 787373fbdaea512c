//! `campanile audit …`: who did what, and whether the trail of it is whole.

use std::fs::File;
use std::io::{BufRead, BufReader, Lines, Write};
use std::path::{Path, PathBuf};

use clap::Subcommand;
use tonic::Request;

use super::client::{Connection, Failure, timed};
use super::print;
use campanile::access::audit::file;
use campanile::api::v1;
use campanile::domain::audit::Checkpoint;

/// The most entries that are asked for at once.
const PAGE_MAX: usize = 1_000;

/// What to do with the audit trail.
#[derive(Clone, Debug, Subcommand)]
pub enum AuditCommand {
    /// Show who did what, newest first
    List(ListArgs),
    /// Write the trail to a file, with its hashes and signed checkpoints
    Export {
        /// Where to; it must not be there yet
        file: PathBuf,
    },
    /// Check that nobody altered the trail: in the service, or in an exported file
    Verify {
        /// An exported file, checked without the service
        file: Option<PathBuf>,
        /// An earlier export, or a log of the service, whose checkpoints the file must meet; may be repeated
        #[arg(long = "kept", value_name = "FILE", requires = "file")]
        kept: Vec<PathBuf>,
    },
}

/// Which deeds.
#[derive(Clone, Debug, clap::Args)]
pub struct ListArgs {
    /// Only what this person or application did
    #[arg(long, value_name = "ID", default_value = "", hide_default_value = true)]
    actor: String,
    /// Only this, such as grant.create
    #[arg(long, default_value = "", hide_default_value = true)]
    action: String,
    /// Only what was done to this: an id, or user:ID, department:ID, tag:NAME
    #[arg(long, value_name = "ID", default_value = "", hide_default_value = true)]
    object: String,
    /// At most so many
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    limit: u32,
}

/// Carries out one command.
pub async fn run(connection: &Connection, command: AuditCommand) -> Result<(), Failure> {
    match command {
        AuditCommand::List(args) => list(connection, args).await,
        AuditCommand::Export { file } => export(connection, &file).await,
        AuditCommand::Verify { file: None, .. } => ask(connection).await,
        AuditCommand::Verify { file: Some(path), kept } => check(connection, &path, &kept),
    }
}

async fn list(connection: &Connection, args: ListArgs) -> Result<(), Failure> {
    let mut client = connection.open().await?.access();
    let limit = usize::try_from(args.limit).unwrap_or(PAGE_MAX);
    let mut wanted = v1::ListAuditEventsRequest {
        actor: args.actor,
        action: args.action,
        object_id: args.object,
        ..Default::default()
    };
    let mut events = Vec::new();
    loop {
        wanted.page_size = i32::try_from((limit - events.len()).min(PAGE_MAX)).unwrap_or(1);
        let page = client.list_audit_events(timed(wanted.clone())).await?.into_inner();
        events.extend(page.events);
        wanted.page_token = page.next_page_token;
        if wanted.page_token.is_empty() || events.len() >= limit {
            break;
        }
    }
    if connection.json {
        let answer = v1::ListAuditEventsResponse { events, next_page_token: wanted.page_token };
        return print::json("ListAuditEventsResponse", &answer);
    }
    let mut table = print::table(&["when", "who", "did", "to", "key", "node", "entry"]);
    for event in events {
        let action = if event.denied { format!("{} (denied)", event.action) } else { event.action };
        let actor = if event.actor.is_empty() { "the service".to_owned() } else { event.actor };
        let sequence = print::number(event.sequence);
        table.add_row([
            print::time(event.at.as_ref()),
            actor,
            action,
            event.object_id,
            event.key_id,
            event.node_id,
            sequence,
        ]);
    }
    println!("{table}");
    Ok(())
}

async fn export(connection: &Connection, path: &Path) -> Result<(), Failure> {
    let unwritable = |fault| Failure::refused(format!("cannot write {}: {fault}", path.display()));
    let mut client = connection.open().await?.access();
    let mut pieces = client.export_audit(Request::new(v1::ExportAuditRequest::default())).await?.into_inner();
    let mut file = File::create_new(path).map_err(unwritable)?;
    let mut bytes = 0_u64;
    let written = async {
        while let Some(piece) = pieces.message().await? {
            file.write_all(&piece.chunk).map_err(unwritable)?;
            bytes += piece.chunk.len() as u64;
        }
        file.sync_all().map_err(unwritable)
    };
    if let Err(failure) = written.await {
        // Half a trail must not be taken for a whole one.
        let _ = std::fs::remove_file(path);
        return Err(failure);
    }
    if connection.json {
        return print::value(&serde_json::json!({ "file": path, "bytes": bytes }));
    }
    println!("The audit trail is in {} ({} bytes).", path.display(), print::number(bytes));
    println!("Keep it where this service cannot write, and check it with `campanile audit verify FILE`.");
    Ok(())
}

/// Asks the service.
async fn ask(connection: &Connection) -> Result<(), Failure> {
    let mut client = connection.open().await?.access();
    let answer = client.verify_audit(Request::new(v1::VerifyAuditRequest {})).await?.into_inner();
    let verdict = answer.verdict.clone().unwrap_or_default();
    if connection.json {
        print::json("VerifyAuditResponse", &answer)?;
    }
    if !verdict.intact {
        return Err(broken(&verdict.sentence));
    }
    if !connection.json {
        let checkpoint = match verdict.checkpoint_at {
            Some(at) => format!("it meets every signed checkpoint, the latest of {}", print::time(Some(&at))),
            None => "there is no signed checkpoint yet".to_owned(),
        };
        println!("The audit trail is whole: {} entries fit, and {checkpoint}.", print::number(verdict.checked));
    }
    Ok(())
}

/// Checks a file without the service.
fn check(connection: &Connection, path: &Path, kept: &[PathBuf]) -> Result<(), Failure> {
    let mut checkpoints: Vec<Checkpoint> = Vec::new();
    for path in kept {
        let found = file::checkpoints(lines(path)?).map_err(|flaw| Failure::refused(flaw.to_string()))?;
        if found.is_empty() {
            return Err(Failure::refused(format!("{} holds no checkpoint", path.display())));
        }
        checkpoints.extend(found);
    }
    let found = file::check(lines(path)?, &checkpoints).map_err(|flaw| broken(&flaw.to_string()))?;
    if connection.json {
        return print::value(&serde_json::json!({
            "intact": true,
            "checked": found.entries,
            "partial": found.partial,
            "keptCheckpoints": checkpoints.len(),
        }));
    }
    let part = if found.partial { "This part of the audit trail" } else { "The audit trail" };
    let kept = print::number(checkpoints.len() as u64);
    println!("{part} is whole: {} entries fit, and {kept} kept checkpoints are met.", print::number(found.entries));
    Ok(())
}

fn lines(path: &Path) -> Result<Lines<BufReader<File>>, Failure> {
    let unreadable = |fault| Failure::usage(format!("cannot read {}: {fault}", path.display()));
    Ok(BufReader::new(File::open(path).map_err(unreadable)?).lines())
}

fn broken(sentence: &str) -> Failure {
    Failure::refused(format!("the audit trail is not whole. {sentence}"))
}
