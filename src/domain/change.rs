//! The change feed: what every node must know to keep its memory true. The store numbers changes in commit
//! order and keeps them; each node applies them to its index, keyring and grants.

use super::directory::{Department, Tag};
use super::id::{ApplicationId, GrantId, KeyId, MessageId};
use super::set::Set;
use super::time::At;

/// One entry of the feed.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// Its number: ascending in commit order, without gaps that could still be filled.
    pub seq: i64,
    /// When it was made.
    pub at: At,
    /// What changed.
    pub what: ChangeKind,
}

/// What changed.
#[derive(Clone, Debug, PartialEq)]
pub enum ChangeKind {
    /// Members of a tag within one segment of 65,536 ordinals.
    Members {
        /// The tag (the store's key).
        tag_id: i64,
        /// The segment; see [`super::set::segment_of`].
        segment: u32,
        /// Who came in, as whole ordinals. Disjoint from `removed`.
        added: Set,
        /// Who went out, as whole ordinals.
        removed: Set,
    },
    /// A tag is new or has another title, rule or owner. Its members stay.
    Tag(Tag),
    /// A tag is gone with its members.
    TagDeleted {
        /// The tag (the store's key).
        tag_id: i64,
    },
    /// A department is new, renamed or moved.
    Department(Department),
    /// A department is gone. The tag of its members went before.
    DepartmentDeleted {
        /// The department (the store's key), which no other will ever have.
        id: i64,
    },
    /// External ids of new users by ordinal. An empty text: the user was erased and has none any more.
    Users(Vec<(u32, String)>),
    /// Further numbers of people changed: all that each of them has now.
    Aliases(Vec<(u32, Vec<String>)>),
    /// A key is new, changed or revoked.
    Key {
        /// Which.
        id: KeyId,
    },
    /// A grant is new, changed or revoked.
    Grant {
        /// Which.
        id: GrantId,
    },
    /// An application is new or changed.
    Application {
        /// Which.
        id: ApplicationId,
    },
    /// The roles of a person changed.
    Role {
        /// Whose.
        ordinal: u32,
    },
    /// A topic is new or changed.
    Topic {
        /// Which (the store's key).
        id: i64,
    },
    /// A message was cancelled: nothing of it may start on any node.
    Cancel {
        /// Which.
        id: MessageId,
    },
    /// User tokens ended before their time: people by ordinal, with the epoch that their tokens must have now.
    TokensEnded(Vec<(u32, i64)>),
}

/// The stored number of a kind of change. Never changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum ChangeCode {
    /// [`ChangeKind::Members`]
    Members = 1,
    /// [`ChangeKind::Tag`]
    Tag = 2,
    /// [`ChangeKind::TagDeleted`]
    TagDeleted = 3,
    /// [`ChangeKind::Department`]
    Department = 4,
    /// [`ChangeKind::Users`]
    Users = 5,
    /// [`ChangeKind::Key`]
    Key = 6,
    /// [`ChangeKind::Grant`]
    Grant = 7,
    /// [`ChangeKind::Application`]
    Application = 8,
    /// [`ChangeKind::Cancel`]
    Cancel = 9,
    /// [`ChangeKind::Role`]
    Role = 10,
    /// [`ChangeKind::Topic`]
    Topic = 11,
    /// [`ChangeKind::Aliases`]
    Aliases = 12,
    /// [`ChangeKind::DepartmentDeleted`]
    DepartmentDeleted = 20,
    /// [`ChangeKind::TokensEnded`]
    TokensEnded = 21,
}

impl ChangeCode {
    /// Every kind.
    pub const ALL: [ChangeCode; 14] = [
        ChangeCode::Members,
        ChangeCode::Tag,
        ChangeCode::TagDeleted,
        ChangeCode::Department,
        ChangeCode::Users,
        ChangeCode::Key,
        ChangeCode::Grant,
        ChangeCode::Application,
        ChangeCode::Cancel,
        ChangeCode::Role,
        ChangeCode::Topic,
        ChangeCode::Aliases,
        ChangeCode::DepartmentDeleted,
        ChangeCode::TokensEnded,
    ];

    /// The kind with a stored number.
    #[must_use]
    pub fn from_code(code: i64) -> Option<ChangeCode> {
        Self::ALL.into_iter().find(|known| *known as i64 == code)
    }
}

impl ChangeKind {
    /// The kind, as the store numbers it.
    #[must_use]
    pub fn code(&self) -> ChangeCode {
        match self {
            ChangeKind::Members { .. } => ChangeCode::Members,
            ChangeKind::Tag(_) => ChangeCode::Tag,
            ChangeKind::TagDeleted { .. } => ChangeCode::TagDeleted,
            ChangeKind::Department(_) => ChangeCode::Department,
            ChangeKind::Users(_) => ChangeCode::Users,
            ChangeKind::Aliases(_) => ChangeCode::Aliases,
            ChangeKind::Key { .. } => ChangeCode::Key,
            ChangeKind::Grant { .. } => ChangeCode::Grant,
            ChangeKind::Application { .. } => ChangeCode::Application,
            ChangeKind::Cancel { .. } => ChangeCode::Cancel,
            ChangeKind::Role { .. } => ChangeCode::Role,
            ChangeKind::Topic { .. } => ChangeCode::Topic,
            ChangeKind::DepartmentDeleted { .. } => ChangeCode::DepartmentDeleted,
            ChangeKind::TokensEnded(_) => ChangeCode::TokensEnded,
        }
    }

    /// The number of the object that changed; 0 for people, of whom one change may name many.
    #[must_use]
    pub fn object_id(&self) -> i64 {
        match self {
            ChangeKind::Members { tag_id, .. } | ChangeKind::TagDeleted { tag_id } => *tag_id,
            ChangeKind::Tag(tag) => tag.id,
            ChangeKind::Department(department) => department.id,
            ChangeKind::DepartmentDeleted { id } | ChangeKind::Topic { id } => *id,
            ChangeKind::Users(_) | ChangeKind::Aliases(_) | ChangeKind::TokensEnded(_) => 0,
            ChangeKind::Key { id } => id.0,
            ChangeKind::Grant { id } => id.0,
            ChangeKind::Application { id } => id.0,
            ChangeKind::Cancel { id } => id.0,
            ChangeKind::Role { ordinal } => i64::from(*ordinal),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_stored_number_names_one_kind() {
        for code in ChangeCode::ALL {
            assert_eq!(ChangeCode::from_code(code as i64), Some(code));
        }
        assert_eq!(ChangeCode::from_code(0), None);
        assert_eq!(ChangeKind::Key { id: KeyId(7) }.code(), ChangeCode::Key);
        assert_eq!(ChangeKind::Key { id: KeyId(7) }.object_id(), 7);
    }
}
