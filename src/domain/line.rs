//! Names, titles and other fields of one line that people write and others read.

use super::refusal::{Reason, Refusal};

/// The longest name or title, in characters.
pub const NAME_CHARS_MAX: usize = 200;

/// Goes on if a text is a name: 1 to [`NAME_CHARS_MAX`] characters on one line, of which one can be seen.
///
/// # Errors
/// `FIELD_REQUIRED`, `FIELD_TOO_LONG`, `CONTROL_CHARACTER`, naming `field`.
pub fn name(field: &str, text: &str) -> Result<(), Refusal> {
    if is_blank(text) {
        return Err(Refusal::new(Reason::FieldRequired, format!("`{field}` is required; give it a text.")).field(field));
    }
    one_line(field, text, NAME_CHARS_MAX)
}

/// Goes on if a text is one line of at most `chars_max` characters, or nothing. Line breaks and characters that
/// hide are refused, never stripped: a changed text would be somebody else's text.
///
/// # Errors
/// `FIELD_TOO_LONG`, `CONTROL_CHARACTER`, naming `field`.
pub fn one_line(field: &str, text: &str, chars_max: usize) -> Result<(), Refusal> {
    if let Some(place) = text.chars().position(breaks_or_hides) {
        let message = format!(
            "`{field}` is one line; take out the line break, control character or mark of reading direction in it."
        );
        return Err(Refusal::new(Reason::ControlCharacter, message).field(field).with("position", place));
    }
    // Bytes are never fewer than characters, so that most texts need no counting.
    if text.len() > chars_max {
        longest(field, text.chars().count(), chars_max, "characters")?;
    }
    Ok(())
}

/// Goes on if a text of several lines has no control character but breaks of lines and tabs: whoever reads it in a
/// terminal must see what it says.
///
/// # Errors
/// `CONTROL_CHARACTER`, naming `field`.
pub fn lines(field: &str, text: &str) -> Result<(), Refusal> {
    match text.chars().position(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t')) {
        None => Ok(()),
        Some(place) => {
            let message = format!("`{field}` holds a control character; take it out.");
            Err(Refusal::new(Reason::ControlCharacter, message).field(field).with("position", place))
        }
    }
}

/// Goes on if a field is within its limit.
///
/// # Errors
/// `FIELD_TOO_LONG` with limit, actual size and unit.
pub fn longest(field: &str, actual: usize, limit: usize, unit: &'static str) -> Result<(), Refusal> {
    if actual <= limit {
        return Ok(());
    }
    let message = format!("`{field}` has {actual} {unit}; at most {limit} are allowed.");
    let refusal = Refusal::new(Reason::FieldTooLong, message).field(field);
    Err(refusal.with("limit", limit).with("actual", actual).with("unit", unit))
}

/// Whether nothing of a text can be seen: white space, and characters without width.
#[must_use]
pub fn is_blank(text: &str) -> bool {
    text.chars().all(|c| c.is_whitespace() || c.is_control() || has_no_width(c))
}

/// Control characters, line separators, and marks that turn the reading direction: a name with one of them can
/// show itself as another.
fn breaks_or_hides(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// Allowed inside a text, where emoji and some scripts need them.
fn has_no_width(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}'
        | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{2800}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}'
        | '\u{feff}' | '\u{ffa0}' | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_visible_line() {
        assert_eq!(name("name", "李明 (Ming Li)"), Ok(()));
        assert_eq!(name("name", "👩\u{200d}🎓"), Ok(()));
        let reason = |text: &str| name("name", text).unwrap_err().reason;
        for blank in ["", "  ", "\u{3000}\u{a0}", "\u{200b}\u{2060}", "\u{3164}", "\t\n"] {
            assert_eq!(reason(blank), Reason::FieldRequired, "{blank:?}");
        }
        assert_eq!(reason(&"长".repeat(201)), Reason::FieldTooLong);
    }

    #[test]
    fn several_lines_may_break_and_not_command_a_terminal() {
        assert_eq!(lines("why", "一\r\n二\t三 👩\u{200d}🎓"), Ok(()));
        for bad in ["a\u{1b}[2J", "a\u{7}", "a\u{9b}31m", "a\0"] {
            let refusal = lines("why", bad).unwrap_err();
            assert_eq!((refusal.reason, refusal.metadata), (Reason::ControlCharacter, vec![("position", "1".into())]));
        }
    }

    #[test]
    fn every_kind_of_line_break_or_turn_is_refused_at_its_place() {
        for bad in ["a\rb", "a\nb", "\u{2028}", "x\u{2029}", "\u{85}", "\u{b}", "\u{c}", "\0", "\u{7f}", "长\u{202e}b"]
        {
            let refusal = one_line("title", bad, 200).unwrap_err();
            assert_eq!(refusal.reason, Reason::ControlCharacter, "{bad:?}");
            let place = if bad.chars().count() == 1 { "0" } else { "1" };
            assert_eq!(refusal.metadata, [("position", place.to_owned())], "{bad:?}");
        }
        assert_eq!(one_line("title", "补考通知 🎓", 200), Ok(()));
        assert_eq!(one_line("title", "", 200), Ok(()));
    }

    #[test]
    fn length_is_counted_in_characters_and_told() {
        assert_eq!(one_line("title", &"中".repeat(200), 200), Ok(()));
        let refusal = one_line("title", &"中".repeat(201), 200).unwrap_err();
        assert_eq!(refusal.reason, Reason::FieldTooLong);
        let facts = [("limit", "200"), ("actual", "201"), ("unit", "characters")].map(|(k, v)| (k, v.to_owned()));
        assert_eq!(refusal.metadata, facts);
    }
}
