//! `campanile whoami`: whom the token stands for and what it may do.

use super::client::{Connection, Failure, timed};
use super::{admin, print};
use campanile::api::v1;
use campanile::api::v1::principal::Subject;

/// Prints whom the token stands for.
pub async fn run(connection: &Connection) -> Result<(), Failure> {
    let session = connection.open().await?;
    let answer = session.access().who_am_i(timed(v1::WhoAmIRequest {})).await?.into_inner();
    if connection.json {
        return print::json("WhoAmIResponse", &answer);
    }
    let principal = answer.principal.unwrap_or_default();
    println!("{}", describe(&principal));
    println!("key      {}{}", answer.key_id, if answer.test { " (test: reaches nobody)" } else { "" });
    println!("scopes   {}", scopes(&answer.scopes));
    for role in &answer.roles {
        println!("role     {}", admin::role::describe(role));
    }
    println!("service  {}, {}", answer.version, print::time(answer.server_at.as_ref()));
    if answer.grants.is_empty() {
        println!("grants   none: this token may not send");
    } else {
        println!("{}", grants(&answer.grants));
    }
    Ok(())
}

/// Who it is, in one line.
pub(super) fn describe(principal: &v1::Principal) -> String {
    let who = match &principal.subject {
        Some(Subject::ApplicationId(id)) => format!("application {id}"),
        Some(Subject::UserId(id)) => format!("person {id}"),
        None => "nobody".to_owned(),
    };
    [who, principal.name.clone(), principal.department_id.clone()]
        .into_iter()
        .filter(|part| !part.is_empty())
        .collect::<Vec<_>>()
        .join(" · ")
}

/// Names of scopes as on the command line.
pub(super) fn scopes(scopes: &[i32]) -> String {
    let names = scopes.iter().map(|&scope| {
        let name = v1::KeyScope::try_from(scope).unwrap_or_default().as_str_name();
        name.trim_start_matches("KEY_SCOPE_").to_lowercase().replace('_', "-")
    });
    names.collect::<Vec<_>>().join(", ")
}

/// Grants as a table.
pub(super) fn grants(grants: &[v1::Grant]) -> comfy_table::Table {
    let mut table =
        print::table(&["grant", "holder", "departments", "audience", "channels", "classes", "tags", "limits", "until"]);
    for grant in grants {
        let channels: Vec<_> = grant.channels.iter().map(|&channel| print::channel(channel)).collect();
        let classes: Vec<_> = grant.classes.iter().map(|&class| print::class(class)).collect();
        table.add_row([
            grant.grant_id.clone(),
            describe(&grant.principal.clone().unwrap_or_default()),
            grant.department_ids.join(" "),
            grant.audience.clone(),
            if channels.is_empty() { "all".to_owned() } else { channels.join(" ") },
            if classes.is_empty() { "notice transactional".to_owned() } else { classes.join(" ") },
            tags(grant),
            limits(grant),
            match &grant.revoked_at {
                Some(at) => format!("revoked {}", print::time(Some(at))),
                None => print::time(grant.expire_at.as_ref()),
            },
        ]);
    }
    table
}

/// The tags that a grant lets its holder use, and edit.
fn tags(grant: &v1::Grant) -> String {
    let used = if grant.tags.is_empty() { "not sensitive".to_owned() } else { grant.tags.join(" ") };
    let edited = grant.edit_tags.join(" ");
    if edited.is_empty() { used } else { format!("{used}; edits {edited}") }
}

/// How many people a grant reaches a day and a message at most.
fn limits(grant: &v1::Grant) -> String {
    let most = [(grant.per_day, "a day"), (grant.per_message, "a message")];
    let said: Vec<_> =
        most.iter().filter(|(n, _)| *n > 0).map(|(n, of)| format!("{} {of}", print::number(*n))).collect();
    said.join(", ")
}
