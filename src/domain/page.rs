//! Pages of lists: a size, and a token that says after which entry to go on.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::refusal::{Reason, Refusal};

/// Entries of a page that asks for no size.
pub const PAGE_DEFAULT: usize = 50;
/// The most entries of a page.
pub const PAGE_MAX: usize = 1_000;

/// Which page of a list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PageRequest {
    /// At most so many entries; 0 is [`PAGE_DEFAULT`].
    pub size: usize,
    /// From the page before; empty for the first.
    pub token: String,
}

/// A page of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    /// The entries.
    pub items: Vec<T>,
    /// For the next page; empty on the last.
    pub next_token: String,
}

impl PageRequest {
    /// How many entries the page may have.
    #[must_use]
    pub fn limit(&self) -> usize {
        if self.size == 0 { PAGE_DEFAULT } else { self.size.min(PAGE_MAX) }
    }

    /// The name of the entry that the page before ended with.
    ///
    /// # Errors
    /// `PAGE_TOKEN_INVALID`.
    pub fn after(&self) -> Result<Option<String>, Refusal> {
        if self.token.is_empty() {
            return Ok(None);
        }
        let bytes = URL_SAFE_NO_PAD.decode(&self.token).ok();
        bytes.and_then(|bytes| String::from_utf8(bytes).ok()).map(Some).ok_or_else(invalid)
    }

    /// The page that begins after the entry of the token, of entries that are in the list's order already.
    ///
    /// # Errors
    /// `PAGE_TOKEN_INVALID`.
    pub fn cut<T>(
        &self,
        items: impl IntoIterator<Item = T>,
        name: impl Fn(&T) -> String,
        is_after: impl Fn(&T, &str) -> bool,
    ) -> Result<Page<T>, Refusal> {
        let after = self.after()?;
        let limit = self.limit();
        let rest = items.into_iter().filter(|item| after.as_deref().is_none_or(|token| is_after(item, token)));
        let mut items: Vec<T> = rest.take(limit + 1).collect();
        let more = items.len() > limit;
        items.truncate(limit);
        let next_token = items.last().filter(|_| more).map_or(String::new(), |last| token(&name(last)));
        Ok(Page { items, next_token })
    }
}

/// The token of the page after the entry with a name.
#[must_use]
pub fn token(name: &str) -> String {
    URL_SAFE_NO_PAD.encode(name)
}

/// The refusal of a token that no list gave.
#[must_use]
pub fn invalid() -> Refusal {
    Refusal::new(Reason::PageTokenInvalid, "Take the page token from the answer before, or leave it empty.")
        .field("page_token")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_put_together_are_the_list() {
        let all: Vec<String> = ["a", "b", "c", "d", "e"].map(str::to_owned).to_vec();
        let (mut request, mut seen) = (PageRequest { size: 2, token: String::new() }, Vec::new());
        loop {
            let page = request.cut(all.clone(), String::clone, |item, after| item.as_str() > after).unwrap();
            assert!(page.items.len() <= 2);
            seen.extend(page.items);
            if page.next_token.is_empty() {
                break;
            }
            request.token = page.next_token;
        }
        assert_eq!(seen, all);
        request.token = "%".to_owned();
        assert_eq!(request.after().unwrap_err().reason, Reason::PageTokenInvalid);
    }
}
