//! The people of a message one by one, ascending by ordinal: what became of each on each channel. A page
//! reads its window of the snapshot and, per leg, the outcome rows that touch the window; nothing else.

use std::sync::Arc;

use super::Reporter;
use crate::access::Caller;
use crate::domain::audit::{Action, Deed, Object};
use crate::domain::batch::ProviderId;
use crate::domain::channel::Channel;
use crate::domain::id::{LegId, MessageId};
use crate::domain::outcome::{Outcome, Reason, ReceiptKind};
use crate::domain::page::{Page, PageRequest};
use crate::domain::refusal::Refusal;
use crate::domain::set::Set;
use crate::domain::time::At;
use crate::store::{MessageRow, OutcomeRow, Receipt};

/// People looked at together.
const WINDOW: usize = 1_000;
/// Windows that one page looks at while it seeks people who pass the filter.
const WINDOWS_MAX: usize = 50;

/// Which people to list. What is left out does not filter; all others must hold for a person.
#[derive(Clone, Debug, Default)]
pub struct RecipientFilter {
    /// Only deliveries on this channel.
    pub channel: Option<Channel>,
    /// People with a delivery of one of these outcomes.
    pub outcomes: Vec<Outcome>,
    /// People with a receipt of one of these kinds.
    pub receipts: Vec<ReceiptKind>,
    /// People in one of these states.
    pub states: Vec<RecipientState>,
    /// External id of a department that they are in, or one above it.
    pub department_id: Option<String>,
    /// External id of one person.
    pub user_id: Option<String>,
}

/// One person of a message.
#[derive(Clone, Debug)]
pub struct Recipient {
    /// The internal number.
    pub ordinal: u32,
    /// Staff or student number; `None` after erasure.
    pub user_id: Option<Arc<str>>,
    /// One delivery per channel, in the order of the message's channels.
    pub deliveries: Vec<DeliveryView>,
}

/// One person on one channel.
#[derive(Clone, Debug)]
pub struct DeliveryView {
    /// The leg.
    pub leg: LegId,
    /// The channel.
    pub channel: Channel,
    /// The provider; `None` where none was called.
    pub provider: Option<ProviderId>,
    /// What became of it.
    pub outcome: Outcome,
    /// Why; `Queued` while pending.
    pub reason: Reason,
    /// When it was settled; `None` while pending.
    pub at: Option<At>,
    /// Which try settled it; 0 while pending.
    pub attempt: u32,
    /// The provider's reference or words.
    pub detail: Option<Arc<str>>,
    /// Evidence that came later.
    pub receipts: Vec<(ReceiptKind, At)>,
}

/// How one person stands: the best over her deliveries, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RecipientState {
    /// Confirmed.
    Confirmed,
    /// Read.
    Read,
    /// Arrived at the far end.
    Delivered,
    /// Taken by a provider.
    Sent,
    /// Still open.
    Pending,
    /// Nobody can know.
    Unknown,
    /// Tried in vain.
    Failed,
    /// Ran out of time.
    Expired,
    /// Stopped by a person.
    Cancelled,
    /// Held back on purpose.
    Suppressed,
}

impl DeliveryView {
    /// One person's delivery on a channel: her outcome, unless she is pending, and her receipts.
    pub(super) fn of(
        (leg, channel): (LegId, Channel),
        row: Option<&OutcomeRow>,
        receipts: Vec<(ReceiptKind, At)>,
    ) -> DeliveryView {
        DeliveryView {
            leg,
            channel,
            provider: row.and_then(|row| row.provider.clone()),
            outcome: row.map_or(Outcome::Pending, |row| row.outcome),
            reason: row.map_or(Reason::Queued, |row| row.reason),
            at: row.map(|row| row.at),
            attempt: row.map_or(0, |row| row.attempt),
            detail: row.and_then(|row| row.detail.clone()),
            receipts,
        }
    }

    fn state(&self) -> RecipientState {
        let has = |kind: ReceiptKind| self.receipts.iter().any(|(known, _)| *known == kind);
        if has(ReceiptKind::Confirmed) {
            return RecipientState::Confirmed;
        }
        if has(ReceiptKind::Read) {
            return RecipientState::Read;
        }
        if has(ReceiptKind::Delivered) {
            return RecipientState::Delivered;
        }
        match self.outcome {
            Outcome::Sent => RecipientState::Sent,
            Outcome::Pending => RecipientState::Pending,
            Outcome::Unknown => RecipientState::Unknown,
            Outcome::Failed => RecipientState::Failed,
            Outcome::Expired => RecipientState::Expired,
            Outcome::Cancelled => RecipientState::Cancelled,
            Outcome::Suppressed => RecipientState::Suppressed,
        }
    }
}

impl Recipient {
    /// How the person stands.
    #[must_use]
    pub fn state(&self) -> RecipientState {
        state_of(&self.deliveries)
    }
}

/// The best of some deliveries of one person.
pub(super) fn state_of(deliveries: &[DeliveryView]) -> RecipientState {
    deliveries.iter().map(DeliveryView::state).min().unwrap_or(RecipientState::Pending)
}

impl RecipientFilter {
    fn tests_deliveries(&self) -> bool {
        !(self.outcomes.is_empty() && self.receipts.is_empty() && self.states.is_empty())
    }

    fn passes(&self, person: &Recipient) -> bool {
        let any = |test: &dyn Fn(&DeliveryView) -> bool| person.deliveries.iter().any(test);
        let outcome_fits = self.outcomes.is_empty() || any(&|one| self.outcomes.contains(&one.outcome));
        let receipt_fits =
            self.receipts.is_empty() || any(&|one| one.receipts.iter().any(|(kind, _)| self.receipts.contains(kind)));
        outcome_fits && receipt_fits && (self.states.is_empty() || self.states.contains(&person.state()))
    }
}

impl Reporter {
    /// The people of a message. A page may hold fewer than asked for and yet have a next one.
    ///
    /// Errors: `NOT_FOUND`, `UNKNOWN_DEPARTMENT`, `PAGE_TOKEN_INVALID`. A user who is not among the people of
    /// the message, or does not exist, gives an empty page.
    pub async fn recipients(
        &self,
        caller: &Caller,
        id: MessageId,
        filter: RecipientFilter,
        page: &PageRequest,
    ) -> Result<Page<Recipient>, Refusal> {
        let deed = Deed::of(Action::RecipientsList).on(Object::Message(id));
        let row = self.audit.denied(caller, deed, self.readable(caller, id).await).await?;
        self.audit.record(caller, deed).await?;
        self.people_of(&row, &filter, page).await
    }

    /// The same for a message that the caller may read.
    pub(super) async fn people_of(
        &self,
        row: &MessageRow,
        filter: &RecipientFilter,
        page: &PageRequest,
    ) -> Result<Page<Recipient>, Refusal> {
        let length = page.limit();
        let mut last = page.after::<u32>()?;
        let members = self.narrowed(row, filter).await?;
        let legs = self.legs_of(row, filter.channel).await?;
        let mut items = Vec::with_capacity(length);
        'page: for _ in 0..WINDOWS_MAX {
            // Without a test on outcomes everybody passes, and the window is just the page.
            let size = if filter.tests_deliveries() { WINDOW } else { length - items.len() };
            let window: Vec<u32> = after(&members, last).take(size).collect();
            if window.is_empty() {
                break;
            }
            let columns = self.columns(&legs, &window).await?;
            for ordinal in window {
                last = Some(ordinal);
                let person = self.person(ordinal, &columns);
                if filter.passes(&person) {
                    items.push(person);
                }
                if items.len() == length {
                    break 'page;
                }
            }
        }
        let more = after(&members, last).next().is_some();
        Ok(Page { items, next: last.filter(|_| more).map(|ordinal| ordinal.to_string()) })
    }

    /// The snapshot, narrowed to what the filter says of people as such.
    async fn narrowed(&self, row: &MessageRow, filter: &RecipientFilter) -> Result<Arc<Set>, Refusal> {
        let mut members = self.members(row).await?;
        if let Some(department) = &filter.department_id {
            let under = self.index.snapshot().under(self.department(department)?);
            members = Arc::new(&*members & &*under);
        }
        if let Some(user_id) = &filter.user_id {
            let one = self.index.snapshot().users().ordinal(user_id).filter(|ordinal| members.contains(*ordinal));
            members = Arc::new(one.into_iter().collect());
        }
        Ok(members)
    }

    /// The legs that a list shows, with the receipts of each.
    async fn legs_of(&self, row: &MessageRow, only: Option<Channel>) -> Result<Vec<LegView>, Refusal> {
        let mut legs: Vec<LegView> = (1..)
            .zip(&row.facts.channels)
            .filter(|(_, channel)| only.is_none_or(|only| only == **channel))
            .map(|(number, &channel)| LegView { leg: row.facts.id.leg(number), channel, receipts: Vec::new() })
            .collect();
        for receipt in self.store.inbox.receipts(legs.iter().map(|one| one.leg).collect()).await? {
            if let Some(leg) = legs.iter_mut().find(|one| one.leg == receipt.leg) {
                leg.receipts.push(receipt);
            }
        }
        Ok(legs)
    }

    /// What became of the people of a window, leg by leg.
    async fn columns<'a>(&self, legs: &'a [LegView], window: &[u32]) -> Result<Vec<Column<'a>>, Refusal> {
        let (Some(&first), Some(&last)) = (window.first(), window.last()) else { return Ok(Vec::new()) };
        let mut columns = Vec::with_capacity(legs.len());
        for leg in legs {
            let rows = self.store.messages.outcomes(leg.leg, first, last).await?;
            columns.push(Column { leg, rows });
        }
        Ok(columns)
    }

    fn person(&self, ordinal: u32, columns: &[Column<'_>]) -> Recipient {
        let user_id = self.index.snapshot().users().external_id(ordinal);
        Recipient { ordinal, user_id, deliveries: columns.iter().map(|column| column.delivery(ordinal)).collect() }
    }
}

/// One leg that a list shows.
struct LegView {
    leg: LegId,
    channel: Channel,
    receipts: Vec<Receipt>,
}

/// One leg within one window.
struct Column<'a> {
    leg: &'a LegView,
    rows: Vec<OutcomeRow>,
}

impl Column<'_> {
    fn delivery(&self, ordinal: u32) -> DeliveryView {
        let evidence = self.leg.receipts.iter().filter(|receipt| receipt.set.contains(ordinal));
        let row = self.rows.iter().find(|row| row.set.contains(ordinal));
        let receipts = evidence.map(|receipt| (receipt.kind, receipt.at)).collect();
        DeliveryView::of((self.leg.leg, self.leg.channel), row, receipts)
    }
}

/// The people who follow one of them; all of them at first.
fn after(members: &Set, last: Option<u32>) -> impl Iterator<Item = u32> + '_ {
    let from = last.map_or(Some(0), |last| last.checked_add(1));
    from.into_iter().flat_map(|from| members.range(from..))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delivery(outcome: Outcome, receipts: &[ReceiptKind]) -> DeliveryView {
        DeliveryView {
            leg: LegId(17),
            channel: Channel::Email,
            provider: None,
            outcome,
            reason: Reason::None,
            at: None,
            attempt: 1,
            detail: None,
            receipts: receipts.iter().map(|kind| (*kind, At(0))).collect(),
        }
    }

    #[test]
    fn a_person_stands_as_well_as_her_best_delivery() {
        let deliveries = vec![delivery(Outcome::Failed, &[]), delivery(Outcome::Sent, &[ReceiptKind::Read])];
        let person = Recipient { ordinal: 1, user_id: None, deliveries };
        assert_eq!(person.state(), RecipientState::Read);
        let filter = RecipientFilter { outcomes: vec![Outcome::Failed], ..RecipientFilter::default() };
        assert!(filter.passes(&person), "one of her deliveries failed");
        let filter = RecipientFilter { states: vec![RecipientState::Failed], ..RecipientFilter::default() };
        assert!(!filter.passes(&person), "she herself was reached");
    }
}
