//! The second person of a message: what is asked of reviewers, what they said, and where it stands.

use super::id::MessageId;
use super::time::At;

/// SHA-256 over what a reviewer decides on.
pub type Fingerprint = [u8; 32];

/// When a message is reviewed. The number is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Timing {
    /// Before it is sent: it is held until then.
    Before = 1,
    /// After it was sent, because it could not wait: the decision is kept and changes nothing.
    Afterwards = 2,
}

/// Who reviews a message, by how far it reaches. The number is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Panel {
    /// Reviewers of the department that speaks: nobody outside it is meant.
    Department = 1,
    /// The whole institution's reviewers: people beyond it are meant.
    Campus = 2,
}

/// Where a review stands. The number is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum ReviewState {
    /// Waits for reviewers.
    Open = 1,
    /// Enough of them agreed.
    Approved = 2,
    /// One refused.
    Refused = 3,
    /// One sent it back to its author.
    SentBack = 4,
    /// Its time ran out.
    Lapsed = 5,
    /// The message was cancelled.
    Dropped = 6,
}

/// What a reviewer says. The number is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Decision {
    /// It may be sent.
    Approve = 1,
    /// It may not.
    Refuse = 2,
    /// Not like this; the author may publish a better one.
    SendBack = 3,
}

macro_rules! codes {
    ($($name:ident: $($value:ident),*;)*) => {
        $(impl $name {
            /// The one with a stored number.
            #[must_use]
            pub fn from_code(code: i64) -> Option<$name> {
                [$($name::$value),*].into_iter().find(|one| *one as i64 == code)
            }
        })*
    };
}

codes! {
    Timing: Before, Afterwards;
    Panel: Department, Campus;
    ReviewState: Open, Approved, Refused, SentBack, Lapsed, Dropped;
    Decision: Approve, Refuse, SendBack;
}

impl Decision {
    /// Where a review stands after the deciding vote.
    #[must_use]
    pub fn state(self) -> ReviewState {
        match self {
            Decision::Approve => ReviewState::Approved,
            Decision::Refuse => ReviewState::Refused,
            Decision::SendBack => ReviewState::SentBack,
        }
    }
}

/// What is asked of reviewers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opening {
    /// Before the message is sent, or afterwards.
    pub timing: Timing,
    /// Who decides.
    pub panel: Panel,
    /// How many people have to agree, from 1.
    pub approvals: u32,
    /// Of what they are shown.
    pub fingerprint: Fingerprint,
    /// How many people it is for, as they are shown.
    pub people: u64,
    /// By how many per cent that number may change until the message is sent.
    pub tolerance_percent: u32,
    /// When they are asked.
    pub opened_at: At,
    /// When it ends undecided; a review afterwards has no such end, and is due then.
    pub lapse_at: At,
}

/// One person's word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vote {
    /// Who decided.
    pub reviewer: u32,
    /// In whose place, for a deputy.
    pub in_place_of: Option<u32>,
    /// What.
    pub decision: Decision,
    /// A remark; may be empty.
    pub comment: String,
    /// When.
    pub at: At,
}

impl Vote {
    /// Whose word it counts as: nobody has two.
    #[must_use]
    pub fn stands_for(&self) -> u32 {
        self.in_place_of.unwrap_or(self.reviewer)
    }
}

/// Who has been told of a review so far. The number is stored, and only grows within a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Told {
    /// Nobody yet.
    Nobody = 0,
    /// The reviewers were asked.
    Asked = 1,
    /// The reviewers were reminded.
    Reminded = 2,
    /// The author knows how it ended.
    Author = 3,
}

impl Told {
    /// The one with a stored number.
    #[must_use]
    pub fn from_code(code: i64) -> Option<Told> {
        [Told::Nobody, Told::Asked, Told::Reminded, Told::Author].into_iter().find(|one| *one as i64 == code)
    }
}

/// The review of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Review {
    /// The message.
    pub message: MessageId,
    /// How often it was asked for: raised when the message paused and has to be approved again.
    pub round: u32,
    /// What is asked in this round.
    pub opening: Opening,
    /// Where it stands.
    pub state: ReviewState,
    /// When it was decided or ended.
    pub decided_at: Option<At>,
    /// The votes of this round, oldest first.
    pub votes: Vec<Vote>,
    /// Who was told.
    pub told: Told,
}

impl Review {
    /// Those who agreed in this round, oldest first.
    pub fn approvals(&self) -> impl Iterator<Item = &Vote> {
        self.votes.iter().filter(|vote| vote.decision == Decision::Approve)
    }
}

/// Somebody who reviews in another's place for a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deputy {
    /// Whose place it is.
    pub of: u32,
    /// Who stands in.
    pub deputy: u32,
    /// Until when.
    pub until: At,
}
