//! Makes a snapshot: the first one from an image, each next one from the last and the changes since.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use parking_lot::Mutex;

use super::snapshot::{Names, Snapshot, TagEntry};
use super::tree::Tree;
use super::users::Users;
use crate::domain::change::{Change, ChangeKind};
use crate::domain::directory::{Department, Tag, TagKind};
use crate::domain::set::Set;
use crate::store::DirectoryImage;

/// The snapshot of an image.
pub(super) fn first(image: DirectoryImage) -> Snapshot {
    let users = Users::default();
    users.enter(image.users.iter().map(|(ordinal, id)| (*ordinal, id.as_str())));
    users.end_tokens(image.token_epochs);
    users.enter_aliases(&image.aliases);
    let mut tags = HashMap::with_capacity(image.tags.len());
    let mut sets = HashMap::with_capacity(image.tags.len());
    for (tag, mut set) in image.tags {
        set.optimize();
        sets.insert(tag.id, Arc::new(set));
        tags.insert(tag.id, Arc::new(TagEntry::new(tag)));
    }
    Snapshot {
        seq: image.seq,
        edition: image.seq,
        users: Arc::new(users),
        tree: Arc::new(Tree::new(image.departments)),
        names: Arc::new(Names::of(tags.values().map(|entry| &entry.tag))),
        tags: Arc::new(tags),
        sets,
        nobody: Arc::default(),
        unions: Mutex::default(),
        rules: Mutex::default(),
    }
}

/// The snapshot after `changes`, which ascend and begin after `last`.
pub(super) fn next(last: &Snapshot, changes: &[Change]) -> Snapshot {
    let mut step = Step {
        users: Arc::clone(&last.users),
        tags: Arc::clone(&last.tags),
        sets: last.sets.clone(),
        tags_changed: false,
        touched: HashSet::new(),
        departments: Vec::new(),
        edition: last.edition,
    };
    for change in changes {
        step.take(change);
    }
    step.snapshot(last, changes.last().map_or(last.seq, |change| change.seq))
}

/// What is new so far.
struct Step {
    users: Arc<Users>,
    tags: Arc<HashMap<i64, Arc<TagEntry>>>,
    sets: HashMap<i64, Arc<Set>>,
    tags_changed: bool,
    /// Tags whose members changed.
    touched: HashSet<i64>,
    departments: Vec<(i64, Option<Department>)>,
    edition: i64,
}

impl Step {
    fn take(&mut self, change: &Change) {
        match &change.what {
            ChangeKind::Members { tag_id, added, removed, .. } => {
                let set = Arc::make_mut(self.sets.entry(*tag_id).or_default());
                *set |= added;
                *set -= removed;
                self.touched.insert(*tag_id);
            }
            ChangeKind::Tag(tag) => self.tag(tag),
            ChangeKind::TagDeleted { tag_id } => {
                Arc::make_mut(&mut self.tags).remove(tag_id);
                self.sets.remove(tag_id);
                self.tags_changed = true;
            }
            ChangeKind::Department(department) => self.departments.push((department.id, Some(department.clone()))),
            ChangeKind::DepartmentDeleted { id } => self.departments.push((*id, None)),
            ChangeKind::Users(users) => {
                self.users.enter(users.iter().map(|(ordinal, id)| (*ordinal, id.as_str())));
            }
            ChangeKind::Aliases(people) => self.users.enter_aliases(people),
            ChangeKind::TokensEnded(people) => {
                self.users.end_tokens(people.iter().copied());
                return;
            }
            // Rights live in `access`, tombstones in `delivery`; no set depends on them.
            ChangeKind::Key { .. }
            | ChangeKind::Grant { .. }
            | ChangeKind::Application { .. }
            | ChangeKind::Topic { .. }
            | ChangeKind::Role { .. }
            | ChangeKind::Cancel { .. } => return,
        }
        self.edition = change.seq;
    }

    fn tag(&mut self, tag: &Tag) {
        Arc::make_mut(&mut self.tags).insert(tag.id, Arc::new(TagEntry::new(tag.clone())));
        self.tags_changed = true;
    }

    fn snapshot(self, last: &Snapshot, seq: i64) -> Snapshot {
        let names = if self.tags_changed {
            Arc::new(Names::of(self.tags.values().map(|entry| &entry.tag)))
        } else {
            Arc::clone(&last.names)
        };
        let tree = if self.departments.is_empty() {
            Arc::clone(&last.tree)
        } else {
            let mut tree = Tree::clone(&last.tree);
            tree.change(self.departments);
            Arc::new(tree)
        };
        // Unions stay as long as neither the tree nor a department in them changed.
        let unions = if self.tags_changed || !Arc::ptr_eq(&tree, &last.tree) {
            HashMap::new()
        } else {
            let mut unions = last.unions.lock().clone();
            for tag in self.touched.iter().filter_map(|id| self.tags.get(id)) {
                if tag.tag.kind == TagKind::Department
                    && let Some(department) = tree.by_external_id(&tag.tag.name)
                {
                    tree.ancestors(department.id).iter().for_each(|id| drop(unions.remove(id)));
                }
            }
            unions
        };
        let rules = if self.edition == last.edition { last.rules.lock().clone() } else { HashMap::new() };
        Snapshot {
            seq,
            edition: self.edition,
            users: self.users,
            tree,
            tags: self.tags,
            names,
            sets: self.sets,
            nobody: Arc::clone(&last.nobody),
            unions: Mutex::new(unions),
            rules: Mutex::new(rules),
        }
    }
}
