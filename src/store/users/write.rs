//! One user to be written, and how that differs from what is kept.

use super::Entry;
use crate::domain::address::Address;

/// One user to be written.
#[derive(Debug)]
pub(in crate::store) struct Write {
    /// The internal number.
    pub(in crate::store) ordinal: u32,
    /// The institution's id.
    pub(in crate::store) external_id: String,
    /// What is kept of it; `None` of a new user.
    pub(in crate::store) kept: Option<Entry>,
    /// What it shall be.
    pub(in crate::store) wanted: Entry,
}

impl Write {
    /// Addresses that are not kept yet.
    pub(in crate::store) fn new_addresses(&self) -> impl Iterator<Item = &Address> {
        let kept = self.kept.as_ref().map_or(&[][..], |kept| &kept.addresses);
        self.wanted.addresses.iter().filter(|address| !kept.contains(address))
    }

    /// Kept addresses that shall go.
    pub(in crate::store) fn gone_addresses(&self) -> impl Iterator<Item = &Address> {
        let kept = self.kept.as_ref().map_or(&[][..], |kept| &kept.addresses);
        kept.iter().filter(|address| !self.wanted.addresses.contains(address))
    }

    /// Further ids that are not kept yet.
    pub(in crate::store) fn new_aliases(&self) -> impl Iterator<Item = &String> {
        let kept = self.kept.as_ref().map_or(&[][..], |kept| &kept.alias_ids);
        self.wanted.alias_ids.iter().filter(|id| !kept.contains(id))
    }

    /// Kept further ids that shall go; before any new ones are written, who may be the same.
    pub(in crate::store) fn gone_aliases(&self) -> impl Iterator<Item = &String> {
        let kept = self.kept.as_ref().map_or(&[][..], |kept| &kept.alias_ids);
        kept.iter().filter(|id| !self.wanted.alias_ids.contains(id))
    }

    /// Tags that are not kept yet.
    pub(in crate::store) fn new_tags(&self) -> impl Iterator<Item = i64> {
        let kept = self.kept.as_ref().map_or(&[][..], |kept| &kept.tag_ids);
        self.wanted.tag_ids.iter().copied().filter(|id| !kept.contains(id))
    }

    /// Kept tags that shall go.
    pub(in crate::store) fn gone_tags(&self) -> impl Iterator<Item = i64> {
        let kept = self.kept.as_ref().map_or(&[][..], |kept| &kept.tag_ids);
        kept.iter().copied().filter(|id| !self.wanted.tag_ids.contains(id))
    }
}
