//! Erasing people.

use async_trait::async_trait;

use super::{Error, MessageRow, Result, facts};
use crate::domain::content::Content;
use crate::domain::id::MessageId;
use crate::domain::time::At;

/// Erasing people.
#[async_trait]
pub trait Erasures: Send + Sync {
    /// Reduces a user to ordinal and date, in one transaction with everything that leads to her: further ids,
    /// addresses, tags, her place in every set, her inbox, the words of messages to her alone, her roles and requests,
    /// and her keys and grants, which are revoked. Her bit in the sets of messages stays. With `dry` only counts. `NOT_FOUND` if nobody has the
    /// id, `USER_IS_OWN` for a user that the service has of its own.
    async fn erase(&self, external_id: &str, dry: bool, at: At) -> Result<Erased>;
}

/// What an erasure took away, or would.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Erased {
    /// Who it was.
    pub ordinal: u32,
    /// Addresses.
    pub addresses: u64,
    /// Messages to this person alone, whose words are gone.
    pub messages: u64,
    /// Static tags.
    pub tags: u64,
    /// Keys, grants and roles that were rights until then.
    pub rights: u64,
    /// The number of the last change; 0 when only counted.
    pub seq: i64,
}

/// What is kept of the words of a message to somebody who was erased: the columns `facts` and `content`. That there was
/// one message is still counted.
pub(super) fn without_words(mut row: MessageRow) -> Result<(String, String)> {
    row.facts.audience_text.clear();
    row.facts.labels.clear();
    let content = serde_json::to_string(&Content::default());
    Ok((facts::encode(&row.facts)?, content.map_err(|_| Error::Damaged("content".into()))?))
}

/// The keys of the legs that a message can have, first and last.
pub(super) fn legs_of(message: i64) -> (i64, i64) {
    let (first, last) = MessageId(message).leg_range();
    (first.0, last.0)
}
