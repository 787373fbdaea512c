//! `campanile admin grant …`.

use clap::Subcommand;

use super::super::client::{Connection, Failure, timed};
use super::super::publish::parse_time;
use super::super::right::Right;
use super::super::{print, whoami};
use super::{LIST_MAX, grant_import};
use campanile::api::v1;
use campanile::api::v1::principal::Subject;

/// What to do with grants.
#[derive(Clone, Debug, Subcommand)]
pub enum Grant {
    /// Give a right to send
    Create(Box<Create>),
    /// Give the rights that a CSV file lists; one that is held already is not given again
    Import(grant_import::ImportArgs),
    /// Move a grant's end to a later time
    Renew {
        /// grt_…
        id: String,
        /// Its new end, campus time: '2027-09-01 00:00'; or RFC 3339
        #[arg(long, value_name = "TIME")]
        until: String,
    },
    /// List grants
    List {
        /// Only those of this application
        #[arg(long, value_name = "ID", conflicts_with = "user")]
        application: Option<String>,
        /// Only those of this person
        #[arg(long, value_name = "ID")]
        user: Option<String>,
        /// As grants stood then, campus time: '2026-09-01 08:00'; or RFC 3339
        #[arg(long, value_name = "TIME")]
        as_of: Option<String>,
        /// Only those in force that reach this person: who could write to her
        #[arg(long, value_name = "ID", default_value = "", hide_default_value = true)]
        reaches: String,
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
    #[command(flatten)]
    right: Right,
}

/// Carries out a command about grants.
pub(super) async fn run(connection: &Connection, command: Grant) -> Result<(), Failure> {
    match command {
        Grant::Create(create) => give(connection, *create).await,
        Grant::Import(args) => grant_import::run(connection, args).await,
        Grant::Renew { id, until } => renew(connection, id, &until).await,
        Grant::List { application, user, as_of, reaches } => {
            let as_of = as_of.as_deref().map(parse_time).transpose()?;
            let (principal, page_size) = (principal(application, user), LIST_MAX);
            let request =
                v1::ListGrantsRequest { principal, as_of, reaches_user_id: reaches, page_size, ..Default::default() };
            list(connection, request).await
        }
    }
}

fn principal(application: Option<String>, user: Option<String>) -> Option<v1::Principal> {
    let subject = application.map(Subject::ApplicationId).or(user.map(Subject::UserId))?;
    Some(v1::Principal { subject: Some(subject), ..Default::default() })
}

async fn give(connection: &Connection, create: Create) -> Result<(), Failure> {
    let grant = v1::Grant { principal: principal(create.application, create.user), ..create.right.grant() };
    let mut client = connection.open().await?.access();
    let answer = client.create_grant(timed(v1::CreateGrantRequest { grant: Some(grant) })).await?.into_inner();
    if connection.json {
        return print::json("CreateGrantResponse", &answer);
    }
    println!("{}", answer.grant.unwrap_or_default().grant_id);
    Ok(())
}

async fn renew(connection: &Connection, grant_id: String, until: &str) -> Result<(), Failure> {
    let request = v1::RenewGrantRequest { grant_id, expire_at: Some(parse_time(until)?), ..Default::default() };
    let mut client = connection.open().await?.access();
    let answer = client.renew_grant(timed(request)).await?.into_inner();
    if connection.json {
        return print::json("RenewGrantResponse", &answer);
    }
    let grant = answer.grant.unwrap_or_default();
    println!("{} ends {}.", grant.grant_id, print::time(grant.expire_at.as_ref()));
    Ok(())
}

async fn list(connection: &Connection, request: v1::ListGrantsRequest) -> Result<(), Failure> {
    let mut client = connection.open().await?.access();
    let answer = client.list_grants(timed(request)).await?.into_inner();
    if connection.json {
        return print::json("ListGrantsResponse", &answer);
    }
    println!("{}", whoami::grants(&answer.grants));
    Ok(())
}
