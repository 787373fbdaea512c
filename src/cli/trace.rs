//! `campanile trace USER [MESSAGE]`: what was sent to a person, or did she get this one, and why or why not.

use super::client::{Connection, Failure, Session, timed};
use super::print;
use campanile::api::v1;

/// Whose case.
#[derive(Clone, Debug, clap::Args)]
pub struct TraceArgs {
    /// Staff or student number
    user: String,
    /// msg_…; without it, everything that was sent to this person, newest first
    message: Option<String>,
    /// How many messages to list
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1_000), conflicts_with = "message")]
    limit: u32,
}

/// Explains one person's case, or lists her history.
pub async fn run(connection: &Connection, args: TraceArgs) -> Result<(), Failure> {
    let session = connection.open().await?;
    match args.message {
        Some(message) => explain(connection, &session, args.user, message).await,
        None => history(connection, &session, args.user, args.limit as usize).await,
    }
}

/// First in a sentence, then clause by clause and channel by channel.
async fn explain(connection: &Connection, session: &Session, user: String, message: String) -> Result<(), Failure> {
    let request = v1::ExplainRecipientRequest { message_id: message, user_id: user };
    let answer = session.publish().explain_recipient(timed(request)).await?.into_inner();
    if connection.json {
        return print::json("ExplainRecipientResponse", &answer);
    }
    println!("{}", answer.sentence);
    for clause in &answer.clauses {
        println!("  {} {}", if clause.matched { "✓" } else { "✗" }, clause.clause);
    }
    let Some(recipient) = &answer.recipient else { return Ok(()) };
    let mut table = print::table(&["channel", "outcome", "why", "when", "provider"]);
    for delivery in &recipient.deliveries {
        table.add_row([
            print::channel(delivery.channel),
            print::outcome(delivery.outcome),
            delivery.reason.clone(),
            print::time(delivery.settled_at.as_ref()),
            delivery.provider_id.clone(),
        ]);
    }
    println!("{table}");
    Ok(())
}

/// One line for each message.
async fn history(connection: &Connection, session: &Session, user: String, limit: usize) -> Result<(), Failure> {
    let mut answer = v1::ListUserHistoryResponse::default();
    loop {
        let request = v1::ListUserHistoryRequest {
            user_id: user.clone(),
            page_size: i32::try_from(limit - answer.entries.len()).unwrap_or_default(),
            page_token: answer.next_page_token,
            ..Default::default()
        };
        let page = session.publish().list_user_history(timed(request)).await?.into_inner();
        answer.entries.extend(page.entries);
        answer.next_page_token = page.next_page_token;
        if answer.entries.len() >= limit || answer.next_page_token.is_empty() {
            break;
        }
    }
    if connection.json {
        return print::json("ListUserHistoryResponse", &answer);
    }
    if answer.entries.is_empty() {
        println!("Nothing was sent to {user} that this token may see.");
        return Ok(());
    }
    let mut table = print::table(&["sent", "message", "title", "department", "state", "channels"]);
    for entry in &answer.entries {
        let channels = entry.deliveries.iter().map(channel).collect::<Vec<_>>();
        table.add_row([
            print::time(entry.sent_at.as_ref()),
            entry.message_id.clone(),
            entry.title.clone(),
            entry.department_id.clone(),
            print::recipient_state(entry.state),
            channels.join(", "),
        ]);
    }
    println!("{table}");
    if !answer.next_page_token.is_empty() {
        println!("There are older ones; ask for more with --limit.");
    }
    Ok(())
}

/// A channel, and what became of it unless it was sent.
fn channel(delivery: &v1::Delivery) -> String {
    let name = print::channel(delivery.channel);
    match (print::outcome(delivery.outcome).as_str(), delivery.reason.as_str()) {
        ("sent", _) => name,
        (outcome, "") => format!("{name} ({outcome})"),
        (outcome, reason) => format!("{name} ({outcome}: {reason})"),
    }
}
