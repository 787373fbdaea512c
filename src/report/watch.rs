//! Following one message: a full picture at once, then on changes at most once a second, a heartbeat every
//! 15 seconds, and the end when the message is final.

use std::time::Duration;

use tokio::sync::mpsc;

use super::{Reporter, View};
use crate::access::Caller;
use crate::domain::id::MessageId;
use crate::domain::leg::Leg;
use crate::domain::message::MessageState;
use crate::domain::refusal::Refusal;
use crate::domain::time::At;

/// Pictures that may wait for a slow reader; newer ones are then made later, never queued up.
const AHEAD: usize = 4;
/// At most one picture in this time.
const EVERY: Duration = Duration::from_secs(1);
/// At least one picture in this time.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// How a followed message stands; complete in itself.
#[derive(Clone, Debug)]
pub struct Picture {
    /// The message with its counts.
    pub view: View,
    /// Deliveries settled per second since the last picture.
    pub per_second: u64,
    /// When the last delivery is likely to be settled at this pace.
    pub estimated_finish_at: Option<At>,
    /// This is the last picture.
    pub ended: bool,
}

impl Reporter {
    /// Follows a message. The channel closes after the last picture, after an error of the store (which comes
    /// as the last item) and at shutdown; dropping the receiver ends the work.
    ///
    /// Error: `NOT_FOUND`.
    pub async fn watch(
        &self,
        caller: &Caller,
        id: MessageId,
    ) -> Result<mpsc::Receiver<Result<Picture, Refusal>>, Refusal> {
        self.readable(caller, id).await?;
        let (out, pictures) = mpsc::channel(AHEAD);
        let (reporter, caller) = (self.clone(), caller.clone());
        self.tasks.spawn(async move {
            tokio::select! {
                () = reporter.tasks.stopping() => {}
                () = out.closed() => {}
                result = reporter.follow(&caller, id, &out) => {
                    if let Err(refusal) = result {
                        let _ = out.send(Err(refusal)).await;
                    }
                }
            }
        });
        Ok(pictures)
    }

    async fn follow(
        &self,
        caller: &Caller,
        id: MessageId,
        out: &mpsc::Sender<Result<Picture, Refusal>>,
    ) -> Result<(), Refusal> {
        let mut last: Option<Seen> = None;
        loop {
            let view = self.get(caller, id).await?;
            let seen = Seen::of(&view, self.clock.monotonic());
            let ended = view.is_final();
            let due = last.as_ref().is_none_or(|last| last.differs(&seen) || seen.at - last.at >= HEARTBEAT);
            if due || ended {
                let per_second = last.as_ref().map_or(0, |last| last.pace(&seen));
                let estimated_finish_at = finish(self.clock.now(), view.pending(), per_second);
                let picture = Picture { view, per_second, estimated_finish_at, ended };
                if out.send(Ok(picture)).await.is_err() || ended {
                    return Ok(());
                }
                last = Some(seen);
            }
            tokio::time::sleep(EVERY).await;
        }
    }
}

/// What of a picture tells whether the next one is news.
struct Seen {
    at: Duration,
    state: MessageState,
    legs: Vec<Leg>,
    receipts: u64,
    settled: u64,
}

impl Seen {
    fn of(view: &View, at: Duration) -> Seen {
        let receipts = view.receipts.iter().map(|(_, _, n)| n).sum();
        Seen { at, state: view.row.state, legs: view.legs.clone(), receipts, settled: view.settled() }
    }

    fn differs(&self, later: &Seen) -> bool {
        self.state != later.state || self.legs != later.legs || self.receipts != later.receipts
    }

    fn pace(&self, later: &Seen) -> u64 {
        let millis = u64::try_from((later.at.saturating_sub(self.at)).as_millis()).unwrap_or(u64::MAX).max(1);
        later.settled.saturating_sub(self.settled).saturating_mul(1_000) / millis
    }
}

fn finish(now: At, pending: u64, per_second: u64) -> Option<At> {
    (pending > 0 && per_second > 0).then(|| now.plus(Duration::from_secs(pending.div_ceil(per_second))))
}
