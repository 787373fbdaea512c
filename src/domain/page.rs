//! Pages of lists: how long, and the mark after which a page goes on. Every list says itself what its marks are; the
//! edge wraps them into tokens that fit one list only.

use std::str::FromStr;

use super::refusal::{Reason, Refusal};

/// Entries of a page that asks for no size.
pub const PAGE_DEFAULT: usize = 50;
/// The most entries of a page.
pub const PAGE_MAX: usize = 1_000;

/// Which page of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageRequest {
    /// At most so many entries, 1 to [`PAGE_MAX`].
    pub size: usize,
    /// The mark that the page before ended with; `None` for the first page.
    pub after: Option<String>,
}

/// A page of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    /// The entries.
    pub items: Vec<T>,
    /// The mark after which the next page goes on; `None` on the last.
    pub next: Option<String>,
}

impl Default for PageRequest {
    fn default() -> PageRequest {
        PageRequest { size: PAGE_DEFAULT, after: None }
    }
}

impl PageRequest {
    /// How many entries the page may have, whatever was asked for.
    #[must_use]
    pub fn limit(&self) -> usize {
        self.size.clamp(1, PAGE_MAX)
    }

    /// The mark of the page before, read as what it is in this list.
    ///
    /// # Errors
    /// `PAGE_TOKEN_INVALID`.
    pub fn after<T: FromStr>(&self) -> Result<Option<T>, Refusal> {
        self.after.as_deref().map(|mark| mark.parse().map_err(|_| invalid())).transpose()
    }
}

impl<T> Page<T> {
    /// The first `limit` of these entries as a page; it is the last one if there are no more of them.
    #[must_use]
    pub fn first(items: impl IntoIterator<Item = T>, limit: usize, mark: impl Fn(&T) -> String) -> Page<T> {
        let mut items: Vec<T> = items.into_iter().take(limit.saturating_add(1)).collect();
        let more = items.len() > limit;
        items.truncate(limit);
        let next = items.last().filter(|_| more).map(mark);
        Page { items, next }
    }

    /// The same page with something else in the place of each entry.
    #[must_use]
    pub fn map<U>(self, change: impl FnMut(T) -> U) -> Page<U> {
        Page { items: self.items.into_iter().map(change).collect(), next: self.next }
    }
}

/// The refusal of a mark or token that the list did not give.
#[must_use]
pub fn invalid() -> Refusal {
    let message =
        "Give back the token of the previous page unchanged and with the same filters, or none to start anew.";
    Refusal::new(Reason::PageTokenInvalid, message).field("page_token")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_put_together_are_the_list() {
        for length in 0..8_u32 {
            let (mut request, mut seen) = (PageRequest { size: 2, after: None }, Vec::new());
            loop {
                let after = request.after::<u32>().unwrap();
                let rest = (0..length).filter(|one| after.is_none_or(|last| *one > last));
                let page = Page::first(rest, request.limit(), u32::to_string);
                assert!(page.items.len() <= 2 && (length == 0 || !page.items.is_empty()));
                seen.extend(page.items);
                request.after = page.next;
                if request.after.is_none() {
                    break;
                }
            }
            assert_eq!(seen, (0..length).collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_mark_of_another_kind_is_refused() {
        let request = PageRequest { size: 0, after: Some("msg_1".to_owned()) };
        assert_eq!(request.after::<u32>().unwrap_err().reason, Reason::PageTokenInvalid);
        assert_eq!(request.limit(), 1);
    }
}
