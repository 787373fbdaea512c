//! Live progress per channel, from what the service says of each message.

use std::time::Duration;

use futures::stream::{self, StreamExt, TryStreamExt};
use indicatif::{MultiProgress, ProgressBar};
use tokio::time::sleep;

use super::super::client::{Failure, Session, timed};
use super::super::{print, watch};
use campanile::api::v1;
use campanile::runtime::clock::SharedClock;

const INTERVAL: Duration = Duration::from_millis(100);
/// Messages asked for at a time.
const AT_ONCE: usize = 16;
/// Messages that are listed while the rest is waited for.
const SHOWN: i32 = 100;
const CHANNELS: [v1::Channel; 3] = [v1::Channel::Email, v1::Channel::Wechat, v1::Channel::App];

/// Follows some messages until at most `leave` deliveries are open, or for so long. Returns how long it took.
pub async fn follow(
    admin: &Session,
    clock: &SharedClock,
    message_ids: &[String],
    leave: i32,
    deadline: Duration,
) -> Result<Duration, Failure> {
    let started = clock.monotonic();
    let bars = Bars::new();
    let mut open: Vec<String> = message_ids.to_vec();
    let mut done = [Settled::default(); 3];
    loop {
        let messages = messages(admin, &open).await?;
        let mut now = done;
        for message in &messages {
            add(&mut now, message);
        }
        bars.show(&now);
        // Messages at their end are not asked for again.
        for message in messages.iter().filter(|message| is_final(message)) {
            add(&mut done, message);
            open.retain(|id| *id != message.message_id);
        }
        let pending: i32 = now.iter().map(|settled| settled.members - settled.settled).sum();
        let waited = clock.monotonic().saturating_sub(started);
        if open.is_empty() || pending <= leave {
            bars.all.clear().ok();
            return Ok(waited);
        }
        if waited > deadline {
            bars.all.clear().ok();
            return Err(Failure::refused(format!(
                "{} deliveries are still open after {} s",
                print::number(pending),
                deadline.as_secs()
            )));
        }
        sleep(INTERVAL).await;
    }
}

/// Waits until no message of the service is under way, for at most so long.
pub async fn all_final(admin: &Session, clock: &SharedClock, deadline: Duration) -> Result<(), Failure> {
    let started = clock.monotonic();
    let bar = watch::bar("still under way");
    loop {
        let states = [v1::MessageState::Sending, v1::MessageState::Scheduled, v1::MessageState::Paused];
        let request = v1::ListMessagesRequest {
            states: states.into_iter().map(i32::from).collect(),
            page_size: SHOWN,
            ..Default::default()
        };
        let messages = admin.publish().list_messages(timed(request)).await?.into_inner().messages;
        bar.set_length(bar.length().unwrap_or(0).max(messages.len() as u64));
        bar.set_position(bar.length().unwrap_or(0) - messages.len() as u64);
        if messages.is_empty() {
            bar.finish_and_clear();
            return Ok(());
        }
        if clock.monotonic().saturating_sub(started) > deadline {
            bar.finish_and_clear();
            let ids: Vec<_> = messages.iter().take(5).map(|message| message.message_id.as_str()).collect();
            return Err(Failure::refused(format!(
                "{} messages are not final after {} s; among them {}",
                messages.len(),
                deadline.as_secs(),
                ids.join(", ")
            )));
        }
        sleep(INTERVAL).await;
    }
}

async fn messages(admin: &Session, ids: &[String]) -> Result<Vec<v1::Message>, Failure> {
    let one = |id: String| async move {
        let request = v1::GetMessageRequest { message_id: id, ..Default::default() };
        let answer = admin.publish().get_message(timed(request)).await?.into_inner();
        Ok::<_, Failure>(answer.message.unwrap_or_default())
    };
    stream::iter(ids.to_vec()).map(one).buffer_unordered(AT_ONCE).try_collect().await
}

/// Whether a message never changes again.
#[must_use]
pub fn is_final(message: &v1::Message) -> bool {
    use v1::MessageState::{Cancelled, Expired, Finished, Rejected};
    [Finished, Cancelled, Rejected, Expired].into_iter().any(|state| message.state == i32::from(state))
}

#[derive(Clone, Copy, Default)]
struct Settled {
    members: i32,
    settled: i32,
}

fn add(sums: &mut [Settled; 3], message: &v1::Message) {
    for counts in &message.counts {
        if let Some(n) = CHANNELS.iter().position(|channel| i32::from(*channel) == counts.channel) {
            sums[n].members += counts.members;
            sums[n].settled += counts.members - counts.pending;
        }
    }
}

struct Bars {
    all: MultiProgress,
    channels: Vec<ProgressBar>,
}

impl Bars {
    fn new() -> Bars {
        let all = MultiProgress::new();
        let channels = CHANNELS.iter().map(|channel| all.add(watch::bar(&print::channel((*channel).into())))).collect();
        Bars { all, channels }
    }

    fn show(&self, sums: &[Settled; 3]) {
        for (bar, settled) in self.channels.iter().zip(sums) {
            bar.set_length(u64::try_from(settled.members).unwrap_or(0));
            bar.set_position(u64::try_from(settled.settled).unwrap_or(0));
        }
    }
}
