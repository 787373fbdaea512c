//! What a refused expression would be with one small change, where it is clear which one was meant.

use super::parse::READING_BYTES_MAX;
use crate::domain::directory::{is_external_id, is_tag_name};

/// What people write for the three operators. `和` and `与` are left out: they join sets as often as they narrow.
const OPERATORS: [(&str, &[&str]); 4] = [
    ("AND", &["&", "&&", "且", "并且", "而且"]),
    ("OR", &["|", "||", "或", "或者"]),
    ("NOT", &["!", "非", "不是"]),
    ("AND NOT", &["-", "except", "without", "除了"]),
];

/// The whole text with the bytes `from..to` replaced, if that is fit for an answer.
pub(super) fn replaced(text: &str, from: usize, to: usize, with: &str) -> Option<String> {
    let mended = format!("{}{with}{}", &text[..from], &text[to..]);
    is_presentable(&mended).then_some(mended)
}

/// Whether a caller's text may be shown as it is: short, and nothing in it moves a cursor or turns the reading direction.
pub(super) fn is_presentable(text: &str) -> bool {
    let plain = |c: char| "\"'\\".contains(c) || c.escape_debug().len() == 1;
    text.len() <= READING_BYTES_MAX && text.chars().all(plain)
}

/// What was meant by a word that is no term.
pub(super) fn word(text: &str) -> Option<String> {
    if text.chars().any(is_wide) {
        return Some(text.chars().map(narrow).collect());
    }
    if let Some(negated) = text.strip_prefix('!').filter(|rest| !rest.is_empty()) {
        return Some(format!("NOT {negated}"));
    }
    let bare: String = text.chars().filter(|c| !"\"'“”‘’`".contains(*c)).collect();
    if bare.len() < text.len() {
        return (!bare.is_empty()).then_some(bare);
    }
    if is_tag_name(text) && !text.contains(':') {
        return Some(operator(text).map_or_else(|| format!("tag:{text}"), str::to_owned));
    }
    if let Some(rest) = text.strip_prefix("tag:").filter(|rest| rest.eq_ignore_ascii_case("everyone")) {
        return Some(rest.to_owned());
    }
    let (key, value) = text.split_once('=')?;
    let fits = match key.to_ascii_lowercase().as_str() {
        "user" => is_external_id(value),
        "tag" => is_tag_name(value),
        _ => is_tag_name(&format!("{key}:{value}")),
    };
    fits.then(|| format!("{key}:{value}"))
}

/// The operator that was meant by a word which stands where one belongs.
pub(super) fn operator(text: &str) -> Option<&'static str> {
    let text = text.to_lowercase();
    OPERATORS.iter().find(|(_, words)| words.contains(&text.as_str())).map(|(operator, _)| *operator)
}

/// Full-width forms of ASCII look like it and are not.
pub(super) fn is_wide(c: char) -> bool {
    ('\u{ff01}'..='\u{ff5e}').contains(&c)
}

fn narrow(c: char) -> char {
    let ascii = if is_wide(c) { char::from_u32(c as u32 - 0xfee0) } else { None };
    ascii.unwrap_or(c)
}
