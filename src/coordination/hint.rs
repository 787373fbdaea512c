//! The hints and their text on the wire.

use crate::domain::id::{LegId, MessageId};
use crate::domain::time::At;

/// Something that another node should look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Hint {
    /// Batches lie in the store that any node may claim.
    Wake,
    /// An app leg became visible, at this time; to this one person if it is a short message.
    Shown {
        /// The leg.
        leg: LegId,
        /// Since when, as the store has it.
        visible_at: At,
        /// The one member of a short message.
        only: Option<u32>,
    },
    /// An app leg is hidden.
    Hidden {
        /// The leg.
        leg: LegId,
    },
    /// A message was cancelled, which the change feed says as well.
    Cancelled {
        /// The message.
        message: MessageId,
    },
    /// The change feed has gone on, at least to here.
    Changed {
        /// The change's number.
        seq: i64,
    },
    /// Hints may have been missed: look at everything. Never told to others; each node tells itself.
    CatchUp,
}

impl Hint {
    /// The hint as a word without blanks; nothing for one that is not told to others.
    pub(super) fn text(&self) -> Option<String> {
        Some(match self {
            Hint::Wake => "w".to_owned(),
            Hint::Shown { leg, visible_at, only: None } => format!("s:{}:{}", leg.0, visible_at.0),
            Hint::Shown { leg, visible_at, only: Some(only) } => format!("s:{}:{}:{only}", leg.0, visible_at.0),
            Hint::Hidden { leg } => format!("h:{}", leg.0),
            Hint::Cancelled { message } => format!("x:{}", message.0),
            Hint::Changed { seq } => format!("c:{seq}"),
            Hint::CatchUp => return None,
        })
    }

    /// The hint that [`Hint::text`] wrote. Anything else, as from a newer node, is no hint.
    pub(super) fn parse(word: &str) -> Option<Hint> {
        let mut parts = word.split(':');
        let kind = parts.next()?;
        let numbers: Vec<i64> = parts.map(str::parse).collect::<Result<_, _>>().ok()?;
        Some(match (kind, numbers.as_slice()) {
            ("w", []) => Hint::Wake,
            ("s", [leg, at]) => Hint::Shown { leg: LegId(*leg), visible_at: At(*at), only: None },
            ("s", [leg, at, only]) => {
                Hint::Shown { leg: LegId(*leg), visible_at: At(*at), only: Some(u32::try_from(*only).ok()?) }
            }
            ("h", [leg]) => Hint::Hidden { leg: LegId(*leg) },
            ("x", [message]) => Hint::Cancelled { message: MessageId(*message) },
            ("c", [seq]) => Hint::Changed { seq: *seq },
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hints_read_back_and_what_is_none_is_passed_over() {
        let leg = LegId(0x1234_5671);
        for hint in [
            Hint::Wake,
            Hint::Shown { leg, visible_at: At(7), only: None },
            Hint::Shown { leg, visible_at: At(7), only: Some(u32::MAX) },
            Hint::Hidden { leg },
            Hint::Cancelled { message: MessageId(32) },
            Hint::Changed { seq: 9 },
        ] {
            assert_eq!(hint.text().as_deref().and_then(Hint::parse), Some(hint));
        }
        for word in ["", "w:1", "s:1", "s:1:2:-3", "s:1:2:3:4", "h:x", "c:99999999999999999999", "z:1"] {
            assert_eq!(Hint::parse(word), None, "{word}");
        }
        assert_eq!(Hint::CatchUp.text(), None);
    }
}
