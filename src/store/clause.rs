//! Why somebody is among a message's people, as both backends keep it.

use super::encode::set_of;
use super::{Members, Result};
use crate::domain::set::{self, Set};

/// Those of a message's people who were in one clause of its expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClauseMembers {
    /// The clause's place among the different ones of the expression, from 0.
    pub clause: u32,
    /// Who of the snapshot was in it.
    pub members: Set,
}

/// A row of the table of clauses.
pub(super) struct ClauseRow {
    pub(super) clause: i64,
    pub(super) segment: i64,
    /// `None` for everybody of the segment.
    pub(super) members: Option<Vec<u8>>,
}

/// The rows that say who of some people was in which clause.
pub(super) fn rows(people: &Members, clauses: &[ClauseMembers]) -> Vec<ClauseRow> {
    if clauses.is_empty() {
        return Vec::new();
    }
    let people = match people {
        Members::One(ordinal) => set::segments(&Set::from_iter([*ordinal])),
        Members::Many(set) => set::segments(set),
    };
    let mut rows = Vec::new();
    for clause in clauses {
        for (segment, part) in set::segments(&clause.members) {
            let all = people.iter().any(|(other, whole)| *other == segment && *whole == part);
            let members = (!all).then(|| set::to_bytes(&part));
            rows.push(ClauseRow { clause: i64::from(clause.clause), segment: i64::from(segment), members });
        }
    }
    rows
}

/// Whether a row's members hold a person of the snapshot.
pub(super) fn holds(members: Option<&[u8]>, ordinal: u32) -> Result<bool> {
    members.map_or(Ok(true), |bytes| Ok(set_of(bytes)?.contains(ordinal)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::set::SEGMENT;

    #[test]
    fn a_clause_of_everybody_costs_a_row_without_members() {
        let people: Set = [1, 2, SEGMENT + 1].into_iter().collect();
        let clauses = [
            ClauseMembers { clause: 0, members: people.clone() },
            ClauseMembers { clause: 2, members: [2].into_iter().collect() },
        ];
        let rows = rows(&Members::Many(people.into()), &clauses);
        let told: Vec<_> = rows.iter().map(|row| (row.clause, row.segment, row.members.is_some())).collect();
        assert_eq!(told, [(0, 0, false), (0, 1, false), (2, 0, true)]);
        assert!(super::rows(&Members::One(7), &[]).is_empty());
    }
}
