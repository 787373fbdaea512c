//! `campanile admin grant …`.

use clap::Subcommand;

use super::super::client::{Connection, Failure, timed};
use super::super::{print, whoami};
use super::{LIST_MAX, grant_import};
use crate::api::v1;
use crate::api::v1::principal::Subject;

/// What to do with grants.
#[derive(Clone, Debug, Subcommand)]
pub enum Grant {
    /// Give a right to send
    Create(Box<Create>),
    /// Give the rights that a CSV file lists; one that is held already is not given again
    Import(grant_import::ImportArgs),
    /// List grants
    List {
        /// Only those of this application
        #[arg(long, value_name = "ID", conflicts_with = "user")]
        application: Option<String>,
        /// Only those of this person
        #[arg(long, value_name = "ID")]
        user: Option<String>,
    },
}

/// A grant to make.
#[derive(Clone, Debug, clap::Args)]
pub struct Create {
    /// The application that holds it
    #[arg(long, value_name = "ID", required_unless_present = "user", conflicts_with = "user")]
    application: Option<String>,
    /// The person who holds it
    #[arg(long, value_name = "ID")]
    user: Option<String>,
    /// Department it speaks for, with those under it; may be repeated
    #[arg(long = "department", value_name = "ID")]
    departments: Vec<String>,
    /// Whom it reaches, as an audience expression; default: the people of its departments
    #[arg(long, value_name = "EXPR", default_value = "", hide_default_value = true)]
    audience: String,
    /// Channel it may use; may be repeated; default: all
    #[arg(long = "channel", value_parser = print::parse_channel)]
    channels: Vec<v1::Channel>,
    /// Class it may use; may be repeated; default: notice and transactional
    #[arg(long = "class", value_parser = print::parse_class)]
    classes: Vec<v1::MessageClass>,
    /// Tag it may use, key:* for all of a key; may be repeated; default: every tag that is not sensitive
    #[arg(long = "tag")]
    tags: Vec<String>,
    /// Deliveries per day; 0: no limit
    #[arg(long, default_value_t = 0)]
    per_day: i32,
    /// People per message; 0: no limit
    #[arg(long, default_value_t = 0)]
    per_message: i32,
    /// The holder may name a person on whose behalf it sends
    #[arg(long)]
    may_act_for: bool,
}

/// Carries out a command about grants.
pub(super) async fn run(connection: &Connection, command: Grant) -> Result<(), Failure> {
    match command {
        Grant::Create(create) => give(connection, *create).await,
        Grant::Import(args) => grant_import::run(connection, args).await,
        Grant::List { application, user } => list(connection, principal(application, user)).await,
    }
}

fn principal(application: Option<String>, user: Option<String>) -> Option<v1::Principal> {
    let subject = application.map(Subject::ApplicationId).or(user.map(Subject::UserId))?;
    Some(v1::Principal { subject: Some(subject), ..Default::default() })
}

async fn give(connection: &Connection, create: Create) -> Result<(), Failure> {
    let grant = v1::Grant {
        principal: principal(create.application, create.user),
        department_ids: create.departments,
        audience: create.audience,
        channels: create.channels.into_iter().map(i32::from).collect(),
        classes: create.classes.into_iter().map(i32::from).collect(),
        tags: create.tags,
        per_day: create.per_day,
        per_message: create.per_message,
        may_act_for: create.may_act_for,
        ..Default::default()
    };
    let mut client = connection.open().await?.access();
    let answer = client.create_grant(timed(v1::CreateGrantRequest { grant: Some(grant) })).await?.into_inner();
    if connection.json {
        return print::json("CreateGrantResponse", &answer);
    }
    println!("{}", answer.grant.unwrap_or_default().grant_id);
    Ok(())
}

async fn list(connection: &Connection, principal: Option<v1::Principal>) -> Result<(), Failure> {
    let request = v1::ListGrantsRequest { principal, page_size: LIST_MAX, ..Default::default() };
    let mut client = connection.open().await?.access();
    let answer = client.list_grants(timed(request)).await?.into_inner();
    if connection.json {
        return print::json("ListGrantsResponse", &answer);
    }
    println!("{}", whoami::grants(&answer.grants));
    Ok(())
}
