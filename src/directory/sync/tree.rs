//! The departments of a source, put into an order in which they can be written.

use std::collections::{HashMap, HashSet};

use crate::store::DepartmentDraft;

/// Each department after the one above it, if that is among them. Those of a ring keep their order: the store refuses
/// them.
pub(super) fn parents_first(rows: Vec<DepartmentDraft>) -> Vec<DepartmentDraft> {
    let among: HashSet<&str> = rows.iter().map(|row| row.external_id.as_str()).collect();
    let mut below: HashMap<Option<&str>, Vec<usize>> = HashMap::new();
    for (place, row) in rows.iter().enumerate() {
        let parent = row.parent.as_deref().filter(|parent| among.contains(parent));
        below.entry(parent).or_default().push(place);
    }
    let mut order = below.remove(&None).unwrap_or_default();
    let mut next = 0;
    while let Some(&place) = order.get(next) {
        next += 1;
        order.extend(below.remove(&Some(rows[place].external_id.as_str())).unwrap_or_default());
    }
    let mut ring: Vec<usize> = below.into_values().flatten().collect();
    ring.sort_unstable();
    order.append(&mut ring);
    let mut rows: Vec<Option<DepartmentDraft>> = rows.into_iter().map(Some).collect();
    order.into_iter().filter_map(|place| rows[place].take()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(id: &str, parent: &str) -> DepartmentDraft {
        let parent = (!parent.is_empty()).then(|| parent.to_owned());
        DepartmentDraft { external_id: id.to_owned(), parent, ..DepartmentDraft::default() }
    }

    #[test]
    fn a_department_follows_the_one_above_it() {
        let rows =
            vec![row("c", "b"), row("x", "elsewhere"), row("b", "a"), row("a", ""), row("r", "s"), row("s", "r")];
        let order: Vec<_> = parents_first(rows).into_iter().map(|row| row.external_id).collect();
        assert_eq!(order, ["x", "a", "b", "c", "r", "s"]);
    }
}
