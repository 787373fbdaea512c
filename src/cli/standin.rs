//! `campanile standin …`: provider servers that speak the real wire, and app clients, each in a process of its own.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Subcommand;
use tokio::net::TcpListener;

use super::client::Failure;
use super::demo::subscribers::{self, AppArgs};
use super::serve;
use campanile::runtime::tasks::Tasks;
use campanile::standin::log::BreakLog;
use campanile::standin::{smtp, wecom};

/// How long a stand-in waits for its sessions at the end.
const STOP_DEADLINE: Duration = Duration::from_secs(2);

/// Which stand-in.
#[derive(Clone, Debug, Subcommand)]
pub enum StandinCommand {
    /// An SMTP relay that takes every mail and logs it
    Smtp(SmtpArgs),
    /// A WeCom API that logs application messages
    Wecom(WecomArgs),
    /// App clients, each on its own inbox stream
    #[command(hide = true)]
    App(AppArgs),
}

/// What every server has.
#[derive(Clone, Debug, clap::Args)]
pub struct Server {
    /// Where to listen; port 0 takes a free one
    #[arg(long, value_name = "ADDR")]
    listen: SocketAddr,
    /// File to which every receipt is appended, one JSON object a line
    #[arg(long, value_name = "FILE")]
    log: PathBuf,
    /// Wait so many milliseconds before each answer
    #[arg(long, value_name = "MS")]
    step_delay: Option<u64>,
    /// Cheat once: lose-one, duplicate-one or wrong-person
    #[arg(long = "break", value_name = "HOW", value_parser = parse_break, hide = true)]
    break_log: Option<BreakLog>,
}

/// The SMTP relay.
#[derive(Clone, Debug, clap::Args)]
pub struct SmtpArgs {
    #[command(flatten)]
    server: Server,
    /// More recipients in one transaction are answered 452
    #[arg(long, value_name = "N")]
    recipients_max: Option<usize>,
}

/// The WeCom API.
#[derive(Clone, Debug, clap::Args)]
pub struct WecomArgs {
    #[command(flatten)]
    server: Server,
    /// The enterprise's id
    #[arg(long, default_value = "standin-corp")]
    corp_id: String,
    /// The application's secret
    #[arg(long, default_value = "standin-secret")]
    secret: String,
    /// The application's number
    #[arg(long, default_value_t = 1_000_002)]
    agent_id: i64,
    /// A token expires after so many sends
    #[arg(long, value_name = "N")]
    sends_per_token: Option<u64>,
    /// The send with this number is answered 45009
    #[arg(long, value_name = "N")]
    throttle_call: Option<u64>,
}

/// Reads a way to cheat.
pub(super) fn parse_break(name: &str) -> Result<BreakLog, String> {
    match name {
        "lose-one" => Ok(BreakLog::LoseOne),
        "duplicate-one" => Ok(BreakLog::DuplicateOne),
        "wrong-person" => Ok(BreakLog::WrongPerson),
        _ => Err("known are lose-one, duplicate-one and wrong-person".to_owned()),
    }
}

/// Runs a stand-in until it is interrupted. The first line on stdout says where it listens.
pub async fn run(command: StandinCommand) -> Result<(), Failure> {
    let tasks = Tasks::new();
    let serving = tasks.clone();
    let ended = async move {
        match command {
            StandinCommand::Smtp(args) => smtp(args, serving).await,
            StandinCommand::Wecom(args) => wecom(args, serving).await,
            StandinCommand::App(args) => return subscribers::run(args).await,
        }
        .map_err(|error| Failure::refused(format!("the stand-in cannot run: {error}")))
    };
    tokio::select! {
        ended = ended => ended,
        _ = serve::stop_signal() => {
            tasks.stop(STOP_DEADLINE).await;
            Ok(())
        }
    }
}

async fn smtp(args: SmtpArgs, tasks: Tasks) -> io::Result<()> {
    let listener = listen(&args.server).await?;
    let options = smtp::Options {
        log: args.server.log,
        recipients_max: args.recipients_max,
        step_delay: args.server.step_delay.map(Duration::from_millis),
        break_log: args.server.break_log,
        ..Default::default()
    };
    smtp::serve(listener, options, tasks).await
}

async fn wecom(args: WecomArgs, tasks: Tasks) -> io::Result<()> {
    let listener = listen(&args.server).await?;
    let options = wecom::Options {
        log: args.server.log,
        corp_id: args.corp_id,
        secret: args.secret,
        agent_id: args.agent_id,
        sends_per_token: args.sends_per_token,
        throttle_call: args.throttle_call,
        step_delay: args.server.step_delay.map(Duration::from_millis),
        break_log: args.server.break_log,
        ..Default::default()
    };
    wecom::serve(listener, options, tasks).await
}

async fn listen(server: &Server) -> io::Result<TcpListener> {
    let listener = TcpListener::bind(server.listen).await?;
    println!("listening on {}", listener.local_addr()?);
    Ok(listener)
}
