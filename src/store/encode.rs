//! Values as every backend keeps them: sets by segment, codes that must read back, counts as text, values as
//! JSON.

use serde::{Deserialize, Serialize};

use super::{Error, Result};
use crate::domain::channel::Channel;
use crate::domain::class::Lane;
use crate::domain::outcome::{Counts, Outcome};
use crate::domain::set::{self, Set};

/// The set in a stored blob.
pub(super) fn set_of(bytes: &[u8]) -> Result<Set> {
    set::from_bytes(bytes).ok_or_else(|| Error::Damaged("a set".into()))
}

/// The value with a stored code.
pub(super) fn known<T>(value: Option<T>, what: &str) -> Result<T> {
    value.ok_or_else(|| Error::Damaged(format!("the code of a {what}")))
}

/// A stored number that is never negative.
pub(super) fn unsigned(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}

/// A number as the databases keep it.
pub(super) fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// The lane and channel with stored codes.
pub(super) fn lane_and_channel(lane: i64, channel: i64) -> Result<(Lane, Channel)> {
    Ok((known(Lane::from_code(lane), "lane")?, known(Channel::from_code(channel), "channel")?))
}

/// Final counts as text: the numbers in the order of [`Outcome::ALL`].
pub(super) fn counts_text(counts: &Counts) -> String {
    Outcome::ALL.map(|outcome| counts.get(outcome).to_string()).join(" ")
}

/// The counts in a text of [`counts_text`].
pub(super) fn counts_of(text: &str) -> Result<Counts> {
    let mut counts = Counts::default();
    for (outcome, number) in Outcome::ALL.into_iter().zip(text.split(' ')) {
        counts.add(outcome, number.parse().map_err(|_| Error::Damaged("the counts of a leg".into()))?);
    }
    Ok(counts)
}

/// A value as text.
pub(super) fn json<T: Serialize>(value: &T) -> Result<String> {
    serde_json::to_string(value).map_err(|_| Error::Damaged("a value that JSON cannot hold".into()))
}

/// The value that [`json`] wrote.
pub(super) fn unjson<'a, T: Deserialize<'a>>(text: &'a str, what: &str) -> Result<T> {
    serde_json::from_str(text).map_err(|_| Error::Damaged(what.into()))
}
