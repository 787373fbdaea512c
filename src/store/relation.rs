//! Which messages refer to which.

use async_trait::async_trait;

use super::{MessageRow, Result};
use crate::domain::id::MessageId;

/// Ties between messages, found from the earlier one. A message's own facts say to which it refers; the publish commit
/// writes both.
#[async_trait]
pub trait Relations: Send + Sync {
    /// The messages that refer to one, oldest first, at most so many.
    async fn referring(&self, id: MessageId, limit: usize) -> Result<Vec<MessageRow>>;
}
