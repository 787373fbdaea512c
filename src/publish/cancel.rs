//! Stopping a message: a tombstone, one settlement for everything that no node holds, a short wait for those
//! that hold some, and the exact arithmetic of what was sent, stopped and is open.

use std::time::Duration;

use super::Publisher;
use super::handover::inbox_leg;
use crate::access::Caller;
use crate::domain::access::{KeyScope, Mode};
use crate::domain::audit::{Action, Deed, Object};
use crate::domain::id::MessageId;
use crate::domain::message::MessageState;
use crate::domain::refusal::{Reason, Refusal};
use crate::store::{Cancelled, MessageRow};

/// How long a cancel waits for the nodes that hold batches to give them up. Another node hears of it by the
/// change feed within a second or so.
const WAIT: Duration = Duration::from_secs(5);
/// The first pause between two looks; each is half as long again as the one before.
const FIRST_PAUSE: Duration = Duration::from_millis(25);
/// The longest pause between two looks.
const PAUSE_MAX: Duration = Duration::from_millis(250);

/// What a cancel could still stop: `sent + stopped + open` is the deliveries of all released legs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CancelAnswer {
    /// The state after the cancel.
    pub state: MessageState,
    /// Deliveries that were settled otherwise before the cancel took hold.
    pub sent: u64,
    /// Deliveries that the cancel prevented.
    pub stopped: u64,
    /// Deliveries whose provider has not answered yet.
    pub open: u64,
    /// Nothing of this message starts after this answer.
    pub is_final: bool,
}

impl Publisher {
    /// Cancels a message of the caller's own, or anybody's with the scope `ADMIN`. Cancelling twice answers
    /// the same counts again.
    ///
    /// Errors: `NOT_FOUND` (absent and foreign alike), `MESSAGE_FINISHED`.
    pub async fn cancel(&self, caller: &Caller, id: MessageId) -> Result<CancelAnswer, Refusal> {
        let parts = &*self.parts;
        let row = self.own_message(caller, id).await?;
        if !row.state.may_be_cancelled() && row.state != MessageState::Cancelled {
            return Err(finished());
        }
        parts.audit.record(caller, Deed::of(Action::MessageCancel).on(Object::Message(id))).await?;
        let mut counts = self.cancel_in_store(id).await?;
        parts.delivery.cancelled(id);
        if let Some(leg) = inbox_leg(&row.facts) {
            parts.inbox.hidden(leg);
        }
        let (mut pause, mut waited) = (FIRST_PAUSE, Duration::ZERO);
        while counts.open > 0 && waited < WAIT {
            tokio::time::sleep(pause).await;
            waited += pause;
            pause = (pause + pause / 2).min(PAUSE_MAX);
            counts = Cancelled::of(&parts.store.messages.legs(id).await?);
        }
        let after = self.own_message(caller, id).await?;
        if after.cancelled_at.is_none() {
            // It ended by itself between the look and the tombstone.
            return Err(finished());
        }
        let Cancelled { sent, stopped, open, .. } = counts;
        Ok(CancelAnswer { state: after.state, sent, stopped, open, is_final: open == 0 })
    }

    async fn cancel_in_store(&self, id: MessageId) -> Result<Cancelled, Refusal> {
        let parts = &*self.parts;
        parts.store.messages.cancel(id, parts.clock.now()).await?.ok_or_else(|| not_found(id))
    }

    /// A message that the caller may stop; a test key stops test messages only.
    pub(super) async fn own_message(&self, caller: &Caller, id: MessageId) -> Result<MessageRow, Refusal> {
        let row = self.parts.store.messages.message(id).await?.ok_or_else(|| not_found(id))?;
        let own = caller.principal == row.facts.principal && caller.key.scopes.has(KeyScope::Publish);
        let looked_after = || {
            let reach = caller.administered(self.parts.clock.now());
            reach.covers(row.facts.department_id, self.parts.index.snapshot().tree())
        };
        let mode_fits = caller.mode() == Mode::Live || row.facts.mode == Mode::Test;
        if mode_fits && (own || looked_after()) { Ok(row) } else { Err(not_found(id)) }
    }
}

fn not_found(id: MessageId) -> Refusal {
    Refusal::new(Reason::NotFound, format!("There is no message {id} that you may cancel.")).field("message_id")
}

fn finished() -> Refusal {
    Refusal::new(Reason::MessageFinished, "The message has ended already; there is nothing left to cancel.")
}
