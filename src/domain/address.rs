//! Where people can be reached, and whether an address may be used.

use serde::{Deserialize, Serialize};

use super::channel::Channel;
use super::outcome::Reason;
use super::time::At;

/// Whether an address may be used. The better ones come first; the numbers are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[repr(u8)]
pub enum AddressState {
    /// It may.
    Usable = 1,
    /// It waits until the person has proved that it is hers.
    Unverified = 2,
    /// It is not formed as the channel needs it.
    Invalid = 3,
    /// The provider says that it leads nowhere.
    Dead = 4,
}

impl AddressState {
    /// Every state, the best first.
    pub const ALL: [AddressState; 4] =
        [AddressState::Usable, AddressState::Unverified, AddressState::Invalid, AddressState::Dead];

    /// The state with a stored number.
    #[must_use]
    pub fn from_code(code: i64) -> Option<AddressState> {
        Self::ALL.into_iter().find(|state| *state as i64 == code)
    }

    /// Why somebody is not reached whose best address is in this state; `None` for one that may be used.
    #[must_use]
    pub fn hindrance(self) -> Option<Reason> {
        match self {
            AddressState::Usable => None,
            AddressState::Unverified => Some(Reason::AddressUnverified),
            AddressState::Invalid => Some(Reason::AddressInvalid),
            AddressState::Dead => Some(Reason::AddressDead),
        }
    }
}

/// Where a user can be reached on a channel.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Address {
    /// The channel.
    pub channel: Channel,
    /// Mailbox, WeCom user id, …; [`Channel::accepts_address`] holds.
    pub value: String,
    /// Whether it may be used.
    pub state: AddressState,
    /// When the person proved that it is hers.
    pub verified_at: Option<At>,
}

/// An address as a caller wants it. What is not said stays as it is known: nobody brings a dead address back to life
/// by sending the list again that it stands in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddressDraft {
    /// The channel.
    pub channel: Channel,
    /// The mailbox and so on.
    pub value: String,
    /// Whether it may be used; a new one is usable if nothing is said.
    pub state: Option<AddressState>,
    /// When the person proved that it is hers.
    pub verified_at: Option<At>,
}

impl AddressDraft {
    /// An address of which nothing else is said.
    #[must_use]
    pub fn new(channel: Channel, value: impl Into<String>) -> AddressDraft {
        AddressDraft { channel, value: value.into(), state: None, verified_at: None }
    }

    /// What it comes to beside the same address as it is kept.
    #[must_use]
    pub fn over(&self, kept: Option<&Address>) -> Address {
        Address {
            channel: self.channel,
            value: self.value.clone(),
            state: self.state.or(kept.map(|kept| kept.state)).unwrap_or(AddressState::Usable),
            verified_at: self.verified_at.or(kept.and_then(|kept| kept.verified_at)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_said_of_an_address_stays() {
        let new = AddressDraft::new(Channel::Email, "a@b.cn").over(None);
        assert_eq!((new.state, new.verified_at), (AddressState::Usable, None));
        let dead = Address { state: AddressState::Dead, verified_at: Some(At(3)), ..new };
        assert_eq!(AddressDraft::new(Channel::Email, "a@b.cn").over(Some(&dead)), dead);
        let said = AddressDraft { state: Some(AddressState::Usable), ..AddressDraft::new(Channel::Email, "a@b.cn") };
        assert_eq!(said.over(Some(&dead)), Address { state: AddressState::Usable, ..dead });
    }
}
