//! `campanile access …`: asking for a right to send, deciding on what others ask for, and what one holds.

use clap::Subcommand;

use super::client::{Connection, Failure, timed};
use super::right::Right;
use super::{print, publish, whoami};
use campanile::api::v1;

/// The most entries that a list shows.
const LIST_MAX: i32 = 1_000;

/// What to do about rights.
#[derive(Clone, Debug, Subcommand)]
pub enum AccessCommand {
    /// Ask for a right to send; somebody else decides
    Request(Box<RequestArgs>),
    /// List requests: one's own, and those of the departments one looks after
    Requests {
        /// Only one's own
        #[arg(long)]
        mine: bool,
        /// Only those that wait for one's own decision
        #[arg(long)]
        to_decide: bool,
    },
    /// Decide on a request of somebody else
    Decide(DecideArgs),
    /// List what one may send by
    Grants,
    /// Say whether something could be sent, and what is missing; sends nothing
    Check(CheckArgs),
}

/// The grant to ask for.
#[derive(Clone, Debug, clap::Args)]
pub struct RequestArgs {
    /// What it is for; whoever decides reads it
    #[arg(long)]
    why: String,
    /// The application that is to hold it; left out: oneself
    #[arg(long, value_name = "ID")]
    application: Option<String>,
    #[command(flatten)]
    right: Right,
    /// When it ends: "2027-07-01 00:00" on campus; left out: never
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
}

/// A decision.
#[derive(Clone, Debug, clap::Args)]
pub struct DecideArgs {
    /// req_…
    request: String,
    /// agree (the platform decides), grant, refuse or send-back
    #[arg(value_parser = parse_decision)]
    decision: v1::RequestDecision,
    /// A remark; required to refuse or send back
    #[arg(long, default_value = "", hide_default_value = true)]
    why: String,
}

/// What would be sent.
#[derive(Clone, Debug, clap::Args)]
pub struct CheckArgs {
    /// To whom, as an audience expression
    #[arg(long, value_name = "EXPR")]
    to: String,
    /// Over which channels; may be repeated; default: the application's
    #[arg(long = "channel", value_parser = print::parse_channel)]
    channels: Vec<v1::Channel>,
    /// How urgent
    #[arg(long = "class", value_parser = print::parse_class)]
    class: Option<v1::MessageClass>,
    /// The department that would speak
    #[arg(long, value_name = "ID", default_value = "", hide_default_value = true)]
    department: String,
}

fn parse_decision(name: &str) -> Result<v1::RequestDecision, String> {
    let known =
        v1::RequestDecision::from_str_name(&format!("REQUEST_DECISION_{}", name.to_uppercase().replace('-', "_")));
    known
        .filter(|&decision| decision != v1::RequestDecision::Unspecified)
        .ok_or_else(|| "known are agree, grant, refuse and send-back".to_owned())
}

/// Carries out a command about rights.
pub async fn run(connection: &Connection, command: AccessCommand) -> Result<(), Failure> {
    match command {
        AccessCommand::Request(args) => ask(connection, *args).await,
        AccessCommand::Requests { mine, to_decide } => list(connection, mine, to_decide).await,
        AccessCommand::Decide(args) => decide(connection, args).await,
        AccessCommand::Grants => grants(connection).await,
        AccessCommand::Check(args) => check(connection, args).await,
    }
}

async fn ask(connection: &Connection, args: RequestArgs) -> Result<(), Failure> {
    let subject = args.application.map(v1::principal::Subject::ApplicationId);
    let wanted = v1::Grant {
        principal: subject.map(|subject| v1::Principal { subject: Some(subject), ..Default::default() }),
        expire_at: args.until.as_deref().map(publish::parse_time).transpose()?,
        ..args.right.grant()
    };
    let request = v1::RequestGrantRequest { wanted: Some(wanted), why: args.why };
    let answer = connection.open().await?.access().request_grant(timed(request)).await?.into_inner();
    if connection.json {
        return print::json("RequestGrantResponse", &answer);
    }
    let made = answer.request.unwrap_or_default();
    println!("{}", made.request_id);
    let deciders = made.decider_ids.join(", ");
    eprintln!("waits for {deciders} until {}", print::time(made.due_at.as_ref()));
    Ok(())
}

async fn list(connection: &Connection, mine: bool, to_decide: bool) -> Result<(), Failure> {
    let request = v1::ListRequestsRequest { mine, to_decide, page_size: LIST_MAX, ..Default::default() };
    let answer = connection.open().await?.access().list_requests(timed(request)).await?.into_inner();
    if connection.json {
        return print::json("ListRequestsResponse", &answer);
    }
    let mut table =
        print::table(&["request", "asked by", "departments", "audience", "why", "state", "waits for", "until"]);
    for one in answer.requests {
        let wanted = one.wanted.clone().unwrap_or_default();
        table.add_row([
            one.request_id.clone(),
            whoami::describe(&one.requester.clone().unwrap_or_default()),
            wanted.department_ids.join(" "),
            wanted.audience,
            one.why.clone(),
            state(one.state()),
            one.decider_ids.join(" "),
            if one.state() == v1::RequestState::Open { print::time(one.due_at.as_ref()) } else { String::new() },
        ]);
    }
    println!("{table}");
    Ok(())
}

fn state(state: v1::RequestState) -> String {
    state.as_str_name().trim_start_matches("REQUEST_STATE_").to_lowercase().replace('_', " ")
}

async fn decide(connection: &Connection, args: DecideArgs) -> Result<(), Failure> {
    let (request_id, decision, comment) = (args.request, args.decision.into(), args.why);
    let request = v1::DecideRequestRequest { request_id, decision, narrowed: None, comment };
    let answer = connection.open().await?.access().decide_request(timed(request)).await?.into_inner();
    if connection.json {
        return print::json("DecideRequestResponse", &answer);
    }
    let decided = answer.request.unwrap_or_default();
    match decided.state() {
        v1::RequestState::Granted => println!("granted as {}", decided.grant_id),
        v1::RequestState::Open => println!("agreed; now it waits for {}", decided.decider_ids.join(", ")),
        other => println!("{}", state(other)),
    }
    Ok(())
}

async fn grants(connection: &Connection) -> Result<(), Failure> {
    let answer = connection.open().await?.access().who_am_i(timed(v1::WhoAmIRequest {})).await?.into_inner();
    if connection.json {
        return print::json("WhoAmIResponse", &answer);
    }
    println!("{}", whoami::grants(&answer.grants));
    Ok(())
}

async fn check(connection: &Connection, args: CheckArgs) -> Result<(), Failure> {
    let target = v1::audience::Target::Expression(args.to);
    let request = v1::CheckAccessRequest {
        audience: Some(v1::Audience { target: Some(target) }),
        channels: args.channels.into_iter().map(i32::from).collect(),
        message_class: args.class.map_or(0, i32::from),
        department_id: args.department,
        ..Default::default()
    };
    let answer = connection.open().await?.access().check_access(timed(request)).await?.into_inner();
    if connection.json {
        return print::json("CheckAccessResponse", &answer);
    }
    println!("{}", answer.sentence);
    Ok(())
}
