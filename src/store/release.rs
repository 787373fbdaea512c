//! What the release of a message writes, decided without a database.

use super::{LegPlan, Members};
use crate::domain::batch::{Claimed, Fence, Pending, STUB_PROVIDER};
use crate::domain::channel::Channel;
use crate::domain::id::{BatchId, LegId};
use crate::domain::leg::{self, LegState, Slice};
use crate::domain::message::{MessageFacts, MessageState};
use crate::domain::outcome::{Counts, Outcome};
use crate::domain::set::Set;
use crate::domain::time::At;

/// Batches of a leg that are made in the accepting transaction; the rest is cut later.
const CUT_AT_ONCE: usize = 100;

/// State of a batch that nobody holds.
pub(super) const WAITING: i64 = 1;
/// State of a batch that a node holds.
pub(super) const CLAIMED: i64 = 2;
/// State of a batch of which nothing is left.
pub(super) const CLOSED: i64 = 3;

/// The rows that a release makes.
#[derive(Default)]
pub(super) struct Release<'a> {
    /// Legs of messages to two or more people, by number.
    pub(super) legs: Vec<NewLeg<'a>>,
    /// Batches, by leg and ordinal.
    pub(super) batches: Vec<NewBatch<'a>>,
    /// Deliveries into inboxes: they are done.
    pub(super) shown: Vec<(Channel, u64)>,
    /// Some batches wait for a claim, or some are not cut yet.
    pub(super) more: bool,
}

/// A leg row to be written.
pub(super) struct NewLeg<'a> {
    pub(super) leg: LegId,
    pub(super) plan: &'a LegPlan,
    pub(super) state: LegState,
    pub(super) cut_to: u64,
    pub(super) members_n: u64,
    pub(super) visible_at: Option<At>,
    /// The final counts of a leg that is closed from birth: all its members were sent.
    pub(super) counts: Option<Counts>,
}

/// A batch row to be written.
pub(super) struct NewBatch<'a> {
    pub(super) leg: LegId,
    pub(super) plan: &'a LegPlan,
    pub(super) principal: i64,
    pub(super) at: At,
    pub(super) slice: Slice,
    pub(super) short: bool,
    pub(super) birth: Birth,
}

/// Where a batch stands from birth.
pub(super) enum Birth {
    /// Nobody holds it.
    Waiting,
    /// The accepting node holds it, with these members.
    Held(Pending),
    /// It lies in the inbox of its one member.
    Shown,
}

impl<'a> Release<'a> {
    /// Decides what the release of a message at `at` makes.
    pub(super) fn new(facts: &MessageFacts, members: &Members, plans: &'a [LegPlan], at: At) -> Release<'a> {
        let mut release = Release::default();
        for (number, plan) in (1u8..).zip(plans) {
            if is_inbox(plan) {
                release.shown.push((plan.channel, members.len()));
            }
            let leg = facts.id.leg(number);
            let batch = |slice, short, birth| NewBatch {
                leg,
                plan,
                principal: facts.principal.code(),
                at,
                slice,
                short,
                birth,
            };
            match members {
                Members::One(ordinal) => {
                    let birth = match plan {
                        _ if is_inbox(plan) => Birth::Shown,
                        _ if plan.claim_max > 0 => Birth::Held(Pending::One(*ordinal)),
                        _ => Birth::Waiting,
                    };
                    release.more |= matches!(birth, Birth::Waiting);
                    release.batches.push(batch(Slice { first: *ordinal, last: *ordinal, n: 1 }, true, birth));
                }
                Members::Many(set) if is_inbox(plan) => release.legs.push(shown(leg, plan, set, at)),
                Members::Many(set) => {
                    let (slices, next) = leg::cut(set, 0, plan.batch_size, CUT_AT_ONCE);
                    release.legs.push(NewLeg {
                        leg,
                        plan,
                        state: state_at(next),
                        cut_to: next,
                        members_n: set.len(),
                        visible_at: None,
                        counts: None,
                    });
                    release.more |= state_at(next) == LegState::Cutting || slices.len() > plan.claim_max;
                    for (place, slice) in slices.into_iter().enumerate() {
                        let birth = match place < plan.claim_max {
                            true => Birth::Held(Pending::Many(leg::slice_members(set, slice.first, slice.last))),
                            false => Birth::Waiting,
                        };
                        release.batches.push(batch(slice, false, birth));
                    }
                }
            }
        }
        release
    }
}

fn shown<'a>(leg: LegId, plan: &'a LegPlan, members: &Set, at: At) -> NewLeg<'a> {
    let mut counts = Counts::default();
    counts.add(Outcome::Sent, members.len());
    NewLeg {
        leg,
        plan,
        state: LegState::Closed,
        cut_to: 0,
        members_n: members.len(),
        visible_at: Some(at),
        counts: Some(counts),
    }
}

impl NewBatch<'_> {
    /// The stored state.
    pub(super) fn state(&self) -> i64 {
        match self.birth {
            Birth::Waiting => WAITING,
            Birth::Held(_) => CLAIMED,
            Birth::Shown => CLOSED,
        }
    }

    /// The batch as its first holder sees it; `None` if nobody holds it.
    pub(super) fn claimed(self, id: BatchId, epoch: i64) -> Option<Claimed> {
        let Birth::Held(members) = self.birth else { return None };
        Some(Claimed {
            fence: Fence { batch: id, epoch, claims: 1 },
            leg: self.leg,
            channel: self.plan.channel,
            provider: self.plan.provider.clone(),
            principal: self.principal,
            lane: self.plan.lane,
            attempt: 1,
            members,
            opened_to: None,
            short: self.short,
        })
    }
}

/// The state of a leg that is cut up to an ordinal.
pub(super) fn state_at(cut_to: u64) -> LegState {
    if cut_to > u64::from(u32::MAX) { LegState::Open } else { LegState::Cutting }
}

/// The state of a message that is stored now.
pub(super) fn first_state(released: bool, plans: &[LegPlan]) -> MessageState {
    match released {
        false => MessageState::Scheduled,
        true if plans.iter().all(is_inbox) => MessageState::Closed,
        true => MessageState::Open,
    }
}

/// Releasing an app leg is its delivery. Under a test key the stub answers instead.
pub(super) fn is_inbox(plan: &LegPlan) -> bool {
    plan.channel == Channel::App && &*plan.provider != STUB_PROVIDER
}

/// The plan of a leg that is made only to be settled: nobody claims it, and no inbox shows it.
pub(super) fn unseen(plan: &LegPlan) -> LegPlan {
    let provider = if is_inbox(plan) { STUB_PROVIDER.into() } else { plan.provider.clone() };
    LegPlan { claim_max: 0, provider, ..plan.clone() }
}
