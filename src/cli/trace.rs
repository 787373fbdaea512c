//! `campanile trace USER MESSAGE`: did she get it, and why or why not.

use super::client::{Connection, Failure, timed};
use super::print;
use crate::api::v1;

/// Whose case.
#[derive(Clone, Debug, clap::Args)]
pub struct TraceArgs {
    /// Staff or student number
    user: String,
    /// msg_…
    message: String,
}

/// Explains one person's case: first in a sentence, then clause by clause and channel by channel.
pub async fn run(connection: &Connection, args: TraceArgs) -> Result<(), Failure> {
    let session = connection.open().await?;
    let request = v1::ExplainRecipientRequest { message_id: args.message, user_id: args.user };
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
