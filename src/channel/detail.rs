//! Turns a provider's own words into a detail that may be stored and shown: one line, short, and without any
//! address or secret in it.

/// The longest detail, in characters.
const DETAIL_CHARS_MAX: usize = 160;
/// Stands where something was taken out.
const REMOVED: &str = "[…]";
/// Names shorter than this are only taken out where they stand alone, or every word would go.
const CONTAINED_MIN: usize = 4;

/// The provider's words without control characters, words with an `@` and words that hold one of `private`
/// (recipients' names, secrets), whatever their case; cut at 160 characters.
#[must_use]
pub fn words(said: &str, private: &[&str]) -> String {
    let private: Vec<String> = private.iter().filter(|p| !p.is_empty()).map(|p| p.to_lowercase()).collect();
    let mut out = String::new();
    let mut left = DETAIL_CHARS_MAX;
    for word in said.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty()) {
        let shown = if is_private(word, &private) { REMOVED } else { word };
        let space = if out.is_empty() { "" } else { " " };
        for c in space.chars().chain(shown.chars()) {
            if left == 0 {
                return out;
            }
            out.push(c);
            left -= 1;
        }
    }
    out
}

fn is_private(word: &str, private: &[String]) -> bool {
    if word.contains('@') {
        return true;
    }
    let word = word.to_lowercase();
    private.iter().any(|name| {
        let contained = name.len() >= CONTAINED_MIN && word.contains(name.as_str());
        contained || word.split(|c: char| !c.is_alphanumeric() && !"._+-".contains(c)).any(|token| token == name)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_names_are_taken_out_whatever_their_case() {
        let said = "5.1.1 <Gone.Li@stu.edu>: user GONE.LI; box=li unknown, see gone.li-archive";
        assert_eq!(words(said, &["gone.li", "li"]), "5.1.1 […] user […] […] unknown, see […]");
        assert_eq!(words("invalid listing", &["li"]), "invalid listing", "a short name inside another word stays");
    }

    #[test]
    fn hostile_words_become_one_short_line() {
        assert_eq!(words("a\r\nb\0c\u{7f}d\te", &[]), "a b c d e");
        for word in ["漢", "a ", "abcdefghijklmno "] {
            assert_eq!(words(&word.repeat(5_000), &[]).chars().count(), DETAIL_CHARS_MAX, "{word}");
        }
        assert_eq!(words("", &[""]), "");
    }
}
