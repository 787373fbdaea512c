//! Urgency: what a message's class and size decide about lane, retries and expiry.

use std::time::Duration;

use serde::{Deserialize, Serialize};

const SECOND: u64 = 1;
const MINUTE: u64 = 60;
const HOUR: u64 = 3_600;
const DAY: u64 = 86_400;

/// How urgent a message is and what people can expect of it. The number is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[repr(u8)]
pub enum Class {
    /// Danger to people; reviewed afterwards.
    Emergency = 1,
    /// Expected by the person; takes a list of users, never an expression.
    Transactional = 2,
    /// The ordinary announcement.
    Notice = 3,
    /// May wait.
    Bulk = 4,
}

impl Class {
    /// Every class, in the order of its number.
    pub const ALL: [Class; 4] = [Class::Emergency, Class::Transactional, Class::Notice, Class::Bulk];

    /// The stored number.
    #[must_use]
    pub fn code(self) -> i64 {
        self as i64
    }

    /// The class with a stored number.
    #[must_use]
    pub fn from_code(code: i64) -> Option<Class> {
        Self::ALL.into_iter().find(|class| class.code() == code)
    }

    /// The lower-case name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Class::Emergency => "emergency",
            Class::Transactional => "transactional",
            Class::Notice => "notice",
            Class::Bulk => "bulk",
        }
    }

    /// How long after its send time a message of this class is still worth delivering, unless it says so
    /// itself.
    #[must_use]
    pub fn default_validity(self) -> Duration {
        Duration::from_secs(match self {
            Class::Emergency => 6 * HOUR,
            Class::Transactional => 3 * DAY,
            Class::Notice => 7 * DAY,
            Class::Bulk => 2 * DAY,
        })
    }

    /// The lane for a message of this class to so many recipients.
    #[must_use]
    pub fn lane(self, recipients: u64) -> Lane {
        match self {
            Class::Emergency => Lane::Urgent,
            Class::Transactional if recipients <= 10 => Lane::Urgent,
            Class::Transactional | Class::Notice if recipients <= 1_000 => Lane::Normal,
            _ => Lane::Bulk,
        }
    }
}

/// Which of a provider's three queues a leg's calls wait in. The number is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[repr(u8)]
pub enum Lane {
    /// Emergencies, and transactional messages to at most ten people.
    Urgent = 1,
    /// Messages to at most 1,000 people.
    Normal = 2,
    /// Everything else.
    Bulk = 3,
}

impl Lane {
    /// Every lane, most urgent first.
    pub const ALL: [Lane; 3] = [Lane::Urgent, Lane::Normal, Lane::Bulk];

    /// The stored number.
    #[must_use]
    pub fn code(self) -> i64 {
        self as i64
    }

    /// The lane with a stored number.
    #[must_use]
    pub fn from_code(code: i64) -> Option<Lane> {
        Self::ALL.into_iter().find(|lane| lane.code() == code)
    }

    /// The lower-case name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Lane::Urgent => "urgent",
            Lane::Normal => "normal",
            Lane::Bulk => "bulk",
        }
    }

    /// The lane's share of a provider while all lanes have work.
    #[must_use]
    pub fn share(self) -> u32 {
        match self {
            Lane::Urgent => 8,
            Lane::Normal => 3,
            Lane::Bulk => 1,
        }
    }

    /// How long to wait after the given try failed (1 = the first), before jitter. `None`: no more tries.
    #[must_use]
    pub fn retry_after(self, attempt: u32) -> Option<Duration> {
        const URGENT: [u64; 4] = [2 * SECOND, 10 * SECOND, 30 * SECOND, MINUTE];
        const OTHERS: [u64; 7] = [5 * SECOND, MINUTE, 5 * MINUTE, 30 * MINUTE, 2 * HOUR, 5 * HOUR, 10 * HOUR];
        let step = attempt.saturating_sub(1) as usize;
        let seconds = match self {
            Lane::Urgent => Some(URGENT.get(step).copied().unwrap_or(2 * MINUTE)),
            Lane::Normal | Lane::Bulk => OTHERS.get(step).copied(),
        };
        seconds.map(Duration::from_secs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn size_and_class_decide_the_lane() {
        assert_eq!(Class::Emergency.lane(1_000_000), Lane::Urgent);
        assert_eq!(Class::Transactional.lane(10), Lane::Urgent);
        assert_eq!(Class::Transactional.lane(11), Lane::Normal);
        assert_eq!(Class::Notice.lane(1), Lane::Normal);
        assert_eq!(Class::Notice.lane(1_001), Lane::Bulk);
        assert_eq!(Class::Bulk.lane(1), Lane::Bulk);
    }

    #[test]
    fn only_urgent_work_is_tried_until_it_expires() {
        assert_eq!(Lane::Urgent.retry_after(1), Some(Duration::from_secs(2)));
        assert_eq!(Lane::Urgent.retry_after(99), Some(Duration::from_secs(120)));
        assert_eq!(Lane::Bulk.retry_after(7), Some(Duration::from_secs(36_000)));
        assert_eq!(Lane::Bulk.retry_after(8), None);
    }
}
