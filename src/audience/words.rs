//! An expression read back in words, for people who check whom they are about to reach.

use super::snapshot::Snapshot;
use crate::domain::audience::{Expression, Term};
use crate::domain::language::Language;

/// The expression in words. Departments are called by their names, tags by their titles where they have one.
#[must_use]
pub fn words(tree: &Expression, snapshot: &Snapshot, language: Language) -> String {
    Words { snapshot, language }.of(tree)
}

/// So many listed people in words.
#[must_use]
pub fn listed(n: u64, language: Language) -> String {
    match (language, n) {
        (Language::English, 1) => "one listed person".to_owned(),
        (Language::English, _) => format!("{n} listed people"),
        (Language::Chinese, _) => format!("名单上的 {n} 人"),
    }
}

struct Words<'a> {
    snapshot: &'a Snapshot,
    language: Language,
}

impl Words<'_> {
    fn of(&self, tree: &Expression) -> String {
        let english = self.language == Language::English;
        match tree {
            Expression::Term(term) => self.term(term),
            Expression::Not(inner) if english => format!("all but {}", self.operand(inner)),
            Expression::Not(inner) => format!("除{}外的所有人", self.operand(inner)),
            Expression::Or(parts) => self.joined(parts.iter(), if english { " or " } else { "或" }),
            Expression::And(parts) => {
                let taken = parts.iter().filter_map(|part| match part {
                    Expression::Not(inner) => Some(inner.as_ref()),
                    _ => None,
                });
                let kept = parts.iter().filter(|part| !matches!(part, Expression::Not(_)));
                let (kept, taken) = match self.language {
                    Language::English => (self.joined(kept, " who are also "), self.joined(taken, " nor ")),
                    Language::Chinese => (self.joined(kept, "，同时是"), self.joined(taken, "、")),
                };
                match (taken.is_empty(), english) {
                    (true, _) => kept,
                    (false, true) => format!("{kept}, but not {taken}"),
                    (false, false) => format!("{kept}，但不含{taken}"),
                }
            }
        }
    }

    fn joined<'t>(&self, parts: impl Iterator<Item = &'t Expression>, word: &str) -> String {
        parts.map(|part| self.operand(part)).collect::<Vec<_>>().join(word)
    }

    fn operand(&self, tree: &Expression) -> String {
        match (tree, self.language) {
            (Expression::And(_) | Expression::Or(_), Language::English) => format!("({})", self.of(tree)),
            (Expression::And(_) | Expression::Or(_), Language::Chinese) => format!("（{}）", self.of(tree)),
            (Expression::Term(_) | Expression::Not(_), _) => self.of(tree),
        }
    }

    fn term(&self, term: &Term) -> String {
        let english = self.language == Language::English;
        match term {
            Term::Everyone if english => "everyone".to_owned(),
            Term::Everyone => "所有人".to_owned(),
            Term::Tag(name) => {
                let title = self.snapshot.tag(name).map_or("", |entry| entry.tag.title.as_str());
                match (title.is_empty(), english) {
                    (true, true) => format!("those tagged {name}"),
                    (false, true) => format!("those tagged {title} ({name})"),
                    (true, false) => format!("标签“{name}”的人"),
                    (false, false) => format!("标签“{title}”（{name}）的人"),
                }
            }
            Term::Under(id) if english => format!("members of {} and all below it", self.department(id)),
            Term::Under(id) => format!("{}及其下属各部门的成员", self.department(id)),
            Term::Exactly(id) if english => format!("direct members of {}", self.department(id)),
            Term::Exactly(id) => format!("{}的直属成员", self.department(id)),
            Term::User(id) if english => format!("the user {id}"),
            Term::User(id) => format!("用户 {id}"),
        }
    }

    fn department<'t>(&'t self, id: &'t str) -> &'t str {
        let name = self.snapshot.tree().by_external_id(id).map_or("", |one| one.name.as_str());
        if name.is_empty() { id } else { name }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audience::parse::parse;
    use crate::audience::tests::campus_index;

    #[test]
    fn both_languages_say_who_is_meant() {
        let snapshot = campus_index().snapshot();
        for (text, english, chinese) in [
            ("everyone", "everyone", "所有人"),
            (
                "department:cs AND grade:2021 AND NOT (user:u1 OR department=lab) AND NOT tag:freshman",
                "members of cs and all below it who are also those tagged grade:2021, but not (the user u1 or direct \
                 members of lab) nor those tagged freshman",
                "cs及其下属各部门的成员，同时是标签“grade:2021”的人，但不含（用户 u1或lab的直属成员）、标签“freshman”的人",
            ),
            (
                "tag:freshman OR (grade:2021 AND department:law)",
                "those tagged freshman or (those tagged grade:2021 who are also members of law and all below it)",
                "标签“freshman”的人或（标签“grade:2021”的人，同时是law及其下属各部门的成员）",
            ),
        ] {
            let tree = parse(text).unwrap();
            assert_eq!(words(&tree, &snapshot, Language::English), english);
            assert_eq!(words(&tree, &snapshot, Language::Chinese), chinese);
        }
        assert_eq!(
            (listed(1, Language::English), listed(30, Language::Chinese)),
            ("one listed person".into(), "名单上的 30 人".into())
        );
    }
}
