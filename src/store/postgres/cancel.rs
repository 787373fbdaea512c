//! Stopping a message: the tombstone, and one settlement per leg for everybody whom no node holds.

use super::Postgres;
use super::batch::{self, Members as InBatches, Stored};
use super::encode::get;
use super::leg::{self, NewSettlements};
use super::made::Made;
use super::session::Session;
use super::tally::{self, BOOKS, books_of};
use super::{feed, review, row};
use crate::domain::change::ChangeCode;
use crate::domain::id::{LegId, MessageId};
use crate::domain::message::MessageState;
use crate::domain::outcome::{Outcome, Reason};
use crate::domain::set::{self, Set};
use crate::domain::time::At;
use crate::store::books::Tally;
use crate::store::encode::{signed, unsigned};
use crate::store::release::{CUT, Release, outcome_of, uncut};
use crate::store::{Cancelled, LegPlan, Members, MessageRow, Result};

const OUTCOME: Outcome = Outcome::Cancelled;
const REASON: Reason = Reason::CancelledByPerson;

/// The batches of a leg or message that nobody holds. One that somebody is taking at this moment is held; so
/// nothing here ever waits for a node that settles.
const WAITING: &str = "from batch where leg_id between $1 and $2 and state = 1 order by id for update skip locked";

impl Postgres {
    /// Writes the tombstone and settles what nobody holds; see [`crate::store::Messages::cancel`].
    pub(super) async fn cancel_message(&self, id: MessageId, at: At) -> Result<Option<Cancelled>> {
        const STATE: &str = "select cancelled_at is null and state in (1, 2, 7, 8) from message where id = $1";
        let session = self.session().await?;
        let Some(row) = session.maybe(STATE, &[&id.0]).await? else { return Ok(None) };
        drop(session);
        if get(&row, 0)? {
            self.stop(id, at).await?;
        }
        let session = self.snapshot().await?;
        Ok(Some(Cancelled::of(&leg::all(&session, id).await?)))
    }

    async fn stop(&self, id: MessageId, at: At) -> Result<()> {
        const TOMBSTONE: &str = "update message set cancelled_at = $2, state = 4 where id = $1 \
                                 and cancelled_at is null and state in (1, 2, 7, 8)";
        let session = self.transaction().await?;
        // First, as every writer of changes does. If the message has ended meanwhile the number is not used.
        feed::append(&session, at, ChangeCode::Cancel, id.0).await?;
        if session.execute(TOMBSTONE, &[&id.0, &at.0]).await? == 0 {
            return Ok(());
        }
        review::drop_open(&session, id, at).await?;
        let Some(message) = row::by_id(&session, id).await? else { return Ok(()) };
        let tally = match message.only_member {
            Some(_) => stop_short(&session, id, at).await?,
            None => stop_legs(&session, &message, at).await?,
        };
        tally::write(&session, &tally).await?;
        session.commit().await?;
        let touched: Vec<LegId> = tally.touched.into_iter().collect();
        self.fold_complete(&touched).await.map(|_| ())
    }

    /// Ends a scheduled message; `false` for one in another state.
    pub(super) async fn reject_message(
        &self,
        id: MessageId,
        plans: &[LegPlan],
        state: MessageState,
        reason: Reason,
        at: At,
    ) -> Result<bool> {
        let session = self.transaction().await?;
        let Some(message) = row::scheduled(&session, id).await? else { return Ok(false) };
        end(session, &message, plans, state, reason, at).await?;
        Ok(true)
    }
}

/// Ends a message that was never released, and commits: its legs are made and settled as a whole.
pub(super) async fn end(
    session: Session,
    message: &MessageRow,
    plans: &[LegPlan],
    state: MessageState,
    reason: Reason,
    at: At,
) -> Result<()> {
    let members = members(&session, message).await?;
    let release = Release::ended(&message.facts, &members, plans, at, (outcome_of(state), reason));
    let mut ids = batch::take_ids(&session, release.batches.len()).await?;
    let mut made = Made::of(0);
    made.release(&message.facts, release, &mut ids)?;
    made.state = Some((message.facts.id, state));
    made.commit(session).await
}

/// Whom a stored message is for.
pub(super) async fn members(session: &Session, message: &MessageRow) -> Result<Members> {
    match message.only_member {
        Some(ordinal) => Ok(Members::One(ordinal)),
        None => Ok(Members::Many(batch::snapshot(session, message.facts.id).await?.into())),
    }
}

async fn stop_short(session: &Session, id: MessageId, at: At) -> Result<Tally> {
    const CLOSE: &str = "update batch set state = 3, outcome = $2, reason = $3, settled_at = $4 \
                         where id = any($1::bigint[]) returning channel";
    let (first, last) = id.leg_range();
    let waiting = session.rows(&format!("select id {WAITING}"), &[&first.0, &last.0]).await?;
    let ids = waiting.iter().map(|row| get(row, 0)).collect::<Result<Vec<i64>>>()?;
    let closed = session.rows(CLOSE, &[&ids, &OUTCOME.code(), &REASON.code(), &at.0]).await?;
    let books = books_of(&session.rows(BOOKS, &[&vec![id.0]]).await?)?;
    let mut tally = Tally::default();
    for row in &closed {
        if let Some(books) = books.get(&id.0) {
            tally.roll_up(*books, get(row, 0)?, OUTCOME, 1);
        }
    }
    Ok(tally)
}

/// With the row of a leg held nobody cuts more of it; who is in a waiting batch that is held here stays in it.
/// Everybody else has an outcome or is in a batch that a node holds.
async fn stop_legs(session: &Session, message: &MessageRow, at: At) -> Result<Tally> {
    const LEGS: &str = "select id, cut_to from leg where id between $1 and $2 and state <> 4 order by id for update";
    const CLOSE: &str = "update batch set state = 3 where id = any($1::bigint[])";
    const OPEN: &str = "update leg set state = 3, cut_to = $2 where id = any($1::bigint[])";
    const HIDE: &str = "update leg set hidden_at = $3 \
                        where id between $1 and $2 and visible_at is not null and hidden_at is null";
    let (first, last) = message.facts.id.leg_range();
    let members = batch::snapshot(session, message.facts.id).await?;
    let legs = session.rows(LEGS, &[&first.0, &last.0]).await?;
    let waiting = session.rows(&format!("select {} {WAITING}", Stored::COLUMNS), &[&first.0, &last.0]).await?;
    let waiting = waiting.iter().map(Stored::read).collect::<Result<Vec<_>>>()?;
    let in_batches = InBatches::read(session, &waiting).await?;
    let (mut tally, mut settlements, mut open) = (Tally::default(), NewSettlements::default(), Vec::new());
    for row in &legs {
        let leg = LegId(get(row, 0)?);
        let mut free: Set = uncut(&members, unsigned(get(row, 1)?));
        for batch in waiting.iter().filter(|batch| batch.leg == leg) {
            free |= in_batches.pending(batch)?;
        }
        for (_, part) in set::segments(&free) {
            let who = (part.len(), Some(set::to_bytes(&part)));
            settlements.push((leg.0, None), at.0, 0, (OUTCOME, REASON), who, None);
        }
        tally.leg(leg, OUTCOME, free.len());
        open.push(leg.0);
    }
    let ids: Vec<i64> = waiting.iter().map(|batch| batch.id).collect();
    session.execute(CLOSE, &[&ids]).await?;
    session.execute(OPEN, &[&open, &signed(CUT)]).await?;
    session.execute(leg::SETTLE, &settlements.values()).await?;
    session.execute(HIDE, &[&first.0, &last.0, &at.0]).await?;
    Ok(tally)
}
