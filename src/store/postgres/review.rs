//! [`Reviews`] on PostgreSQL. Whoever changes a review holds the row of its message first.

use async_trait::async_trait;
use tokio_postgres::Row;

use super::encode::{get, small};
use super::session::{Session, Value, Values};
use super::{Postgres, cancel, row};
use crate::domain::id::MessageId;
use crate::domain::message::MessageState;
use crate::domain::outcome::Reason;
use crate::domain::review::{Deputy, Opening, Review, ReviewState, Timing, Told};
use crate::domain::time::At;
use crate::store::encode::signed;
use crate::store::review::{COLUMNS, Columns, Judged, VOTE_COLUMNS, due_at, judge, vote_of};
use crate::store::{Ballot, Cast, LegPlan, MessageRow, Result, Reviews};

/// Asks for reviews; a message that was reviewed before gets another round.
pub(super) const OPEN: &str = "insert into review (message_id, round, timing, panel, approvals, fingerprint, people, \
     tolerance, opened_at, lapse_at, state, told) \
     select message_id, 1, timing, panel, approvals, fingerprint, people, tolerance, opened_at, lapse_at, 1, 0 \
     from unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bytea[], $6::bigint[], $7::bigint[], \
     $8::bigint[], $9::bigint[]) as new (message_id, timing, panel, approvals, fingerprint, people, tolerance, \
     opened_at, lapse_at) on conflict (message_id) do update set round = review.round + 1, timing = excluded.timing, \
     panel = excluded.panel, approvals = excluded.approvals, fingerprint = excluded.fingerprint, \
     people = excluded.people, tolerance = excluded.tolerance, opened_at = excluded.opened_at, \
     lapse_at = excluded.lapse_at, state = 1, decided_at = null, told = 0";

/// Messages whose review before sending is open.
const WAITING: &str = "review join message on message.id = review.message_id \
                       where review.state = 1 and review.timing = 1 and message.state in (7, 8)";

#[async_trait]
impl Reviews for Postgres {
    async fn review(&self, id: MessageId) -> Result<Option<Review>> {
        by_id(&self.snapshot().await?, id).await
    }

    async fn open(&self, after: Option<(At, MessageId)>, limit: usize) -> Result<Vec<Review>> {
        const REST: &str = "where state = 1 and (lapse_at, message_id) > ($1::bigint, $2::bigint) \
                            order by lapse_at, message_id limit $3";
        let (lapse_at, id) = after.map_or((i64::MIN, i64::MIN), |(at, id)| (at.0, id.0));
        found(&self.snapshot().await?, REST, &[&lapse_at, &id, &limit_of(limit)]).await
    }

    async fn vote(&self, ballot: Ballot) -> Result<Cast> {
        self.count_vote(&ballot).await
    }

    async fn lapsed(&self, now: At, limit: usize) -> Result<Vec<MessageId>> {
        let sql = format!("select message_id from {WAITING} and lapse_at <= $1 order by lapse_at, message_id limit $2");
        let rows = self.session().await?.rows(&sql, &[&now.0, &limit_of(limit)]).await?;
        rows.iter().map(|row| get(row, 0).map(MessageId)).collect()
    }

    async fn lapse(&self, id: MessageId, plans: Vec<LegPlan>, at: At) -> Result<bool> {
        let session = self.transaction().await?;
        let Some(message) = row::locked(&session, id).await? else { return Ok(false) };
        let sql = format!("select message_id from {WAITING} and message_id = $1 and lapse_at <= $2");
        if session.maybe(&sql, &[&id.0, &at.0]).await?.is_none() {
            return Ok(false);
        }
        end(&session, id, ReviewState::Lapsed, at).await?;
        cancel::end(session, &message, &plans, MessageState::Expired, Reason::ReviewLapsed, at).await?;
        Ok(true)
    }

    async fn pause(&self, id: MessageId, opening: Opening) -> Result<bool> {
        let session = self.transaction().await?;
        let scheduled = row::scheduled(&session, id).await?.is_some();
        if !scheduled || by_id(&session, id).await?.is_none() {
            return Ok(false);
        }
        session
            .execute("update message set state = $2 where id = $1", &[&id.0, &(MessageState::Paused as i64)])
            .await?;
        let mut again = NewReviews::default();
        again.push(id, &opening);
        session.execute(OPEN, &again.values()).await?;
        session.commit().await?;
        Ok(true)
    }

    async fn untold(&self, now: At, limit: usize) -> Result<Vec<Review>> {
        const REST: &str = "where told < 3 and (state <> 1 or told = 0 or \
                            (told = 1 and (opened_at + lapse_at) / 2 <= $1)) order by message_id limit $2";
        found(&self.snapshot().await?, REST, &[&now.0, &limit_of(limit)]).await
    }

    async fn tell(&self, id: MessageId, round: u32, told: Told) -> Result<()> {
        const SQL: &str = "update review set told = greatest(told, $3) where message_id = $1 and round = $2";
        self.session().await?.execute(SQL, &[&id.0, &i64::from(round), &(told as i64)]).await.map(|_| ())
    }

    async fn depute(&self, deputy: Deputy) -> Result<()> {
        const SQL: &str = "insert into review_deputy (ordinal, deputy, until) values ($1, $2, $3) \
                           on conflict (ordinal) do update set deputy = excluded.deputy, until = excluded.until";
        let values: [Value<'_>; 3] = [&i64::from(deputy.of), &i64::from(deputy.deputy), &deputy.until.0];
        self.session().await?.execute(SQL, &values).await.map(|_| ())
    }

    async fn recall_deputy(&self, of: u32) -> Result<()> {
        const SQL: &str = "delete from review_deputy where ordinal = $1";
        self.session().await?.execute(SQL, &[&i64::from(of)]).await.map(|_| ())
    }

    async fn deputies(&self, now: At) -> Result<Vec<Deputy>> {
        const SQL: &str = "select ordinal, deputy, until from review_deputy where until > $1 order by ordinal";
        let rows = self.session().await?.rows(SQL, &[&now.0]).await?;
        rows.iter()
            .map(|row| Ok(Deputy { of: small(row, 0)?, deputy: small(row, 1)?, until: At(get(row, 2)?) }))
            .collect()
    }
}

impl Postgres {
    async fn count_vote(&self, ballot: &Ballot) -> Result<Cast> {
        const VOTE: &str = "insert into review_vote \
                            (message_id, round, reviewer, stands_for, decision, at, comment) \
                            values ($1, $2, $3, $4, $5, $6, $7)";
        let (id, vote) = (ballot.message, &ballot.vote);
        let session = self.transaction().await?;
        let Some(message) = row::locked(&session, id).await? else { return Ok(Cast::Closed) };
        let Some(review) = by_id(&session, id).await? else { return Ok(Cast::Closed) };
        let decided = match judge(&review, message.state, ballot) {
            Judged::Not(cast) => return Ok(cast),
            Judged::Counts(decided) => decided,
        };
        let (reviewer, stands_for) = (i64::from(vote.reviewer), i64::from(vote.stands_for()));
        let (round, decision) = (i64::from(review.round), vote.decision as i64);
        let values: [Value<'_>; 7] = [&id.0, &round, &reviewer, &stands_for, &decision, &vote.at.0, &vote.comment];
        session.execute(VOTE, &values).await?;
        if let Some(state) = decided {
            end(&session, id, state, vote.at).await?;
            if review.opening.timing == Timing::Before {
                return follow(session, &message, state, ballot).await.map(Cast::Counted);
            }
        }
        session.commit().await?;
        Ok(Cast::Counted(message.state))
    }
}

/// What a decision does to a message that waits for it; commits.
async fn follow(session: Session, message: &MessageRow, state: ReviewState, ballot: &Ballot) -> Result<MessageState> {
    if state == ReviewState::Approved {
        const SCHEDULE: &str = "update message set state = 1, send_at = $2 where id = $1";
        let due = due_at(message.facts.send_at, ballot);
        session.execute(SCHEDULE, &[&ballot.message.0, &due.0]).await?;
        session.commit().await?;
        return Ok(MessageState::Scheduled);
    }
    let (plans, at) = (&ballot.plans, ballot.vote.at);
    cancel::end(session, message, plans, MessageState::Rejected, Reason::ReviewRefused, at).await?;
    Ok(MessageState::Rejected)
}

/// Drops the open review of a message that was cancelled before it was released.
pub(super) async fn drop_open(session: &Session, id: MessageId, at: At) -> Result<()> {
    const SQL: &str = "update review set state = 6, decided_at = $2, told = 3 \
                       where message_id = $1 and state = 1 and timing = 1";
    session.execute(SQL, &[&id.0, &at.0]).await.map(|_| ())
}

async fn end(session: &Session, id: MessageId, state: ReviewState, at: At) -> Result<()> {
    const SQL: &str = "update review set state = $2, decided_at = $3 where message_id = $1";
    session.execute(SQL, &[&id.0, &(state as i64), &at.0]).await.map(|_| ())
}

async fn found(session: &Session, rest: &str, values: &Values<'_>) -> Result<Vec<Review>> {
    let rows = session.rows(&format!("select {COLUMNS} from review {rest}"), values).await?;
    let mut reviews = rows.iter().map(|row| columns(row)?.decode()).collect::<Result<Vec<_>>>()?;
    let ids: Vec<i64> = reviews.iter().map(|review| review.message.0).collect();
    let sql = format!(
        "select {VOTE_COLUMNS}, message_id, round from review_vote where message_id = any($1::bigint[]) \
         order by at, reviewer"
    );
    for row in session.rows(&sql, &[&ids]).await? {
        let (message, round) = (MessageId(get(&row, 5)?), small(&row, 6)?);
        let vote = vote_of(get(&row, 0)?, get(&row, 1)?, get(&row, 2)?, get(&row, 3)?, get(&row, 4)?)?;
        let of = |review: &&mut Review| review.message == message && review.round == round;
        if let Some(review) = reviews.iter_mut().find(of) {
            review.votes.push(vote);
        }
    }
    Ok(reviews)
}

async fn by_id(session: &Session, id: MessageId) -> Result<Option<Review>> {
    Ok(found(session, "where message_id = $1", &[&id.0]).await?.pop())
}

fn columns(row: &Row) -> Result<Columns> {
    Ok(Columns {
        message_id: get(row, 0)?,
        round: get(row, 1)?,
        timing: get(row, 2)?,
        panel: get(row, 3)?,
        approvals: get(row, 4)?,
        fingerprint: get(row, 5)?,
        people: get(row, 6)?,
        tolerance: get(row, 7)?,
        opened_at: get(row, 8)?,
        lapse_at: get(row, 9)?,
        state: get(row, 10)?,
        decided_at: get(row, 11)?,
        told: get(row, 12)?,
    })
}

fn limit_of(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

/// Reviews to be opened, by column.
#[derive(Default)]
pub(super) struct NewReviews {
    messages: Vec<i64>,
    timings: Vec<i64>,
    panels: Vec<i64>,
    approvals: Vec<i64>,
    fingerprints: Vec<Vec<u8>>,
    people: Vec<i64>,
    tolerances: Vec<i64>,
    opened_at: Vec<i64>,
    lapse_at: Vec<i64>,
}

impl NewReviews {
    /// One more.
    pub(super) fn push(&mut self, id: MessageId, opening: &Opening) {
        self.messages.push(id.0);
        self.timings.push(opening.timing as i64);
        self.panels.push(opening.panel as i64);
        self.approvals.push(i64::from(opening.approvals));
        self.fingerprints.push(opening.fingerprint.to_vec());
        self.people.push(signed(opening.people));
        self.tolerances.push(i64::from(opening.tolerance_percent));
        self.opened_at.push(opening.opened_at.0);
        self.lapse_at.push(opening.lapse_at.0);
    }

    /// Nothing to be written.
    pub(super) fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    /// The values of [`OPEN`].
    pub(super) fn values(&self) -> [Value<'_>; 9] {
        [
            &self.messages,
            &self.timings,
            &self.panels,
            &self.approvals,
            &self.fingerprints,
            &self.people,
            &self.tolerances,
            &self.opened_at,
            &self.lapse_at,
        ]
    }
}
