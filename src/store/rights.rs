//! What a publish commit has read of the rights its group uses, and what speaks against an item.

use std::collections::HashMap;

use super::{Accept, Accepted};

/// Versions as they stand in the committing transaction.
pub(super) struct Rights {
    /// The number of the last change.
    pub(super) head: i64,
    /// The versions of keys that are there and not revoked.
    pub(super) keys: HashMap<i64, i64>,
    /// The versions of grants that are there and not revoked.
    pub(super) grants: HashMap<i64, i64>,
}

impl Rights {
    /// Why an item may not be stored: its key, its grants, the directory, in this order.
    pub(super) fn objection(&self, item: &Accept) -> Option<Accepted> {
        #[cfg(feature = "sabotage")]
        if crate::runtime::sabotage::chosen().believe_in_old_rights {
            return None;
        }
        if self.keys.get(&item.key.0.0) != Some(&item.key.1) {
            return Some(Accepted::KeyChanged);
        }
        for (grant, version) in &item.grants {
            if self.grants.get(&grant.0) != Some(version) {
                return Some(Accepted::GrantChanged(*grant));
            }
        }
        (self.head > item.facts.directory_seq).then_some(Accepted::DirectoryMoved { head: self.head })
    }
}

/// The keys that a group uses, ascending, each once.
pub(super) fn keys_of(group: &[Accept]) -> Vec<i64> {
    sorted(group.iter().map(|item| item.key.0.0))
}

/// The grants that a group uses, ascending, each once.
pub(super) fn grants_of(group: &[Accept]) -> Vec<i64> {
    sorted(group.iter().flat_map(|item| item.grants.iter().map(|(grant, _)| grant.0)))
}

fn sorted(ids: impl Iterator<Item = i64>) -> Vec<i64> {
    let mut ids: Vec<i64> = ids.collect();
    ids.sort_unstable();
    ids.dedup();
    ids
}
