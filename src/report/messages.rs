//! One message with its counts, and lists of messages.

use std::collections::{BTreeMap, BTreeSet};

use super::{Reporter, Sight};
use crate::access::Caller;
use crate::domain::access::{KeyScope, Mode, Principal};
use crate::domain::id::{LegId, MessageId};
use crate::domain::leg::Leg;
use crate::domain::message::MessageState;
use crate::domain::outcome::{Outcome, ReceiptKind};
use crate::domain::page::{Page, PageRequest};
use crate::domain::refusal::{Reason, Refusal};
use crate::domain::relation::Relation;
use crate::domain::time::At;
use crate::store::{MessageFilter, MessageRow};

/// Rows that one page of a list reads at most while it looks for rows that pass the filter.
const SCAN_MAX: usize = 4_000;
/// Rows read at a time.
const SCAN_STEP: usize = 200;
/// Messages that refer to one which are shown.
const REFERRING_MAX: usize = 100;

/// A message and how its legs stand.
#[derive(Clone, Debug)]
pub struct View {
    /// The message.
    pub row: MessageRow,
    /// Its legs with their counts, by number; none before its release.
    pub legs: Vec<Leg>,
    /// How many people gave a receipt, by leg and kind; no zeros.
    pub receipts: Vec<(LegId, ReceiptKind, u64)>,
    /// The messages that refer to it and that the caller may read, oldest first; not in lists.
    pub referring: Vec<Relation>,
}

impl View {
    /// Nothing about it changes any more, later receipts apart.
    #[must_use]
    pub fn is_final(&self) -> bool {
        match self.row.state {
            MessageState::Scheduled | MessageState::Open | MessageState::Held | MessageState::Paused => false,
            MessageState::Cancelled => self.pending() == 0,
            MessageState::Closed | MessageState::Expired | MessageState::Rejected => true,
        }
    }

    /// Deliveries without an outcome.
    #[must_use]
    pub fn pending(&self) -> u64 {
        self.legs.iter().map(|leg| leg.counts.get(Outcome::Pending)).sum()
    }

    /// Deliveries with an outcome.
    #[must_use]
    pub fn settled(&self) -> u64 {
        self.legs.iter().map(|leg| leg.counts.settled()).sum()
    }
}

/// Which messages to list. What is left out does not filter; all others must hold.
#[derive(Clone, Debug, Default)]
pub struct ListFilter {
    /// Published by; without an office it can only be the caller.
    pub principal: Option<Principal>,
    /// External id of a department that spoke, or one above it.
    pub department_id: Option<String>,
    /// In one of these states.
    pub states: Vec<MessageState>,
    /// With exactly this reference.
    pub reference: Option<String>,
    /// With all of these labels.
    pub labels: BTreeMap<String, String>,
    /// Accepted at this time or later.
    pub created_after: Option<At>,
    /// Accepted before this time.
    pub created_before: Option<At>,
}

impl Reporter {
    /// One message with its counts. Error: `NOT_FOUND`.
    pub async fn get(&self, caller: &Caller, id: MessageId) -> Result<View, Refusal> {
        let row = self.readable(caller, id).await?;
        self.shown(caller, row).await
    }

    /// A message that the caller was found to be allowed to read, with its counts.
    ///
    /// Errors: those of the store.
    pub async fn shown(&self, caller: &Caller, row: MessageRow) -> Result<View, Refusal> {
        let mut view = self.view(row).await?;
        view.receipts = self.receipt_counts(&view.legs).await?;
        view.referring = self.referring(caller, view.row.facts.id).await?;
        Ok(view)
    }

    /// Messages, newest first. Receipts are not counted here. A page may hold fewer than asked for and yet have a
    /// next one.
    ///
    /// Errors: `SCOPE_MISSING` for messages of others, `UNKNOWN_DEPARTMENT`, `PAGE_TOKEN_INVALID`.
    pub async fn list(&self, caller: &Caller, filter: ListFilter, page: &PageRequest) -> Result<Page<View>, Refusal> {
        let (length, mut before) = (page.limit(), page.after::<MessageId>()?);
        let departments = filter.department_id.as_deref().map(|id| self.departments_under(id)).transpose()?;
        let sight = self.sight(caller);
        let stored = stored_filter(&sight, &filter)?;
        let mut rows: Vec<MessageRow> = Vec::with_capacity(length);
        let mut scanned = 0;
        while rows.len() < length && scanned < SCAN_MAX {
            let step = if is_plain(&sight, &filter) { length - rows.len() } else { SCAN_STEP };
            let found = self.store.messages.list(stored.clone(), before, step).await?;
            scanned += found.len();
            let last_step = found.len() < step;
            for row in found {
                if rows.len() == length {
                    return self.page(rows, before).await;
                }
                before = Some(row.facts.id);
                if passes(&sight, &filter, departments.as_ref(), &row) {
                    rows.push(row);
                }
            }
            if last_step {
                return self.page(rows, None).await;
            }
        }
        self.page(rows, before).await
    }

    async fn page(&self, rows: Vec<MessageRow>, next: Option<MessageId>) -> Result<Page<View>, Refusal> {
        let mut items = Vec::with_capacity(rows.len());
        for row in rows {
            items.push(self.view(row).await?);
        }
        Ok(Page { items, next: next.map(|id| id.to_string()) })
    }

    async fn view(&self, row: MessageRow) -> Result<View, Refusal> {
        let legs = self.store.messages.legs(row.facts.id).await?;
        Ok(View { row, legs, receipts: Vec::new(), referring: Vec::new() })
    }

    /// What refers to a message; each with its kind and its own id.
    async fn referring(&self, caller: &Caller, id: MessageId) -> Result<Vec<Relation>, Refusal> {
        let rows = self.store.relations.referring(id, REFERRING_MAX).await?;
        let sight = self.sight(caller);
        let readable = rows.into_iter().filter(|row| sight.has(&row.facts));
        let tie = |row: MessageRow| Some(Relation { kind: row.facts.relation?.kind, message: row.facts.id });
        Ok(readable.filter_map(tie).collect())
    }

    /// How many people gave each kind of receipt.
    pub(super) async fn receipt_counts(&self, legs: &[Leg]) -> Result<Vec<(LegId, ReceiptKind, u64)>, Refusal> {
        let ids = legs.iter().map(|leg| leg.id).collect();
        let receipts = self.store.inbox.receipts(ids).await?;
        Ok(receipts
            .into_iter()
            .map(|receipt| (receipt.leg, receipt.kind, receipt.set.len()))
            .filter(|(_, _, n)| *n > 0)
            .collect())
    }
}

fn stored_filter(sight: &Sight<'_>, filter: &ListFilter) -> Result<MessageFilter, Refusal> {
    let caller = sight.caller;
    let principal = if !sight.reach.is_nowhere() {
        filter.principal
    } else if filter.principal.is_none_or(|wanted| wanted == caller.principal) {
        Some(caller.principal)
    } else {
        let message = "This key reads its own messages only; leave the application out or use an administrator's.";
        return Err(Refusal::new(Reason::ScopeMissing, message).with("scope", KeyScope::Admin.name()));
    };
    Ok(MessageFilter {
        principal,
        department_id: None,
        states: filter.states.clone(),
        reference: filter.reference.clone(),
        created_after: filter.created_after,
        created_before: filter.created_before,
    })
}

/// The store's own filter says it all.
fn is_plain(sight: &Sight<'_>, filter: &ListFilter) -> bool {
    let sees_all = sight.reach.is_everywhere() || sight.reach.is_nowhere();
    sees_all && sight.caller.mode() == Mode::Live && filter.department_id.is_none() && filter.labels.is_empty()
}

fn passes(sight: &Sight<'_>, filter: &ListFilter, departments: Option<&BTreeSet<i64>>, row: &MessageRow) -> bool {
    sight.has(&row.facts)
        && departments.is_none_or(|under| under.contains(&row.facts.department_id))
        && filter.labels.iter().all(|(name, value)| row.facts.labels.get(name) == Some(value))
}
