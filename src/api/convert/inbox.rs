//! Inbox entries and what happens to them, onto the wire.

use prost_types::Duration as WireDuration;

use super::{count, enums, invalid, message, required, time};
use crate::api::v1;
use crate::domain::id::MessageId;
use crate::domain::refusal::Refusal;
use crate::inbox::{Change, Event, Item, MARK_MAX, Reconnect, Which};

/// An entry as its reader sees it.
#[must_use]
pub fn item(item: &Item) -> v1::InboxItem {
    let (facts, content) = (&item.shown.facts, &item.shown.content);
    v1::InboxItem {
        message_id: facts.id.to_string(),
        title: content.title.clone(),
        summary: content.summary_text(),
        body: content.body.clone(),
        link: content.link.clone().unwrap_or_default(),
        deep_link: content.app.as_ref().and_then(|app| app.deep_link.clone()).unwrap_or_default(),
        image_url: String::new(),
        department_name: item.shown.department_name.to_string(),
        topic: facts.topic.clone().unwrap_or_default(),
        message_class: enums::class_number(facts.class),
        sent_at: Some(time::stamp(item.visible_at)),
        expire_at: Some(time::stamp(facts.expire_at)),
        read_at: item.read_at.map(time::stamp),
        confirmed_at: None,
        confirmation_required: false,
        pinned: false,
        corrects_message_id: String::new(),
        data: None,
        because: String::new(),
    }
}

/// A change as a stream tells it.
#[must_use]
pub fn event(event: &Event) -> v1::SubscribeResponse {
    use v1::subscribe_response::Change as Told;
    let change = match &event.change {
        Change::Added(added) => Told::Added(item(added)),
        Change::Read { message, at } => Told::Changed(v1::ItemChange {
            message_id: message.to_string(),
            read_at: Some(time::stamp(*at)),
            confirmed_at: None,
            pinned: false,
        }),
        Change::Removed(message) => Told::RemovedMessageId(message.to_string()),
        Change::Unread(n) => Told::UnreadCount(count(*n)),
        Change::Heartbeat(at) => Told::Heartbeat(v1::Heartbeat { at: Some(time::stamp(*at)) }),
        Change::Reconnect(why) => Told::Reconnect(reconnect(*why)),
    };
    v1::SubscribeResponse { cursor: event.cursor.to_string(), change: Some(change) }
}

/// Why a stream ends.
#[must_use]
pub fn reconnect(why: Reconnect) -> v1::Reconnect {
    let (reason, wait) = match why {
        Reconnect::Draining(wait) => (v1::ReconnectReason::Draining, Some(wait)),
        Reconnect::TokenExpiring => (v1::ReconnectReason::TokenExpiring, None),
        Reconnect::TooSlow => (v1::ReconnectReason::TooSlow, None),
    };
    v1::Reconnect { reason: reason.into(), wait_for: wait.and_then(|wait| WireDuration::try_from(wait).ok()) }
}

/// What to mark as read.
///
/// # Errors
/// `FIELD_REQUIRED` or `FIELD_INVALID`.
pub fn which(request: v1::MarkReadRequest) -> Result<Which, Refusal> {
    match request.which.ok_or_else(|| required("message_ids"))? {
        v1::mark_read_request::Which::AllBefore(stamp) => time::at("all_before", &stamp).map(Which::AllBefore),
        v1::mark_read_request::Which::MessageIds(list) => {
            if list.message_ids.is_empty() {
                return Err(required("message_ids.message_ids"));
            }
            if list.message_ids.len() > MARK_MAX {
                return Err(invalid("message_ids.message_ids", "holds more than 1,000 messages; mark fewer at once"));
            }
            let ids: Result<Vec<MessageId>, _> =
                list.message_ids.iter().map(|id| message::id("message_ids.message_ids", id)).collect();
            ids.map(Which::Messages)
        }
    }
}
