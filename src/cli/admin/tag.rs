//! `campanile admin tag …`.

use clap::Subcommand;

use super::super::client::{Connection, Failure, Session, timed};
use super::super::print;
use super::LIST_MAX;
use crate::api::v1;

/// People in one message of a stream of edits.
const CHUNK: usize = 10_000;

/// What to do with tags.
#[derive(Clone, Debug, Subcommand)]
pub enum Tag {
    /// Make a tag, or change its title or rule
    Set {
        /// key:value or a plain word
        tag: String,
        /// Its name for people
        #[arg(long, default_value = "", hide_default_value = true)]
        title: String,
        /// An audience expression that says who is in it; left out for a tag whose people are listed
        #[arg(long, value_name = "EXPR", default_value = "", hide_default_value = true)]
        rule: String,
    },
    /// Put people in
    Add(People),
    /// Take people out
    Remove(People),
    /// Remove a tag; its people stay
    Delete {
        /// The tag
        tag: String,
    },
    /// List tags
    List {
        /// Part of a tag or of its title
        #[arg(default_value = "", hide_default_value = true)]
        query: String,
    },
}

/// People of a tag.
#[derive(Clone, Debug, clap::Args)]
pub struct People {
    /// The tag
    tag: String,
    /// Their ids
    #[arg(required = true)]
    users: Vec<String>,
}

/// Carries out a command about tags.
pub(super) async fn run(connection: &Connection, command: Tag) -> Result<(), Failure> {
    let session = connection.open().await?;
    match command {
        Tag::Set { tag, title, rule } => set(connection, &session, tag, title, rule).await,
        Tag::Add(people) => edit(connection, &session, people, false).await,
        Tag::Remove(people) => edit(connection, &session, people, true).await,
        Tag::Delete { tag } => {
            let answer = session
                .directory()
                .delete_tag(timed(v1::DeleteTagRequest { tag: tag.clone(), ..Default::default() }))
                .await?;
            if connection.json {
                return print::json("DeleteTagResponse", &answer.into_inner());
            }
            println!("{tag} is removed.");
            Ok(())
        }
        Tag::List { query } => list(connection, &session, query).await,
    }
}

async fn set(
    connection: &Connection,
    session: &Session,
    tag: String,
    title: String,
    rule: String,
) -> Result<(), Failure> {
    let kind = if rule.is_empty() { v1::TagKind::Static } else { v1::TagKind::Rule };
    let tag = v1::Tag { tag, title, rule, kind: kind.into(), ..Default::default() };
    let answer = session.directory().upsert_tag(timed(v1::UpsertTagRequest { tag: Some(tag) })).await?.into_inner();
    if connection.json {
        return print::json("UpsertTagResponse", &answer);
    }
    println!("{} {}.", answer.tag.unwrap_or_default().tag, if answer.created { "made" } else { "replaced" });
    Ok(())
}

async fn edit(connection: &Connection, session: &Session, people: People, out: bool) -> Result<(), Failure> {
    let request = |users: &[String]| {
        let (users, tag) = (users.to_vec(), people.tag.clone());
        match out {
            true => v1::EditTagMembersRequest { tag, remove: users, ..Default::default() },
            false => v1::EditTagMembersRequest { tag, add: users, ..Default::default() },
        }
    };
    let requests: Vec<_> = people.users.chunks(CHUNK).map(request).collect();
    let answer = session.directory().edit_tag_members(tokio_stream::iter(requests)).await?.into_inner();
    for row in &answer.errors {
        let error = row.error.clone().unwrap_or_default();
        eprintln!("{} ({}): {}", row.id, error.reason, error.message);
    }
    if connection.json {
        print::json("EditTagMembersResponse", &answer)?;
    } else {
        let (put_in, taken_out) = (print::number(answer.added), print::number(answer.removed));
        println!("{put_in} put into {}, {taken_out} taken out.", people.tag);
    }
    match answer.error_count {
        0 => Ok(()),
        _ => Err(Failure::refused("some ids were left out; correct them and repeat the command")),
    }
}

async fn list(connection: &Connection, session: &Session, query: String) -> Result<(), Failure> {
    let request = v1::ListTagsRequest { query, page_size: LIST_MAX, ..Default::default() };
    let answer = session.directory().list_tags(timed(request)).await?.into_inner();
    if connection.json {
        return print::json("ListTagsResponse", &answer);
    }
    let mut table = print::table(&["tag", "title", "people", "rule"]);
    for tag in answer.tags {
        table.add_row([tag.tag, tag.title, print::number(tag.count), tag.rule]);
    }
    println!("{table}");
    Ok(())
}
