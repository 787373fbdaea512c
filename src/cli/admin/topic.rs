//! `campanile admin topic …`.

use clap::Subcommand;

use super::super::client::{Connection, Failure, timed};
use super::super::print;
use super::known;
use campanile::api::v1;

/// What to do with topics.
#[derive(Clone, Debug, Subcommand)]
pub enum Topic {
    /// Declare a topic, or change everything of it but its name
    Set(Set),
    /// List topics
    List {
        /// Only those of this department or one under it
        #[arg(long, value_name = "ID", default_value = "", hide_default_value = true)]
        department: String,
    },
}

/// A topic to declare.
#[derive(Clone, Debug, clap::Args)]
pub struct Set {
    /// Such as library.overdue
    topic: String,
    /// The department that answers for it
    #[arg(long, value_name = "ID")]
    department: String,
    /// Its name for people
    #[arg(long)]
    title: String,
    /// People get it only if they ask for it
    #[arg(long)]
    default_off: bool,
    /// People may not mute it
    #[arg(long, conflicts_with = "default_off")]
    always: bool,
    /// Channel of messages that name the topic and no channel; may be repeated
    #[arg(long = "channel", value_parser = print::parse_channel)]
    channels: Vec<v1::Channel>,
}

/// Carries out a command about topics.
pub(super) async fn run(connection: &Connection, command: Topic) -> Result<(), Failure> {
    match command {
        Topic::Set(wanted) => set(connection, wanted).await,
        Topic::List { department } => list(connection, department).await,
    }
}

async fn set(connection: &Connection, wanted: Set) -> Result<(), Failure> {
    let topic = v1::Topic {
        topic: wanted.topic,
        title: wanted.title,
        department_id: wanted.department,
        default_on: Some(!wanted.default_off),
        may_mute: Some(!wanted.always),
        default_channels: wanted.channels.into_iter().map(i32::from).collect(),
    };
    let mut client = connection.open().await?.directory();
    let answer = client.upsert_topic(timed(v1::UpsertTopicRequest { topic: Some(topic) })).await?.into_inner();
    if connection.json {
        return print::json("UpsertTopicResponse", &answer);
    }
    println!("{} is declared.", answer.topic.unwrap_or_default().topic);
    Ok(())
}

async fn list(connection: &Connection, department: String) -> Result<(), Failure> {
    let topics = known::topics(&connection.open().await?, &department).await?;
    if connection.json {
        return print::json("ListTopicsResponse", &v1::ListTopicsResponse { topics, ..Default::default() });
    }
    let mut table = print::table(&["topic", "title", "department", "people get it", "channels"]);
    for topic in topics {
        let when = match (topic.default_on(), topic.may_mute()) {
            (true, true) => "unless muted",
            (true, false) => "always",
            (false, _) => "if they ask",
        };
        let channels: Vec<_> = topic.default_channels.iter().copied().map(print::channel).collect();
        table.add_row([topic.topic, topic.title, topic.department_id, when.to_owned(), channels.join(", ")]);
    }
    println!("{table}");
    Ok(())
}
