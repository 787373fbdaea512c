//! One call: the last checks, the hand-over within its time, the judgement of the answer.

use std::future::{Future, poll_fn};
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use futures::FutureExt;

use super::decide::{Case, cool_down};
use super::handle::Shared;
use super::material::Material;
use super::tally::Tally;
use super::vitals::Impression;
use crate::channel::{Call, Channel, Recipient, Report};
use crate::domain::batch::Fence;
use crate::domain::id::LegId;
use crate::domain::message::LostAnswer;
use crate::domain::outcome::{Outcome, Reason};
use crate::domain::time::At;
use crate::domain::verdict::Verdict;
use crate::runtime::clock::SharedClock;
use crate::store::Deliveries;

/// How often an open call looks at the lease when nothing else happens to it.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Everything one call needs.
pub(super) struct Job {
    pub shared: Arc<Shared>,
    pub store: Arc<dyn Deliveries>,
    pub clock: SharedClock,
    pub channel: Arc<dyn Channel>,
    pub material: Arc<Material>,
    pub fence: Fence,
    pub leg: LegId,
    pub attempt: u32,
    pub step: Option<Duration>,
    pub timeout: Duration,
    pub grace: Duration,
    pub margin: Duration,
    pub recipients: Vec<Recipient>,
}

/// How a call ended.
pub(super) enum Answer {
    /// The provider was asked.
    Made {
        /// What became of the recipients.
        tally: Tally,
        /// What it says of the provider.
        impression: Impression,
    },
    /// It was not made, for a reason that settles the recipients.
    Stopped(Tally),
    /// It was not made because the batch is not ours any more, or may soon not be.
    Lost,
}

impl Job {
    /// Makes the call. Ends in any case, at the latest a little after its time.
    pub(super) async fn run(mut self) -> Answer {
        let facts = &self.material.leg.facts;
        let (expire_at, lost_answer) = (facts.expire_at, facts.lost_answer);
        let ordinals: Vec<u32> = self.recipients.iter().map(|recipient| recipient.ordinal).collect();
        if lost_answer == LostAnswer::Never {
            let last = ordinals.last().copied().unwrap_or(0);
            // An error of the store is no permission: the batch goes back and is claimed again.
            if !matches!(self.store.open(vec![(self.fence, last)]).await.as_deref(), Ok([true])) {
                return Answer::Lost;
            }
        }
        // Read once: what is checked now is handed over in the same breath.
        let now = self.clock.now();
        if let Some(stop) = self.stopped(&ordinals, now) {
            return stop;
        }
        let left = expire_at.since(now).max(Duration::from_millis(100));
        let timeout = self.timeout.min(left);
        if !self.shared.lease().lets_begin(self.fence.epoch, self.clock.monotonic(), self.margin) {
            return Answer::Lost;
        }
        self.shared.activity.called();
        let report = self.hand_over(timeout).await;
        let case = Case {
            attempt: self.attempt,
            step: self.step,
            now: self.clock.now(),
            expire_at,
            lost_answer,
            cancelled: self.shared.tombstones.holds(self.leg.message()),
            reached: false,
        };
        let (tally, mut impression) = Tally::of(&ordinals, &report.verdicts, &case);
        impression.pause = impression.pause.max(report.cool_down.map(cool_down));
        Answer::Made { tally, impression }
    }

    /// Whether the message was cancelled or ran out in the meantime.
    fn stopped(&self, ordinals: &[u32], now: At) -> Option<Answer> {
        let whole =
            |outcome, reason| Answer::Stopped(Tally::whole(outcome, reason, ordinals.iter().copied().collect()));
        if self.shared.tombstones.holds(self.leg.message()) {
            Some(whole(Outcome::Cancelled, Reason::CancelledByPerson))
        } else if now >= self.material.leg.facts.expire_at {
            Some(whole(Outcome::Expired, Reason::ExpiredWaiting))
        } else {
            None
        }
    }

    async fn hand_over(&mut self, deadline: Duration) -> Report {
        let recipients = std::mem::take(&mut self.recipients);
        let n = recipients.len();
        let call = Call {
            leg: self.leg,
            class: self.material.leg.facts.class,
            content: Arc::clone(&self.material.leg.content),
            sender: Arc::clone(&self.material.sender),
            recipients,
            deadline,
        };
        let sending = AssertUnwindSafe(async { self.channel.send(call).await }).catch_unwind();
        match tokio::time::timeout(deadline + self.grace, self.while_ours(sending)).await {
            Ok(Some(Ok(report))) => report,
            Ok(Some(Err(_panic))) => Report::all(n, &Verdict::Unknown { detail: "the channel failed".into() }),
            Ok(None) => Report::all(n, &Verdict::Unknown { detail: "the node's lease ended".into() }),
            Err(_late) => Report::all(n, &Verdict::Unknown { detail: "no answer in time".into() }),
        }
    }

    /// Runs a hand-over as long as the lease lasts; `None` if it ended first. The clock is read before every
    /// step, not only when a timer says so: a process that was stopped for a minute goes on with whatever is
    /// ready, and that must not be the next bytes to a provider.
    async fn while_ours<T>(&self, sending: impl Future<Output = T>) -> Option<T> {
        let mut sending = pin!(sending);
        let mut alarm = pin!(tokio::time::sleep(Duration::ZERO));
        poll_fn(|context| {
            let left = self.shared.lease().left(self.fence.epoch, self.clock.monotonic());
            if left == Some(Duration::ZERO) {
                return Poll::Ready(None);
            }
            if alarm.as_mut().poll(context).is_ready() {
                // The lease may also be lost before its time.
                alarm.set(tokio::time::sleep(left.map_or(LOOK_EVERY, |left| left.min(LOOK_EVERY))));
                let _ = alarm.as_mut().poll(context);
            }
            sending.as_mut().poll(context).map(Some)
        })
        .await
    }
}
