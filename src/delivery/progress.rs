//! A batch that this node holds: what of it waits, is with a provider, is decided but not committed. No I/O.

use std::sync::Arc;
use std::time::Duration;
use std::vec::IntoIter;

use super::material::Material;
use super::tally::Tally;
use crate::channel::Recipient;
use crate::domain::batch::{Claimed, Pending, Settlement};
use crate::domain::outcome::{Outcome, Reason};
use crate::domain::set::Set;
use crate::domain::time::At;
use crate::runtime::backoff::jitter;

/// How far a batch has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Nobody has looked at it.
    Waiting,
    /// Its addresses are being read.
    Preparing,
    /// It can be called.
    Ready,
}

/// A batch that this node holds.
#[derive(Debug)]
pub struct Work {
    /// As it was claimed; its members are taken out when it is prepared.
    pub claimed: Claimed,
    /// Which of the engine's providers it goes to.
    pub provider: usize,
    /// How many deliveries it had when it was claimed.
    pub n: u64,
    /// How far it is.
    pub stage: Stage,
    /// The message, as soon as it is known.
    pub material: Option<Arc<Material>>,
    /// It goes back to the store as soon as no call is open and everything decided is committed.
    pub giving_back: bool,
    /// How often preparing or settling it failed in a row.
    pub failures: u32,
    /// When its decisions are to be committed at the latest, by the monotonic clock.
    pub flush_at: Option<Duration>,
    /// How long to wait for another try, with jitter, the same for the whole batch so that its retries stay
    /// together. `None`: this is the last try.
    pub step: Option<Duration>,
    rest: IntoIter<Recipient>,
    open_calls: usize,
    decided: Tally,
    decided_calls: usize,
    flushing_calls: Option<usize>,
}

impl Work {
    /// A batch fresh from the store.
    #[must_use]
    pub fn new(claimed: Claimed, provider: usize, material: Option<Arc<Material>>) -> Work {
        Work {
            n: claimed.members.len(),
            step: claimed.lane.retry_after(claimed.attempt).map(jitter),
            claimed,
            provider,
            stage: Stage::Waiting,
            material,
            giving_back: false,
            failures: 0,
            flush_at: None,
            rest: Vec::new().into_iter(),
            open_calls: 0,
            decided: Tally::default(),
            decided_calls: 0,
            flushing_calls: None,
        }
    }

    /// Takes the members out to prepare them.
    pub fn begin_preparing(&mut self) -> Pending {
        self.stage = Stage::Preparing;
        std::mem::replace(&mut self.claimed.members, Pending::Many(Set::new()))
    }

    /// Preparing failed; it waits as before.
    pub fn put_back(&mut self, members: Pending) {
        self.stage = Stage::Waiting;
        self.claimed.members = members;
    }

    /// Its addresses are known.
    pub fn prepared(&mut self, recipients: Vec<Recipient>) {
        self.stage = Stage::Ready;
        self.rest = recipients.into_iter();
    }

    /// How many can still be called.
    #[must_use]
    pub fn rest_len(&self) -> usize {
        self.rest.len()
    }

    /// Takes up to `max` recipients for a call, lowest ordinals first.
    pub fn begin_call(&mut self, max: usize) -> Vec<Recipient> {
        self.open_calls += 1;
        self.rest.by_ref().take(max).collect()
    }

    /// A call that began ended. `made`: the provider was asked.
    pub fn end_call(&mut self, made: bool) {
        self.open_calls -= 1;
        self.decided_calls += usize::from(made);
    }

    /// Adds decisions.
    pub fn decide(&mut self, tally: Tally) {
        self.decided.absorb(tally);
    }

    /// Everything that did not start gets this outcome; returns how many. What is being prepared is judged
    /// when it comes back.
    pub fn stop_rest(&mut self, outcome: Outcome, reason: Reason) -> u64 {
        let set = match self.stage {
            Stage::Preparing => return 0,
            Stage::Waiting => {
                self.stage = Stage::Ready;
                let members = std::mem::replace(&mut self.claimed.members, Pending::Many(Set::new()));
                match members {
                    Pending::One(ordinal) => Set::from_iter([ordinal]),
                    Pending::Many(set) => set,
                }
            }
            Stage::Ready => self.rest.by_ref().map(|recipient| recipient.ordinal).collect(),
        };
        let n = set.len();
        self.decided.settle(outcome, reason, set, None);
        n
    }

    /// Nothing more of it starts here; the store gets the rest back.
    pub fn give_back(&mut self) {
        self.giving_back = true;
        if self.stage == Stage::Waiting {
            self.stage = Stage::Ready;
        }
        self.rest = Vec::new().into_iter();
    }

    /// Every delivery is decided.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.stage == Stage::Ready && !self.giving_back && self.rest.len() == 0 && self.open_calls == 0
    }

    /// It can go back to the store now.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.stage == Stage::Ready
            && self.open_calls == 0
            && self.decided.is_empty()
            && self.decided_calls == 0
            && self.flushing_calls.is_none()
    }

    /// Something waits for a commit, and no commit of this batch is under way.
    #[must_use]
    pub fn can_flush(&self) -> bool {
        self.flushing_calls.is_none() && (!self.decided.is_empty() || self.decided_calls > 0 || self.is_done())
    }

    /// Takes out everything decided, for a commit.
    pub fn begin_flush(&mut self, at: At) -> Settlement {
        self.flushing_calls = Some(std::mem::take(&mut self.decided_calls));
        self.flush_at = None;
        let Tally { settled, again } = std::mem::take(&mut self.decided);
        let Claimed { fence, leg, short, attempt, .. } = self.claimed;
        Settlement { fence, leg, short, attempt, at, settled, again, done: self.is_done() }
    }

    /// The commit happened or was refused by the fence; returns how many calls it was about.
    pub fn end_flush(&mut self) -> usize {
        self.failures = 0;
        self.flushing_calls.take().unwrap_or(0)
    }

    /// The commit failed and nothing was written: everything is as before.
    pub fn undo_flush(&mut self, settlement: Settlement) {
        self.failures += 1;
        self.decided_calls += self.flushing_calls.take().unwrap_or(0);
        self.decided.absorb(Tally { settled: settlement.settled, again: settlement.again });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::batch::Fence;
    use crate::domain::channel::Channel;
    use crate::domain::class::Lane;
    use crate::domain::id::{BatchId, MessageId};

    fn work(ordinals: std::ops::Range<u32>) -> Work {
        let claimed = Claimed {
            fence: Fence { batch: BatchId(1), epoch: 1, claims: 1 },
            leg: MessageId(16).leg(1),
            channel: Channel::Email,
            provider: "email".into(),
            principal: 1,
            lane: Lane::Bulk,
            attempt: 1,
            members: Pending::Many(ordinals.collect()),
            opened_to: None,
            short: false,
        };
        Work::new(claimed, 0, None)
    }

    fn ready(ordinals: std::ops::Range<u32>) -> Work {
        let mut work = work(0..0);
        work.begin_preparing();
        work.prepared(ordinals.map(|ordinal| Recipient { ordinal, address: "a@b.cn".into() }).collect());
        work
    }

    fn sent(recipients: &[Recipient]) -> Tally {
        Tally::whole(Outcome::Sent, Reason::None, recipients.iter().map(|r| r.ordinal).collect())
    }

    #[test]
    fn a_batch_is_done_when_every_call_is_answered_and_nothing_is_left() {
        let mut work = ready(0..5);
        let (first, second) = (work.begin_call(3), work.begin_call(3));
        assert_eq!((first.len(), second.len(), work.rest_len()), (3, 2, 0));
        work.end_call(true);
        work.decide(sent(&second));
        assert!(!work.is_done() && work.can_flush());
        let flush = work.begin_flush(At(1));
        assert_eq!((flush.done, flush.settled[0].set.len()), (false, 2));
        work.end_call(true);
        work.decide(sent(&first));
        assert!(work.is_done() && !work.can_flush(), "one commit of a batch at a time");
        assert_eq!(work.end_flush(), 1);
        let flush = work.begin_flush(At(2));
        assert_eq!((flush.done, flush.settled[0].set.len()), (true, 3));
    }

    #[test]
    fn a_failed_commit_leaves_everything_as_it_was() {
        let mut work = ready(0..2);
        let call = work.begin_call(2);
        work.end_call(true);
        work.decide(sent(&call));
        let flush = work.begin_flush(At(1));
        work.undo_flush(flush);
        assert!(work.can_flush() && work.is_done() && work.failures == 1);
        let flush = work.begin_flush(At(2));
        assert_eq!((flush.settled[0].set.len(), work.end_flush()), (2, 1));
    }

    #[test]
    fn what_did_not_start_can_be_stopped_or_given_back_at_any_stage() {
        let mut waiting = work(0..4);
        assert_eq!(waiting.stop_rest(Outcome::Cancelled, Reason::CancelledByPerson), 4);
        assert!(waiting.is_done());
        let mut preparing = work(0..4);
        preparing.begin_preparing();
        assert_eq!(preparing.stop_rest(Outcome::Cancelled, Reason::CancelledByPerson), 0);
        let mut half = ready(0..4);
        let call = half.begin_call(1);
        half.give_back();
        assert!(!half.is_idle() && half.rest_len() == 0);
        half.end_call(true);
        half.decide(sent(&call));
        let flush = half.begin_flush(At(1));
        assert!(!flush.done);
        half.end_flush();
        assert!(half.is_idle() && !half.is_done());
    }
}
