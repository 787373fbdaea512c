//! App clients: people with the campus app open, each on an inbox stream of its own. They run as a process of their
//! own (`campanile standin app`) that logs what appears on each screen.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::stream::{FuturesUnordered, StreamExt};
use tokio::time::sleep;
use tonic::{Request, Status};

use super::super::client::{Failure, Session, timed};
use super::caller::{self, Caller};
use super::campus::Campus;
use super::processes::Process;
use super::setting;
use campanile::api::v1;
use campanile::api::v1::subscribe_response::Change;
use campanile::runtime::clock::{SharedClock, SystemClock};
use campanile::standin::log::Log;

/// Streams that share one connection, well below what servers allow.
const STREAMS_PER_CONNECTION: usize = 50;
/// How long a client waits before it connects again.
const RECONNECT_AFTER: Duration = Duration::from_millis(200);

/// The app clients to run.
#[derive(Clone, Debug, clap::Args)]
pub struct AppArgs {
    /// Addresses of the service's nodes
    #[arg(long, required = true)]
    url: Vec<String>,
    /// File with one person a line: id, blank, user token
    #[arg(long, value_name = "FILE")]
    tokens: PathBuf,
    /// File to which everything shown is appended: message id and person
    #[arg(long, value_name = "FILE")]
    log: PathBuf,
}

/// Starts the app clients of some people, spread over the nodes, and waits until every stream is open.
pub async fn start(
    urls: &[String],
    folder: &Path,
    campus: &Campus,
    tokens: impl Iterator<Item = (u32, String)>,
) -> Result<Process, Failure> {
    let file = folder.join("app-tokens");
    let lines: String =
        tokens.map(|(person, token)| format!("{} {token}\n", campus.people[person as usize].id)).collect();
    setting::write_private(&file, &lines)?;
    let arguments = ["standin", "app", "--tokens", "app-tokens", "--log", "app.log"];
    let nodes = urls.iter().flat_map(|url| ["--url", url]);
    let mut process = Process::start("app", folder, arguments.into_iter().chain(nodes))?;
    process.line("all streams are open").await?;
    // The tokens have served; nobody should find them later.
    std::fs::remove_file(&file).ok();
    Ok(process)
}

/// Runs app clients until they are stopped.
pub async fn run(args: AppArgs) -> Result<(), Failure> {
    let text = std::fs::read_to_string(&args.tokens)
        .map_err(|error| Failure::usage(format!("cannot read {}: {error}", args.tokens.display())))?;
    let people: Vec<(&str, &str)> = text.lines().filter_map(|line| line.split_once(' ')).collect();
    let log = Log::open(&args.log, None)
        .map_err(|error| Failure::usage(format!("cannot write {}: {error}", args.log.display())))?;
    let shared = Shared { log, clock: SystemClock::shared(), open: AtomicUsize::new(0), all: people.len() };
    let mut clients = FuturesUnordered::new();
    let group_size = STREAMS_PER_CONNECTION.min(people.len().div_ceil(args.url.len())).max(1);
    for (home, group) in people.chunks(group_size).enumerate() {
        let connections = futures::future::try_join_all(args.url.iter().map(|url| Session::open(url, ""))).await?;
        for (user_id, token) in group {
            let caller = Caller::new(&connections, token, home)?;
            clients.push(Client { caller, user_id, shared: &shared }.run());
        }
    }
    while let Some(ended) = clients.next().await {
        ended?;
    }
    Ok(())
}

/// What all clients share.
struct Shared {
    log: Log,
    clock: SharedClock,
    open: AtomicUsize,
    all: usize,
}

/// One person's app.
struct Client<'a> {
    caller: Caller,
    user_id: &'a str,
    shared: &'a Shared,
}

/// How a stream ended.
enum Ended {
    /// Without a word; it goes on from its cursor at another node.
    Lost,
    Failed(Failure),
}

impl From<Status> for Ended {
    fn from(status: Status) -> Ended {
        if caller::is_lost(&status) { Ended::Lost } else { Ended::Failed(status.into()) }
    }
}

impl Client<'_> {
    /// Lists the inbox, then follows it from there on; connects again, to the next node, when the stream ends.
    async fn run(self) -> Result<(), Failure> {
        let list = v1::ListInboxRequest { page_size: 1, ..Default::default() };
        let mut cursor = self.caller.session().inbox().list_inbox(timed(list)).await?.into_inner().cursor;
        let mut first = true;
        loop {
            match self.follow(&mut cursor, &mut first).await {
                Err(Ended::Failed(failure)) => return Err(failure),
                Ok(()) | Err(Ended::Lost) => sleep(RECONNECT_AFTER).await,
            }
            self.caller.turn();
        }
    }

    async fn follow(&self, cursor: &mut String, first: &mut bool) -> Result<(), Ended> {
        let request = v1::SubscribeRequest { cursor: cursor.clone(), ..Default::default() };
        let mut changes = self.caller.session().inbox().subscribe(Request::new(request)).await?.into_inner();
        if std::mem::take(first) && self.shared.open.fetch_add(1, Ordering::Relaxed) + 1 == self.shared.all {
            println!("all streams are open");
        }
        while let Some(change) = changes.message().await? {
            if !change.cursor.is_empty() {
                *cursor = change.cursor;
            }
            if let Some(Change::Added(item)) = change.change {
                let at = self.shared.clock.now().0;
                let user = std::iter::once(self.user_id);
                let logged = self.shared.log.append(&item.message_id, &item.title, at, "", user);
                let fault = |error| Failure::refused(format!("the log cannot be written: {error}"));
                logged.map_err(fault).map_err(Ended::Failed)?;
            }
        }
        Ok(())
    }
}
