//! A working day: the campus's applications publish, and every answer is kept.

use std::collections::HashSet;
use std::time::Duration;

use futures::stream::{self, StreamExt, TryStreamExt};
use hdrhistogram::Histogram;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Status};

use super::super::client::{Failure, Session};
use super::super::{print, watch};
use super::caller::{Attempt, Caller};
use super::campus::Campus;
use super::load::Loaded;
use super::plan::{self, Kind, Planned};
use super::reviewer::Reviewer;
use campanile::api::v1;
use campanile::api::v1::publish_stream_response::Answer;
use campanile::runtime::clock::SharedClock;

/// Unary publishes under way at a time.
const AT_ONCE: usize = 8;
/// Items of one stream that wait for their answer at a time.
const WINDOW: usize = 16;
/// The longest publish latency that is told apart, in microseconds.
const ACCEPT_MAX_US: u64 = 60_000_000;
/// How far ahead the scheduled message is.
const SCHEDULED_AHEAD: Duration = Duration::from_secs(3);

/// A message that the service has taken.
#[derive(Clone, Debug)]
pub struct Published {
    /// What was asked for.
    pub plan: Planned,
    /// `msg_…`.
    pub message_id: String,
}

/// A plan, its answer and how long that took.
type Taken = (Planned, v1::PublishResponse, Duration);

/// Everything that was published, with how long the answers took.
pub struct Day<'a> {
    /// One for each application, in the campus's order.
    callers: Vec<Caller>,
    test: Caller,
    /// The campus as the applications know it.
    directory_seq: i64,
    campus: &'a Campus,
    /// Agrees to what waits for a second person.
    pub reviewer: Option<Reviewer>,
    clock: SharedClock,
    /// In the order of the answers.
    pub published: Vec<Published>,
    /// From request to answer, in microseconds.
    pub accept: Histogram<u64>,
}

impl<'a> Day<'a> {
    /// Nothing is published yet. The applications are spread over the nodes.
    pub fn new(nodes: &[Session], loaded: &Loaded, campus: &'a Campus, clock: SharedClock) -> Result<Day<'a>, Failure> {
        let keys = loaded.systems.iter().enumerate();
        let callers: Result<_, _> = keys.map(|(home, key)| Caller::new(nodes, &key.token, home)).collect();
        let accept = Histogram::new_with_max(ACCEPT_MAX_US, 3).map_err(|error| Failure::refused(error.to_string()))?;
        let test = Caller::new(nodes, &loaded.test_token, 0)?;
        let directory_seq = loaded.directory_seq;
        Ok(Day { callers: callers?, test, directory_seq, campus, reviewer: None, clock, published: Vec::new(), accept })
    }

    /// The session that may read a message.
    #[must_use]
    pub fn reader(&self, published: &Published) -> &Session {
        self.caller(&published.plan).reader()
    }

    fn caller(&self, plan: &Planned) -> &Caller {
        match plan.kind {
            Kind::Test => &self.test,
            _ => &self.callers[plan.system],
        }
    }

    /// Calls that found no answer and were made again at another node.
    #[must_use]
    pub fn repeats(&self) -> usize {
        self.callers.iter().chain([&self.test]).map(Caller::repeats).sum()
    }

    /// The publish of a plan by somebody who knows the campus.
    fn request(&self, plan: &Planned) -> v1::PublishRequest {
        v1::PublishRequest { min_directory_seq: self.directory_seq, ..plan.request(self.campus) }
    }

    /// Publishes one message and keeps it.
    pub async fn publish(&mut self, plan: Planned) -> Result<v1::PublishResponse, Failure> {
        let request = self.request(&plan);
        let (answer, took) = self.send(&plan, request).await?;
        self.keep(plan, &answer, took);
        Ok(answer)
    }

    /// Publishes a message for a moment that is near.
    pub async fn publish_scheduled(&mut self, plan: Planned) -> Result<v1::PublishResponse, Failure> {
        let at = self.clock.now().plus(SCHEDULED_AHEAD).0;
        let mut request = self.request(&plan);
        let nanos = i32::try_from(at % 1_000).unwrap_or(0) * 1_000_000;
        request.send_at = Some(prost_types::Timestamp { seconds: at / 1_000, nanos });
        let (answer, took) = self.send(&plan, request).await?;
        self.keep(plan, &answer, took);
        Ok(answer)
    }

    /// Publishes something for the second time: the answer is kept nowhere.
    pub async fn publish_again(&self, n: usize) -> Result<v1::PublishResponse, Failure> {
        let plan = &self.published[n].plan;
        Ok(self.send(plan, self.request(plan)).await?.0)
    }

    /// Publishes something that should be refused; returns the refusal.
    pub async fn publish_in_vain(&self, plan: &Planned) -> Result<Failure, Failure> {
        match self.send(plan, self.request(plan)).await {
            Err(refusal) => Ok(refusal),
            Ok((answer, _)) => Err(Failure::refused(format!("{} should have been refused", answer.message_id))),
        }
    }

    async fn send(
        &self,
        plan: &Planned,
        request: v1::PublishRequest,
    ) -> Result<(v1::PublishResponse, Duration), Failure> {
        let started = self.clock.monotonic();
        let answer = self.caller(plan).publish(request).await?;
        let took = self.clock.monotonic().saturating_sub(started);
        if let Some(reviewer) = &self.reviewer {
            reviewer.look_at(&answer).await?;
        }
        Ok((answer, took))
    }

    fn keep(&mut self, plan: Planned, answer: &v1::PublishResponse, took: Duration) {
        self.accept.saturating_record(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
        self.published.push(Published { plan, message_id: answer.message_id.clone() });
    }

    /// Publishes many messages by unary calls.
    pub async fn publish_all(&mut self, plans: Vec<Planned>) -> Result<(), Failure> {
        let day = &*self;
        let answers: Vec<_> = stream::iter(plans)
            .map(|plan| async move {
                let request = day.request(&plan);
                let (answer, took) = day.send(&plan, request).await?;
                Ok::<_, Failure>((plan, answer, took))
            })
            .buffer_unordered(AT_ONCE)
            .try_collect()
            .await?;
        for (plan, answer, took) in answers {
            self.keep(plan, &answer, took);
        }
        Ok(())
    }

    /// Publishes messages on one stream per application, all at the same time.
    pub async fn publish_streams(&mut self, plans: Vec<Planned>) -> Result<(), Failure> {
        let bar = watch::bar("one-to-one");
        bar.set_length(plans.len() as u64);
        let streams = plan::personal_systems().into_iter().map(|system| {
            let own: Vec<_> = plans.iter().filter(|plan| plan.system == system).cloned().collect();
            self.stream(system, own, &bar)
        });
        let answers = futures::future::try_join_all(streams).await?;
        bar.finish_and_clear();
        for (plan, answer, took) in answers.into_iter().flatten() {
            self.keep(plan, &answer, took);
        }
        Ok(())
    }

    /// Publishes on a stream of one system. What has no answer when the stream breaks goes to another node.
    async fn stream(
        &self,
        system: usize,
        plans: Vec<Planned>,
        bar: &indicatif::ProgressBar,
    ) -> Result<Vec<Taken>, Failure> {
        let mut attempt = self.callers[system].attempt();
        let (mut taken, mut open): (Vec<Taken>, _) = (Vec::with_capacity(plans.len()), plans);
        loop {
            match self.stream_once(&attempt, &open, &mut taken, bar).await {
                Ok(()) => return Ok(taken),
                Err(Broken::Lost(status)) => attempt.failed(*status)?,
                Err(Broken::Refused(failure)) => return Err(*failure),
            }
            let answered: HashSet<_> = taken.iter().map(|(plan, ..)| plan.reference.as_str()).collect();
            open.retain(|plan| !answered.contains(plan.reference.as_str()));
        }
    }

    async fn stream_once(
        &self,
        attempt: &Attempt<'_>,
        plans: &[Planned],
        taken: &mut Vec<Taken>,
        bar: &indicatif::ProgressBar,
    ) -> Result<(), Broken> {
        let early = || Broken::Lost(Box::new(Status::unavailable("the publish stream ended early")));
        let (items, receiver) = mpsc::channel(WINDOW);
        let request = Request::new(ReceiverStream::new(receiver));
        let mut answers = attempt.session().publish().publish_stream(request).await?.into_inner();
        let (mut sent_at, mut answered) = (Vec::with_capacity(plans.len()), 0);
        while answered < plans.len() {
            while sent_at.len() < plans.len() && sent_at.len() - answered < WINDOW {
                let sequence = i64::try_from(sent_at.len()).unwrap_or(i64::MAX);
                let publish = Some(self.request(&plans[sent_at.len()]));
                sent_at.push(self.clock.monotonic());
                items.send(v1::PublishStreamRequest { sequence, publish }).await.map_err(|_| early())?;
            }
            let answer = answers.message().await?.ok_or_else(early)?;
            let n = usize::try_from(answer.sequence).ok().filter(|n| *n < sent_at.len());
            let n = n.ok_or_else(|| Broken::refused("an answer on the publish stream names no item"))?;
            match answer.answer {
                Some(Answer::Accepted(accepted)) => {
                    taken.push((plans[n].clone(), accepted, self.clock.monotonic().saturating_sub(sent_at[n])));
                }
                Some(Answer::Error(error)) => {
                    let text = format!("{}: {}: {}", plans[n].reference, error.reason, error.message);
                    return Err(Broken::refused(text));
                }
                None => return Err(Broken::refused("an answer on the publish stream is empty")),
            }
            answered += 1;
            bar.inc(1);
        }
        Ok(())
    }
}

/// Why a stream went no further.
enum Broken {
    /// Nobody answers; another node may.
    Lost(Box<Status>),
    Refused(Box<Failure>),
}

impl Broken {
    fn refused(text: impl Into<String>) -> Broken {
        Broken::Refused(Box::new(Failure::refused(text)))
    }
}

impl From<Status> for Broken {
    fn from(status: Status) -> Broken {
        Broken::Lost(Box::new(status))
    }
}

/// How many recipients and channels an answer names, for one line.
#[must_use]
pub fn in_short(answer: &v1::PublishResponse) -> String {
    let channels: Vec<_> = answer.channels.iter().map(|plan| print::channel(plan.channel)).collect();
    format!("{} to {} people over {}", answer.message_id, print::number(answer.recipient_count), channels.join(", "))
}
