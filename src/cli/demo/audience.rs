//! An audience as the demo means it: written out for the service, and worked out by hand for the checker.

use super::campus::{Campus, Person};
use campanile::api::v1;
use campanile::api::v1::audience::Target;

/// Who is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Who {
    /// Everybody.
    Everyone,
    /// Those with a tag.
    Tag(String),
    /// Those of a department and those under it.
    Under(String),
    /// Those not in it.
    Not(Box<Who>),
    /// Those in all of them.
    All(Vec<Who>),
    /// Those in any of them.
    Any(Vec<Who>),
    /// People by index.
    People(Vec<u32>),
    /// Ids under a test key: simulated users, and people whom it must not reach.
    Test(Vec<String>),
}

impl Who {
    /// A tag.
    #[must_use]
    pub fn tag(tag: impl Into<String>) -> Who {
        Who::Tag(tag.into())
    }

    /// A department with those under it.
    #[must_use]
    pub fn under(department: impl Into<String>) -> Who {
        Who::Under(department.into())
    }

    /// The audience as the interface wants it.
    #[must_use]
    pub fn audience(&self, campus: &Campus) -> v1::Audience {
        let list = |user_ids| Target::Users(v1::UserList { user_ids, ..Default::default() });
        let target = match self {
            Who::People(people) => list(people.iter().map(|&n| campus.people[n as usize].id.clone()).collect()),
            Who::Test(ids) => list(ids.clone()),
            other => Target::Expression(other.expression()),
        };
        v1::Audience { target: Some(target) }
    }

    /// The expression as a person would type it.
    #[must_use]
    pub fn expression(&self) -> String {
        match self {
            Who::Everyone => "everyone".to_owned(),
            Who::Tag(tag) => tag.clone(),
            Who::Under(department) => format!("department:{department}"),
            Who::Not(inner) => format!("NOT {}", inner.bracketed()),
            Who::All(parts) => Who::joined(parts, " AND "),
            Who::Any(parts) => Who::joined(parts, " OR "),
            Who::People(_) | Who::Test(_) => String::new(),
        }
    }

    fn joined(parts: &[Who], word: &str) -> String {
        parts.iter().map(Who::bracketed).collect::<Vec<_>>().join(word)
    }

    fn bracketed(&self) -> String {
        match self {
            Who::All(_) | Who::Any(_) => format!("({})", self.expression()),
            other => other.expression(),
        }
    }

    fn means(&self, campus: &Campus, person: &Person) -> bool {
        match self {
            Who::Everyone => true,
            Who::Tag(tag) => person.tags.contains(tag),
            Who::Under(department) => campus.is_under(person, department),
            Who::Not(inner) => !inner.means(campus, person),
            Who::All(parts) => parts.iter().all(|part| part.means(campus, person)),
            Who::Any(parts) => parts.iter().any(|part| part.means(campus, person)),
            Who::People(_) | Who::Test(_) => false,
        }
    }

    /// Indices of the people meant, ascending.
    #[must_use]
    pub fn people(&self, campus: &Campus) -> Vec<u32> {
        match self {
            Who::People(people) => {
                let mut people = people.clone();
                people.sort_unstable();
                people.dedup();
                people
            }
            other => {
                let numbered = (0u32..).zip(&campus.people);
                numbered.filter(|(_, person)| other.means(campus, person)).map(|(n, _)| n).collect()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_what_is_meant() {
        let campus = Campus::draw(3, 2_000);
        let who = Who::All(vec![
            Who::Any(vec![Who::tag("grade:2021"), Who::tag("grade:2022")]),
            Who::Not(Box::new(Who::under("medicine"))),
        ]);
        assert_eq!(who.expression(), "(grade:2021 OR grade:2022) AND NOT department:medicine");
        let people = who.people(&campus);
        assert!(!people.is_empty());
        for (n, person) in (0u32..).zip(&campus.people) {
            let young = ["grade:2021", "grade:2022"].iter().any(|tag| person.tags.iter().any(|has| has == tag));
            assert_eq!(people.binary_search(&n).is_ok(), young && !campus.is_under(person, "medicine"));
        }
    }

    #[test]
    fn a_list_counts_everybody_once() {
        let campus = Campus::draw(3, 2_000);
        assert_eq!(Who::People(vec![9, 4, 9]).people(&campus), [4, 9]);
    }
}
