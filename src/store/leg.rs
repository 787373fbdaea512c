//! Legs and the outcomes of their members as columns, and what is read out of them.

use super::encode::{counts_of, known, set_of, unsigned};
use super::{Cancelled, OutcomeRow, Result, packing};
use crate::domain::channel::Channel;
use crate::domain::id::LegId;
use crate::domain::leg::{Leg, LegState};
use crate::domain::outcome::{Counts, Outcome, Reason};
use crate::domain::set::{self, Set};
use crate::domain::time::At;

use super::release::CLOSED;

/// A leg's own row.
pub(super) struct LegColumns {
    pub(super) id: i64,
    pub(super) channel: i64,
    pub(super) state: i64,
    pub(super) members_n: i64,
    pub(super) cut_to: i64,
    pub(super) visible_at: Option<i64>,
    /// The final counts.
    pub(super) counts: Option<String>,
}

impl LegColumns {
    /// The leg; `running` are the counts of one that is not closed.
    pub(super) fn decode(&self, running: Counts) -> Result<Leg> {
        let counts = match &self.counts {
            Some(text) => counts_of(text)?,
            None => running,
        };
        let members_n = unsigned(self.members_n);
        Ok(Leg {
            id: LegId(self.id),
            channel: known(Channel::from_code(self.channel), "channel")?,
            state: known(LegState::from_code(self.state), "leg state")?,
            members_n,
            cut_to: unsigned(self.cut_to),
            visible_at: self.visible_at.map(At),
            counts: counts.of(members_n),
        })
    }
}

/// The batch row that is the leg of a short message.
pub(super) struct ShortColumns {
    pub(super) leg_id: i64,
    pub(super) channel: i64,
    pub(super) state: i64,
    pub(super) outcome: Option<i64>,
    pub(super) settled_at: Option<i64>,
}

impl ShortColumns {
    /// The leg.
    pub(super) fn decode(&self) -> Result<Leg> {
        let channel = known(Channel::from_code(self.channel), "channel")?;
        let mut counts = Counts::default();
        if let Some(code) = self.outcome {
            counts.add(known(Outcome::from_code(code), "outcome")?, 1);
        }
        Ok(Leg {
            id: LegId(self.leg_id),
            channel,
            state: if self.state == CLOSED { LegState::Closed } else { LegState::Open },
            members_n: 1,
            cut_to: 1 << 32,
            visible_at: self.settled_at.filter(|_| channel == Channel::App).map(At),
            counts: counts.of(1),
        })
    }
}

/// Where an outcome stands: in a settlement row, or in the row of a batch that got it as a whole.
pub(super) struct OutcomeColumns {
    pub(super) outcome: i64,
    pub(super) reason: i64,
    pub(super) at: i64,
    pub(super) attempt: i64,
    pub(super) detail: Option<String>,
    pub(super) members: Option<Vec<u8>>,
    /// The first and last ordinal of the batch; `None` for a settlement of the whole leg.
    pub(super) span: Option<(u32, u32)>,
}

impl OutcomeColumns {
    /// The rows that it stands for, their sets cut to `members`; none that is empty. A provider was called where a
    /// batch was behind it.
    pub(super) fn decode(self, members: &Set, provider: Option<&str>) -> Result<Vec<OutcomeRow>> {
        let set = match (&self.members, self.span) {
            (Some(bytes), _) => set_of(bytes)? & members,
            (None, Some((first, last))) => set::within(members, first, last),
            (None, None) => members.clone(),
        };
        let parts = self.detail.as_deref().and_then(|words| packing::unpack(&set, words));
        let row = OutcomeRow {
            set: Set::new(),
            outcome: known(Outcome::from_code(self.outcome), "outcome")?,
            reason: known(Reason::from_code(self.reason), "reason")?,
            at: At(self.at),
            attempt: known(u32::try_from(self.attempt).ok(), "try")?,
            provider: provider.filter(|_| self.span.is_some()).map(Into::into),
            detail: None,
        };
        let parts = parts.unwrap_or_else(|| vec![(set, self.detail)]).into_iter().filter(|(set, _)| !set.is_empty());
        Ok(parts.map(|(set, words)| OutcomeRow { set, detail: words.map(Into::into), ..row.clone() }).collect())
    }
}

impl Cancelled {
    /// What became of a cancelled message so far.
    #[must_use]
    pub fn of(legs: &[Leg]) -> Cancelled {
        let mut so_far = Cancelled::default();
        for leg in legs {
            so_far.stopped += leg.counts.get(Outcome::Cancelled);
            so_far.sent += leg.counts.settled() - leg.counts.get(Outcome::Cancelled);
            so_far.open += leg.counts.get(Outcome::Pending);
        }
        so_far.closed = so_far.open == 0;
        so_far
    }
}
