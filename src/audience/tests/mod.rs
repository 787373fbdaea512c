//! Cases of the audience as a whole, over a small campus.

mod following;
mod parsing;
mod resolving;

use std::sync::Arc;

use super::{Index, Usable};
use crate::domain::access::{Grant, Principal};
use crate::domain::directory::{Department, Tag, TagKind};
use crate::domain::id::GrantId;
use crate::domain::set::Set;
use crate::domain::time::At;
use crate::store::DirectoryImage;

/// A set from a list.
pub(crate) fn set(ordinals: impl IntoIterator<Item = u32>) -> Set {
    ordinals.into_iter().collect()
}

/// The tags of one grant.
pub(crate) fn only(tags: &[&str]) -> Usable {
    let (id, who) = (GrantId(1), Principal::Person(20));
    let tags = tags.iter().map(|tag| (*tag).to_owned()).collect();
    Usable::by(vec![Arc::new(Grant { tags, ..Grant::new(id, who, who, At(0)) })], At(0))
}

pub(crate) fn tag(id: i64, kind: TagKind, name: &str, rule: Option<&str>) -> Tag {
    Tag { rule: rule.map(str::to_owned), ..Tag::new(id, kind, name) }
}

pub(crate) fn department(id: i64, external_id: &str, parent_id: Option<i64>) -> Department {
    Department { id, external_id: external_id.to_owned(), parent_id, name: external_id.to_owned(), version: 1 }
}

/// A campus of users `u1` to `u99`, of whom 1 to 89 receive.
///
/// Departments: `school` (1) over `cs` (2) and `law` (3), `lab` (4) under `cs`; members school 1-9, cs 10-39,
/// lab 40-49, law 50-95. Tags: `grade:2021` 10-29, `grade:2022` 30-59, `freshman` 55-95, `secret` 1-3, rules
/// `rule:young` = grade:2022 or freshman, `rule:ring-a` and `rule:ring-b` in a ring, `rule:broken`.
pub(crate) fn campus() -> DirectoryImage {
    let fixed = |id, kind, name, members| (tag(id, kind, name, None), set(members));
    let rule = |id, name, text| (tag(id, TagKind::Rule, name, Some(text)), Set::new());
    DirectoryImage {
        seq: 7,
        users: (1..=99).map(|ordinal| (ordinal, format!("u{ordinal}"))).collect(),
        token_epochs: Vec::new(),
        aliases: Vec::new(),
        departments: vec![
            department(4, "lab", Some(2)),
            department(1, "school", None),
            department(2, "cs", Some(1)),
            department(3, "law", Some(1)),
        ],
        tags: vec![
            fixed(10, TagKind::Everyone, "", 1..90),
            fixed(11, TagKind::Department, "school", 1..10),
            fixed(12, TagKind::Department, "cs", 10..40),
            fixed(13, TagKind::Department, "law", 50..96),
            fixed(14, TagKind::Department, "lab", 40..50),
            fixed(20, TagKind::Reachable, "email", 1..70),
            fixed(30, TagKind::Static, "grade:2021", 10..30),
            fixed(31, TagKind::Static, "grade:2022", 30..60),
            fixed(32, TagKind::Static, "freshman", 55..96),
            fixed(33, TagKind::Static, "secret", 1..4),
            rule(40, "rule:young", "grade:2022 OR tag:freshman"),
            rule(41, "rule:ring-a", "rule:ring-b AND grade:2021"),
            rule(42, "rule:ring-b", "tag:freshman OR rule:ring-a"),
            rule(43, "rule:broken", "tag:freshman AND tag:gone"),
        ],
    }
}

/// The index of [`campus`].
pub(crate) fn campus_index() -> Index {
    Index::new(campus())
}
