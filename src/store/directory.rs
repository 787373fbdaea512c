//! Departments, users, tags and the change feed.

use async_trait::async_trait;

use super::{DepartmentDraft, Result};
use crate::domain::change::Change;
use crate::domain::directory::{Department, Tag, TagKind, User, UserDraft};
use crate::domain::id::{GrantId, KeyId};
use crate::domain::refusal::Refusal;
use crate::domain::set::Set;
use crate::domain::time::At;

/// Departments, users, tags and the one feed of changes.
///
/// Every write appends to the feed in its own transaction; `seq` has no gaps and its order is commit order.
#[async_trait]
pub trait Directory: Send + Sync {
    /// Everything an index in memory starts from, as of one moment. Users ascend by ordinal.
    async fn load(&self) -> Result<DirectoryImage>;

    /// The number of the last change.
    async fn head(&self) -> Result<i64>;

    /// At most `limit` changes after `seq`, ascending.
    async fn changes_after(&self, seq: i64, limit: usize) -> Result<Vec<Change>>;

    /// Creates or renames and moves departments, in order, so that a parent may stand before its children.
    /// All or nothing: the first refused row (unknown parent, cycle, another version) is the error. Returns the
    /// change number.
    async fn upsert_departments(&self, rows: Vec<DepartmentDraft>, at: At) -> Result<i64>;

    /// Creates or replaces users. A row whose id is a further id of somebody means that person, and the id stays. A row
    /// that breaks a rule (unknown department, a further id that is somebody else's) is refused alone. Ordinals of
    /// new users ascend in the order of the rows. An unchanged row writes nothing. Unknown tags are created. Whoever
    /// no longer receives by it loses grants, keys, roles and user tokens in the same transaction.
    async fn upsert_users(&self, rows: Vec<UserDraft>, at: At) -> Result<UsersWritten>;

    /// The user with an external id or such a further id, complete.
    async fn user(&self, external_id: &str) -> Result<Option<User>>;

    /// The users with these ordinals, complete, in the same order; unknown ones are left out.
    async fn users(&self, ordinals: Vec<u32>) -> Result<Vec<User>>;

    /// At most `limit` users above ordinal `after`, ascending; none of the service's own.
    async fn list_users(&self, filter: UserFilter, after: Option<u32>, limit: usize) -> Result<Vec<User>>;

    /// Creates a tag or changes everything of it but its kind (`ID_TAKEN`) and its members. `ETAG_MISMATCH` if the
    /// draft means another version. Returns the tag and the change number.
    async fn upsert_tag(&self, tag: TagDraft, at: At) -> Result<(Tag, i64)>;

    /// Deletes a static or rule tag; `NOT_FOUND` if there is none, `ETAG_MISMATCH` if it is not of the version that is
    /// meant. Returns the change number.
    async fn delete_tag(&self, name: &str, version: Option<i64>, at: At) -> Result<i64>;

    /// Puts users into a static tag and takes users out. Who is in already is not added again.
    async fn edit_tag(&self, name: &str, add: Set, remove: Set, at: At) -> Result<MembersWritten>;
}

/// Everything an index in memory starts from.
#[derive(Clone, Debug, Default)]
pub struct DirectoryImage {
    /// The change that it includes last.
    pub seq: i64,
    /// Ordinal and external id of every user that was not erased.
    pub users: Vec<(u32, String)>,
    /// Ordinal and token epoch of those whose tokens were ended once.
    pub token_epochs: Vec<(u32, i64)>,
    /// Further external ids, all that each person has.
    pub aliases: Vec<(u32, Vec<String>)>,
    /// Every department; parents need not stand before children.
    pub departments: Vec<Department>,
    /// Every tag with its members; rule tags have none.
    pub tags: Vec<(Tag, Set)>,
}

/// A static or rule tag as a caller wants it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TagDraft {
    /// `grade:2021` or `freshman`.
    pub name: String,
    /// Static or rule.
    pub kind: TagKind,
    /// For people who choose it.
    pub title: String,
    /// What it is for.
    pub description: String,
    /// The expression of a rule tag.
    pub rule: Option<String>,
    /// External id of the owning department.
    pub department: Option<String>,
    /// Only grants that name it may use it, and those in `user_grants`.
    pub sensitive: bool,
    /// Grants to which it is as if it were not sensitive.
    pub user_grants: Vec<GrantId>,
    /// From then on it is no tag any more.
    pub expire_at: Option<At>,
    /// The version that is to be changed; `None`: any, or none.
    pub version: Option<i64>,
}

impl TagDraft {
    /// A tag with nothing but its name.
    #[must_use]
    pub fn new(name: impl Into<String>, kind: TagKind) -> TagDraft {
        TagDraft {
            name: name.into(),
            kind,
            title: String::new(),
            description: String::new(),
            rule: None,
            department: None,
            sensitive: false,
            user_grants: Vec::new(),
            expire_at: None,
            version: None,
        }
    }
}

/// Which users to list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UserFilter {
    /// Only these ordinals.
    pub among: Option<Set>,
    /// Part of the name, or the start of the external id or of a further one.
    pub query: Option<String>,
}

/// What an upsert of users did.
#[derive(Clone, Debug, Default)]
pub struct UsersWritten {
    /// New users.
    pub created: u64,
    /// Changed users.
    pub updated: u64,
    /// Users that were so already.
    pub unchanged: u64,
    /// Refused rows.
    pub errors: Vec<RowError>,
    /// What ended with those who no longer receive.
    pub ended: Ended,
    /// The change number.
    pub seq: i64,
}

/// What ended with people who no longer receive.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ended {
    /// Grants that they held.
    pub grants: Vec<GrantId>,
    /// Keys of theirs.
    pub keys: Vec<KeyId>,
    /// Those of them who had roles.
    pub roles: Vec<u32>,
}

/// A refused row of a bulk write.
#[derive(Clone, Debug)]
pub struct RowError {
    /// Its place among the rows, from 0.
    pub row: usize,
    /// Why.
    pub refusal: Refusal,
}

/// What an edit of a tag did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MembersWritten {
    /// Users that were not in it.
    pub added: u64,
    /// Users that were in it.
    pub removed: u64,
    /// The change number.
    pub seq: i64,
}
