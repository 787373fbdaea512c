//! [`Messages`] on SQLite.

use async_trait::async_trait;
use rusqlite::Connection;

use super::batch;
use super::fault;
use super::reader::snapshot;
use super::{Sqlite, accept, cancel, leg, row, tally};
use crate::domain::access::Principal;
use crate::domain::id::{LegId, MessageId};
use crate::domain::leg::Leg;
use crate::domain::message::MessageState;
use crate::domain::outcome::Reason;
use crate::domain::set::{self, Set};
use crate::domain::time::At;
use crate::store::books::Tally;
use crate::store::clause;
use crate::store::facts::first_id;
use crate::store::release::first_state;
use crate::store::{
    Accepted, Cancelled, Encoded, Gathering, LegPlan, Members, MessageFilter, MessageRow, Messages, OutcomeRow, Result,
    Stored,
};

#[async_trait]
impl Messages for Sqlite {
    async fn accept_gathered(&self, gathering: Gathering, epoch: i64) -> Result<Vec<Accepted>> {
        self.writer
            .write(move |connection| {
                let (group, texts) = Encoded::unzip(gathering());
                accept::accept(connection, &group, &texts, epoch)
            })
            .await
    }

    async fn by_key(&self, principal: Principal, key: &str) -> Result<Option<(MessageRow, [u8; 32])>> {
        let key = key.to_owned();
        self.readers.read(move |connection| row::by_key(connection, principal, &key)).await
    }

    async fn message(&self, id: MessageId) -> Result<Option<MessageRow>> {
        self.readers.read(move |connection| row::by_id(connection, id)).await
    }

    async fn list(&self, filter: MessageFilter, before: Option<MessageId>, limit: usize) -> Result<Vec<MessageRow>> {
        self.readers.read(move |connection| list(connection, &filter, before, limit)).await
    }

    async fn legs(&self, id: MessageId) -> Result<Vec<Leg>> {
        self.readers.read(move |connection| snapshot(connection, |connection| leg::all(connection, id))).await
    }

    async fn clauses(&self, id: MessageId, ordinal: u32) -> Result<Vec<u32>> {
        const SQL: &str = "select clause, members from audience_clause where message_id = ?1 and segment = ?2";
        self.readers
            .read(move |connection| {
                let mut statement = connection.prepare_cached(SQL).map_err(fault)?;
                let mut rows = statement.query((id.0, set::segment_of(ordinal))).map_err(fault)?;
                let mut clauses = Vec::new();
                while let Some(row) = rows.next().map_err(fault)? {
                    let members: Option<Vec<u8>> = row.get(1).map_err(fault)?;
                    if clause::holds(members.as_deref(), ordinal)? {
                        clauses.push(row.get(0).map_err(fault)?);
                    }
                }
                Ok(clauses)
            })
            .await
    }

    async fn members(&self, id: MessageId) -> Result<Set> {
        self.readers
            .read(move |connection| match row::by_id(connection, id)? {
                Some(message) => match cancel::members(connection, &message)? {
                    Members::One(ordinal) => Ok([ordinal].into_iter().collect()),
                    Members::Many(set) => Ok((*set).clone()),
                },
                None => Ok(Set::new()),
            })
            .await
    }

    async fn outcomes(&self, leg: LegId, from: u32, to: u32) -> Result<Vec<OutcomeRow>> {
        self.readers
            .read(move |connection| snapshot(connection, |connection| leg::outcomes(connection, leg, from, to)))
            .await
    }

    async fn due(&self, now: At, limit: usize) -> Result<Vec<MessageId>> {
        self.readers
            .read(move |connection| {
                batch::rows(
                    connection,
                    "select id from message where state = 1 and send_at <= ?1 order by send_at limit ?2",
                    (now.0, limit as i64),
                    |row| row.get(0).map(MessageId),
                )
            })
            .await
    }

    async fn release(&self, id: MessageId, plans: Vec<LegPlan>, at: At, epoch: i64) -> Result<Option<Stored>> {
        self.writer.write(move |connection| release(connection, id, &plans, at, epoch)).await
    }

    async fn reject(
        &self,
        id: MessageId,
        plans: Vec<LegPlan>,
        state: MessageState,
        reason: Reason,
        at: At,
    ) -> Result<bool> {
        self.writer
            .write(move |connection| match scheduled(connection, id)? {
                Some(message) => cancel::reject(connection, &message, state, reason, &plans, at).map(|()| true),
                None => Ok(false),
            })
            .await
    }

    async fn cutting(&self, limit: usize) -> Result<Vec<LegId>> {
        self.readers
            .read(move |connection| {
                let sql = "select id from leg where state = 2 order by id limit ?1";
                batch::rows(connection, sql, [limit as i64], |row| row.get(0).map(LegId))
            })
            .await
    }

    async fn cut(&self, leg: LegId, batches_max: usize, at: At) -> Result<bool> {
        self.writer.write(move |connection| accept::cut(connection, leg, batches_max, at)).await
    }

    async fn cancel(&self, id: MessageId, at: At) -> Result<Option<Cancelled>> {
        self.writer.write(move |connection| cancel::cancel(connection, id, at)).await
    }
}

fn scheduled(connection: &Connection, id: MessageId) -> Result<Option<MessageRow>> {
    Ok(row::by_id(connection, id)?.filter(|message| message.state == MessageState::Scheduled))
}

fn release(connection: &Connection, id: MessageId, plans: &[LegPlan], at: At, epoch: i64) -> Result<Option<Stored>> {
    let Some(message) = scheduled(connection, id)? else { return Ok(None) };
    let members = cancel::members(connection, &message)?;
    let mut tally = Tally::default();
    let stored = accept::release(connection, &message.facts, &members, plans, at, epoch, &mut tally)?;
    row::set_state(connection, id, first_state(true, plans))?;
    tally::write(connection, tally)?;
    Ok(Some(stored))
}

fn list(
    connection: &Connection,
    filter: &MessageFilter,
    before: Option<MessageId>,
    limit: usize,
) -> Result<Vec<MessageRow>> {
    let states: Vec<String> = filter.states.iter().map(|state| (*state as i64).to_string()).collect();
    let sql = format!(
        "select {} from message where id < ?1 and (?2 is null or principal = ?2) \
         and (?3 is null or department_id = ?3) and (?4 is null or reference = ?4) \
         and id >= ?5 and id < ?6 and (?7 = '' or instr(?7, ' ' || state || ' ') > 0) order by id desc limit ?8",
        row::COLUMNS
    );
    let parameters = rusqlite::params![
        before.map_or(i64::MAX, |id| id.0),
        filter.principal.map(Principal::code),
        filter.department_id,
        filter.reference,
        filter.created_after.map_or(0, first_id),
        filter.created_before.map_or(i64::MAX, first_id),
        if states.is_empty() { String::new() } else { format!(" {} ", states.join(" ")) },
        i64::try_from(limit).unwrap_or(i64::MAX),
    ];
    let mut statement = connection.prepare_cached(&sql).map_err(fault)?;
    let mut rows = statement.query(parameters).map_err(fault)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next().map_err(fault)? {
        found.push(row::read(row)?);
    }
    Ok(found)
}
