//! The canonical text of an expression: operators in capitals, parentheses wherever two levels meet. Parsing
//! it gives the same tree.

use std::fmt;

use crate::domain::audience::{Expression, Term};

impl fmt::Display for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Term::Everyone => f.write_str("everyone"),
            Term::Tag(name) if name.contains(':') => f.write_str(name),
            Term::Tag(name) => write!(f, "tag:{name}"),
            Term::Under(id) => write!(f, "department:{id}"),
            Term::Exactly(id) => write!(f, "department={id}"),
            Term::User(id) => write!(f, "user:{id}"),
        }
    }
}

impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Expression::Term(term) => term.fmt(f),
            Expression::Not(inner) => {
                f.write_str("NOT ")?;
                operand(f, inner)
            }
            Expression::And(operands) => joined(f, operands, " AND "),
            Expression::Or(operands) => joined(f, operands, " OR "),
        }
    }
}

fn joined(f: &mut fmt::Formatter<'_>, operands: &[Expression], operator: &str) -> fmt::Result {
    for (place, one) in operands.iter().enumerate() {
        if place > 0 {
            f.write_str(operator)?;
        }
        operand(f, one)?;
    }
    Ok(())
}

fn operand(f: &mut fmt::Formatter<'_>, expression: &Expression) -> fmt::Result {
    match expression {
        Expression::And(_) | Expression::Or(_) => write!(f, "({expression})"),
        Expression::Term(_) | Expression::Not(_) => write!(f, "{expression}"),
    }
}

/// The terms of an expression, each once, in the order of their first use.
#[must_use]
pub fn terms_of(expression: &Expression) -> Vec<&Term> {
    fn collect<'a>(expression: &'a Expression, terms: &mut Vec<&'a Term>) {
        match expression {
            Expression::Term(term) if terms.contains(&term) => {}
            Expression::Term(term) => terms.push(term),
            Expression::Not(inner) => collect(inner, terms),
            Expression::And(operands) | Expression::Or(operands) => operands.iter().for_each(|one| collect(one, terms)),
        }
    }
    let mut terms = Vec::new();
    collect(expression, &mut terms);
    terms
}

/// The names of the tags that an expression uses, each once, in the order of their first use.
#[must_use]
pub fn tags_of(expression: &Expression) -> Vec<&str> {
    fn collect<'a>(expression: &'a Expression, names: &mut Vec<&'a str>) {
        match expression {
            Expression::Term(Term::Tag(name)) if !names.contains(&name.as_str()) => names.push(name),
            Expression::Term(_) => {}
            Expression::Not(inner) => collect(inner, names),
            Expression::And(operands) | Expression::Or(operands) => {
                operands.iter().for_each(|one| collect(one, names));
            }
        }
    }
    let mut names = Vec::new();
    collect(expression, &mut names);
    names
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audience::parse::parse;

    #[test]
    fn the_canonical_text_has_capitals_and_parentheses() {
        let tree =
            parse("( grade:2021 or tag:freshman ) and not (Department:cs or user:7) and department=law").unwrap();
        let text = "(grade:2021 OR tag:freshman) AND NOT (department:cs OR user:7) AND department=law";
        assert_eq!(tree.to_string(), text);
        assert_eq!(tags_of(&tree), ["grade:2021", "freshman"]);
    }
}
