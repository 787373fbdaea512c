//! Between the wire and the domain, both ways. Everything here is total: what comes in is either a valid value
//! or a refusal that names the field, what goes out always fits. Nothing that a caller says is silently left out.

pub mod access;
pub mod audit;
pub mod content;
pub mod directory;
pub mod enums;
pub mod history;
pub mod inbox;
pub mod message;
pub mod operations;
pub mod page;
pub mod preview;
pub mod publish;
pub mod relation;
pub mod request;
pub mod review;
pub mod role;
pub mod sync;
pub mod text;
pub mod time;
pub mod topic;

use super::{error, v1};
use crate::domain::line;
use crate::domain::refusal::{Reason, Refusal};

/// The refusal of a field that the interface has and this version does not serve.
#[must_use]
pub fn not_yet(path: &str) -> Refusal {
    Refusal::new(Reason::NotYetAvailable, format!("`{path}` is not available yet; leave it out.")).field(path)
}

/// The refusal of a required field that is missing.
#[must_use]
pub fn required(path: &str) -> Refusal {
    Refusal::new(Reason::FieldRequired, format!("`{path}` is required.")).field(path)
}

/// The refusal of a value that a field cannot have.
#[must_use]
pub fn invalid(path: &str, what_to_do: &str) -> Refusal {
    Refusal::new(Reason::FieldInvalid, format!("`{path}` {what_to_do}.")).field(path)
}

/// A count as the wire carries it; what does not fit is shown as the largest.
#[must_use]
pub fn count(n: u64) -> i32 {
    i32::try_from(n).unwrap_or(i32::MAX)
}

/// A field of which only the absence is served.
pub(super) fn absent(is_absent: bool, path: &str) -> Result<(), Refusal> {
    if is_absent { Ok(()) } else { Err(not_yet(path)) }
}

/// An empty text is an absent one.
pub(super) fn some(text: String) -> Option<String> {
    if text.is_empty() { None } else { Some(text) }
}

/// Words for the record, in a field that may be empty.
///
/// # Errors
/// `CONTROL_CHARACTER` or `FIELD_TOO_LONG`.
pub fn why(text: &str) -> Result<(), Refusal> {
    line::one_line("why", text, WHY_CHARS_MAX)
}

const WHY_CHARS_MAX: usize = 500;

/// A refused row of a stream, counted from 0 here and from 1 on the wire. The id is that of the user, where the
/// refusal names one.
#[must_use]
pub fn error_row(row: usize, refusal: Refusal) -> v1::RowError {
    let id = refusal.metadata.iter().find(|(key, _)| key.starts_with("user_id")).map(|(_, id)| id.clone());
    let row = i64::try_from(row).map_or(i64::MAX, |row| row.saturating_add(1));
    v1::RowError { row, id: id.unwrap_or_default(), error: Some(error::item(refusal)) }
}
