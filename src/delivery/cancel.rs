//! Which messages were cancelled lately. Asked immediately before every hand-over.
//!
//! A tombstone only has to outlive what this node knew of the message before: batches that come later read
//! the store's own tombstone with the message.

use std::collections::{HashSet, VecDeque};

use parking_lot::RwLock;

use crate::domain::id::MessageId;

/// How many cancels are remembered.
const REMEMBERED: usize = 65_536;

/// The tombstones of a node.
#[derive(Default)]
pub struct Tombstones {
    inner: RwLock<Inner>,
}

#[derive(Default)]
struct Inner {
    set: HashSet<MessageId>,
    order: VecDeque<MessageId>,
}

impl Tombstones {
    /// From now on nothing of this message starts.
    pub fn add(&self, message: MessageId) {
        let mut inner = self.inner.write();
        if inner.set.insert(message) {
            inner.order.push_back(message);
            if inner.order.len() > REMEMBERED
                && let Some(oldest) = inner.order.pop_front()
            {
                inner.set.remove(&oldest);
            }
        }
    }

    /// Whether a message was cancelled.
    #[must_use]
    pub fn holds(&self, message: MessageId) -> bool {
        let inner = self.inner.read();
        !inner.set.is_empty() && inner.set.contains(&message)
    }
}
