//! The command line. Every command but `serve` is an ordinary client of the gRPC interface.

mod access;
mod admin;
mod audit;
mod client;
mod demo;
mod doctor;
mod endpoint;
mod import;
mod print;
mod publish;
mod report;
mod review;
mod right;
mod serve;
mod standin;
mod status;
mod sync;
mod trace;
mod watch;
mod whoami;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use client::{Connection, Failure};

/// Campanile, a unified message push service
#[derive(Debug, Parser)]
#[command(name = "campanile", version)]
pub struct Cli {
    #[command(flatten)]
    connection: Connection,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a node until it is told to stop
    Serve(serve::ServeArgs),
    /// Show a whole campus at work on this machine, and check the books
    Demo(demo::DemoArgs),
    /// Whom the token stands for and what it may do
    Whoami,
    /// Publish a message
    Publish(Box<publish::PublishArgs>),
    /// Tell whom an audience expression names; sends nothing
    Preview(publish::PreviewArgs),
    /// Follow a message until it is final
    Watch {
        /// msg_…
        message: String,
    },
    /// Explain one person's case: was she meant, why, and what became of it
    Trace(trace::TraceArgs),
    /// Stop whatever of a message has not been handed over
    Cancel {
        /// msg_…
        message: String,
        /// For the record
        #[arg(long, default_value = "", hide_default_value = true)]
        why: String,
    },
    /// What waits for a second person, and that person's decision
    #[command(subcommand)]
    Review(review::ReviewCommand),
    /// How the service is: store, nodes, providers, what waits, the books
    Status(status::StatusArgs),
    /// Look for what is wrong, in a running service or before one is started, and say what to do
    Doctor(doctor::DoctorArgs),
    /// Add up deliveries
    Report(report::ReportArgs),
    /// Import people from a CSV file
    Import(import::ImportArgs),
    /// Take over a whole source of people and departments: who is no longer in it has left
    Sync(sync::SyncArgs),
    /// Ask for a right to send, decide on what others ask for, see what one holds
    #[command(subcommand)]
    Access(access::AccessCommand),
    /// Departments, applications, keys, roles and grants
    #[command(subcommand)]
    Admin(admin::AdminCommand),
    /// Who did what: list, export and verify the audit trail
    #[command(subcommand)]
    Audit(audit::AuditCommand),
    /// Stand-ins for providers, for tests
    #[command(subcommand)]
    Standin(standin::StandinCommand),
}

/// Carries out the command line on a runtime of its own.
///
/// The program itself compiles nothing of what is asynchronous: whoever waits for a future compiles all of it, and the
/// library does that once for the program and the tests.
pub fn run(cli: Cli) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: cannot start: {error}");
            return ExitCode::FAILURE;
        }
    };
    let json = cli.connection.json;
    match runtime.block_on(carry_out(cli)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("{}", if json { failure.json() } else { failure.lines() });
            ExitCode::from(failure.exit as u8)
        }
    }
}

async fn carry_out(cli: Cli) -> Result<(), Failure> {
    let connection = &cli.connection;
    match cli.command {
        Command::Serve(args) => serve::run(args).await,
        Command::Demo(args) => demo::run(args).await,
        Command::Whoami => whoami::run(connection).await,
        Command::Publish(args) => publish::publish(connection, *args).await,
        Command::Preview(args) => publish::preview(connection, args).await,
        Command::Watch { message } => watch::run(connection, message).await,
        Command::Trace(args) => trace::run(connection, args).await,
        Command::Cancel { message, why } => publish::cancel(connection, message, why).await,
        Command::Review(command) => review::run(connection, command).await,
        Command::Status(args) => status::run(connection, args).await,
        Command::Doctor(args) => doctor::run(connection, args).await,
        Command::Report(args) => report::run(connection, args).await,
        Command::Import(args) => import::run(connection, args).await,
        Command::Access(command) => access::run(connection, command).await,
        Command::Sync(args) => sync::run(connection, args).await,
        Command::Admin(command) => admin::run(connection, command).await,
        Command::Audit(command) => audit::run(connection, command).await,
        Command::Standin(command) => standin::run(command).await,
    }
}
