//! Drafts and short forms that the cases share.

use std::time::Duration;

use campanile::domain::channel::Channel;
use campanile::domain::directory::{AddressDraft, FIRST_ORDINAL, UserDraft, UserKind, UserStatus};
use campanile::domain::node::Roles;
use campanile::domain::refusal::Reason;
use campanile::domain::set::Set;
use campanile::domain::time::At;
use campanile::store::{DepartmentDraft, Error, NodeDraft, Result};

use super::Store;

/// The moment of every write that does not care.
pub const NOW: At = At(1_790_000_000_000);

/// A lease that outlives every case.
pub const LEASE: Duration = Duration::from_secs(3_600);

/// A node that does everything.
pub fn node() -> NodeDraft {
    NodeDraft { name: "node".into(), roles: Roles::all() }
}

/// A department under another.
pub fn department(external_id: &str, parent: Option<&str>) -> DepartmentDraft {
    DepartmentDraft {
        external_id: external_id.into(),
        parent: parent.map(Into::into),
        name: format!("Department of {external_id}"),
        version: None,
    }
}

/// An active person of a department, without addresses or tags.
pub fn person(external_id: &str, department: &str) -> UserDraft {
    UserDraft {
        external_id: external_id.into(),
        alias_ids: vec![],
        kind: UserKind::Person,
        name: format!("Name of {external_id}"),
        status: UserStatus::Active,
        locale: "zh-CN".into(),
        primary_department: Some(department.into()),
        departments: vec![],
        addresses: vec![],
        tags: vec![],
        version: None,
    }
}

/// A mailbox.
pub fn mailbox(value: &str) -> AddressDraft {
    AddressDraft::new(Channel::Email, value)
}

/// A school `xjtu` with the department `cs` under it and people `u1` to `un` there; `u1` is [`nth`] 1.
pub async fn campus(store: &Store, people: u32) {
    let rows = vec![department("xjtu", None), department("cs", Some("xjtu"))];
    store.directory.upsert_departments(rows, NOW).await.unwrap();
    let rows = (1..=people).map(|n| person(&format!("u{n}"), "cs")).collect();
    assert_eq!(store.directory.upsert_users(rows, NOW).await.unwrap().created, u64::from(people));
}

/// The ordinal of the n-th user that was written, from 1.
pub fn nth(n: u32) -> u32 {
    FIRST_ORDINAL - 1 + n
}

/// The set of the users that were written first, second, …
pub fn set<const N: usize>(numbers: [u32; N]) -> Set {
    numbers.into_iter().map(nth).collect()
}

/// Why the store refused.
pub fn refused<T>(result: Result<T>) -> Reason {
    match result {
        Err(Error::Refused(refusal)) => refusal.reason,
        Err(error) => panic!("no refusal: {error}"),
        Ok(_) => panic!("not refused"),
    }
}
