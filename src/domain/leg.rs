//! One message on one channel, and how it is cut into batches.

use super::channel::Channel;
use super::id::LegId;
use super::outcome::Counts;
use super::set::{Set, within};
use super::time::At;

/// The most deliveries of one batch.
pub const BATCH_MAX: u64 = 1_000;

/// Where a leg stands. The number is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum LegState {
    /// Not released yet.
    Waiting = 1,
    /// Released; batches are being made.
    Cutting = 2,
    /// All batches are made; some deliveries are open.
    Open = 3,
    /// Every delivery has its outcome; the counts are final.
    Closed = 4,
}

impl LegState {
    /// The state with a stored number.
    #[must_use]
    pub fn from_code(code: i64) -> Option<LegState> {
        [LegState::Waiting, LegState::Cutting, LegState::Open, LegState::Closed]
            .into_iter()
            .find(|state| *state as i64 == code)
    }
}

/// A leg as the store shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leg {
    /// Its id; names its message.
    pub id: LegId,
    /// Its channel.
    pub channel: Channel,
    /// Where it stands.
    pub state: LegState,
    /// How many people.
    pub members_n: u64,
    /// Ordinals below this are cut into batches already.
    pub cut_to: u64,
    /// When an app leg became visible in inboxes.
    pub visible_at: Option<At>,
    /// The counts by outcome, `pending` included.
    pub counts: Counts,
}

/// A batch to be made: the members of a leg between two ordinals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slice {
    /// The first member.
    pub first: u32,
    /// The last member.
    pub last: u32,
    /// How many members lie between, both ends included.
    pub n: u64,
}

/// Cuts the members from ordinal `from` on into at most `slices_max` slices of at most `size` members.
/// The second value is where to go on: an ordinal, or one past the largest `u32` when nothing is left.
#[must_use]
pub fn cut(members: &Set, from: u64, size: u64, slices_max: usize) -> (Vec<Slice>, u64) {
    const END: u64 = u32::MAX as u64 + 1;
    let mut slices = Vec::new();
    let Ok(start) = u32::try_from(from) else { return (slices, END) };
    let mut rank = members.len() - members.range_cardinality(start..);
    while slices.len() < slices_max {
        let Some(first) = select(members, rank) else { return (slices, END) };
        let last_rank = (rank + size).min(members.len()) - 1;
        let Some(last) = select(members, last_rank) else { return (slices, END) };
        slices.push(Slice { first, last, n: last_rank - rank + 1 });
        rank = last_rank + 1;
    }
    let next = select(members, rank).map_or(END, u64::from);
    (slices, next)
}

/// The members of a slice.
#[must_use]
pub fn slice_members(members: &Set, first: u32, last: u32) -> Set {
    within(members, first, last)
}

fn select(members: &Set, rank: u64) -> Option<u32> {
    u32::try_from(rank).ok().and_then(|rank| members.select(rank))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_cover_the_members_once_and_cutting_resumes_anywhere() {
        let members: Set = (0..10_000).filter(|n| n % 3 != 1).map(|n| n * 7).collect();
        let mut covered = Set::new();
        let (mut from, mut n) = (0, 0);
        loop {
            let (slices, next) = cut(&members, from, 100, 3);
            for slice in &slices {
                let part = slice_members(&members, slice.first, slice.last);
                assert_eq!(part.len(), slice.n);
                assert!(slice.n <= 100 && covered.is_disjoint(&part));
                n += slice.n;
                covered |= part;
            }
            if next > u64::from(u32::MAX) {
                break;
            }
            from = next;
        }
        assert_eq!((n, covered), (members.len(), members));
    }

    #[test]
    fn nothing_is_cut_from_nobody() {
        assert_eq!(cut(&Set::new(), 0, 10, 10).0, vec![]);
    }
}
