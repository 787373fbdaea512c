//! What people see in the app and what they did about it.

use std::sync::Arc;

use async_trait::async_trait;

use super::Result;
use crate::domain::id::{LegId, MessageId};
use crate::domain::outcome::ReceiptKind;
use crate::domain::set::Set;
use crate::domain::time::At;

/// How many of a person's newest short messages [`Inbox::personal_since`] looks at.
pub const PERSONAL_LATEST: i64 = 50;

/// Inboxes as sets: visible legs with their members, personal rows, receipts.
#[async_trait]
pub trait Inbox: Send + Sync {
    /// Every visible app leg of messages to two or more people, oldest first, with its members.
    async fn visible(&self) -> Result<Vec<VisibleLeg>>;

    /// One app leg, if it is visible.
    async fn visible_leg(&self, leg: LegId) -> Result<Option<VisibleLeg>>;

    /// The visible app legs of messages to two or more people that became visible at or after a time, oldest
    /// first.
    async fn visible_since(&self, since: At) -> Result<Vec<(LegId, At)>>;

    /// For each of these people, of her [`PERSONAL_LATEST`] newest short messages those whose app leg became
    /// visible at or after a time, in no order.
    async fn personal_since(&self, ordinals: Vec<u32>, since: At) -> Result<Vec<(u32, PersonalLeg)>>;

    /// The visible app legs of short messages to one person, newest message first, below `before`.
    async fn personal(&self, ordinal: u32, before: Option<MessageId>, limit: usize) -> Result<Vec<PersonalLeg>>;

    /// Appends receipts; a receipt that says nothing new is harmless.
    async fn add_receipts(&self, receipts: Vec<Receipt>) -> Result<()>;

    /// The union of the receipts of each leg and kind.
    async fn receipts(&self, legs: Vec<LegId>) -> Result<Vec<Receipt>>;

    /// The union of all receipts of a kind, by leg.
    async fn all_receipts(&self, kind: ReceiptKind) -> Result<Vec<(LegId, Set)>>;

    /// The union of the receipts of a kind from a time on, by leg.
    async fn receipts_since(&self, kind: ReceiptKind, since: At) -> Result<Vec<(LegId, Set)>>;

    /// Up to when a person has read everything; the default is the beginning.
    async fn read_through(&self, ordinal: u32) -> Result<At>;

    /// Moves it forward; it never goes back.
    async fn set_read_through(&self, ordinal: u32, at: At) -> Result<()>;
}

/// An app leg that its members can see.
#[derive(Clone, Debug)]
pub struct VisibleLeg {
    /// The leg.
    pub leg: LegId,
    /// Since when.
    pub visible_at: At,
    /// After this it is not shown.
    pub expire_at: At,
    /// By whom.
    pub members: Arc<Set>,
}

/// A message in one person's own list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PersonalLeg {
    /// The app leg.
    pub leg: LegId,
    /// Since when it is visible.
    pub visible_at: At,
}

/// Evidence about some members of a leg.
#[derive(Clone, Debug, PartialEq)]
pub struct Receipt {
    /// The leg.
    pub leg: LegId,
    /// What happened.
    pub kind: ReceiptKind,
    /// To whom.
    pub set: Set,
    /// When; of a union the latest.
    pub at: At,
}
