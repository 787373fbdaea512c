//! Typed, time-ordered 64-bit ids, shown as a prefix and 13 characters of Crockford base32.
//!
//! Layout of the 63 bits in use: 41 bits of milliseconds since 2020, 10 bits of node, 12 bits of counter. A
//! message id keeps its last four bits zero; the legs of a message are its id plus 1 to 15, so a leg names
//! its message without a look-up.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::time::At;

/// 2020-01-01T00:00:00Z, the zero of the time part of an id.
pub const EPOCH_MS: i64 = 1_577_836_800_000;
/// Bits below the time part.
pub const SEQUENCE_BITS: u32 = 22;
/// The most legs one message can have.
pub const LEGS_MAX: u8 = 15;

const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// A text that is not an id of the kind asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an id of the form {prefix}_ and 13 characters")]
pub struct ParseIdError {
    prefix: &'static str,
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub i64);

        impl $name {
            /// What the shown form starts with, before the underscore.
            pub const PREFIX: &'static str = $prefix;

            /// When the id was made.
            #[must_use]
            pub fn made_at(self) -> At {
                At((self.0 >> SEQUENCE_BITS) + EPOCH_MS)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write_id(f, $prefix, self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write_id(f, $prefix, self.0)
            }
        }

        impl FromStr for $name {
            type Err = ParseIdError;

            fn from_str(text: &str) -> Result<Self, ParseIdError> {
                parse_id($prefix, text).map(Self)
            }
        }
    };
}

id!(
    /// One accepted publish.
    MessageId, "msg"
);
id!(
    /// One message on one channel.
    LegId, "leg"
);
id!(
    /// One taking over of a source of people.
    SyncId, "syn"
);
id!(
    /// Up to 1,000 deliveries of one leg.
    BatchId, "bat"
);
id!(
    /// A connected application system.
    ApplicationId, "app"
);
id!(
    /// An API key.
    KeyId, "key"
);
id!(
    /// A right to send.
    GrantId, "grt"
);
id!(
    /// A request for a grant.
    RequestId, "req"
);
id!(
    /// A row of the settlement or receipt log.
    EntryId, "ent"
);

impl MessageId {
    /// The leg of this message with a number from 1 to [`LEGS_MAX`].
    #[must_use]
    pub fn leg(self, number: u8) -> LegId {
        LegId(self.0 | i64::from(number.min(LEGS_MAX)))
    }

    /// The ids that legs of this message can have, first and last.
    #[must_use]
    pub fn leg_range(self) -> (LegId, LegId) {
        (self.leg(1), self.leg(LEGS_MAX))
    }
}

impl LegId {
    /// The message this is a leg of.
    #[must_use]
    pub fn message(self) -> MessageId {
        MessageId(self.0 & !0xf)
    }

    /// Which leg of its message: 1 to [`LEGS_MAX`].
    #[must_use]
    pub fn number(self) -> u8 {
        (self.0 & 0xf) as u8
    }
}

fn write_id(f: &mut fmt::Formatter<'_>, prefix: &str, value: i64) -> fmt::Result {
    let bits = value.cast_unsigned();
    let mut text = [b'0'; 13];
    for (place, slot) in text.iter_mut().enumerate() {
        let shift = 60 - 5 * place;
        *slot = ALPHABET[((bits >> shift) & 31) as usize];
    }
    write!(f, "{prefix}_{}", text.iter().map(|&b| char::from(b)).collect::<String>())
}

fn parse_id(prefix: &'static str, text: &str) -> Result<i64, ParseIdError> {
    let wrong = || ParseIdError { prefix };
    let digits = text.strip_prefix(prefix).and_then(|rest| rest.strip_prefix('_')).ok_or_else(wrong)?;
    if digits.len() != 13 {
        return Err(wrong());
    }
    let mut bits: u128 = 0;
    for byte in digits.bytes() {
        let value = ALPHABET.iter().position(|&b| b == byte).ok_or_else(wrong)?;
        bits = (bits << 5) | value as u128;
    }
    i64::try_from(bits).map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_reads_back_what_it_shows() {
        for value in [0, 1, 16, i64::MAX, 0x0123_4567_89ab_cdef] {
            let id = MessageId(value);
            assert_eq!(id.to_string().parse::<MessageId>(), Ok(id));
        }
    }

    #[test]
    fn a_foreign_or_mangled_id_is_refused() {
        let shown = MessageId(77).to_string();
        assert!(shown.parse::<KeyId>().is_err());
        assert!(shown[..shown.len() - 1].parse::<MessageId>().is_err());
        assert!("msg_zzzzzzzzzzzzz".parse::<MessageId>().is_err(), "more than 63 bits");
        assert!("msg_000000000000u".parse::<MessageId>().is_err(), "u is not in the alphabet");
    }

    #[test]
    fn a_leg_names_its_message() {
        let message = MessageId(0x1234_5670);
        let leg = message.leg(3);
        assert_eq!((leg.message(), leg.number()), (message, 3));
    }
}
