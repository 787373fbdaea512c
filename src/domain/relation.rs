//! How one message relates to an earlier one.

use super::id::MessageId;

/// The kind of a tie. The number is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum RelationKind {
    /// Puts the earlier one right.
    Corrects = 1,
    /// Ends the alarm of the earlier one, for the same people.
    AllClearFor = 2,
    /// Goes to those who joined the audience since the earlier one.
    Follows = 3,
    /// Is a trial copy of the earlier one.
    ProofOf = 4,
}

impl RelationKind {
    /// Every kind.
    pub const ALL: [RelationKind; 4] =
        [RelationKind::Corrects, RelationKind::AllClearFor, RelationKind::Follows, RelationKind::ProofOf];

    /// The kind with a stored number.
    #[must_use]
    pub fn from_code(code: i64) -> Option<RelationKind> {
        Self::ALL.into_iter().find(|kind| *kind as i64 == code)
    }

    /// The name as in the interface.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            RelationKind::Corrects => "CORRECTS",
            RelationKind::AllClearFor => "ALL_CLEAR_FOR",
            RelationKind::Follows => "FOLLOWS",
            RelationKind::ProofOf => "PROOF_OF",
        }
    }

    /// Whom it is for follows from the earlier message, so that no audience is given.
    #[must_use]
    pub fn says_whom(self) -> bool {
        matches!(self, RelationKind::AllClearFor | RelationKind::Follows)
    }
}

/// A tie to an earlier message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Relation {
    /// Of what kind.
    pub kind: RelationKind,
    /// The earlier message.
    pub message: MessageId,
}
