//! Names and titles: one line that people write and others read.

use super::refusal::{Reason, Refusal};

/// The longest name or title, in characters.
pub const NAME_CHARS_MAX: usize = 200;

/// Goes on if a text is a name: 1 to [`NAME_CHARS_MAX`] characters on one line.
///
/// # Errors
/// `FIELD_REQUIRED`, `FIELD_TOO_LONG`, `CONTROL_CHARACTER`, naming `field`.
pub fn name(field: &str, text: &str) -> Result<(), Refusal> {
    if text.trim().is_empty() {
        return Err(Refusal::new(Reason::FieldRequired, format!("Give {field} a text.")).field(field));
    }
    title(field, text)
}

/// Goes on if a text is a title: at most [`NAME_CHARS_MAX`] characters on one line, or nothing.
///
/// # Errors
/// `FIELD_TOO_LONG`, `CONTROL_CHARACTER`, naming `field`.
pub fn title(field: &str, text: &str) -> Result<(), Refusal> {
    let actual = text.chars().count();
    if actual > NAME_CHARS_MAX {
        let message = format!("{field} has {actual} characters; at most {NAME_CHARS_MAX} are taken. Shorten it.");
        let refusal = Refusal::new(Reason::FieldTooLong, message).field(field);
        return Err(refusal.with("limit", NAME_CHARS_MAX).with("actual", actual).with("unit", "characters"));
    }
    if text.chars().any(breaks_or_hides) {
        let message = format!("{field} is one line without line breaks and control characters. Remove them.");
        return Err(Refusal::new(Reason::ControlCharacter, message).field(field));
    }
    Ok(())
}

/// Control characters, line separators, and marks that turn the reading direction: a name with one of them can
/// show itself as another.
fn breaks_or_hides(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_visible_line() {
        assert_eq!(name("name", "李明 (Ming Li)"), Ok(()));
        assert_eq!(title("title", ""), Ok(()));
        let reason = |text: &str| name("name", text).unwrap_err().reason;
        assert_eq!(reason("  "), Reason::FieldRequired);
        assert_eq!(reason("a\r\nBcc: b"), Reason::ControlCharacter);
        assert_eq!(reason("a\u{202e}b"), Reason::ControlCharacter);
        assert_eq!(reason(&"长".repeat(201)), Reason::FieldTooLong);
    }
}
