//! What an operator wants to know of a store: what it promises, its time, what waits in it, and whether the books
//! balance.

use std::time::Duration;

use async_trait::async_trait;

use super::Result;
use super::encode::{counts_of, known, unsigned};
use super::release::CLOSED;
use crate::domain::batch::ProviderId;
use crate::domain::channel::Channel;
use crate::domain::class::Lane;
use crate::domain::id::LegId;
use crate::domain::leg::LegState;
use crate::domain::outcome::{Counts, Outcome};
use crate::domain::time::At;

/// Members of the legs that one look at the books takes in, at most, unless one leg alone has more.
const MEMBERS_MAX: u64 = 2_000_000;

/// The newest messages to one person are looked for among so many times as many batches.
pub(super) const PERSONAL_AMONG: u64 = 20;

/// A look into the store that changes nothing but what it remembers of itself.
#[async_trait]
pub trait Inspection: Send + Sync {
    /// What the store is, with the settings that durability depends on as they are now.
    async fn describe(&self) -> Result<Description>;

    /// The time by the store's own clock.
    async fn now(&self) -> Result<At>;

    /// How much waits, by provider, channel and lane, in that order.
    async fn waiting(&self) -> Result<Vec<Waiting>>;

    /// The books of some legs at one moment. May return fewer than asked for, but not none while there are some:
    /// a look is bounded by members too.
    async fn books(&self, legs: Legs) -> Result<Vec<LegBooks>>;

    /// Asks for the turn to check the books: one of those who ask gets it, if the last check began `every` ago
    /// or longer.
    async fn begin_check(&self, every: Duration) -> Result<bool>;

    /// Remembers what a check found. With nothing unbalanced, the books were balanced now.
    async fn end_check(&self, unbalanced: Vec<LegId>) -> Result<()>;

    /// What the last check found.
    async fn last_check(&self) -> Result<LastCheck>;

    /// Keeps a living node's word about itself in place of its last one. Nothing for a node that is not living.
    async fn say(&self, epoch: i64, word: String) -> Result<()>;

    /// The last words of the living nodes that said one, by epoch.
    async fn words(&self) -> Result<Vec<(i64, String)>>;
}

/// What a store is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Description {
    /// `sqlite` or `postgres`.
    pub kind: &'static str,
    /// The version of the database.
    pub version: String,
    /// The settings that durability depends on, by name.
    pub durability: Vec<(&'static str, String)>,
    /// They are weaker than what an acknowledgement promises.
    pub weak: bool,
    /// Room left where it writes, in bytes; `None` where that is another machine's affair.
    pub disk_free: Option<u64>,
    /// Several nodes may share it.
    pub shared: bool,
}

/// What waits for one provider in one lane.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// The provider.
    pub provider: ProviderId,
    /// The channel; a test leg's own, although the stub serves it.
    pub channel: Channel,
    /// The lane.
    pub lane: Lane,
    /// Deliveries in batches that nobody holds.
    pub waiting: u64,
    /// Deliveries in batches that a node holds, the settled ones of a batch in progress included.
    pub held: u64,
    /// The earliest due time of the batches that nobody holds.
    pub due_at: Option<At>,
}

/// Whose books to look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Legs {
    /// The newest below an id, newest first; of messages to two or more people.
    Below {
        /// Below this; `None`: the newest of all.
        before: Option<LegId>,
        /// At most so many.
        limit: usize,
    },
    /// These, as far as they exist.
    These(Vec<LegId>),
    /// The newest of messages to one person, newest first; at most so many.
    Personal(usize),
}

/// The books of one leg.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LegBooks {
    /// The leg.
    pub leg: LegId,
    /// Every delivery has its outcome, as the leg itself says.
    pub closed: bool,
    /// How many people it is for.
    pub members_n: u64,
    /// The counts that reports show; nothing pending.
    pub counted: Counts,
    /// The outcomes as they were written down one by one.
    pub recorded: Counts,
    /// Deliveries that are left in open batches.
    pub left: u64,
    /// Members of whom no batch is made yet.
    pub uncut: u64,
}

impl LegBooks {
    /// What does not add up; `None` if the books balance.
    #[must_use]
    pub fn fault(&self) -> Option<String> {
        let LegBooks { members_n, left, uncut, .. } = self;
        let settled = self.counted.settled();
        if self.counted != self.recorded {
            let recorded = self.recorded.settled();
            return Some(format!("{settled} outcomes are counted and {recorded} are written down, or of other kinds"));
        }
        if self.closed && settled != *members_n {
            return Some(format!("it is closed with {settled} outcomes of {members_n}"));
        }
        if settled + left + uncut != *members_n {
            return Some(format!("{settled} settled, {left} in batches and {uncut} to be cut are not {members_n}"));
        }
        None
    }
}

/// What the last check of the books found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LastCheck {
    /// When a check last found nothing wrong, in the store's time.
    pub balanced_at: Option<At>,
    /// The legs that did not balance at the last check.
    pub unbalanced: Vec<LegId>,
}

impl LegBooks {
    /// The books of a leg to one person, which is its batch: its stored state and outcome.
    pub(super) fn of_one(leg: i64, state: i64, outcome: Option<i64>) -> Result<LegBooks> {
        let mut counts = Counts::default();
        if let Some(code) = outcome {
            counts.add(known(Outcome::from_code(code), "outcome")?, 1);
        }
        let closed = state == CLOSED;
        let (leg, left) = (LegId(leg), u64::from(!closed));
        Ok(LegBooks { leg, closed, members_n: 1, counted: counts, recorded: counts, left, uncut: 0 })
    }
}

/// A leg's own row, as far as its books need it.
pub(super) struct LegHead {
    pub(super) leg: LegId,
    pub(super) members_n: u64,
    state: LegState,
    cut_to: u64,
    shown: bool,
    counts: Option<Counts>,
}

impl LegHead {
    /// The columns that [`LegHead::decode`] wants.
    pub(super) const SELECT: &'static str =
        "select id, state, members_n, cut_to, visible_at is not null, counts from leg";

    /// A row of [`LegHead::SELECT`].
    pub(super) fn decode(row: (i64, i64, i64, i64, bool, Option<String>)) -> Result<LegHead> {
        let (id, state, members_n, cut_to, shown, counts) = row;
        Ok(LegHead {
            leg: LegId(id),
            members_n: unsigned(members_n),
            state: known(LegState::from_code(state), "leg state")?,
            cut_to: unsigned(cut_to),
            shown,
            counts: counts.as_deref().map(counts_of).transpose()?,
        })
    }

    /// As many of these as one look takes in.
    pub(super) fn bounded(mut heads: Vec<LegHead>) -> Vec<LegHead> {
        let mut seen = 0;
        let fits = heads.iter().take_while(|head| {
            seen += head.members_n;
            seen <= MEMBERS_MAX
        });
        let n = fits.count().max(1);
        heads.truncate(n);
        heads
    }

    /// From which ordinal on members are not cut yet; `None` if all are.
    pub(super) fn uncut_from(&self) -> Option<u32> {
        if self.state == LegState::Cutting { u32::try_from(self.cut_to).ok() } else { None }
    }

    /// The books with what stands in other rows: the counts of an open leg, the outcomes written down, what is
    /// left in open batches, and how many are uncut.
    pub(super) fn books(self, running: Counts, recorded: Counts, left: u64, uncut: u64) -> LegBooks {
        let counted = self.counts.unwrap_or(running);
        LegBooks {
            leg: self.leg,
            closed: self.state == LegState::Closed,
            members_n: self.members_n,
            counted,
            // Showing a leg in inboxes is its delivery, and the leg's own row says so.
            recorded: if self.shown { counted } else { recorded },
            left,
            uncut,
        }
    }
}

/// Legs as text, for one column.
pub(super) fn legs_text(legs: &[LegId]) -> String {
    legs.iter().map(|leg| leg.0.to_string()).collect::<Vec<_>>().join(" ")
}

/// The legs in a text of [`legs_text`].
pub(super) fn legs_of(text: &str) -> Vec<LegId> {
    text.split(' ').filter_map(|part| part.parse().ok().map(LegId)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(sent: u64, failed: u64) -> Counts {
        let mut counts = Counts::default();
        counts.add(Outcome::Sent, sent);
        counts.add(Outcome::Failed, failed);
        counts
    }

    #[test]
    fn books_balance_only_if_everybody_is_somewhere_once() {
        let open = LegBooks {
            leg: LegId(17),
            closed: false,
            members_n: 10,
            counted: counts(3, 1),
            recorded: counts(3, 1),
            left: 4,
            uncut: 2,
        };
        assert_eq!(open.fault(), None);
        let closed = LegBooks { closed: true, members_n: 4, left: 0, uncut: 0, ..open.clone() };
        assert_eq!(closed.fault(), None);
        for wrong in [
            LegBooks { left: 3, ..open.clone() },
            LegBooks { uncut: 3, ..open.clone() },
            LegBooks { counted: counts(4, 1), ..open.clone() },
            LegBooks { recorded: counts(1, 3), ..open.clone() },
            LegBooks { members_n: 5, ..closed.clone() },
            LegBooks { closed: true, ..open },
        ] {
            assert!(wrong.fault().is_some(), "{wrong:?}");
        }
        assert_eq!(legs_of(&legs_text(&[LegId(17), LegId(33)])), [LegId(17), LegId(33)]);
        assert_eq!(legs_of(""), []);
    }
}
