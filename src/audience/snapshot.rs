//! The directory at one change number: which sets there are and who is in them. Never changes; a newer one
//! takes its place.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use roaring::MultiOps;

use super::parse::parse;
use super::tree::Tree;
use super::users::Users;
use crate::domain::audience::Expression;
use crate::domain::change::{Change, ChangeKind};
use crate::domain::channel::Channel;
use crate::domain::outcome::Reason;
use crate::domain::refusal::Refusal;
use crate::domain::set::Set;
use crate::domain::tag::{Tag, TagKind, unreachable};
use crate::domain::time::At;

/// The directory at one change number.
#[derive(Debug)]
pub struct Snapshot {
    pub(super) seq: i64,
    pub(super) edition: i64,
    pub(super) users: Arc<Users>,
    pub(super) tree: Arc<Tree>,
    pub(super) tags: Arc<HashMap<i64, Arc<TagEntry>>>,
    pub(super) names: Arc<Names>,
    pub(super) sets: HashMap<i64, Arc<Set>>,
    pub(super) nobody: Arc<Set>,
    /// Unions of department subtrees that somebody asked for already.
    pub(super) unions: Mutex<HashMap<i64, Arc<Set>>>,
    /// Sets of rule tags that somebody asked for already, with how many tags had expired then.
    pub(super) rules: Mutex<HashMap<i64, (usize, Arc<Set>)>>,
}

/// A tag with its rule read.
#[derive(Debug)]
pub struct TagEntry {
    /// The tag as the directory keeps it.
    pub tag: Tag,
    /// The expression of a rule tag, or why it cannot be read.
    pub rule: Option<Result<Expression, Refusal>>,
}

impl TagEntry {
    pub(super) fn new(tag: Tag) -> TagEntry {
        let rule = (tag.kind == TagKind::Rule).then(|| parse(tag.rule.as_deref().unwrap_or_default()));
        TagEntry { tag, rule }
    }
}

/// Where the sets of each kind are, by name. Values are keys of tags.
#[derive(Clone, Debug, Default)]
pub(super) struct Names {
    pub(super) tags: HashMap<String, i64>,
    pub(super) departments: HashMap<String, i64>,
    pub(super) reachable: HashMap<String, i64>,
    /// By reason and channel.
    pub(super) unreachable: HashMap<String, i64>,
    pub(super) everyone: Option<i64>,
    /// When tags expire, ascending.
    pub(super) ends: Vec<At>,
}

impl Names {
    pub(super) fn of<'a>(tags: impl Iterator<Item = &'a Tag>) -> Names {
        let mut names = Names::default();
        for tag in tags {
            let place = match tag.kind {
                TagKind::Static | TagKind::Rule => &mut names.tags,
                TagKind::Department => &mut names.departments,
                TagKind::Reachable => &mut names.reachable,
                TagKind::Unreachable => &mut names.unreachable,
                TagKind::Everyone => {
                    names.everyone = Some(tag.id);
                    continue;
                }
            };
            place.insert(tag.name.clone(), tag.id);
            names.ends.extend(tag.expire_at);
        }
        names.ends.sort_unstable();
        names
    }
}

impl Snapshot {
    /// The number of the last change that is in it.
    #[must_use]
    pub fn seq(&self) -> i64 {
        self.seq
    }

    /// The number of the last change that could have changed a set. What was resolved under one edition holds
    /// for every snapshot of that edition.
    #[must_use]
    pub fn edition(&self) -> i64 {
        self.edition
    }

    /// How many tags have expired by a moment. What was resolved with tags holds for as long as this number and
    /// the edition stay as they are.
    #[must_use]
    pub fn expired(&self, now: At) -> usize {
        self.names.ends.partition_point(|end| *end <= now)
    }

    /// External ids and ordinals.
    #[must_use]
    pub fn users(&self) -> &Users {
        &self.users
    }

    /// The organisation tree.
    #[must_use]
    pub fn tree(&self) -> &Tree {
        &self.tree
    }

    /// The static or rule tag with a name, whoever asks.
    #[must_use]
    pub fn tag(&self, name: &str) -> Option<&TagEntry> {
        self.names.tags.get(name).and_then(|id| self.tags.get(id)).map(Arc::as_ref)
    }

    /// The tag of any kind with the store's key.
    #[must_use]
    pub fn tag_by_id(&self, id: i64) -> Option<&TagEntry> {
        self.tags.get(&id).map(Arc::as_ref)
    }

    /// The static and rule tags, in no order.
    pub fn tags(&self) -> impl Iterator<Item = &TagEntry> {
        self.names.tags.values().filter_map(|id| self.tags.get(id)).map(Arc::as_ref)
    }

    /// The members put into a tag, by the store's key. A rule tag has none: see `resolve`.
    #[must_use]
    pub fn members(&self, tag_id: i64) -> &Arc<Set> {
        self.sets.get(&tag_id).unwrap_or(&self.nobody)
    }

    /// Everybody who receives.
    #[must_use]
    pub fn everyone(&self) -> &Arc<Set> {
        self.names.everyone.map_or(&self.nobody, |id| self.members(id))
    }

    /// Who has a usable address on a channel.
    #[must_use]
    pub fn reachable(&self, channel: Channel) -> &Arc<Set> {
        self.names.reachable.get(channel.name()).map_or(&self.nobody, |id| self.members(*id))
    }

    /// Whose best address on a channel may not be used, for this reason.
    #[must_use]
    pub fn unreachable(&self, channel: Channel, why: Reason) -> &Arc<Set> {
        self.names.unreachable.get(&unreachable(why, channel)).map_or(&self.nobody, |id| self.members(*id))
    }

    /// The direct members of a department (the store's key), whether they receive or not.
    #[must_use]
    pub fn exactly(&self, department_id: i64) -> &Arc<Set> {
        self.tree
            .get(department_id)
            .and_then(|department| self.names.departments.get(&department.external_id))
            .map_or(&self.nobody, |id| self.members(*id))
    }

    /// The members of a department (the store's key) and of all below it, whether they receive or not.
    #[must_use]
    pub fn under(&self, department_id: i64) -> Arc<Set> {
        if self.tree.children(department_id).is_empty() {
            return Arc::clone(self.exactly(department_id));
        }
        if let Some(known) = self.unions.lock().get(&department_id) {
            return Arc::clone(known);
        }
        let parts = self.tree.subtree(department_id);
        let union = Arc::new(parts.iter().map(|id| self.exactly(*id).as_ref()).union());
        self.unions.lock().insert(department_id, Arc::clone(&union));
        union
    }

    /// The directory as it would be after these changes, for those who only ask. It must never become the newest one.
    #[must_use]
    pub fn supposing(&self, what: ChangeKind) -> Snapshot {
        super::advance::next(self, &[Change { seq: self.seq + 1, at: At(0), what }])
    }

    /// The departments (the store's keys) that have a user as a direct member, ascending.
    #[must_use]
    pub fn departments_of(&self, ordinal: u32) -> Vec<i64> {
        let mut ids: Vec<i64> =
            self.tree.iter().map(|one| one.id).filter(|id| self.exactly(*id).contains(ordinal)).collect();
        ids.sort_unstable();
        ids
    }
}
