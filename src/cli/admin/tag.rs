//! `campanile admin tag …`.

use clap::Subcommand;

use super::super::client::{Connection, Failure, Session, timed};
use super::super::{print, publish};
use super::LIST_MAX;
use campanile::api::v1;

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
        /// What it is for
        #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
        description: String,
        /// The department that answers for it
        #[arg(long, value_name = "ID", default_value = "", hide_default_value = true)]
        owner: String,
        /// When it vanishes, as '2026-09-01 08:00' on campus or in RFC 3339; default: never
        #[arg(long, value_name = "TIME")]
        expire: Option<String>,
        /// Only grants that name it may use it
        #[arg(long)]
        sensitive: bool,
        /// Grant that may use it although it is sensitive; may be repeated
        #[arg(long = "lend-to", value_name = "GRANT", requires = "sensitive")]
        user_grants: Vec<String>,
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
        /// Only those that you may use in an audience
        #[arg(long)]
        usable: bool,
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
        Tag::Set { tag, title, rule, description, owner, expire, sensitive, user_grants } => {
            let kind = if rule.is_empty() { v1::TagKind::Static } else { v1::TagKind::Rule };
            let wanted = v1::Tag {
                tag,
                title,
                rule,
                description,
                owner_department_id: owner,
                kind: kind.into(),
                sensitive,
                user_grants,
                expire_at: expire.map(|text| publish::parse_time(&text)).transpose()?,
                ..Default::default()
            };
            set(connection, &session, wanted).await
        }
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
        Tag::List { query, usable } => list(connection, &session, query, usable).await,
    }
}

async fn set(connection: &Connection, session: &Session, tag: v1::Tag) -> Result<(), Failure> {
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

async fn list(connection: &Connection, session: &Session, query: String, usable: bool) -> Result<(), Failure> {
    let request = v1::ListTagsRequest { query, usable_only: usable, page_size: LIST_MAX, ..Default::default() };
    let answer = session.directory().list_tags(timed(request)).await?.into_inner();
    if connection.json {
        return print::json("ListTagsResponse", &answer);
    }
    let mut table = print::table(&["tag", "title", "people", "rule", "until", ""]);
    for tag in answer.tags {
        let people = if tag.under_five { "< 5".to_owned() } else { print::number(tag.count) };
        let until = tag.expire_at.as_ref().map(|end| print::time(Some(end))).unwrap_or_default();
        let mark = if tag.sensitive { "sensitive" } else { "" };
        table.add_row([tag.tag, tag.title, people, tag.rule, until, mark.to_owned()]);
    }
    println!("{table}");
    Ok(())
}
