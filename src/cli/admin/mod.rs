//! `campanile admin …`: departments, topics, applications, keys, roles and grants, as calls of the public interface.

mod apply;
mod department;
mod grant;
mod grant_import;
mod held;
mod key;
mod known;
pub(super) mod role;
mod tag;
mod topic;
mod user;

use clap::Subcommand;

use super::client::{Carried, Connection, Failure, timed};
use super::print;
use campanile::api::v1;
use campanile::api::v1::access_service_client::AccessServiceClient;

/// The most entries that a list shows.
const LIST_MAX: i32 = 1_000;

/// What to administer.
#[derive(Clone, Debug, Subcommand)]
pub enum AdminCommand {
    /// Make departments, topics, applications, roles and grants so as one file says
    Apply(apply::ApplyArgs),
    /// Departments: set, move, delete, list
    #[command(subcommand)]
    Department(department::Department),
    /// Connected applications: create, update, list
    #[command(subcommand)]
    Application(Application),
    /// Keys of applications and persons: create, rotate, list
    #[command(subcommand)]
    Key(key::Key),
    /// Rights to send: create, import, renew, list
    #[command(subcommand, visible_alias = "grants")]
    Grant(grant::Grant),
    /// What people are here for: assign, withdraw, list
    #[command(subcommand)]
    Role(role::Role),
    /// Tags and who is in them: set, add, remove, delete, list
    #[command(subcommand)]
    Tag(tag::Tag),
    /// What people may mute: set, list
    #[command(subcommand)]
    Topic(topic::Topic),
    /// One person: show, reinstate an address, export, erase
    #[command(subcommand)]
    User(user::User),
    /// End a key or a grant
    #[command(subcommand)]
    Revoke(Revoke),
}

/// What to do with applications.
#[derive(Clone, Debug, Subcommand)]
pub enum Application {
    /// Connect one
    Create {
        /// Its name
        #[arg(long)]
        title: String,
        /// The department that owns it
        #[arg(long, value_name = "ID")]
        department: String,
        /// Channel of messages that name none; may be repeated
        #[arg(long = "channel", value_parser = print::parse_channel)]
        channels: Vec<v1::Channel>,
        /// Department for whose people it may issue inbox tokens; may be repeated
        #[arg(long = "inbox-for", value_name = "ID")]
        inbox_for: Vec<String>,
    },
    /// Change one; what is not given stays
    Update {
        /// app_…
        id: String,
        /// Its name
        #[arg(long)]
        title: Option<String>,
        /// Whom to ask about it
        #[arg(long)]
        contact: Option<String>,
        /// Topic of messages that name none
        #[arg(long)]
        topic: Option<String>,
        /// Channel of messages that name none; may be repeated
        #[arg(long = "channel", value_parser = print::parse_channel)]
        channels: Vec<v1::Channel>,
    },
    /// List all
    List,
}

/// What to end.
#[derive(Clone, Debug, Subcommand)]
pub enum Revoke {
    /// The next call with it is refused
    Key {
        /// key_…
        id: String,
        /// For the record
        #[arg(long, default_value = "", hide_default_value = true)]
        why: String,
    },
    /// Ends it at once
    Grant {
        /// grt_…
        id: String,
        /// For the record
        #[arg(long, default_value = "", hide_default_value = true)]
        why: String,
    },
}

/// Carries out one administrator's command.
pub async fn run(connection: &Connection, command: AdminCommand) -> Result<(), Failure> {
    match command {
        AdminCommand::Apply(args) => apply::run(connection, args).await,
        AdminCommand::User(command) => user::run(connection, command).await,
        AdminCommand::Department(command) => department::run(connection, command).await,
        AdminCommand::Application(command) => application(connection, command).await,
        AdminCommand::Key(command) => key::run(connection, command).await,
        AdminCommand::Grant(command) => grant::run(connection, command).await,
        AdminCommand::Role(command) => role::run(connection, command).await,
        AdminCommand::Tag(command) => tag::run(connection, command).await,
        AdminCommand::Topic(command) => topic::run(connection, command).await,
        AdminCommand::Revoke(command) => revoke(connection, command).await,
    }
}

async fn application(connection: &Connection, command: Application) -> Result<(), Failure> {
    let mut client = connection.open().await?.access();
    match command {
        Application::Create { title, department, channels, inbox_for } => {
            let application = v1::Application {
                title,
                department_id: department,
                default_channels: channels.into_iter().map(i32::from).collect(),
                inbox_gateway_department_ids: inbox_for,
                ..Default::default()
            };
            let request = v1::CreateApplicationRequest { application: Some(application) };
            let answer = client.create_application(timed(request)).await?.into_inner();
            if connection.json {
                return print::json("CreateApplicationResponse", &answer);
            }
            println!("{}", answer.application.unwrap_or_default().application_id);
        }
        Application::Update { id, title, contact, topic, channels } => {
            let known = known_application(&mut client, &id).await?;
            let channels: Vec<i32> = channels.into_iter().map(i32::from).collect();
            let application = v1::Application {
                title: title.unwrap_or(known.title),
                contact: contact.unwrap_or(known.contact),
                default_topic: topic.unwrap_or(known.default_topic),
                default_channels: if channels.is_empty() { known.default_channels } else { channels },
                ..known
            };
            let request = v1::UpdateApplicationRequest { application: Some(application) };
            let answer = client.update_application(timed(request)).await?.into_inner();
            if connection.json {
                return print::json("UpdateApplicationResponse", &answer);
            }
            println!("{id} is changed.");
        }
        Application::List => {
            let request = v1::ListApplicationsRequest { page_size: LIST_MAX, ..Default::default() };
            let answer = client.list_applications(timed(request)).await?.into_inner();
            if connection.json {
                return print::json("ListApplicationsResponse", &answer);
            }
            let mut table = print::table(&["application", "title", "department", "made"]);
            for entry in answer.applications {
                let made = print::time(entry.created_at.as_ref());
                table.add_row([entry.application_id, entry.title, entry.department_id, made]);
            }
            println!("{table}");
        }
    }
    Ok(())
}

/// The application with an id, as it is now.
async fn known_application(client: &mut AccessServiceClient<Carried>, id: &str) -> Result<v1::Application, Failure> {
    let mut page_token = String::new();
    loop {
        let request = v1::ListApplicationsRequest { page_size: LIST_MAX, page_token, ..Default::default() };
        let page = client.list_applications(timed(request)).await?.into_inner();
        if let Some(found) = page.applications.into_iter().find(|one| one.application_id == id) {
            return Ok(found);
        }
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return Err(Failure::refused(format!("there is no application {id}")));
        }
    }
}

async fn revoke(connection: &Connection, command: Revoke) -> Result<(), Failure> {
    let mut client = connection.open().await?.access();
    match command {
        Revoke::Key { id, why } => {
            let request = v1::RevokeKeyRequest { key_id: id, why };
            let answer = client.revoke_key(timed(request)).await?.into_inner();
            if connection.json {
                return print::json("RevokeKeyResponse", &answer);
            }
            println!("{} is revoked.", answer.key.unwrap_or_default().key_id);
        }
        Revoke::Grant { id, why } => {
            let request = v1::RevokeGrantRequest { grant_id: id, why };
            let answer = client.revoke_grant(timed(request)).await?.into_inner();
            if connection.json {
                return print::json("RevokeGrantResponse", &answer);
            }
            println!("{} is revoked.", answer.grant.unwrap_or_default().grant_id);
        }
    }
    Ok(())
}
