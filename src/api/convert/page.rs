//! Lists by pages.

use super::invalid;
use crate::domain::refusal::{Reason, Refusal};

/// The length of a page whose caller names none.
pub const SIZE_DEFAULT: usize = 50;
/// The longest page.
pub const SIZE_MAX: usize = 1_000;

/// How long a page is to be: the default for 0, at most [`SIZE_MAX`].
///
/// # Errors
/// `FIELD_INVALID` for less than nothing or more than the most.
pub fn size(wanted: i32) -> Result<usize, Refusal> {
    match usize::try_from(wanted) {
        Ok(0) => Ok(SIZE_DEFAULT),
        Ok(size) if size <= SIZE_MAX => Ok(size),
        _ => Err(invalid("page_size", "is not between 1 and 1,000")),
    }
}

/// The token of the page before; `None` for the first page.
#[must_use]
pub fn token(text: &str) -> Option<&str> {
    if text.is_empty() { None } else { Some(text) }
}

/// Where a list that is in memory goes on: the place after the last entry that was shown.
///
/// # Errors
/// `PAGE_TOKEN_INVALID`.
pub fn place(text: &str) -> Result<usize, Refusal> {
    if text.is_empty() {
        return Ok(0);
    }
    let message = "Give back the token of the previous page unchanged, or none to start anew.";
    let wrong = || Refusal::new(Reason::PageTokenInvalid, message).field("page_token");
    if text.len() > 12 || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(wrong());
    }
    text.parse().map_err(|_| wrong())
}

/// One page of a list that is in memory, and the token of the next.
///
/// # Errors
/// `FIELD_INVALID` or `PAGE_TOKEN_INVALID`.
pub fn cut<T>(all: Vec<T>, page_size: i32, page_token: &str) -> Result<(Vec<T>, String), Refusal> {
    let (size, from) = (size(page_size)?, place(page_token)?);
    let next = from.saturating_add(size);
    let token = if next < all.len() { next.to_string() } else { String::new() };
    Ok((all.into_iter().skip(from).take(size).collect(), token))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_cover_a_list_once() {
        let (mut seen, mut token) = (Vec::new(), String::new());
        loop {
            let (page, next) = cut((0..120).collect(), 50, &token).unwrap();
            seen.extend(page);
            if next.is_empty() {
                break;
            }
            token = next;
        }
        assert_eq!(seen, (0..120).collect::<Vec<i32>>());
    }

    #[test]
    fn sizes_and_tokens_that_cannot_be_are_refused() {
        assert_eq!((size(0), size(1_000)), (Ok(50), Ok(1_000)));
        assert!(size(-1).is_err() && size(1_001).is_err());
        assert!(place("x").is_err() && place("99999999999999").is_err() && place("-1").is_err());
    }
}
