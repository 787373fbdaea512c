//! What a transaction does to the members of tags, gathered so that every segment is written once.

use std::collections::BTreeMap;

use crate::domain::set::{self, Set};

/// Who comes into tags and who goes out.
#[derive(Debug, Default)]
pub(super) struct MemberChanges {
    tags: BTreeMap<i64, Delta>,
}

/// Who comes in and who goes out; disjoint.
#[derive(Debug, Default)]
pub(super) struct Delta {
    added: Set,
    removed: Set,
}

/// What a segment holds afterwards, and what that changed.
#[derive(Debug)]
pub(super) struct Edited {
    /// The segment.
    pub(super) after: Set,
    /// Who was not in it.
    pub(super) added: Set,
    /// Who was in it.
    pub(super) removed: Set,
}

impl MemberChanges {
    /// Puts a user in.
    pub(super) fn add(&mut self, tag_id: i64, ordinal: u32) {
        let delta = self.tags.entry(tag_id).or_default();
        delta.removed.remove(ordinal);
        delta.added.insert(ordinal);
    }

    /// Takes a user out.
    pub(super) fn remove(&mut self, tag_id: i64, ordinal: u32) {
        let delta = self.tags.entry(tag_id).or_default();
        delta.added.remove(ordinal);
        delta.removed.insert(ordinal);
    }

    /// The changes by tag and segment, ascending.
    pub(super) fn by_segment(self) -> BTreeMap<(i64, u32), Delta> {
        let mut parts: BTreeMap<(i64, u32), Delta> = BTreeMap::new();
        for (tag_id, delta) in self.tags {
            for (segment, added) in set::segments(&delta.added) {
                parts.entry((tag_id, segment)).or_default().added = added;
            }
            for (segment, removed) in set::segments(&delta.removed) {
                parts.entry((tag_id, segment)).or_default().removed = removed;
            }
        }
        parts
    }
}

impl Delta {
    /// What comes of a segment; `None` if nothing changes.
    pub(super) fn apply(self, before: Set) -> Option<Edited> {
        let added = self.added - &before;
        let removed = self.removed & &before;
        if added.is_empty() && removed.is_empty() {
            return None;
        }
        let after = (before | &added) - &removed;
        Some(Edited { after, added, removed })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_changes_a_segment_is_written() {
        let mut changes = MemberChanges::default();
        for ordinal in [1, 2, 70_000] {
            changes.add(7, ordinal);
        }
        changes.remove(7, 2);
        changes.remove(7, 3);
        let mut parts = changes.by_segment();
        assert_eq!(parts.keys().copied().collect::<Vec<_>>(), [(7, 0), (7, 1)]);
        let edited = parts.remove(&(7, 0)).unwrap().apply([3, 4].into()).unwrap();
        assert_eq!((edited.after, edited.added, edited.removed), ([1, 4].into(), [1].into(), [3].into()));
        assert!(parts.remove(&(7, 1)).unwrap().apply([70_000].into()).is_none());
    }
}
