//! A person's history, onto the wire.

use super::{enums, message, time};
use crate::api::v1;
use crate::audience::Snapshot;
use crate::domain::access::Principal;
use crate::domain::refusal::Refusal;
use crate::report::{HistoryEntry, HistoryFilter};

/// Which messages are asked for.
///
/// # Errors
/// `FIELD_INVALID`.
pub fn filter(wanted: &v1::ListUserHistoryRequest) -> Result<HistoryFilter, Refusal> {
    Ok(HistoryFilter {
        after: time::at_if("after", wanted.after.as_ref())?,
        before: time::at_if("before", wanted.before.as_ref())?,
        channel: enums::channel_if("channel", wanted.channel)?,
        states: wanted.states.iter().map(|n| message::recipient_state("states", *n)).collect::<Result<_, _>>()?,
    })
}

/// One message of a person.
#[must_use]
pub fn entry(entry: &HistoryEntry, directory: &Snapshot) -> v1::HistoryEntry {
    let facts = &entry.row.facts;
    let application_id = match facts.principal {
        Principal::Application(id) => id.to_string(),
        Principal::Person(_) => String::new(),
    };
    v1::HistoryEntry {
        message_id: facts.id.to_string(),
        title: entry.row.content.title.clone(),
        department_id: message::department(directory, facts.department_id),
        application_id,
        sender_user_id: facts.sender.map(|ordinal| message::person(directory, ordinal)).unwrap_or_default(),
        sent_at: Some(time::stamp(facts.send_at)),
        state: message::state_number(entry.state()),
        deliveries: entry.deliveries.iter().map(message::delivery).collect(),
    }
}
