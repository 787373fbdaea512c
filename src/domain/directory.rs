//! Departments, users, addresses and tags as the directory keeps them.

use serde::{Deserialize, Serialize};

pub use super::address::{Address, AddressDraft, AddressState};
pub use super::tag::{Tag, TagKind, is_tag_name};

/// The user that the first administrator's token belongs to. In no tag, department or `everyone`.
pub const ADMINISTRATOR: u32 = 0;
/// The external id of [`ADMINISTRATOR`].
pub const ADMINISTRATOR_ID: &str = "administrator";

/// Simulated users: recipients for test keys, whom the stub answers as their id says. Unknown to live keys.
pub const SIMULATED: [(u32, &str); 6] =
    [(1, "sim-sent"), (2, "sim-refused"), (3, "sim-no-address"), (4, "sim-slow"), (5, "sim-unknown"), (6, "sim-retry")];
/// Ordinals below this are the service's own: the administrator and the simulated users.
pub const FIRST_ORDINAL: u32 = 16;

/// A node of the organisation tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Department {
    /// The store's key.
    pub id: i64,
    /// The institution's id: `[A-Za-z0-9._-]{1,64}`.
    pub external_id: String,
    /// The department above; `None` for a root.
    pub parent_id: Option<i64>,
    /// The shown name.
    pub name: String,
    /// Raised by every change.
    pub version: i64,
}

/// What a directory entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[repr(u8)]
pub enum UserKind {
    /// A human being.
    Person = 1,
    /// A group chat or shared mailbox: never part of `everyone`, a department or a tag of people.
    Group = 2,
}

/// Where a person stands. Only active people and people on leave receive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[repr(u8)]
pub enum UserStatus {
    /// Here.
    Active = 1,
    /// Away for a time; still receives.
    OnLeave = 2,
    /// Finished.
    Graduated = 3,
    /// Gone.
    Left = 4,
    /// Dead.
    Deceased = 5,
}

impl UserKind {
    /// The kind with a stored number.
    #[must_use]
    pub fn from_code(code: i64) -> Option<UserKind> {
        [UserKind::Person, UserKind::Group].into_iter().find(|kind| *kind as i64 == code)
    }
}

impl UserStatus {
    /// The status with a stored number.
    #[must_use]
    pub fn from_code(code: i64) -> Option<UserStatus> {
        use UserStatus::{Active, Deceased, Graduated, Left, OnLeave};
        [Active, OnLeave, Graduated, Left, Deceased].into_iter().find(|status| *status as i64 == code)
    }

    /// Whether a person of this status is still written to.
    #[must_use]
    pub fn receives(self) -> bool {
        matches!(self, UserStatus::Active | UserStatus::OnLeave)
    }
}

/// A person or group with everything the directory knows of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// The internal number, never reused.
    pub ordinal: u32,
    /// Staff or student number: `[A-Za-z0-9._-]{1,64}`.
    pub external_id: String,
    /// Further numbers of the same person, sorted. No two people share an id or a further one.
    pub alias_ids: Vec<String>,
    /// What it is.
    pub kind: UserKind,
    /// The shown name.
    pub name: String,
    /// Where the person stands.
    pub status: UserStatus,
    /// BCP 47, such as `zh-CN`.
    pub locale: String,
    /// External id of the department that counts as the person's own.
    pub primary_department: Option<String>,
    /// External ids of all departments, the primary one included.
    pub departments: Vec<String>,
    /// Where the person can be reached.
    pub addresses: Vec<Address>,
    /// Static tags, `key:value` or plain.
    pub tags: Vec<String>,
    /// Raised by every change.
    pub version: i64,
}

/// What a caller wants a user to be; the whole entry is replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserDraft {
    /// Staff or student number; a further number of a person who is known means that person.
    pub external_id: String,
    /// Further numbers of the same person.
    pub alias_ids: Vec<String>,
    /// What it is.
    pub kind: UserKind,
    /// The shown name.
    pub name: String,
    /// Where the person stands.
    pub status: UserStatus,
    /// BCP 47.
    pub locale: String,
    /// External id of the primary department.
    pub primary_department: Option<String>,
    /// External ids of all departments; the primary one may be left out.
    pub departments: Vec<String>,
    /// Where the person can be reached.
    pub addresses: Vec<AddressDraft>,
    /// Static tags.
    pub tags: Vec<String>,
    /// The version that is to be changed; `None`: any, or none.
    pub version: Option<i64>,
}

impl UserDraft {
    /// What makes a user what it is already; of the addresses nothing is said but which they are.
    #[must_use]
    pub fn of(user: &User) -> UserDraft {
        let address = |one: &Address| AddressDraft::new(one.channel, &one.value);
        UserDraft {
            external_id: user.external_id.clone(),
            alias_ids: user.alias_ids.clone(),
            kind: user.kind,
            name: user.name.clone(),
            status: user.status,
            locale: user.locale.clone(),
            primary_department: user.primary_department.clone(),
            departments: user.departments.clone(),
            addresses: user.addresses.iter().map(address).collect(),
            tags: user.tags.clone(),
            version: Some(user.version),
        }
    }
}

/// Whether a text can be the institution's id of a user or department.
#[must_use]
pub fn is_external_id(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expression_is_no_external_id() {
        assert!(is_external_id("3121151001"));
        assert!(!is_external_id("1 OR everyone"));
        assert!(!is_external_id(""));
    }
}
