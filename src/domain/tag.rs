//! Tags: named sets of people, and which names a grant's list covers.

use serde::{Deserialize, Serialize};

use super::channel::Channel;
use super::id::GrantId;
use super::outcome::Reason;
use super::time::At;

/// What makes a tag a set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[repr(u8)]
pub enum TagKind {
    /// Members are put in and taken out.
    Static = 1,
    /// An audience expression, evaluated at use.
    Rule = 2,
    /// The direct members of a department; the key is its external id.
    Department = 3,
    /// Who has a usable address on a channel; the key is the channel's name.
    Reachable = 4,
    /// Everybody who receives; one tag with an empty key.
    Everyone = 5,
    /// Whose best address on a channel may not be used; the key is the reason and the channel's name.
    Unreachable = 6,
}

impl TagKind {
    /// The kind with a stored number.
    #[must_use]
    pub fn from_code(code: i64) -> Option<TagKind> {
        use TagKind::{Department, Everyone, Reachable, Rule, Static, Unreachable};
        [Static, Rule, Department, Reachable, Everyone, Unreachable].into_iter().find(|kind| *kind as i64 == code)
    }
}

/// A named set of users.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tag {
    /// The store's key.
    pub id: i64,
    /// What makes it a set.
    pub kind: TagKind,
    /// `grade:2021` or `freshman`; see [`TagKind`] for the other kinds.
    pub name: String,
    /// For people who choose it.
    pub title: String,
    /// What it is for, in sentences.
    pub description: String,
    /// The expression of a rule tag.
    pub rule: Option<String>,
    /// The owning department.
    pub department_id: Option<i64>,
    /// Only grants that name it may use it, and those in `user_grants`.
    pub sensitive: bool,
    /// Grants to which it is as if it were not sensitive.
    pub user_grants: Vec<GrantId>,
    /// From then on it is no tag any more.
    pub expire_at: Option<At>,
    /// Begins at the key and is raised by every change, so that no two tags of one name ever have the same. Who is in
    /// a tag is no part of it.
    pub version: i64,
}

impl Tag {
    /// A tag that nobody has described yet.
    #[must_use]
    pub fn new(id: i64, kind: TagKind, name: impl Into<String>) -> Tag {
        Tag {
            id,
            kind,
            name: name.into(),
            title: String::new(),
            description: String::new(),
            rule: None,
            department_id: None,
            sensitive: false,
            user_grants: Vec::new(),
            expire_at: None,
            version: id,
        }
    }

    /// Whether it is still a tag at this moment.
    #[must_use]
    pub fn is_current(&self, now: At) -> bool {
        self.expire_at.is_none_or(|end| now < end)
    }
}

/// The name of the set of those whose best address on a channel may not be used for a reason.
#[must_use]
pub fn unreachable(why: Reason, channel: Channel) -> String {
    format!("{}:{}", why.text(), channel.name())
}

/// Whether a text can name a tag: letters of any script, digits, `._-`, at most one colon with something on
/// both sides, at most 64 characters, and no key that the expression language keeps for itself.
#[must_use]
pub fn is_tag_name(text: &str) -> bool {
    let (key, value) = match text.split_once(':') {
        Some((key, value)) => (key, Some(value)),
        None => (text, None),
    };
    text.chars().count() <= 64 && is_key(key) && value.is_none_or(is_part) && !has_look_alike(text)
}

/// Whether a text can stand in a grant's list of tags: a tag, or `key:*` for every tag of a key.
#[must_use]
pub fn is_tag_pattern(text: &str) -> bool {
    match text.strip_suffix(":*") {
        Some(key) => is_tag_name(&format!("{key}:x")),
        None => is_tag_name(text),
    }
}

/// Whether an entry of a grant's list of tags covers a tag.
#[must_use]
pub fn covers(pattern: &str, name: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(start) if start.ends_with(':') => name.starts_with(start),
        _ => pattern == name,
    }
}

fn is_key(text: &str) -> bool {
    const RESERVED: [&str; 7] = ["department", "user", "tag", "everyone", "and", "or", "not"];
    is_part(text) && !RESERVED.contains(&text.to_lowercase().as_str())
}

fn is_part(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_alphanumeric() || "._-".contains(c))
}

/// Full-width forms look like ASCII and are not: `ｇrade` must not become a second `grade`.
fn has_look_alike(text: &str) -> bool {
    text.chars().any(|c| ('\u{ff01}'..='\u{ff5e}').contains(&c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_of_any_script_are_named_and_look_alikes_refused() {
        for good in ["freshman", "grade:2021", "校区:创新港", "dorm:西1.203"] {
            assert!(is_tag_name(good), "{good}");
        }
        for bad in ["", "a:b:c", ":x", "x:", "user:1", "Department:cs", "ｇrade:1", "a b", "NOT", "a|b", "x\u{200d}y"]
        {
            assert!(!is_tag_name(bad), "{bad:?}");
        }
    }

    #[test]
    fn a_pattern_covers_the_tags_of_its_key_and_no_others() {
        for good in ["freshman", "grade:2021", "grade:*", "校区:*"] {
            assert!(is_tag_pattern(good), "{good}");
        }
        for bad in ["*", ":*", "grade*", "grade:20*", "user:*", "a:b:*", "grade:**"] {
            assert!(!is_tag_pattern(bad), "{bad}");
        }
        assert!(covers("grade:*", "grade:2021") && covers("freshman", "freshman"));
        assert!(!covers("grade:*", "grade") && !covers("grade:*", "grades:1") && !covers("fresh", "freshman"));
    }

    #[test]
    fn a_tag_ends_at_its_expiry() {
        let tag = Tag { expire_at: Some(At(5)), ..Tag::new(1, TagKind::Static, "a") };
        assert!(tag.is_current(At(4)) && !tag.is_current(At(5)));
        assert!(Tag::new(1, TagKind::Static, "a").is_current(At(i64::MAX)));
    }
}
