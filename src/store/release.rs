//! What the release of a message writes, decided without a database.

use super::{Accept, LegPlan, Members};
use crate::domain::batch::{Claimed, Fence, Pending, STUB_PROVIDER};
use crate::domain::channel::Channel;
use crate::domain::id::{BatchId, LegId};
use crate::domain::leg::{self, LegState, Slice};
use crate::domain::message::{MessageFacts, MessageState};
use crate::domain::outcome::{Counts, Outcome, Reason};
use crate::domain::set::Set;
use crate::domain::time::At;

/// Batches of a leg that are made in the accepting transaction; the rest is cut later.
const CUT_AT_ONCE: usize = 100;

/// Where a leg is cut to of which no batch is to be made any more: past the last ordinal.
pub(super) const CUT: u64 = 1 << 32;

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
    /// Deliveries that are over from birth.
    pub(super) over: Vec<(Channel, Outcome, u64)>,
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
    pub(super) at: At,
    pub(super) visible_at: Option<At>,
    /// What all members of a leg got that is closed from birth.
    pub(super) over: Option<(Outcome, Reason)>,
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
    /// It is over, like this: it lies in the inbox of its one member, or it will never be sent.
    Over(Outcome, Reason),
}

impl<'a> Release<'a> {
    /// Decides what the release of a message at `at` makes.
    pub(super) fn new(facts: &MessageFacts, members: &Members, plans: &'a [LegPlan], at: At) -> Release<'a> {
        let mut release = Release::default();
        for (number, plan) in (1u8..).zip(plans) {
            let of = Of { facts, leg: facts.id.leg(number), plan, at };
            match members {
                _ if is_inbox(plan) => release.over(&of, members, Some(at), (Outcome::Sent, Reason::None)),
                Members::One(ordinal) => {
                    let birth = match plan.claim_max {
                        0 => Birth::Waiting,
                        _ => Birth::Held(Pending::One(*ordinal)),
                    };
                    release.more |= matches!(birth, Birth::Waiting);
                    release.batches.push(of.short(*ordinal, birth));
                }
                Members::Many(set) => release.cut(&of, set),
            }
        }
        release
    }

    /// Decides what is made of a message that ends unreleased: every leg is over, and nothing is shown.
    pub(super) fn ended(
        facts: &MessageFacts,
        members: &Members,
        plans: &'a [LegPlan],
        at: At,
        how: (Outcome, Reason),
    ) -> Release<'a> {
        let mut release = Release::default();
        for (number, plan) in (1u8..).zip(plans) {
            release.over(&Of { facts, leg: facts.id.leg(number), plan, at }, members, None, how);
        }
        release
    }

    fn over(
        &mut self,
        of: &Of<'a, '_>,
        members: &Members,
        visible_at: Option<At>,
        (outcome, reason): (Outcome, Reason),
    ) {
        self.over.push((of.plan.channel, outcome, members.len()));
        match members {
            Members::One(ordinal) => self.batches.push(of.short(*ordinal, Birth::Over(outcome, reason))),
            Members::Many(set) => self.legs.push(NewLeg {
                leg: of.leg,
                plan: of.plan,
                state: LegState::Closed,
                cut_to: CUT,
                members_n: set.len(),
                at: of.at,
                visible_at,
                over: Some((outcome, reason)),
            }),
        }
    }

    fn cut(&mut self, of: &Of<'a, '_>, set: &Set) {
        let (slices, next) = leg::cut(set, 0, of.plan.batch_size, CUT_AT_ONCE);
        self.legs.push(NewLeg {
            leg: of.leg,
            plan: of.plan,
            state: state_at(next),
            cut_to: next,
            members_n: set.len(),
            at: of.at,
            visible_at: None,
            over: None,
        });
        self.more |= state_at(next) == LegState::Cutting || slices.len() > of.plan.claim_max;
        for (place, slice) in slices.into_iter().enumerate() {
            let birth = match place < of.plan.claim_max {
                true => Birth::Held(Pending::Many(leg::slice_members(set, slice.first, slice.last))),
                false => Birth::Waiting,
            };
            self.batches.push(of.batch(slice, false, birth));
        }
    }
}

/// What the rows of a leg have in common.
struct Of<'a, 'f> {
    facts: &'f MessageFacts,
    leg: LegId,
    plan: &'a LegPlan,
    at: At,
}

impl<'a> Of<'a, '_> {
    fn batch(&self, slice: Slice, short: bool, birth: Birth) -> NewBatch<'a> {
        let Of { facts, leg, plan, at } = *self;
        NewBatch { leg, plan, principal: facts.principal.code(), at, slice, short, birth }
    }

    fn short(&self, ordinal: u32, birth: Birth) -> NewBatch<'a> {
        self.batch(Slice { first: ordinal, last: ordinal, n: 1 }, true, birth)
    }
}

impl NewLeg<'_> {
    /// The final counts, if it is over.
    pub(super) fn counts(&self) -> Option<Counts> {
        let (outcome, _) = self.over?;
        let mut counts = Counts::default();
        counts.add(outcome, self.members_n);
        Some(counts)
    }

    /// Which try its one settlement is of: nobody tried what is not sent.
    pub(super) fn attempt(&self) -> i64 {
        i64::from(self.visible_at.is_some())
    }
}

impl NewBatch<'_> {
    /// The stored state.
    pub(super) fn state(&self) -> i64 {
        match self.birth {
            Birth::Waiting => WAITING,
            Birth::Held(_) => CLAIMED,
            Birth::Over(..) => CLOSED,
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

/// The state of a message that is accepted now.
pub(super) fn accepted_state(item: &Accept) -> MessageState {
    if item.is_held() { MessageState::Held } else { first_state(item.released, &item.plans) }
}

/// The state of a message that is released or scheduled now.
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

/// The outcome of everybody in a message that ends unreleased in this state.
pub(super) fn outcome_of(state: MessageState) -> Outcome {
    if state == MessageState::Expired { Outcome::Expired } else { Outcome::Suppressed }
}

/// The members from an ordinal on: those that no batch was cut for.
pub(super) fn uncut(members: &Set, cut_to: u64) -> Set {
    match u32::try_from(cut_to) {
        Ok(from) => crate::domain::set::within(members, from, u32::MAX),
        Err(_) => Set::new(),
    }
}
