//! A working day: the campus's applications publish, and every answer is kept.

use std::time::Duration;

use futures::stream::{self, StreamExt, TryStreamExt};
use hdrhistogram::Histogram;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Request;

use super::super::client::{Failure, Session, timed};
use super::super::{print, watch};
use super::campus::Campus;
use super::load::Loaded;
use super::plan::{self, Kind, Planned};
use crate::api::v1;
use crate::api::v1::publish_stream_response::Answer;
use crate::runtime::clock::SharedClock;

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

/// Everything that was published, with how long the answers took.
pub struct Day<'a> {
    /// Speaks for one application each, in the campus's order.
    sessions: Vec<Session>,
    test: Session,
    campus: &'a Campus,
    clock: SharedClock,
    /// In the order of the answers.
    pub published: Vec<Published>,
    /// From request to answer, in microseconds.
    pub accept: Histogram<u64>,
}

impl<'a> Day<'a> {
    /// Nothing is published yet.
    pub fn new(admin: &Session, loaded: &Loaded, campus: &'a Campus, clock: SharedClock) -> Result<Day<'a>, Failure> {
        let sessions: Result<_, _> = loaded.systems.iter().map(|key| admin.with_token(&key.token)).collect();
        let accept = Histogram::new_with_max(ACCEPT_MAX_US, 3).map_err(|error| Failure::refused(error.to_string()))?;
        let test = admin.with_token(&loaded.test_token)?;
        Ok(Day { sessions: sessions?, test, campus, clock, published: Vec::new(), accept })
    }

    /// The session that may read a message.
    #[must_use]
    pub fn reader(&self, published: &Published) -> &Session {
        match published.plan.kind {
            Kind::Test => &self.test,
            _ => &self.sessions[published.plan.system],
        }
    }

    /// Publishes one message and keeps it.
    pub async fn publish(&mut self, plan: Planned) -> Result<v1::PublishResponse, Failure> {
        let request = plan.request(self.campus);
        let (answer, took) = self.send(&plan, request).await?;
        self.keep(plan, &answer, took);
        Ok(answer)
    }

    /// Publishes a message for a moment that is near.
    pub async fn publish_scheduled(&mut self, plan: Planned) -> Result<v1::PublishResponse, Failure> {
        let at = self.clock.now().plus(SCHEDULED_AHEAD).0;
        let mut request = plan.request(self.campus);
        let nanos = i32::try_from(at % 1_000).unwrap_or(0) * 1_000_000;
        request.send_at = Some(prost_types::Timestamp { seconds: at / 1_000, nanos });
        let (answer, took) = self.send(&plan, request).await?;
        self.keep(plan, &answer, took);
        Ok(answer)
    }

    /// Publishes something for the second time: the answer is kept nowhere.
    pub async fn publish_again(&self, n: usize) -> Result<v1::PublishResponse, Failure> {
        let plan = &self.published[n].plan;
        Ok(self.send(plan, plan.request(self.campus)).await?.0)
    }

    /// Publishes something that should be refused; returns the refusal.
    pub async fn publish_in_vain(&self, plan: &Planned) -> Result<Failure, Failure> {
        match self.send(plan, plan.request(self.campus)).await {
            Err(refusal) => Ok(refusal),
            Ok((answer, _)) => Err(Failure::refused(format!("{} should have been refused", answer.message_id))),
        }
    }

    async fn send(
        &self,
        plan: &Planned,
        request: v1::PublishRequest,
    ) -> Result<(v1::PublishResponse, Duration), Failure> {
        let session = match plan.kind {
            Kind::Test => &self.test,
            _ => &self.sessions[plan.system],
        };
        let started = self.clock.monotonic();
        let answer = session.publish().publish(timed(request)).await?.into_inner();
        Ok((answer, self.clock.monotonic().saturating_sub(started)))
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
                let request = plan.request(day.campus);
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

    async fn stream(
        &self,
        system: usize,
        plans: Vec<Planned>,
        bar: &indicatif::ProgressBar,
    ) -> Result<Vec<(Planned, v1::PublishResponse, Duration)>, Failure> {
        let (items, receiver) = mpsc::channel(WINDOW);
        let request = Request::new(ReceiverStream::new(receiver));
        let mut answers = self.sessions[system].publish().publish_stream(request).await?.into_inner();
        let mut sent_at = Vec::with_capacity(plans.len());
        let mut taken = Vec::with_capacity(plans.len());
        while taken.len() < plans.len() {
            while sent_at.len() < plans.len() && sent_at.len() - taken.len() < WINDOW {
                let sequence = i64::try_from(sent_at.len()).unwrap_or(i64::MAX);
                let publish = Some(plans[sent_at.len()].request(self.campus));
                sent_at.push(self.clock.monotonic());
                let item = v1::PublishStreamRequest { sequence, publish };
                items.send(item).await.map_err(|_| Failure::refused("the publish stream ended early"))?;
            }
            let answer = answers.message().await?;
            let answer = answer.ok_or_else(|| Failure::refused("the publish stream ended early"))?;
            let n = usize::try_from(answer.sequence).ok().filter(|n| *n < sent_at.len());
            let n = n.ok_or_else(|| Failure::refused("an answer on the publish stream names no item"))?;
            match answer.answer {
                Some(Answer::Accepted(accepted)) => {
                    taken.push((plans[n].clone(), accepted, self.clock.monotonic().saturating_sub(sent_at[n])));
                }
                Some(Answer::Error(error)) => {
                    return Err(Failure::refused(format!(
                        "{}: {}: {}",
                        plans[n].reference, error.reason, error.message
                    )));
                }
                None => return Err(Failure::refused("an answer on the publish stream is empty")),
            }
            bar.inc(1);
        }
        Ok(taken)
    }
}

/// How many recipients and channels an answer names, for one line.
#[must_use]
pub fn in_short(answer: &v1::PublishResponse) -> String {
    let channels: Vec<_> = answer.channels.iter().map(|plan| print::channel(plan.channel)).collect();
    format!("{} to {} people over {}", answer.message_id, print::number(answer.recipient_count), channels.join(", "))
}
