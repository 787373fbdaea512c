//! The organisation tree in memory.

use std::collections::{HashMap, HashSet};

use crate::domain::directory::Department;

/// Departments by the store's key and by external id, with their children.
#[derive(Clone, Debug, Default)]
pub struct Tree {
    departments: HashMap<i64, Department>,
    by_external_id: HashMap<String, i64>,
    children: HashMap<i64, Vec<i64>>,
}

impl Tree {
    /// The tree of these departments.
    #[must_use]
    pub fn new(departments: impl IntoIterator<Item = Department>) -> Tree {
        let mut tree = Tree::default();
        tree.put(departments);
        tree
    }

    /// Enters departments, new or changed, and links the tree anew.
    pub fn put(&mut self, departments: impl IntoIterator<Item = Department>) {
        self.change(departments.into_iter().map(|one| (one.id, Some(one))));
    }

    /// Enters departments by the store's key and takes away those of which nothing is left, in order; links the tree
    /// anew.
    pub(super) fn change(&mut self, changes: impl IntoIterator<Item = (i64, Option<Department>)>) {
        for (id, department) in changes {
            match department {
                Some(department) => drop(self.departments.insert(id, department)),
                None => drop(self.departments.remove(&id)),
            }
        }
        self.by_external_id = self.departments.values().map(|one| (one.external_id.clone(), one.id)).collect();
        self.children.clear();
        for one in self.departments.values() {
            if let Some(parent) = one.parent_id {
                self.children.entry(parent).or_default().push(one.id);
            }
        }
        self.children.values_mut().for_each(|ids| ids.sort_unstable());
    }

    /// The department with the store's key.
    #[must_use]
    pub fn get(&self, id: i64) -> Option<&Department> {
        self.departments.get(&id)
    }

    /// The department with an external id.
    #[must_use]
    pub fn by_external_id(&self, external_id: &str) -> Option<&Department> {
        self.by_external_id.get(external_id).and_then(|id| self.departments.get(id))
    }

    /// Every department, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &Department> {
        self.departments.values()
    }

    /// The departments directly below one, by key.
    #[must_use]
    pub fn children(&self, id: i64) -> &[i64] {
        self.children.get(&id).map_or(&[], Vec::as_slice)
    }

    /// A department and all below it, itself first. A ring, which the store refuses to make, ends the walk.
    #[must_use]
    pub fn subtree(&self, id: i64) -> Vec<i64> {
        let mut seen = HashSet::from([id]);
        let mut order = vec![id];
        let mut next = 0;
        while let Some(&one) = order.get(next) {
            next += 1;
            order.extend(self.children(one).iter().filter(|child| seen.insert(**child)));
        }
        order
    }

    /// A department and all above it, itself first.
    #[must_use]
    pub fn ancestors(&self, id: i64) -> Vec<i64> {
        let mut line = Vec::new();
        let mut next = Some(id);
        while let Some(one) = next.filter(|one| !line.contains(one)) {
            line.push(one);
            next = self.get(one).and_then(|department| department.parent_id);
        }
        line
    }

    /// Whether a department is `top` or lies below it.
    #[must_use]
    pub fn is_under(&self, id: i64, top: i64) -> bool {
        self.ancestors(id).contains(&top)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn department(id: i64, parent_id: Option<i64>) -> Department {
        Department { id, external_id: format!("d{id}"), parent_id, name: String::new(), version: 1 }
    }

    #[test]
    fn a_moved_department_takes_those_below_it_along() {
        let mut tree =
            Tree::new([department(1, None), department(2, Some(1)), department(3, Some(2)), department(4, None)]);
        assert_eq!(tree.subtree(1), [1, 2, 3]);
        tree.put([department(2, Some(4))]);
        assert_eq!((tree.subtree(1), tree.subtree(4)), (vec![1], vec![4, 2, 3]));
        assert!(tree.is_under(3, 4) && !tree.is_under(3, 1));
        assert_eq!(tree.by_external_id("d3").map(|one| one.id), Some(3));
    }

    #[test]
    fn a_ring_ends_every_walk() {
        let tree = Tree::new([department(1, Some(2)), department(2, Some(1)), department(3, Some(3))]);
        assert_eq!((tree.subtree(1), tree.ancestors(1)), (vec![1, 2], vec![1, 2]));
        assert_eq!((tree.subtree(3), tree.ancestors(3)), (vec![3], vec![3]));
    }
}
