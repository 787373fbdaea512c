//! Lists of what is to be reviewed.

use std::fmt;
use std::str::FromStr;

use super::ReviewStatus;
use crate::access::Caller;
use crate::domain::access::{KeyScope, Mode};
use crate::domain::id::MessageId;
use crate::domain::page::{Page, PageRequest};
use crate::domain::refusal::Refusal;
use crate::domain::time::At;
use crate::publish::Publisher;
use crate::store::MessageRow;

/// Reviews that one page reads at most while it looks for those that concern the caller.
const SCAN_MAX: usize = 2_000;
/// Reviews read at a time.
const SCAN_STEP: usize = 100;

/// A message in review, as the caller sees it.
#[derive(Clone, Debug)]
pub struct ReviewItem {
    /// The message.
    pub row: MessageRow,
    /// Where its review stands.
    pub status: ReviewStatus,
}

/// The place of a review in the list.
#[derive(Clone, Copy)]
struct Mark(At, MessageId);

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.0.0, self.1)
    }
}

impl FromStr for Mark {
    type Err = ();

    fn from_str(text: &str) -> Result<Mark, ()> {
        let (at, id) = text.split_once('-').ok_or(())?;
        Ok(Mark(At(at.parse().map_err(|_| ())?), id.parse().map_err(|_| ())?))
    }
}

impl Publisher {
    /// Open reviews that concern the caller, those that lapse first at the top: what she may decide, and, unless
    /// only that is asked for, what she published. A page may hold fewer than asked for and yet have a next one.
    ///
    /// # Errors
    /// `PERSON_REQUIRED`, `TEST_KEY`, `SCOPE_MISSING`, `PAGE_TOKEN_INVALID`.
    pub async fn list_reviews(
        &self,
        caller: &Caller,
        to_decide: bool,
        page: &PageRequest,
    ) -> Result<Page<ReviewItem>, Refusal> {
        caller.require_person()?;
        live(caller)?;
        caller.require(KeyScope::Read)?;
        let (limit, mut after) = (page.limit(), page.after::<Mark>()?);
        let (mut items, mut scanned) = (Vec::new(), 0);
        while scanned < SCAN_MAX {
            let place = after.map(|Mark(at, id)| (at, id));
            let found = self.parts.store.reviews.open(place, SCAN_STEP).await?;
            let last_step = found.len() < SCAN_STEP;
            for review in found {
                scanned += 1;
                if items.len() == limit {
                    return Ok(Page { items, next: after.map(|mark| mark.to_string()) });
                }
                after = Some(Mark(review.opening.lapse_at, review.message));
                let Some(row) = self.parts.store.messages.message(review.message).await? else { continue };
                let (status, may_decide) = self.parts.status_for(caller, &row, &review).await?;
                if may_decide || (!to_decide && row.facts.principal == caller.principal) {
                    items.push(ReviewItem { row, status });
                }
            }
            if last_step {
                return Ok(Page { items, next: None });
            }
        }
        Ok(Page { items, next: after.map(|mark| mark.to_string()) })
    }
}

/// A live key: what it says changes what people get.
pub(super) fn live(caller: &Caller) -> Result<(), Refusal> {
    match caller.mode() {
        Mode::Live => Ok(()),
        Mode::Test => {
            let message = "A test key may not review; use a live one.";
            Err(Refusal::new(crate::domain::refusal::Reason::TestKey, message))
        }
    }
}
