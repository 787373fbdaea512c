//! Lists by pages. A token holds where the page before ended, and a digest of the list and its filters, so that no
//! other list takes it.

use aws_lc_rs::digest;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use prost::Message;

use super::invalid;
use crate::api::v1;
use crate::domain::page::{self, PAGE_DEFAULT, PAGE_MAX, PageRequest};
use crate::domain::refusal::Refusal;

/// Bytes that tell one list from another. They guard against mistakes; rights are asked for on every page anew.
const LIST_BYTES: usize = 6;

/// A request for a page of a list.
pub trait Listing: Message {
    /// The name of the request.
    const NAME: &'static str;

    /// Takes out the size and the token, so that what is left says which list it is.
    fn take_page(&mut self) -> (i32, String);
}

/// A list whose page is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct List {
    digest: [u8; LIST_BYTES],
}

/// The page that is asked for, and the list whose tokens it takes and gives.
///
/// # Errors
/// `FIELD_INVALID` for a size that cannot be, `PAGE_TOKEN_INVALID` for a token that this list did not give.
pub fn page<L: Listing>(wanted: &mut L) -> Result<(PageRequest, List), Refusal> {
    let (size, token) = wanted.take_page();
    let size = match usize::try_from(size) {
        Ok(0) => PAGE_DEFAULT,
        Ok(size) if size <= PAGE_MAX => size,
        _ => return Err(invalid("page_size", "is not between 1 and 1,000")),
    };
    let list = List::of(wanted);
    let after = if token.is_empty() { None } else { Some(list.open(&token)?) };
    Ok((PageRequest { size, after }, list))
}

impl List {
    fn of<L: Listing>(filters: &L) -> List {
        let mut bytes = L::NAME.as_bytes().to_vec();
        bytes.push(0);
        // Maps are ordered, so equal filters give equal bytes.
        bytes.extend(filters.encode_to_vec());
        let mut list = List { digest: [0; LIST_BYTES] };
        list.digest.copy_from_slice(&digest::digest(&digest::SHA256, &bytes).as_ref()[..LIST_BYTES]);
        list
    }

    /// The token of the page after a mark; empty on the last page.
    #[must_use]
    pub fn token(&self, next: Option<String>) -> String {
        next.map_or_else(String::new, |mark| URL_SAFE_NO_PAD.encode([&self.digest, mark.as_bytes()].concat()))
    }

    fn open(&self, token: &str) -> Result<String, Refusal> {
        let bytes = URL_SAFE_NO_PAD.decode(token).map_err(|_| page::invalid())?;
        let mark = bytes.strip_prefix(&self.digest).ok_or_else(page::invalid)?;
        String::from_utf8(mark.to_vec()).map_err(|_| page::invalid())
    }
}

macro_rules! listings {
    ($($request:ident)*) => {
        $(impl Listing for v1::$request {
            const NAME: &'static str = stringify!($request);

            fn take_page(&mut self) -> (i32, String) {
                (std::mem::take(&mut self.page_size), std::mem::take(&mut self.page_token))
            }
        })*
    };
}

listings! {
    ListApplicationsRequest ListAuditEventsRequest ListDepartmentsRequest ListGrantsRequest ListInboxRequest
    ListKeysRequest ListMessagesRequest ListNodesRequest ListProvidersRequest ListRecipientsRequest
    ListRequestsRequest ListReviewsRequest
    ListRolesRequest
    ListTagMembersRequest ListTagsRequest ListTopicsRequest ListUserHistoryRequest ListUsersRequest
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::refusal::Reason;

    fn users(department_id: &str, page_size: i32, page_token: &str) -> v1::ListUsersRequest {
        let (department_id, page_token) = (department_id.to_owned(), page_token.to_owned());
        v1::ListUsersRequest { department_id, page_size, page_token, ..Default::default() }
    }

    #[test]
    fn a_token_is_taken_by_its_own_list_only() {
        let (first, list) = page(&mut users("cs", 0, "")).unwrap();
        assert_eq!((first, list.token(None)), (PageRequest::default(), String::new()));
        let token = list.token(Some("17".to_owned()));
        let (second, _) = page(&mut users("cs", 7, &token)).unwrap();
        assert_eq!(second, PageRequest { size: 7, after: Some("17".to_owned()) });
        let mut tags = v1::ListTagsRequest { page_token: token.clone(), ..Default::default() };
        let cut = &token[..token.len() - 4];
        let elsewhere = [page(&mut users("math", 7, &token)), page(&mut tags), page(&mut users("cs", 7, cut))];
        for refused in elsewhere.into_iter().chain(["x", "%", "====", "17"].map(|bad| page(&mut users("cs", 0, bad)))) {
            assert_eq!(refused.unwrap_err().reason, Reason::PageTokenInvalid);
        }
    }

    #[test]
    fn sizes_that_cannot_be_are_refused() {
        assert_eq!(page(&mut users("", 1_000, "")).unwrap().0.size, 1_000);
        for bad in [-1, 1_001, i32::MIN, i32::MAX] {
            assert_eq!(page(&mut users("", bad, "")).unwrap_err().field.as_deref(), Some("page_size"));
        }
    }
}
