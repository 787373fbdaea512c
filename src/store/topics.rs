//! Declared topics.

use async_trait::async_trait;

use super::Result;
use crate::domain::time::At;
use crate::domain::topic::Topic;

/// Declared topics. Few rows; every node holds them in memory.
#[async_trait]
pub trait Topics: Send + Sync {
    /// Every topic, by name.
    async fn all(&self) -> Result<Vec<Topic>>;

    /// The topic whose first change in the feed has this number, which stays its own.
    async fn topic(&self, id: i64) -> Result<Option<Topic>>;

    /// Declares a topic or changes everything of it but its name, whatever its version says. One that is so already
    /// writes nothing. Returns it with its version, and the change number.
    async fn upsert(&self, topic: Topic, at: At) -> Result<(Topic, i64)>;
}

/// What is to be written of a topic.
pub(super) enum Step {
    /// It is new.
    Insert(Topic),
    /// It changes.
    Update(Topic),
    /// It is so already.
    Keep(Topic),
}

/// Decides a write over what is kept.
pub(super) fn step(wanted: Topic, kept: Option<Topic>) -> Step {
    let Some(kept) = kept else { return Step::Insert(Topic { version: 1, ..wanted }) };
    let wanted = Topic { version: kept.version, ..wanted };
    match wanted == kept {
        true => Step::Keep(kept),
        false => Step::Update(Topic { version: kept.version + 1, ..wanted }),
    }
}
