//! What a text field may hold.

use super::{invalid, not_yet};
use crate::domain::line::{lines, longest, one_line};
use crate::domain::refusal::Refusal;

/// A text of several lines of at most `bytes_max` bytes.
///
/// # Errors
/// `FIELD_TOO_LONG`, `CONTROL_CHARACTER`, or `FIELD_INVALID` for a NUL, naming the field.
pub fn block(path: &str, text: &str, bytes_max: usize) -> Result<(), Refusal> {
    longest(path, text.len(), bytes_max, "bytes")?;
    if text.bytes().any(|byte| byte == 0) {
        return Err(invalid(path, "holds a NUL character; take it out"));
    }
    lines(path, text)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::refusal::Reason;

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
