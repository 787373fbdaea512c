//! How this node stands with Redis: signed in, waiting, or apart; and the pulse that finds out.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU32, Ordering};
use std::time::Duration;

use super::limits::RedisLimits;
use super::link::{ANSWER_MAX, Fault, Link, Sign};
use crate::coordination::{Mode, Peers};
use crate::runtime::clock::SharedClock;
use crate::runtime::tasks::Tasks;

/// How often a node signs.
const PULSE: Duration = Duration::from_millis(500);
/// How long a signature counts.
const SIGNED: Duration = Duration::from_millis(1_500);
/// A node without an answer for so long asks Redis for no more credit.
const PATIENCE: Duration = Duration::from_millis(1_000);
/// So long after it may have signed last a node takes its own part of the limits: by then its signature has ended,
/// the others have seen that and leave its part to it, and all leases have run out.
const GRACE: Duration = Duration::from_secs(3);

/// How a node stands with Redis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stand {
    /// Redis answers and knows this node.
    Signed = 0,
    /// Redis does not answer; others may still count this node in.
    Waiting = 1,
    /// Redis does not answer, and this node's part of the limits is its own.
    Apart = 2,
}

/// The stand, and how many are signed in, for everybody to read.
#[derive(Debug)]
pub(super) struct Standing {
    stand: AtomicU8,
    signed: AtomicU32,
    peers: Peers,
}

impl Standing {
    /// Nothing is known yet.
    pub(super) fn new(peers: Peers) -> Standing {
        Standing { stand: AtomicU8::new(Stand::Waiting as u8), signed: AtomicU32::new(1), peers }
    }

    /// How this node stands.
    pub(super) fn stand(&self) -> Stand {
        match self.stand.load(Ordering::Relaxed) {
            0 => Stand::Signed,
            1 => Stand::Waiting,
            _ => Stand::Apart,
        }
    }

    /// The same as others see it.
    pub(super) fn mode(&self) -> Mode {
        if self.stand() == Stand::Signed { Mode::Redis } else { Mode::Apart }
    }

    /// What of a limit is shared through Redis: nodes that live and are not signed in keep their parts.
    pub(super) fn shared(&self, n: u32) -> u32 {
        let (signed, live) = (self.signed.load(Ordering::Relaxed), self.peers.live());
        if signed >= live {
            return n;
        }
        u32::try_from(u64::from(n) * u64::from(signed) / u64::from(live)).unwrap_or(n).max(1)
    }

    /// This node's own part of a limit.
    pub(super) fn part(&self, n: u32) -> u32 {
        self.peers.part(n)
    }

    fn set(&self, stand: Stand) {
        self.stand.store(stand as u8, Ordering::Relaxed);
    }
}

/// Signs again and again, and says how the node stands.
pub(super) struct Pulse {
    pub link: Link,
    pub standing: Arc<Standing>,
    pub limits: Arc<RedisLimits>,
    pub clock: SharedClock,
    /// Whether this node calls providers, so that a part of the limits is kept for it.
    pub delivers: bool,
}

/// What the pulse remembers between two beats.
struct Beat {
    answered_at: Duration,
    /// The last moment at which this node may have been signed in.
    signed_at: Duration,
    /// The last beat had no answer; the next only looks, for a signature counts others' way whoever hears of it.
    doubtful: bool,
    /// The connection broke, and what was counted at its other end is not believed.
    broken: bool,
    /// Whether the mode was ever told.
    told: bool,
}

impl Pulse {
    /// Starts the pulse.
    pub(super) fn start(self, tasks: &Tasks) {
        let stop = tasks.stop_token();
        tasks.spawn(async move {
            let now = self.clock.monotonic();
            let mut beat = Beat { answered_at: now, signed_at: now, doubtful: false, broken: false, told: false };
            while !stop.is_cancelled() {
                self.beat(&mut beat).await;
                tokio::select! {
                    () = stop.cancelled() => {}
                    () = tokio::time::sleep(PULSE) => {}
                }
            }
            // The others need not wait for the signature to end.
            let _ = self.link.present(Sign::Out, SIGNED).await;
        });
    }

    async fn beat(&self, beat: &mut Beat) {
        self.limits.parts(self.clock.monotonic());
        let signed = match self.join(beat).await {
            Ok(signed) => signed,
            Err(fault) => return self.missed(beat, fault),
        };
        beat.doubtful = false;
        beat.answered_at = self.clock.monotonic();
        self.standing.signed.store(signed, Ordering::Relaxed);
        if self.standing.stand() != Stand::Signed {
            self.standing.set(Stand::Signed);
            beat.told = true;
            tracing::info!(mode = Mode::Redis.name(), signed, "nodes agree through Redis");
        }
        self.link.subscribe().await;
    }

    /// Signs, if this node may: who comes back has begun anew without credit before, and to sign where the
    /// limits are refused would keep a part from nobody's use. Returns how many take part.
    async fn join(&self, beat: &mut Beat) -> Result<u32, Fault> {
        if !self.delivers {
            return self.link.present(Sign::Look, SIGNED).await;
        }
        let away = self.standing.stand() != Stand::Signed;
        if beat.doubtful || away {
            self.link.present(Sign::Look, SIGNED).await?;
        }
        beat.broken |= self.link.take_broken();
        if beat.broken || away {
            self.limits.rejoin(&self.link).await?;
            beat.broken = false;
        }
        if self.limits.take_refused() {
            return Err(Fault::Refused);
        }
        let signed = self.link.present(Sign::In, SIGNED).await;
        if signed != Err(Fault::Refused) {
            beat.signed_at = self.clock.monotonic();
        }
        signed
    }

    fn missed(&self, beat: &mut Beat, fault: Fault) {
        beat.doubtful = true;
        let now = self.clock.monotonic();
        let silent = now.saturating_sub(beat.answered_at);
        if silent < PATIENCE {
            return;
        }
        if self.standing.stand() == Stand::Signed || !beat.told {
            self.standing.set(Stand::Waiting);
            beat.told = true;
            let why = if fault == Fault::Refused { "it refuses" } else { "it does not answer" };
            let mode = Mode::Apart.name();
            tracing::warn!(mode, why, "Redis is away; each node keeps to its part of the limits and polls the store");
        }
        if self.standing.stand() == Stand::Waiting && now >= beat.signed_at + GRACE + ANSWER_MAX {
            self.limits.part_ways(now);
            self.standing.set(Stand::Apart);
        }
    }
}
