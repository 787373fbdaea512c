//! Where a reader stands: in a list by position, in a stream by the feed's own count.

use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::domain::id::LegId;
use crate::domain::refusal::{Reason, Refusal};
use crate::domain::time::At;

/// The place of an entry in every inbox that has it: newest last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Position {
    /// Since when it is visible.
    pub visible_at: At,
    /// The leg's number, which tells entries of the same moment apart; 0 stands before all of them.
    pub leg: i64,
}

impl Position {
    /// The place of a leg.
    pub(super) fn of(visible_at: At, leg: LegId) -> Position {
        Position { visible_at, leg: leg.0 }
    }

    /// The leg that stands here.
    pub(super) fn leg(self) -> LegId {
        LegId(self.leg)
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.visible_at.0, self.leg)
    }
}

impl FromStr for Position {
    type Err = ParsePositionError;

    fn from_str(text: &str) -> Result<Position, ParsePositionError> {
        let (at, leg) = text.split_once(':').ok_or(ParsePositionError)?;
        let number = |text: &str| text.parse().map_err(|_| ParsePositionError);
        Ok(Position { visible_at: At(number(at)?), leg: number(leg)? })
    }
}

/// A text that is no place in an inbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ParsePositionError;

/// How far a reader has followed the inbox. `feed` and `seq` are exact as long as the process lives and
/// remembers; `position` is what is left after that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cursor {
    /// Which feed counted; 0 is none that lives.
    pub feed: i64,
    /// Its last entry that the reader has.
    pub seq: i64,
    /// The newest entry at that time.
    pub position: Position,
}

impl Cursor {
    /// The text that clients keep.
    pub(super) fn text(self) -> String {
        let mut bytes = [0; 32];
        let parts = [self.feed, self.seq, self.position.visible_at.0, self.position.leg];
        for (place, part) in bytes.chunks_exact_mut(8).zip(parts) {
            place.copy_from_slice(&part.to_be_bytes());
        }
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// The cursor that [`Cursor::text`] wrote.
    pub(super) fn parse(text: &str) -> Result<Cursor, Refusal> {
        let [feed, seq, at, leg] = numbers(text).ok_or_else(|| {
            Refusal::new(Reason::FieldInvalid, "Take the cursor from ListInbox or from the stream, or leave it empty.")
                .field("cursor")
        })?;
        Ok(Cursor { feed, seq, position: Position { visible_at: At(at), leg } })
    }
}

fn numbers<const N: usize>(text: &str) -> Option<[i64; N]> {
    let bytes = URL_SAFE_NO_PAD.decode(text).ok().filter(|bytes| bytes.len() == N * 8)?;
    let mut numbers = [0; N];
    for (number, part) in numbers.iter_mut().zip(bytes.chunks_exact(8)) {
        *number = i64::from_be_bytes(part.try_into().ok()?);
    }
    Some(numbers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_read_back_and_damage_is_refused() {
        let position = Position::of(At(1_790_000_000_123), LegId(0x1234_5671));
        let cursor = Cursor { feed: 7, seq: 99, position };
        assert_eq!(Cursor::parse(&cursor.text()), Ok(cursor));
        assert_eq!(position.to_string().parse(), Ok(position));
        assert_eq!(Cursor::parse(&position.to_string()).unwrap_err().reason, Reason::FieldInvalid);
        for bad in ["", "%%%", "7", "7:", ":7", "7:7:7", "99999999999999999999:1"] {
            assert_eq!(bad.parse::<Position>(), Err(ParsePositionError), "{bad}");
        }
    }
}
