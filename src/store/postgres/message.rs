//! [`Messages`] on PostgreSQL.

use async_trait::async_trait;
use tokio_postgres::types::ToSql;

use super::encode::{get, small};
use super::made::Made;
use super::{Postgres, batch, cancel, leg, row};
use crate::domain::access::Principal;
use crate::domain::id::{LegId, MessageId};
use crate::domain::leg::Leg;
use crate::domain::message::MessageState;
use crate::domain::outcome::Reason;
use crate::domain::set::{self, Set};
use crate::domain::time::At;
use crate::store::clause;
use crate::store::facts::{self, first_id};
use crate::store::release::{Release, first_state};
use crate::store::{
    Accepted, Cancelled, Gathering, LegPlan, MessageFilter, MessageRow, Messages, OutcomeRow, Result, Stored,
};

#[async_trait]
impl Messages for Postgres {
    async fn accept_gathered(&self, gathering: Gathering, epoch: i64) -> Result<Vec<Accepted>> {
        self.accept_all(gathering, epoch).await
    }

    async fn by_key(&self, principal: Principal, key: &str) -> Result<Option<(MessageRow, [u8; 32])>> {
        row::by_key(&self.session().await?, principal, key).await
    }

    async fn message(&self, id: MessageId) -> Result<Option<MessageRow>> {
        row::by_id(&self.session().await?, id).await
    }

    async fn list(&self, filter: MessageFilter, before: Option<MessageId>, limit: usize) -> Result<Vec<MessageRow>> {
        let states: Vec<i64> = filter.states.iter().map(|state| *state as i64).collect();
        let values: [&(dyn ToSql + Sync); 8] = [
            &before.map_or(i64::MAX, |id| id.0),
            &filter.principal.map(Principal::code),
            &filter.department_id,
            &filter.reference,
            &filter.created_after.map_or(0, first_id),
            &filter.created_before.map_or(i64::MAX, first_id),
            &states,
            &limit_of(limit),
        ];
        self.session().await?.rows(&list_sql(&filter), &values).await?.iter().map(row::read).collect()
    }

    async fn legs(&self, id: MessageId) -> Result<Vec<Leg>> {
        leg::all(&self.snapshot().await?, id).await
    }

    async fn clauses(&self, id: MessageId, ordinal: u32) -> Result<Vec<u32>> {
        const SQL: &str =
            "select clause, members from audience_clause where message_id = $1 and segment = $2 order by clause";
        let segment = i64::from(set::segment_of(ordinal));
        let mut clauses = Vec::new();
        for row in self.session().await?.rows(SQL, &[&id.0, &segment]).await? {
            if clause::holds(get::<Option<&[u8]>>(&row, 1)?, ordinal)? {
                clauses.push(small(&row, 0)?);
            }
        }
        Ok(clauses)
    }

    async fn members(&self, id: MessageId) -> Result<Set> {
        let session = self.snapshot().await?;
        match row::by_id(&session, id).await?.map(|message| message.only_member) {
            None => Ok(Set::new()),
            Some(Some(ordinal)) => Ok([ordinal].into_iter().collect()),
            Some(None) => batch::snapshot(&session, id).await,
        }
    }

    async fn outcomes(&self, leg: LegId, from: u32, to: u32) -> Result<Vec<OutcomeRow>> {
        leg::outcomes(&self.snapshot().await?, leg, from, to).await
    }

    async fn due(&self, now: At, limit: usize) -> Result<Vec<MessageId>> {
        const SQL: &str = "select id from message where state = 1 and send_at <= $1 order by send_at limit $2";
        let rows = self.session().await?.rows(SQL, &[&now.0, &limit_of(limit)]).await?;
        rows.iter().map(|row| get(row, 0).map(MessageId)).collect()
    }

    async fn release(&self, id: MessageId, plans: Vec<LegPlan>, at: At, epoch: i64) -> Result<Option<Stored>> {
        let session = self.transaction().await?;
        let Some(message) = row::scheduled(&session, id).await? else { return Ok(None) };
        let members = cancel::members(&session, &message).await?;
        let release = Release::new(&message.facts, &members, &plans, at);
        let mut ids = batch::take_ids(&session, release.batches.len()).await?;
        let mut made = Made::of(epoch);
        let stored = made.release(&message.facts, release, &mut ids)?;
        made.state = Some((id, first_state(true, &plans)));
        made.commit(session).await?;
        Ok(Some(stored))
    }

    async fn reject(
        &self,
        id: MessageId,
        plans: Vec<LegPlan>,
        state: MessageState,
        reason: Reason,
        at: At,
    ) -> Result<bool> {
        self.reject_message(id, &plans, state, reason, at).await
    }

    async fn cutting(&self, limit: usize) -> Result<Vec<LegId>> {
        const SQL: &str = "select id from leg where state = 2 order by id limit $1";
        let rows = self.session().await?.rows(SQL, &[&limit_of(limit)]).await?;
        rows.iter().map(|row| get(row, 0).map(LegId)).collect()
    }

    async fn cut(&self, leg: LegId, batches_max: usize, at: At) -> Result<bool> {
        self.cut_more(leg, batches_max, at).await
    }

    async fn cancel(&self, id: MessageId, at: At) -> Result<Option<Cancelled>> {
        self.cancel_message(id, at).await
    }
}

/// The filters are in the text where an index can serve them; the server then plans with what is asked.
fn list_sql(filter: &MessageFilter) -> String {
    let reference = if filter.reference.is_some() { "reference = $4" } else { "$4::text is null" };
    format!(
        "select {} from message where id < $1 and ($2::bigint is null or principal = $2) \
         and ($3::bigint is null or department_id = $3) and {reference} and id >= $5 and id < $6 \
         and ($7::bigint[] = '{{}}' or state = any($7)) order by id desc limit $8",
        facts::COLUMNS
    )
}

fn limit_of(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}
