//! [`Reviews`] on SQLite.

use async_trait::async_trait;
use rusqlite::{Connection, Row};

use super::batch::rows;
use super::encode::signed;
use super::{Sqlite, cancel, fault, row};
use crate::domain::id::MessageId;
use crate::domain::message::MessageState;
use crate::domain::outcome::Reason;
use crate::domain::review::{Deputy, Opening, Review, ReviewState, Timing, Told, Vote};
use crate::domain::time::At;
use crate::store::review::{COLUMNS, Columns, Judged, VOTE_COLUMNS, due_at, judge, vote_of};
use crate::store::{Ballot, Cast, Error, LegPlan, MessageRow, Result, Reviews};

/// Messages whose review before sending is open.
const WAITING: &str = "review join message on message.id = review.message_id \
                       where review.state = 1 and review.timing = 1 and message.state in (7, 8)";

#[async_trait]
impl Reviews for Sqlite {
    async fn review(&self, id: MessageId) -> Result<Option<Review>> {
        self.readers.read(move |connection| by_id(connection, id)).await
    }

    async fn open(&self, after: Option<(At, MessageId)>, limit: usize) -> Result<Vec<Review>> {
        self.readers
            .read(move |connection| {
                let (lapse_at, id) = after.map_or((i64::MIN, i64::MIN), |(at, id)| (at.0, id.0));
                let rest =
                    "where state = 1 and (lapse_at, message_id) > (?1, ?2) order by lapse_at, message_id limit ?3";
                found(connection, rest, (lapse_at, id, limit as i64))
            })
            .await
    }

    async fn vote(&self, ballot: Ballot) -> Result<Cast> {
        self.writer.write(move |connection| vote(connection, &ballot)).await
    }

    async fn lapsed(&self, now: At, limit: usize) -> Result<Vec<MessageId>> {
        self.readers
            .read(move |connection| {
                let sql = format!(
                    "select message_id from {WAITING} and lapse_at <= ?1 order by lapse_at, message_id limit ?2"
                );
                rows(connection, &sql, (now.0, limit as i64), |row| row.get(0).map(MessageId))
            })
            .await
    }

    async fn lapse(&self, id: MessageId, plans: Vec<LegPlan>, at: At) -> Result<bool> {
        self.writer.write(move |connection| lapse(connection, id, &plans, at)).await
    }

    async fn pause(&self, id: MessageId, opening: Opening) -> Result<bool> {
        self.writer.write(move |connection| pause(connection, id, &opening)).await
    }

    async fn untold(&self, now: At, limit: usize) -> Result<Vec<Review>> {
        self.readers
            .read(move |connection| {
                let rest = "where told < 3 and (state <> 1 or told = 0 or (told = 1 and (opened_at + lapse_at) / 2 <= ?1)) \
                            order by message_id limit ?2";
                found(connection, rest, (now.0, limit as i64))
            })
            .await
    }

    async fn tell(&self, id: MessageId, round: u32, told: Told) -> Result<()> {
        const SQL: &str = "update review set told = max(told, ?3) where message_id = ?1 and round = ?2";
        self.writer.write(move |connection| execute(connection, SQL, (id.0, round, told as i64))).await
    }

    async fn depute(&self, deputy: Deputy) -> Result<()> {
        const SQL: &str = "insert into review_deputy (ordinal, deputy, until) values (?1, ?2, ?3) \
                           on conflict (ordinal) do update set deputy = excluded.deputy, until = excluded.until";
        self.writer.write(move |connection| execute(connection, SQL, (deputy.of, deputy.deputy, deputy.until.0))).await
    }

    async fn recall_deputy(&self, of: u32) -> Result<()> {
        const SQL: &str = "delete from review_deputy where ordinal = ?1";
        self.writer.write(move |connection| execute(connection, SQL, [of])).await
    }

    async fn deputies(&self, now: At) -> Result<Vec<Deputy>> {
        const SQL: &str = "select ordinal, deputy, until from review_deputy where until > ?1 order by ordinal";
        let read = |row: &Row<'_>| Ok(Deputy { of: row.get(0)?, deputy: row.get(1)?, until: At(row.get(2)?) });
        self.readers.read(move |connection| rows(connection, SQL, [now.0], read)).await
    }
}

/// Asks for a review; a message that was reviewed before gets another round.
pub(super) fn open(connection: &Connection, id: MessageId, opening: &Opening) -> Result<()> {
    const SQL: &str = "insert into review (message_id, round, timing, panel, approvals, fingerprint, people, tolerance, \
         opened_at, lapse_at, state, told) values (?1, 1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, 1, 0) \
         on conflict (message_id) do update set round = round + 1, timing = excluded.timing, panel = excluded.panel, \
         approvals = excluded.approvals, fingerprint = excluded.fingerprint, people = excluded.people, \
         tolerance = excluded.tolerance, opened_at = excluded.opened_at, lapse_at = excluded.lapse_at, state = 1, \
         decided_at = null, told = 0";
    let parameters = rusqlite::params![
        id.0,
        opening.timing as i64,
        opening.panel as i64,
        opening.approvals,
        &opening.fingerprint[..],
        signed(opening.people),
        opening.tolerance_percent,
        opening.opened_at.0,
        opening.lapse_at.0,
    ];
    execute(connection, SQL, parameters)
}

/// Drops the open review of a message that was cancelled before it was released.
pub(super) fn drop_open(connection: &Connection, id: MessageId, at: At) -> Result<()> {
    const SQL: &str = "update review set state = 6, decided_at = ?2, told = 3 \
                       where message_id = ?1 and state = 1 and timing = 1";
    execute(connection, SQL, (id.0, at.0))
}

fn execute(connection: &Connection, sql: &str, parameters: impl rusqlite::Params) -> Result<()> {
    connection.prepare_cached(sql).and_then(|mut statement| statement.execute(parameters)).map(|_| ()).map_err(fault)
}

fn found(connection: &Connection, rest: &str, parameters: impl rusqlite::Params) -> Result<Vec<Review>> {
    let sql = format!("select {COLUMNS} from review {rest}");
    let columns = rows(connection, &sql, parameters, columns)?;
    let mut reviews = Vec::with_capacity(columns.len());
    for columns in columns {
        let mut review = columns.decode()?;
        review.votes = votes(connection, &review)?;
        reviews.push(review);
    }
    Ok(reviews)
}

fn by_id(connection: &Connection, id: MessageId) -> Result<Option<Review>> {
    Ok(found(connection, "where message_id = ?1", [id.0])?.pop())
}

fn columns(row: &Row<'_>) -> rusqlite::Result<Columns> {
    Ok(Columns {
        message_id: row.get(0)?,
        round: row.get(1)?,
        timing: row.get(2)?,
        panel: row.get(3)?,
        approvals: row.get(4)?,
        fingerprint: row.get(5)?,
        people: row.get(6)?,
        tolerance: row.get(7)?,
        opened_at: row.get(8)?,
        lapse_at: row.get(9)?,
        state: row.get(10)?,
        decided_at: row.get(11)?,
        told: row.get(12)?,
    })
}

fn votes(connection: &Connection, review: &Review) -> Result<Vec<Vote>> {
    let sql =
        format!("select {VOTE_COLUMNS} from review_vote where message_id = ?1 and round = ?2 order by at, reviewer");
    let read = |row: &Row<'_>| Ok(vote_of(row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?));
    rows(connection, &sql, (review.message.0, review.round), read)?.into_iter().collect()
}

fn vote(connection: &Connection, ballot: &Ballot) -> Result<Cast> {
    let (id, vote) = (ballot.message, &ballot.vote);
    let (Some(message), Some(review)) = (row::by_id(connection, id)?, by_id(connection, id)?) else {
        return Ok(Cast::Closed);
    };
    let decided = match judge(&review, message.state, ballot) {
        Judged::Not(cast) => return Ok(cast),
        Judged::Counts(decided) => decided,
    };
    const VOTE: &str = "insert into review_vote (message_id, round, reviewer, stands_for, decision, at, comment) \
                        values (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
    let (stands_for, decision) = (vote.stands_for(), vote.decision as i64);
    let parameters = (id.0, review.round, vote.reviewer, stands_for, decision, vote.at.0, &vote.comment);
    execute(connection, VOTE, parameters)?;
    let Some(state) = decided else { return Ok(Cast::Counted(message.state)) };
    end(connection, id, state, vote.at)?;
    if review.opening.timing == Timing::Afterwards {
        return Ok(Cast::Counted(message.state));
    }
    follow(connection, &message, state, ballot).map(Cast::Counted)
}

/// What a decision does to a message that waits for it.
fn follow(connection: &Connection, message: &MessageRow, state: ReviewState, ballot: &Ballot) -> Result<MessageState> {
    if state == ReviewState::Approved {
        let due = due_at(message.facts.send_at, ballot);
        execute(connection, "update message set state = 1, send_at = ?2 where id = ?1", (ballot.message.0, due.0))?;
        return Ok(MessageState::Scheduled);
    }
    let (plans, at) = (&ballot.plans, ballot.vote.at);
    cancel::reject(connection, message, MessageState::Rejected, Reason::ReviewRefused, plans, at)?;
    Ok(MessageState::Rejected)
}

fn end(connection: &Connection, id: MessageId, state: ReviewState, at: At) -> Result<()> {
    const SQL: &str = "update review set state = ?2, decided_at = ?3 where message_id = ?1";
    execute(connection, SQL, (id.0, state as i64, at.0))
}

fn lapse(connection: &Connection, id: MessageId, plans: &[LegPlan], at: At) -> Result<bool> {
    let sql = format!("select message_id from {WAITING} and message_id = ?1 and lapse_at <= ?2");
    if rows(connection, &sql, (id.0, at.0), |row| row.get::<_, i64>(0))?.is_empty() {
        return Ok(false);
    }
    let message = row::by_id(connection, id)?.ok_or_else(|| Error::Damaged("a review without a message".into()))?;
    cancel::reject(connection, &message, MessageState::Expired, Reason::ReviewLapsed, plans, at)?;
    end(connection, id, ReviewState::Lapsed, at)?;
    Ok(true)
}

fn pause(connection: &Connection, id: MessageId, opening: &Opening) -> Result<bool> {
    let scheduled = row::by_id(connection, id)?.is_some_and(|message| message.state == MessageState::Scheduled);
    if !scheduled || by_id(connection, id)?.is_none() {
        return Ok(false);
    }
    row::set_state(connection, id, MessageState::Paused)?;
    open(connection, id, opening)?;
    Ok(true)
}
