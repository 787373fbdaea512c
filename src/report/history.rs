//! What one person was sent: her own messages and the broadcasts that contain her, newest first, with what became
//! of each on each channel.

use std::collections::HashMap;

use super::recipients::{DeliveryView, RecipientState, state_of};
use super::{Reporter, Sight};
use crate::access::Caller;
use crate::domain::access::{KeyScope, Mode};
use crate::domain::audit::{Action, Deed, Object};
use crate::domain::channel::Channel;
use crate::domain::id::{LegId, MessageId};
use crate::domain::message::MessageState;
use crate::domain::outcome::ReceiptKind;
use crate::domain::page::{Page, PageRequest};
use crate::domain::refusal::{Reason, Refusal};
use crate::domain::time::At;
use crate::store::{HistoryQuery, MessageRow, OutcomeRow};

/// Queries that one page makes at most while it looks for messages that pass the filter.
const ROUNDS_MAX: usize = 10;
/// Messages looked at together where not all of them may pass.
const WINDOW: usize = 200;
/// A message waits for its release at most so long.
const AHEAD_MAX: std::time::Duration = std::time::Duration::from_secs(365 * 86_400);

/// Which messages to list. What is left out does not filter; all others must hold.
#[derive(Clone, Debug, Default)]
pub struct HistoryFilter {
    /// Sent at this time or later.
    pub after: Option<At>,
    /// Sent before this time.
    pub before: Option<At>,
    /// With a delivery on this channel.
    pub channel: Option<Channel>,
    /// In which the person is in one of these states.
    pub states: Vec<RecipientState>,
}

/// One message of a person.
#[derive(Clone, Debug)]
pub struct HistoryEntry {
    /// The message.
    pub row: MessageRow,
    /// One delivery per channel, in the order of the message's channels.
    pub deliveries: Vec<DeliveryView>,
}

impl HistoryEntry {
    /// How the person stands.
    #[must_use]
    pub fn state(&self) -> RecipientState {
        state_of(&self.deliveries)
    }
}

impl HistoryFilter {
    fn is_open(&self) -> bool {
        self.after.is_none() && self.before.is_none() && self.channel.is_none() && self.states.is_empty()
    }

    /// What can be told of a message without its deliveries.
    fn wants(&self, row: &MessageRow) -> bool {
        self.after.is_none_or(|from| row.facts.send_at >= from)
            && self.before.is_none_or(|to| row.facts.send_at < to)
            && self.channel.is_none_or(|channel| row.facts.channels.contains(&channel))
    }

    fn passes(&self, entry: &HistoryEntry) -> bool {
        self.states.is_empty() || self.states.contains(&entry.state())
    }
}

impl Reporter {
    /// What a person was sent, newest first by the time of acceptance. A page may hold fewer than asked for and yet
    /// have a next one. A live key hears of live messages alone, since test messages reach nobody.
    ///
    /// Errors: `SCOPE_MISSING`, `UNKNOWN_USER`, `PAGE_TOKEN_INVALID`.
    pub async fn history(
        &self,
        caller: &Caller,
        user_id: &str,
        filter: &HistoryFilter,
        page: &PageRequest,
    ) -> Result<Page<HistoryEntry>, Refusal> {
        let deed = Deed::of(Action::HistoryRead);
        self.audit.denied(caller, deed, caller.require(KeyScope::Read)).await?;
        let (length, mut before) = (page.limit(), page.after::<MessageId>()?);
        let Some(ordinal) = self.index.snapshot().users().ordinal(user_id) else {
            let message = "There is no user with this id; look it up in the directory.";
            return Err(Refusal::new(Reason::UnknownUser, message).field("user_id").with("count", 1));
        };
        self.audit.record(caller, deed.on(Object::User(ordinal))).await?;
        let sight = self.sight(caller);
        let looked_after = sight.reach.has(ordinal, &sight.snapshot);
        let mut items = Vec::with_capacity(length);
        for _ in 0..ROUNDS_MAX {
            let limit = if filter.is_open() { length - items.len() } else { WINDOW };
            let query = HistoryQuery {
                ordinal,
                before,
                created_after: filter.after.map(|at| at.minus(AHEAD_MAX)),
                created_before: filter.before,
                limit,
            };
            let found = self.store.history.messages(query).await?;
            let mut wanted = found.rows;
            wanted.retain(|row| is_told(&sight, looked_after, row) && filter.wants(row));
            let mut entries = self.entries(ordinal, wanted).await?.into_iter().peekable();
            while let Some(entry) = entries.next() {
                if !filter.passes(&entry) {
                    continue;
                }
                let id = entry.row.facts.id;
                items.push(entry);
                if items.len() == length {
                    let more = entries.peek().is_some() || found.next.is_some();
                    return Ok(Page { items, next: more.then(|| id.to_string()) });
                }
            }
            before = found.next;
            if before.is_none() {
                break;
            }
        }
        Ok(Page { items, next: before.map(|id| id.to_string()) })
    }

    /// The messages with what became of the person in each.
    async fn entries(&self, ordinal: u32, rows: Vec<MessageRow>) -> Result<Vec<HistoryEntry>, Refusal> {
        let legs: Vec<LegId> = rows.iter().flat_map(legs_of).map(|(leg, _)| leg).collect();
        if legs.is_empty() {
            return Ok(Vec::new());
        }
        let mut outcomes: HashMap<LegId, OutcomeRow> = HashMap::with_capacity(legs.len());
        for (leg, row) in self.store.history.outcomes(ordinal, legs.clone()).await? {
            outcomes.entry(leg).or_insert(row);
        }
        let mut receipts: HashMap<LegId, Vec<(ReceiptKind, At)>> = HashMap::new();
        for (leg, kind, at) in self.store.history.receipts(ordinal, legs).await? {
            receipts.entry(leg).or_default().push((kind, at));
        }
        let mut entries = Vec::with_capacity(rows.len());
        for row in rows {
            let delivery = |(leg, channel)| {
                let mut evidence = receipts.remove(&leg).unwrap_or_default();
                evidence.sort_unstable_by_key(|(_, at)| *at);
                DeliveryView::of((leg, channel), outcomes.get(&leg), evidence)
            };
            let entry = HistoryEntry { deliveries: legs_of(&row).map(delivery).collect(), row };
            if self.was_released(&entry).await? {
                entries.push(entry);
            }
        }
        Ok(entries)
    }

    /// Whether there was anything to send: who was stopped in time has no legs.
    async fn was_released(&self, entry: &HistoryEntry) -> Result<bool, Refusal> {
        let without_outcome = entry.deliveries.iter().all(|delivery| delivery.at.is_none());
        let goes_on = matches!(entry.row.state, MessageState::Open | MessageState::Closed | MessageState::Expired);
        if goes_on || !without_outcome {
            return Ok(true);
        }
        Ok(!self.store.messages.legs(entry.row.facts.id).await?.is_empty())
    }
}

/// Whether a message belongs to what the caller may know of a person's history: who looks after the person knows
/// all of it, others what they may read anyway.
fn is_told(sight: &Sight<'_>, looked_after: bool, row: &MessageRow) -> bool {
    let fits = (sight.caller.mode() == Mode::Test) == (row.facts.mode == Mode::Test);
    let known = (looked_after && fits) || sight.has(&row.facts);
    let live_to_live = sight.caller.mode() == Mode::Test || row.facts.mode == Mode::Live;
    !matches!(row.state, MessageState::Scheduled | MessageState::Held) && live_to_live && known
}

fn legs_of(row: &MessageRow) -> impl Iterator<Item = (LegId, Channel)> + '_ {
    (1..).zip(&row.facts.channels).map(|(number, channel)| (row.facts.id.leg(number), *channel))
}
