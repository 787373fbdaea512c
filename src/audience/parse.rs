//! Text into an expression tree, by recursive descent with limits on bytes, terms and depth.
//!
//! ```text
//! level   = operand { AND operand } | operand { OR operand }      never both on one level
//! operand = NOT operand | "(" level ")" | term
//! term    = everyone | tag:NAME | KEY:VALUE | department:ID | department=ID | user:ID
//! ```
//!
//! `NOT` only takes people away: it stands beside `AND` with something to take them from.

use unicode_normalization::UnicodeNormalization;

use super::lexer::{Kind, Token, tokens};
use super::mend;
use crate::domain::audience::{DEPTH_MAX, Expression, TERMS_MAX, TEXT_BYTES_MAX, Term};
use crate::domain::directory::{is_external_id, is_tag_name};
use crate::domain::refusal::{Reason, Refusal};

/// The field that every refusal of the parser names.
pub const FIELD: &str = "audience.expression";

/// A text up to this many bytes is shown whole in suggestions and in the readings of an ambiguous level.
pub(super) const READING_BYTES_MAX: usize = 400;

/// Reads an expression.
///
/// # Errors
/// `AUDIENCE_SYNTAX` with `position` (in characters, from 1), `expected` and, where one change is surely what was
/// meant, the whole text so changed as `suggestion`; `AUDIENCE_AMBIGUOUS` with `reading_a` and `reading_b`; or
/// `AUDIENCE_TOO_COMPLEX` with `limit`.
pub fn parse(text: &str) -> Result<Expression, Refusal> {
    if text.len() > TEXT_BYTES_MAX {
        return Err(too_complex("bytes", TEXT_BYTES_MAX, text.len()));
    }
    let mut parser = Parser { text, tokens: tokens(text), next: 0, terms: 0 };
    let whole = parser.level(0)?;
    if let Some(token) = parser.peek() {
        if token.kind != Kind::Close {
            return Err(parser.side_by_side(token, "AND, OR or the end"));
        }
        let refusal = syntax(token.at, "AND, OR or the end", "this `)` closes nothing; remove it or open it with `(`");
        return Err(parser.suggest(refusal, token.byte, token.end(), ""));
    }
    if matches!(whole.tree, Expression::Not(_)) {
        return Err(parser.suggest(unbounded(whole.at), whole.from, whole.from, FROM_EVERYONE));
    }
    Ok(whole.tree)
}

struct Parser<'a> {
    text: &'a str,
    tokens: Vec<Token<'a>>,
    next: usize,
    terms: usize,
}

/// What is put before a `NOT` that has nothing to take from.
const FROM_EVERYONE: &str = "everyone AND ";

/// A part of the tree and where its text is: the character where it begins and its bytes.
struct Placed {
    tree: Expression,
    at: usize,
    from: usize,
    to: usize,
}

impl<'a> Parser<'a> {
    fn peek(&self) -> Option<Token<'a>> {
        self.tokens.get(self.next).copied()
    }

    fn end_at(&self) -> usize {
        self.text.chars().count() + 1
    }

    fn level(&mut self, depth: usize) -> Result<Placed, Refusal> {
        let start = self.next;
        let mut operands = vec![self.operand(depth)?];
        let mut operators = Vec::new();
        while let Some(token) = self.peek().filter(|token| matches!(token.kind, Kind::And | Kind::Or)) {
            self.next += 1;
            operators.push(token.kind);
            operands.push(self.operand(depth)?);
        }
        let Some(&operator) = operators.first() else {
            return Ok(operands.swap_remove(0));
        };
        let (at, from, to) = (operands[0].at, operands[0].from, operands[operands.len() - 1].to);
        if let Some(other) = operators.iter().position(|one| *one != operator) {
            return Err(self.ambiguous(start, other, &operands, &operators));
        }
        let is_not = |one: &Placed| matches!(one.tree, Expression::Not(_));
        if operator == Kind::And && operands.iter().all(is_not) {
            return Err(self.suggest(unbounded(at), from, from, FROM_EVERYONE));
        }
        if let Some(one) = operands.iter().find(|one| operator == Kind::Or && is_not(one)) {
            let within = format!("({FROM_EVERYONE}{})", &self.text[one.from..one.to]);
            return Err(self.suggest(unbounded(one.at), one.from, one.to, &within));
        }
        let trees = operands.into_iter().map(|one| one.tree).collect();
        let tree = if operator == Kind::And { Expression::And(trees) } else { Expression::Or(trees) };
        Ok(Placed { tree, at, from, to })
    }

    fn operand(&mut self, depth: usize) -> Result<Placed, Refusal> {
        let expected = "a term, NOT or (";
        let Some(token) = self.peek() else {
            let advice = if self.tokens.is_empty() {
                "the expression is empty; say whom the message is for, such as `grade:2021 AND department:cs`"
            } else {
                "the text ends where a term should follow"
            };
            return Err(syntax(self.end_at(), expected, advice));
        };
        if matches!(token.kind, Kind::Not | Kind::Open) && depth == DEPTH_MAX {
            return Err(too_complex("levels", DEPTH_MAX, depth + 1));
        }
        self.next += 1;
        match token.kind {
            Kind::Not => {
                let inner = self.operand(depth + 1)?;
                if matches!(inner.tree, Expression::Not(_)) {
                    return Err(unbounded(inner.at));
                }
                let tree = Expression::Not(Box::new(inner.tree));
                // The operand may have stood in parentheses: its text ends with the last token read.
                Ok(Placed { tree, at: token.at, from: token.byte, to: self.tokens[self.next - 1].end() })
            }
            Kind::Open => {
                let inner = self.level(depth + 1)?;
                self.close(token)?;
                Ok(inner)
            }
            Kind::Word => {
                self.terms += 1;
                if self.terms > TERMS_MAX {
                    let words = self.tokens.iter().filter(|token| token.kind == Kind::Word).count();
                    return Err(too_complex("terms", TERMS_MAX, words));
                }
                let tree = Expression::Term(term(token).map_err(|refusal| match mend::word(token.text) {
                    Some(word) => self.suggest(refusal, token.byte, token.end(), &word),
                    None => refusal,
                })?);
                Ok(Placed { tree, at: token.at, from: token.byte, to: token.end() })
            }
            Kind::And | Kind::Or => {
                Err(syntax(token.at, expected, "AND and OR stand between two terms; add or remove one"))
            }
            Kind::Close => Err(syntax(token.at, expected, "there is nothing before this `)`")),
        }
    }

    fn close(&mut self, open: Token<'a>) -> Result<(), Refusal> {
        match self.peek() {
            Some(token) if token.kind == Kind::Close => {
                self.next += 1;
                Ok(())
            }
            Some(token) => Err(self.side_by_side(token, "AND, OR or )")),
            None => {
                let advice = format!("the `(` at character {} is never closed; add `)`", open.at);
                let end = self.text.trim_end().len();
                Err(self.suggest(syntax(self.end_at(), "AND, OR or )", &advice), end, end, ")"))
            }
        }
    }

    /// The refusal of a token that stands where an operator belongs.
    fn side_by_side(&self, token: Token<'_>, expected: &str) -> Refusal {
        let refusal = syntax(token.at, expected, "two terms stand side by side; put AND or OR between them");
        if token.kind == Kind::Not {
            return self.suggest(refusal, token.byte, token.byte, "AND ");
        }
        match mend::operator(token.text) {
            Some(operator) => self.suggest(refusal, token.byte, token.end(), operator),
            None => refusal,
        }
    }

    /// The refusal with the text as it would be with some bytes replaced.
    fn suggest(&self, refusal: Refusal, from: usize, to: usize, with: &str) -> Refusal {
        match mend::replaced(self.text, from, to, with) {
            Some(mended) => refusal.with("suggestion", mended),
            None => refusal,
        }
    }

    /// The refusal of a level that mixes AND and OR; `start` is its first token, `other` the number of the
    /// first operator that differs from the one before it.
    fn ambiguous(&self, start: usize, other: usize, operands: &[Placed], operators: &[Kind]) -> Refusal {
        let from = self.tokens[start].byte;
        let to = self.tokens[self.next - 1].end();
        let whole = |reading: String| {
            if !mend::is_presentable(self.text) {
                return reading.chars().take(READING_BYTES_MAX).collect();
            }
            format!("{}{reading}{}", &self.text[..from], &self.text[to..])
        };
        let a = whole(reading(operands, operators, Kind::And));
        let b = whole(reading(operands, operators, Kind::Or));
        let at = operands[other + 1].at;
        let message = format!(
            "AND and OR are mixed before character {at}. Add parentheses to say which is meant: `{a}` or `{b}`."
        );
        Refusal::new(Reason::AudienceAmbiguous, message)
            .field(FIELD)
            .with("reading_a", a)
            .with("reading_b", b)
            .with("position", at)
    }
}

/// The level with parentheses around what `tighter` joins.
fn reading(operands: &[Placed], operators: &[Kind], tighter: Kind) -> String {
    let shown = |one: &Placed| match one.tree {
        Expression::And(_) | Expression::Or(_) => format!("({})", one.tree),
        Expression::Term(_) | Expression::Not(_) => one.tree.to_string(),
    };
    let mut groups = vec![vec![shown(&operands[0])]];
    for (operator, operand) in operators.iter().zip(&operands[1..]) {
        match groups.last_mut() {
            Some(group) if *operator == tighter => group.push(shown(operand)),
            _ => groups.push(vec![shown(operand)]),
        }
    }
    let (inner, outer) = if tighter == Kind::And { (" AND ", " OR ") } else { (" OR ", " AND ") };
    let texts: Vec<String> = groups
        .into_iter()
        .map(|group| if group.len() > 1 { format!("({})", group.join(inner)) } else { group.join(inner) })
        .collect();
    texts.join(outer)
}

fn term(token: Token<'_>) -> Result<Term, Refusal> {
    let word = token.text;
    if let Some((place, wide)) = word.chars().enumerate().find(|(_, c)| mend::is_wide(*c)) {
        let advice = format!("`{wide}` is a full-width character; type the ordinary one");
        return Err(syntax(token.at + place, "a half-width character", &advice));
    }
    if word.eq_ignore_ascii_case("everyone") {
        return Ok(Term::Everyone);
    }
    let Some(cut) = word.find([':', '=']) else {
        let advice = if is_tag_name(word) {
            format!("`{word}` has no key; a plain tag is written `tag:{word}`")
        } else {
            format!("`{}` is no term; write one such as `grade:2021`, `tag:freshman` or `department:cs`", shown(word))
        };
        return Err(syntax(token.at, "key:value", &advice));
    };
    let (key, value) = (&word[..cut], &word[cut + 1..]);
    let exactly = word[cut..].starts_with('=');
    let value_at = token.at + word[..=cut].chars().count();
    let id = |make: fn(String) -> Term| {
        if is_external_id(value) {
            return Ok(make(value.to_owned()));
        }
        let advice = format!("`{}` is no id; ids are 1 to 64 of the characters A-Z a-z 0-9 . _ -", shown(value));
        Err(syntax(value_at, "an id", &advice))
    };
    match key.to_ascii_lowercase().as_str() {
        "department" if exactly => id(Term::Exactly),
        "department" => id(Term::Under),
        _ if exactly => {
            let advice = "only `department=` takes an equals sign; tags and users are written with a colon";
            Err(syntax(value_at - 1, ":", advice))
        }
        "user" => id(Term::User),
        "tag" => tag(value, value_at),
        _ => tag(word, token.at),
    }
}

fn tag(name: &str, at: usize) -> Result<Term, Refusal> {
    let name: String = name.nfc().collect();
    if is_tag_name(&name) {
        return Ok(Term::Tag(name));
    }
    let advice = format!(
        "`{}` cannot name a tag; tags are letters, digits and . _ - with at most one colon, up to 64 characters",
        shown(&name)
    );
    Err(syntax(at, "the name of a tag", &advice))
}

/// A piece of the caller's text fit for a sentence: short and without control characters.
fn shown(text: &str) -> String {
    text.chars().take(40).flat_map(char::escape_debug).collect()
}

fn syntax(position: usize, expected: &str, advice: &str) -> Refusal {
    Refusal::new(Reason::AudienceSyntax, format!("At character {position}, expected {expected}: {advice}."))
        .field(FIELD)
        .with("position", position)
        .with("expected", expected)
}

fn unbounded(position: usize) -> Refusal {
    let advice = "NOT only takes people away from something; join it by AND to those it is taken from, such as \
                  `everyone AND NOT …`";
    syntax(position, "something that NOT takes from", advice)
}

fn too_complex(unit: &str, limit: usize, actual: usize) -> Refusal {
    let advice = "Make it shorter, or name a part of it by a rule tag.";
    let message = format!("The expression has more than {limit} {unit}. {advice}");
    Refusal::new(Reason::AudienceTooComplex, message)
        .field(FIELD)
        .with("limit", limit)
        .with("actual", actual)
        .with("unit", unit)
}
