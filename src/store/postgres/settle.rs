//! The settle commit: outcomes, retries, counters and closing, for a group of batches in one transaction. Then,
//! for legs that are complete by it, the closing of the leg in a transaction of its own.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap, HashSet};

use tokio_postgres::Row;

use super::Postgres;
use super::batch::{self, Held, NewBatches, PRIOR, prior_of};
use super::claim::{columns, fence};
use super::encode::get;
use super::leg::{self, NewSettlements};
use super::session::{Session, Value};
use super::tally::{self, BOOKS, COMPLETE, ROLL_UP, books_of};
use crate::domain::batch::{Fence, Settlement};
use crate::domain::id::LegId;
use crate::domain::set::Set;
use crate::store::Result;
use crate::store::books::{Books, Tally};
use crate::store::encode::unsigned;
use crate::store::release::{CLOSED, WAITING};
use crate::store::settling::{End, Writes, writes};

/// The batches whose fences hold, locked in the order of their ids. A batch that somebody else took meanwhile,
/// or is taking now, is not among them.
const HELD: &str = "select id, owner_epoch, claims, leg_id, n, provider_id, channel, lane, principal from batch \
                    where state = 2 and id = any($1::bigint[]) and (id, owner_epoch, claims) in \
                    (select * from unnest($1::bigint[], $2::bigint[], $3::bigint[])) order by id for update";

/// The batches that somebody says are his.
#[cfg(feature = "sabotage")]
const SAID: &str = "select batch.id, said.epoch, said.claims, leg_id, n, provider_id, channel, lane, principal \
                    from batch join unnest($1::bigint[], $2::bigint[], $3::bigint[]) as said (id, epoch, claims) \
                    using (id) order by batch.id for update of batch";

/// What becomes of batch rows.
const END: &str = "update batch set state = ended.state, owner_epoch = null, outcome = ended.outcome, \
                   reason = ended.reason, settled_at = ended.settled_at, detail = ended.detail, \
                   attempt = coalesce(ended.attempt, batch.attempt), due_at = coalesce(ended.due_at, batch.due_at), \
                   opened_to = case ended.state when 1 then null else batch.opened_to end \
                   from unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::text[], \
                   $7::bigint[], $8::bigint[]) as ended \
                   (id, state, outcome, reason, settled_at, detail, attempt, due_at) where batch.id = ended.id";

/// Ends messages to one person with their last leg. Whoever settles another leg of the same message at the same
/// time waits here, so the second one sees that nothing is left.
const HOLD_MESSAGES: &str = "select from message where id = any($1::bigint[]) and state = 2 order by id for update";
const END_MESSAGES: &str = "update message set state = 3 where id = any($1::bigint[]) and state = 2 and not exists \
                            (select from batch where batch.leg_id between message.id + 1 and message.id + 15 \
                            and batch.state <> 3)";

/// Whether messages are cancelled whose deliveries are to be tried again. Held until the commit: a cancel that
/// comes later finds the new batches waiting, and one that came before is seen here. Messages to one person are
/// held as they are at the end, so that two groups cannot wait for each other.
const TOMBSTONES: &str = "select id, cancelled_at is not null from message where id = any($1::bigint[]) \
                          order by id for share";
const TOMBSTONES_SHORT: &str = "select id, cancelled_at is not null from message where id = any($1::bigint[]) \
                                order by id for update";

/// Batch rows that change, by column.
#[derive(Default)]
struct Ends<'a> {
    ids: Vec<i64>,
    states: Vec<i64>,
    outcomes: Vec<Option<i64>>,
    reasons: Vec<Option<i64>>,
    settled_at: Vec<Option<i64>>,
    details: Vec<Option<&'a str>>,
    attempts: Vec<Option<i64>>,
    due_at: Vec<Option<i64>>,
}

impl<'a> Ends<'a> {
    fn push(&mut self, item: &Settlement, end: &End<'a>) {
        let (state, settled, again) = match end {
            End::Open => return,
            End::Closed => (CLOSED, None, None),
            End::Settled(settled) => (CLOSED, Some(*settled), None),
            End::Again(again) => (WAITING, None, Some(*again)),
        };
        self.ids.push(item.fence.batch.0);
        self.states.push(state);
        self.outcomes.push(settled.map(|settled| settled.outcome.code()));
        self.reasons.push(settled.map(|settled| settled.reason.code()));
        self.settled_at.push(settled.map(|_| item.at.0));
        let (word, last_word) =
            (settled.and_then(|one| one.detail.as_deref()), again.and_then(|one| one.detail.as_deref()));
        self.details.push(word.or(last_word));
        self.attempts.push(settled.map(|_| item.attempt).or(again.map(|again| again.attempt)).map(i64::from));
        self.due_at.push(again.map(|again| again.due_at.0));
    }

    fn values(&self) -> [Value<'_>; 8] {
        [
            &self.ids,
            &self.states,
            &self.outcomes,
            &self.reasons,
            &self.settled_at,
            &self.details,
            &self.attempts,
            &self.due_at,
        ]
    }
}

/// What the transaction found before it writes.
struct Found {
    held: HashMap<Fence, Held>,
    prior: HashMap<i64, Set>,
    books: HashMap<i64, Books>,
    /// Messages whose retries are called off.
    cancelled: HashSet<i64>,
}

/// What the transaction writes.
#[derive(Default)]
struct Decided<'a> {
    writes: Vec<(&'a Settlement, Writes<'a>)>,
    tally: Tally,
    /// Messages to one person of which something was settled.
    shorts: Vec<i64>,
    /// The answer.
    written: Vec<bool>,
}

impl Postgres {
    /// Writes a group of settlements. Returns for each whether its fence held. What is complete by them is
    /// closed before this answers.
    pub(super) async fn settle_all(&self, group: &[Settlement]) -> Result<Vec<bool>> {
        let session = self.unbegun().await?;
        let mut found = find(&session, group).await?;
        if found.held.is_empty() {
            return Ok(vec![false; group.len()]);
        }
        let group = called_off(group, &found.cancelled);
        let decided = decide(&group, &mut found);
        let complete = write(session, &decided, &found.held).await?;
        if let Err(error) = self.fold(&complete).await {
            // What was settled stands; the sweep closes the legs.
            tracing::warn!(%error, legs = complete.len(), "complete legs could not be closed");
        }
        Ok(decided.written)
    }
}

/// Begins the transaction, locks the batches and reads what the decision needs, in one flight. What was settled
/// before is read under the lock: an earlier try of the same settlement whose answer was lost is over by then.
async fn find(session: &Session, group: &[Settlement]) -> Result<Found> {
    let fences: BTreeSet<_> =
        group.iter().map(|item| (item.fence.batch, item.fence.epoch, item.fence.claims)).collect();
    let fences: Vec<_> = fences.into_iter().map(|(batch, epoch, claims)| Fence { batch, epoch, claims }).collect();
    let [ids, epochs, claims] = columns(fences.iter());
    let (mut long, mut shorts): (Vec<i64>, Vec<i64>) = (Vec::new(), Vec::new());
    for item in group {
        match item.short {
            true => shorts.push(item.leg.message().0),
            false => long.push(item.fence.batch.0),
        }
    }
    let retried = retried(group);
    let retried_shorts = if group.iter().any(|item| item.short && !item.again.is_empty()) { &shorts[..] } else { &[] };
    let held = HELD;
    #[cfg(feature = "sabotage")]
    let held = if crate::runtime::sabotage::chosen().settle_without_fence { SAID } else { held };
    let [held, one, many, prior, books] = session.prepared([held, TOMBSTONES_SHORT, TOMBSTONES, PRIOR, BOOKS]).await?;
    let (_, held, one, many, prior, books) = futures::try_join!(
        session.begin(),
        session.run(&held, [&ids, &epochs, &claims]),
        session.run_if(!retried_shorts.is_empty(), &one, [&retried_shorts]),
        session.run_if(!retried.is_empty(), &many, [&retried]),
        session.run_if(!long.is_empty(), &prior, [&long]),
        session.run_if(!shorts.is_empty(), &books, [&shorts]),
    )?;
    let held = held.iter().map(|row| Ok((fence(row)?, held_batch(row)?))).collect::<Result<_>>()?;
    let mut cancelled = HashSet::new();
    for row in one.iter().chain(&many) {
        if get(row, 1)? {
            cancelled.insert(get(row, 0)?);
        }
    }
    Ok(Found { held, prior: prior_of(&prior)?, books: books_of(&books)?, cancelled })
}

/// The messages to many of whom some are to be tried again.
fn retried(group: &[Settlement]) -> Vec<i64> {
    let retried = group.iter().filter(|item| !item.short && !item.again.is_empty());
    let messages: BTreeSet<i64> = retried.map(|item| item.leg.message().0).collect();
    messages.into_iter().collect()
}

/// The group without the retries of messages that were cancelled.
fn called_off<'a>(group: &'a [Settlement], cancelled: &HashSet<i64>) -> Cow<'a, [Settlement]> {
    let mut group = Cow::Borrowed(group);
    if !cancelled.is_empty() {
        for item in group.to_mut().iter_mut().filter(|item| cancelled.contains(&item.leg.message().0)) {
            item.call_off_retries();
        }
    }
    group
}

fn held_batch(row: &Row) -> Result<Held> {
    Ok(Held {
        leg: get(row, 3)?,
        n: get(row, 4)?,
        provider: get::<&str>(row, 5)?.into(),
        channel: get(row, 6)?,
        lane: get(row, 7)?,
        principal: get(row, 8)?,
    })
}

fn decide<'a>(group: &'a [Settlement], found: &mut Found) -> Decided<'a> {
    let mut decided = Decided::default();
    let mut over: HashSet<Fence> = HashSet::new();
    for item in group {
        let held = found.held.get(&item.fence).filter(|_| !over.contains(&item.fence));
        decided.written.push(held.is_some());
        let Some(held) = held else { continue };
        let prior = found.prior.entry(item.fence.batch.0).or_default();
        let writes = writes(item, unsigned(held.n), prior.clone(), &mut decided.tally);
        let sets = item.settled.iter().map(|settled| &settled.set).chain(item.again.iter().map(|again| &again.set));
        sets.for_each(|set| *prior |= set);
        if !matches!(writes.end, End::Open) {
            over.insert(item.fence);
        }
        if let (true, End::Settled(settled)) = (item.short, &writes.end) {
            let message = item.leg.message().0;
            decided.shorts.push(message);
            if let Some(books) = found.books.get(&message) {
                decided.tally.roll_up(*books, held.channel, settled.outcome, 1);
            }
        }
        decided.writes.push((item, writes));
    }
    decided
}

/// Writes and commits in one flight. Returns the legs that are complete now.
async fn write(session: Session, decided: &Decided<'_>, held: &HashMap<Fence, Held>) -> Result<Vec<LegId>> {
    let Decided { writes, tally, shorts, .. } = decided;
    let (mut settlements, mut ends, mut batches) = (NewSettlements::default(), Ends::default(), NewBatches::of(0));
    for (item, writes) in writes {
        for row in &writes.rows {
            let (place, what) = ((item.leg.0, Some(item.fence.batch.0)), (row.outcome, row.reason));
            let who = (row.n, Some(row.members.clone()));
            settlements.push(place, item.at.0, i64::from(item.attempt), what, who, row.detail.as_deref());
        }
        for moved in &writes.moved {
            held.get(&item.fence).into_iter().for_each(|from| batches.push_moved(moved, from));
        }
        ends.push(item, &writes.end);
    }
    let (legs, outcomes, n) = tally::counted(tally);
    let totals = tally::rolled_up(tally);
    let touched: Vec<i64> = tally.touched.iter().map(|leg| leg.0).collect();
    let [settle, end, make, count, roll_up, hold, finish, complete] = session
        .prepared([leg::SETTLE, END, batch::INSERT, tally::COUNT, ROLL_UP, HOLD_MESSAGES, END_MESSAGES, COMPLETE])
        .await?;
    let (is_short, none) = (!shorts.is_empty(), Vec::new());
    let (committed, complete) = futures::join!(
        async {
            futures::try_join!(
                session.run_if(!settlements.is_empty(), &settle, settlements.values()),
                session.run_if(!ends.ids.is_empty(), &end, ends.values()),
                session.run_if(!batches.is_empty(), &make, batches.values()),
                session.run_if(!legs.is_empty(), &count, [&legs, &outcomes, &n]),
                session.run_if(is_short, &hold, [shorts]),
                session.run_if(is_short, &finish, [shorts]),
                session.run_if(!tally.rollup.is_empty(), &roll_up, tally::values(&totals)),
                session.batch("commit"),
            )
        },
        // After the commit, in the same flight: it sees what others have committed by then.
        session.run_if(!touched.is_empty(), &complete, [&touched]),
    );
    committed?;
    session.committed();
    let complete = complete.unwrap_or(none);
    tally::legs_of(&complete)
}
