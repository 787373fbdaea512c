//! Cuts the text of an expression into words, operators and parentheses.

/// One piece of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Token<'a> {
    /// What it is.
    pub(super) kind: Kind,
    /// Its characters.
    pub(super) text: &'a str,
    /// Its place in the text in characters, from 1.
    pub(super) at: usize,
    /// Its place in the text in bytes, from 0.
    pub(super) byte: usize,
}

/// The kinds of pieces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// `AND`, in any case.
    And,
    /// `OR`, in any case.
    Or,
    /// `NOT`, in any case.
    Not,
    /// `(`
    Open,
    /// `)`
    Close,
    /// Anything else between blanks and parentheses.
    Word,
}

impl Token<'_> {
    /// The byte after the token.
    pub(super) fn end(&self) -> usize {
        self.byte + self.text.len()
    }
}

/// All pieces of the text. Never fails: what is wrong with a word is the parser's to say.
pub(super) fn tokens(text: &str) -> Vec<Token<'_>> {
    let mut found = Vec::new();
    // Where the word under way began: character and byte.
    let mut word: Option<(usize, usize)> = None;
    for (place, (byte, c)) in text.char_indices().enumerate() {
        let parenthesis = match c {
            '(' => Some(Kind::Open),
            ')' => Some(Kind::Close),
            _ => None,
        };
        if parenthesis.is_none() && !c.is_whitespace() {
            word.get_or_insert((place + 1, byte));
            continue;
        }
        if let Some((at, start)) = word.take() {
            found.push(word_token(&text[start..byte], at, start));
        }
        if let Some(kind) = parenthesis {
            found.push(Token { kind, text: &text[byte..=byte], at: place + 1, byte });
        }
    }
    if let Some((at, start)) = word {
        found.push(word_token(&text[start..], at, start));
    }
    found
}

fn word_token(text: &str, at: usize, byte: usize) -> Token<'_> {
    let kind = [("and", Kind::And), ("or", Kind::Or), ("not", Kind::Not)]
        .into_iter()
        .find(|(operator, _)| text.eq_ignore_ascii_case(operator))
        .map_or(Kind::Word, |(_, kind)| kind);
    Token { kind, text, at, byte }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_counted_in_characters() {
        let found = tokens("校区:创新港 and(x)");
        let places: Vec<_> = found.iter().map(|t| (t.kind, t.text, t.at)).collect();
        assert_eq!(
            places,
            [
                (Kind::Word, "校区:创新港", 1),
                (Kind::And, "and", 8),
                (Kind::Open, "(", 11),
                (Kind::Word, "x", 12),
                (Kind::Close, ")", 13)
            ]
        );
    }
}
