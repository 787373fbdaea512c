//! The moments after acceptance at which work starts: scheduled messages are released when their time has
//! come, and large legs are cut into batches chunk by chunk. Both resume anywhere after a restart, because
//! what is due and what is not cut yet is in the store.

use std::sync::Arc;
use std::time::Duration;

use super::handover::{Handover, Ready};
use super::{Parts, plan};
use crate::access::scope::stands;
use crate::domain::audit::{Action, Deed, Object};
use crate::domain::id::MessageId;
use crate::domain::message::{MessageFacts, MessageState};
use crate::domain::outcome::Reason;
use crate::domain::refusal::Refusal;
use crate::domain::time::At;
use crate::runtime::backoff::jitter;
use crate::runtime::tasks::Tasks;
use crate::store::{Error, LegPlan, Members, MessageRow};

/// How often scheduled messages are looked for.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// How often legs to cut are looked for when nobody says that there are some.
const CUT_LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long to leave the store alone after it failed.
const AFTER_FAILURE: Duration = Duration::from_secs(1);
/// Scheduled messages released in one look.
const DUE_MAX: usize = 256;
/// Legs cut in turns.
const LEGS_MAX: usize = 64;
/// Batches made in one transaction.
const BATCHES_MAX: usize = 100;

/// Starts both tasks. They end when shutdown begins, between two transactions.
pub(super) fn start(parts: &Parts, handover: &Handover, tasks: &Tasks) {
    let releaser = Releaser { parts: parts.clone(), handover: handover.clone() };
    let cutter = Releaser { parts: parts.clone(), handover: handover.clone() };
    let (stop_releasing, stop_cutting) = (tasks.stop_token(), tasks.stop_token());
    tasks.spawn(async move {
        while !stop_releasing.is_cancelled() {
            let pause = match releaser.release_due().await {
                Ok(()) => LOOK_EVERY,
                Err(error) => after_failure("scheduled messages could not be released", &error),
            };
            tokio::select! {
                () = stop_releasing.cancelled() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
    });
    tasks.spawn(async move {
        while !stop_cutting.is_cancelled() {
            let pause = match cutter.cut_some().await {
                Ok(true) => continue,
                Ok(false) => CUT_LOOK_EVERY,
                Err(error) => after_failure("legs could not be cut", &error),
            };
            tokio::select! {
                () = stop_cutting.cancelled() => {}
                () = cutter.handover.cut.notified() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
    });
}

fn after_failure(what: &str, error: &Error) -> Duration {
    tracing::warn!(%error, "{what}");
    jitter(AFTER_FAILURE)
}

struct Releaser {
    parts: Parts,
    handover: Handover,
}

impl Releaser {
    /// Releases or ends every message whose time has come.
    async fn release_due(&self) -> Result<(), Error> {
        loop {
            let due = self.parts.store.messages.due(self.parts.clock.now(), DUE_MAX).await?;
            let last_look = due.len() < DUE_MAX;
            let mut failure = None;
            for id in due {
                // One message that cannot be released must not hold up those behind it.
                if let Err(error) = self.release(id).await {
                    tracing::warn!(message = %id, %error, "a scheduled message could not be released");
                    failure = Some(error);
                }
            }
            match failure {
                Some(error) => return Err(error),
                None if last_look => return Ok(()),
                None => {}
            }
        }
    }

    async fn release(&self, id: MessageId) -> Result<(), Error> {
        let messages = &self.parts.store.messages;
        let Some(row) = messages.message(id).await? else { return Ok(()) };
        let now = self.parts.clock.now();
        let plans = match self.verdict(&row, now).await? {
            Ok(plans) => plans,
            Err(End { state, reason }) => {
                tracing::info!(message = %id, ?state, reason = reason.text(), "a scheduled message is not released");
                let deed = Deed::of(Action::MessageReject).on(Object::Message(id)).over([reason.text()]);
                self.parts.audit.record_own(deed).await.map_err(Error::from)?;
                messages.reject(id, plans_to_end(&row.facts), state, reason, now).await?;
                return Ok(());
            }
        };
        if let Some(opening) = self.parts.asked_again(&row, now).await? {
            tracing::info!(message = %id, "what was approved is no longer what would be sent; the message pauses");
            self.parts.store.reviews.pause(id, opening).await?;
            return Ok(());
        }
        let epoch = self.handover.delivery.epoch();
        let Some(mut stored) = messages.release(id, plans, now, epoch).await? else { return Ok(()) };
        let ready = self.ready(row, now).await?;
        self.handover.done(&mut stored, ready);
        Ok(())
    }

    /// Whether a message may still be sent. Rights are read from the store, not from memory: what was revoked
    /// before this moment counts.
    async fn verdict(&self, row: &MessageRow, now: At) -> Result<Result<Vec<LegPlan>, End>, Error> {
        let facts = &row.facts;
        if facts.expire_at <= now {
            return Ok(Err(End { state: MessageState::Expired, reason: Reason::ExpiredWaiting }));
        }
        let access = &self.parts.store.access;
        let key = access.key(facts.key_id).await?;
        let grant = access.grant(facts.grant.0).await?;
        let key_stands = key.is_some_and(|key| key.revoked_at.is_none());
        if !key_stands || !grant.is_some_and(|grant| stands(&grant, &self.parts.index.snapshot(), now)) {
            return Ok(Err(End { state: MessageState::Rejected, reason: Reason::GrantRevoked }));
        }
        Ok(self.plans(facts).map_err(|refusal| {
            tracing::warn!(message = %facts.id, %refusal, "a provider is gone");
            End { state: MessageState::Rejected, reason: Reason::ProviderMisconfigured }
        }))
    }

    fn plans(&self, facts: &MessageFacts) -> Result<Vec<LegPlan>, Refusal> {
        let Parts { providers, delivery, .. } = &self.parts;
        plan::legs(&facts.channels, facts.mode, facts.class, facts.members_n, &**providers, &**delivery)
    }

    async fn ready(&self, row: MessageRow, at: At) -> Result<Ready, Error> {
        let members = match row.only_member {
            Some(ordinal) => Members::One(ordinal),
            None => Members::Many(Arc::new(self.parts.store.messages.members(row.facts.id).await?)),
        };
        let department_name = self.parts.department_name(row.facts.department_id);
        Ok(Ready { facts: row.facts, content: row.content, department_name, members, at })
    }

    /// Cuts one chunk of each leg that is not cut to its end. Returns whether there is more to do at once.
    async fn cut_some(&self) -> Result<bool, Error> {
        let legs = self.parts.store.messages.cutting(LEGS_MAX).await?;
        let mut more = legs.len() == LEGS_MAX;
        let mut failure = None;
        for leg in legs {
            match self.parts.store.messages.cut(leg, BATCHES_MAX, self.parts.clock.now()).await {
                Ok(uncut) => more |= uncut,
                Err(error) => failure = Some(error),
            }
            self.handover.delivery.wake();
        }
        failure.map_or(Ok(more), Err)
    }
}

/// Why a scheduled message ends unreleased.
struct End {
    state: MessageState,
    reason: Reason,
}

/// Plans of legs that are made only to be settled: nobody will be called.
pub(super) fn plans_to_end(facts: &MessageFacts) -> Vec<LegPlan> {
    let lane = facts.class.lane(facts.members_n);
    facts
        .channels
        .iter()
        .map(|&channel| LegPlan {
            channel,
            provider: channel.name().into(),
            lane,
            batch_size: crate::domain::leg::BATCH_MAX,
            claim_max: 0,
        })
        .collect()
}
