//! A message: as a caller wants it (the draft), and as it was accepted.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::access::{Mode, Principal};
use super::audience::Audience;
use super::channel::Channel;
use super::class::Class;
use super::content::Content;
use super::id::{GrantId, KeyId, MessageId};
use super::relation::Relation;
use super::time::At;

/// The most people of a message that gets a row in each person's history.
pub const PERSONAL_MAX: u64 = 32;

/// A publish whose fields are valid, before anybody asked whether the caller may.
#[derive(Clone, Debug)]
pub struct Draft {
    /// 1 to 128 printable ASCII characters, unique per principal.
    pub idempotency_key: String,
    /// SHA-256 of the canonical request without its key.
    pub digest: [u8; 32],
    /// Whom it is for; a list of nobody where the relation says it.
    pub audience: Audience,
    /// The earlier message that it refers to.
    pub relation: Option<Relation>,
    /// A marked trial copy: in no total.
    pub proof: bool,
    /// What it says.
    pub content: Arc<Content>,
    /// How urgent it is.
    pub class: Class,
    /// Over which channels, all at once; empty: the application's defaults.
    pub channels: Vec<Channel>,
    /// What people may mute.
    pub topic: Option<String>,
    /// External id of the department that speaks; default: the application's owner.
    pub department_id: Option<String>,
    /// External id of the person acted for.
    pub sender_user_id: Option<String>,
    /// When to send; default now.
    pub send_at: Option<At>,
    /// When it is no longer worth delivering; default by class.
    pub expire_at: Option<At>,
    /// Refuse unless this many people, give or take so many per cent.
    pub expected: Option<Expected>,
    /// Answer as if, store nothing.
    pub validate_only: bool,
    /// The caller's own words to find it again.
    pub reference: Option<String>,
    /// For lists and reports.
    pub labels: BTreeMap<String, String>,
    /// What to do with deliveries whose answer was lost.
    pub lost_answer: LostAnswer,
    /// Wait until the directory has seen this change.
    pub min_directory_seq: Option<i64>,
}

/// A guard on the number of recipients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expected {
    /// How many people the caller believes it is.
    pub recipients: u64,
    /// How far off it may be; 0 is exactly.
    pub tolerance_percent: u32,
}

impl Expected {
    /// Whether the real number is near enough.
    #[must_use]
    pub fn holds(self, actual: u64) -> bool {
        actual.abs_diff(self.recipients) * 100 <= self.recipients * u64::from(self.tolerance_percent)
    }
}

/// What to do with a delivery that may or may not have happened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum LostAnswer {
    /// Deliver again with the same ids; a rare duplicate is better than a loss.
    #[default]
    Repeat = 0,
    /// Record `unknown`; never deliver twice.
    Never = 1,
}

impl LostAnswer {
    /// The policy with a stored number.
    #[must_use]
    pub fn from_code(code: i64) -> Option<LostAnswer> {
        [LostAnswer::Repeat, LostAnswer::Never].into_iter().find(|policy| *policy as i64 == code)
    }
}

/// Where a message stands. The number is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum MessageState {
    /// Waits for its send time.
    Scheduled = 1,
    /// Released; some deliveries are open.
    Open = 2,
    /// Every delivery has its outcome.
    Closed = 3,
    /// Stopped by a person.
    Cancelled = 4,
    /// Its time ran out before it was released.
    Expired = 5,
    /// Its right was gone when it fired, or a reviewer refused it.
    Rejected = 6,
    /// Waits for reviewers, never released yet.
    Held = 7,
    /// Was approved, and waits for reviewers again: what they saw is no longer what would be sent.
    Paused = 8,
}

impl MessageState {
    /// Every state.
    pub const ALL: [MessageState; 8] = [
        MessageState::Scheduled,
        MessageState::Open,
        MessageState::Closed,
        MessageState::Cancelled,
        MessageState::Expired,
        MessageState::Rejected,
        MessageState::Held,
        MessageState::Paused,
    ];

    /// Whether a person may still stop it.
    #[must_use]
    pub fn may_be_cancelled(self) -> bool {
        use MessageState::{Held, Open, Paused, Scheduled};
        matches!(self, Scheduled | Open | Held | Paused)
    }

    /// The state with a stored number.
    #[must_use]
    pub fn from_code(code: i64) -> Option<MessageState> {
        Self::ALL.into_iter().find(|state| *state as i64 == code)
    }
}

/// The facts of an accepted message that never change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageFacts {
    /// Its id.
    pub id: MessageId,
    /// Who published it.
    pub principal: Principal,
    /// With which key.
    pub key_id: KeyId,
    /// Under which grant, and the grant's version then.
    pub grant: (GrantId, i64),
    /// The department that speaks (the store's key).
    pub department_id: i64,
    /// The person acted for.
    pub sender: Option<u32>,
    /// Urgency.
    pub class: Class,
    /// Live or test.
    pub mode: Mode,
    /// The channels, in the order of their legs: leg number `i + 1` is `channels[i]`.
    pub channels: Vec<Channel>,
    /// The expression as given; empty for a user list.
    pub audience_text: String,
    /// The directory's change number at the snapshot.
    pub directory_seq: i64,
    /// How many people.
    pub members_n: u64,
    /// What people may mute.
    pub topic: Option<String>,
    /// The caller's own words.
    pub reference: Option<String>,
    /// For lists and reports.
    pub labels: BTreeMap<String, String>,
    /// What to do with lost answers.
    pub lost_answer: LostAnswer,
    /// The earlier message that it refers to.
    pub relation: Option<Relation>,
    /// A marked trial copy: in no total.
    pub proof: bool,
    /// When it was accepted.
    pub created_at: At,
    /// When it starts.
    pub send_at: At,
    /// When it ends.
    pub expire_at: At,
}
