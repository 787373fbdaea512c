//! What a text field may hold.

use super::{invalid, not_yet};
use crate::domain::refusal::{Reason, Refusal};

/// A one-line text of at most `chars_max` characters. Line breaks of any kind and control characters are refused,
/// never stripped: a changed text would be somebody else's text.
///
/// # Errors
/// `CONTROL_CHARACTER` or `FIELD_TOO_LONG`, naming the field.
pub fn one_line(path: &str, text: &str, chars_max: usize) -> Result<(), Refusal> {
    if let Some(place) = text.chars().position(breaks_line) {
        let message = format!("`{path}` is one line; take out the control character or line break in it.");
        return Err(Refusal::new(Reason::ControlCharacter, message).field(path).with("position", place));
    }
    // Bytes are never fewer than characters, so that most texts need no counting.
    if text.len() > chars_max {
        longest(path, text.chars().count(), chars_max, "characters")?;
    }
    Ok(())
}

/// A text of several lines of at most `bytes_max` bytes.
///
/// # Errors
/// `FIELD_TOO_LONG`, or `FIELD_INVALID` for a NUL, naming the field.
pub fn block(path: &str, text: &str, bytes_max: usize) -> Result<(), Refusal> {
    longest(path, text.len(), bytes_max, "bytes")?;
    if text.bytes().any(|byte| byte == 0) {
        return Err(invalid(path, "holds a NUL character; take it out"));
    }
    Ok(())
}

/// Refuses a field that is longer than its limit.
///
/// # Errors
/// `FIELD_TOO_LONG` with limit, actual size and unit.
pub fn longest(path: &str, actual: usize, limit: usize, unit: &'static str) -> Result<(), Refusal> {
    if actual <= limit {
        return Ok(());
    }
    let message = format!("`{path}` has {actual} {unit}; at most {limit} are allowed.");
    let refusal = Refusal::new(Reason::FieldTooLong, message).field(path);
    Err(refusal.with("limit", limit).with("actual", actual).with("unit", unit))
}

/// A text in which `{{…}}` would be filled in per person, which this version does not do.
///
/// # Errors
/// `NOT_YET_AVAILABLE`: a person must never read the braces.
pub fn without_placeholders(path: &str, text: &str) -> Result<(), Refusal> {
    match text.find("{{") {
        Some(open) if text[open..].contains("}}") => Err(not_yet(path)),
        _ => Ok(()),
    }
}

/// A link that people can safely be led to: https, or http to this very machine for trials.
///
/// # Errors
/// `FIELD_INVALID`, naming the field.
pub fn link(path: &str, text: &str) -> Result<(), Refusal> {
    one_line(path, text, LINK_CHARS_MAX)?;
    let wrong = || invalid(path, "is not an https address such as https://www.example.edu/notice");
    let uri: http::Uri = text.parse().map_err(|_| wrong())?;
    let authority = uri.authority().ok_or_else(wrong)?;
    let host = authority.host();
    let named = !host.is_empty() && !authority.as_str().contains('@') && !text.contains(char::is_whitespace);
    match uri.scheme_str() {
        Some("https") if named => Ok(()),
        Some("http") if named && is_loopback(host) => Ok(()),
        _ => Err(wrong()),
    }
}

const LINK_CHARS_MAX: usize = 2_048;

fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    bare == "localhost" || bare.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn breaks_line(c: char) -> bool {
    c.is_control() || c == '\u{2028}' || c == '\u{2029}'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_line_break_is_refused() {
        for bad in ["a\rb", "a\nb", "\u{2028}", "x\u{2029}", "\u{85}", "\u{b}", "\u{c}", "\0", "\u{7f}"] {
            assert_eq!(one_line("title", bad, 200).unwrap_err().reason, Reason::ControlCharacter, "{bad:?}");
        }
        assert_eq!(one_line("title", "补考通知 🎓", 200), Ok(()));
    }

    #[test]
    fn length_is_counted_in_characters_and_told() {
        assert_eq!(one_line("title", &"中".repeat(200), 200), Ok(()));
        let refusal = one_line("title", &"中".repeat(201), 200).unwrap_err();
        assert_eq!(refusal.reason, Reason::FieldTooLong);
        let facts = [("limit", "200"), ("actual", "201"), ("unit", "characters")].map(|(k, v)| (k, v.to_owned()));
        assert_eq!(refusal.metadata, facts);
    }

    #[test]
    fn only_links_that_name_a_host_over_https_pass() {
        for good in ["https://www.example.edu/a?b=c#d", "http://127.0.0.1:8080/x", "http://[::1]/x", "http://localhost"]
        {
            assert_eq!(link("link", good), Ok(()), "{good}");
        }
        for bad in [
            "http://www.example.edu",
            "javascript:alert(1)",
            "//example.edu",
            "https://",
            "/x",
            "https://a@b.edu/",
            "https://a b/",
            "data:text/html,x",
        ] {
            assert_eq!(link("link", bad).unwrap_err().reason, Reason::FieldInvalid, "{bad}");
        }
    }
}
