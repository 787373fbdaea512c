//! The publish commit: verify, store, release, for a group of publishes in one transaction.

use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension};

use super::encode::{head, signed, unsigned};
use super::{audit, batch, fault, leg, relation, review, row, tally};
use crate::domain::id::{GrantId, LegId, MessageId};
use crate::domain::leg::LegState;
use crate::domain::message::{MessageFacts, PERSONAL_MAX};
use crate::domain::set;
use crate::domain::time::At;
use crate::store::audit::published;
use crate::store::books::{Books, Tally};
use crate::store::clause;
use crate::store::encode::lane_and_channel;
use crate::store::facts::Texts;
use crate::store::release::{Birth, NewBatch, Release, accepted_state, state_at};
use crate::store::rights::{self, Rights};
use crate::store::{Accept, Accepted, LegPlan, Members, Result, Stored};

/// Stores a group of publishes; one answer each, in order.
pub(super) fn accept(connection: &Connection, group: &[Accept], texts: &[Texts], epoch: i64) -> Result<Vec<Accepted>> {
    let rights = rights(connection, group)?;
    let mut rest = Rest::default();
    let mut answers = Vec::with_capacity(group.len());
    for (item, texts) in group.iter().zip(texts) {
        let answer = match rights.objection(item) {
            Some(objection) => objection,
            None => store(connection, item, texts, epoch, &mut rest)?,
        };
        answers.push(answer);
    }
    rest.write(connection)?;
    let stored = group.iter().zip(&answers).filter(|(_, answer)| matches!(answer, Accepted::Stored(_)));
    if let Some(entry) = published(stored.map(|(item, _)| item), epoch) {
        audit::append(connection, &entry)?;
    }
    Ok(answers)
}

/// What a group writes last, all at once.
#[derive(Default)]
struct Rest {
    tally: Tally,
    personal: Vec<(u32, i64)>,
}

impl Rest {
    fn write(mut self, connection: &Connection) -> Result<()> {
        // In the order of the table: neighbours share a page, so the group writes each page once.
        self.personal.sort_unstable();
        let sql = "insert into personal (ordinal, message_id) values (?1, ?2)";
        let mut statement = connection.prepare_cached(sql).map_err(fault)?;
        for row in self.personal {
            statement.execute(row).map_err(fault)?;
        }
        tally::write(connection, self.tally)
    }
}

fn rights(connection: &Connection, group: &[Accept]) -> Result<Rights> {
    const KEY: &str = "select version from api_key where id = ?1 and revoked_at is null";
    const GRANT: &str = "select version from access_grant where id = ?1 and revoked_at is null";
    Ok(Rights {
        head: head(connection, "change")?,
        keys: versions(connection, KEY, rights::keys_of(group))?,
        grants: versions(connection, GRANT, rights::grants_of(group))?,
    })
}

fn versions(connection: &Connection, sql: &str, ids: Vec<i64>) -> Result<HashMap<i64, i64>> {
    let mut statement = connection.prepare_cached(sql).map_err(fault)?;
    let mut found = HashMap::with_capacity(ids.len());
    for id in ids {
        if let Some(version) = statement.query_row([id], |row| row.get(0)).optional().map_err(fault)? {
            found.insert(id, version);
        }
    }
    Ok(found)
}

fn store(connection: &Connection, item: &Accept, texts: &Texts, epoch: i64, rest: &mut Rest) -> Result<Accepted> {
    if let Some((grant, day, limit)) = item.quota {
        let used = used(connection, grant, day)?;
        if used + item.members.len() > limit && !is_known(connection, item)? {
            return Ok(Accepted::QuotaExhausted { used });
        }
    }
    if !row::insert(connection, item, texts, accepted_state(item))? {
        return duplicate(connection, item);
    }
    if let Some((grant, day, _)) = item.quota {
        use_up(connection, grant, day, item.members.len())?;
    }
    remember_people(connection, item.facts.id, &item.members, rest)?;
    remember_clauses(connection, item)?;
    relation::insert(connection, &item.facts)?;
    if let Some(opening) = &item.review {
        review::open(connection, item.facts.id, opening)?;
    }
    if !item.is_released() {
        return Ok(Accepted::Stored(Stored::default()));
    }
    let at = item.facts.created_at;
    release(connection, &item.facts, &item.members, &item.plans, at, epoch, &mut rest.tally).map(Accepted::Stored)
}

/// Makes the legs of a message and their first batches.
pub(super) fn release(
    connection: &Connection,
    facts: &MessageFacts,
    members: &Members,
    plans: &[LegPlan],
    at: At,
    epoch: i64,
    tally: &mut Tally,
) -> Result<Stored> {
    write(connection, facts, Release::new(facts, members, plans, at), epoch, tally)
}

/// Writes what a release makes.
pub(super) fn write(
    connection: &Connection,
    facts: &MessageFacts,
    release: Release<'_>,
    epoch: i64,
    tally: &mut Tally,
) -> Result<Stored> {
    for (channel, outcome, n) in release.over {
        tally.roll_up(Books::of(facts), channel.code(), outcome, n);
    }
    for new in &release.legs {
        leg::insert(connection, new)?;
    }
    let mut stored = Stored { claimed: Vec::new(), more: release.more };
    for new in release.batches {
        let id = batch::insert(connection, &new, epoch)?;
        stored.claimed.extend(new.claimed(id, epoch));
    }
    Ok(stored)
}

fn remember_people(connection: &Connection, id: MessageId, members: &Members, rest: &mut Rest) -> Result<()> {
    let set = match members {
        Members::One(ordinal) => {
            rest.personal.push((*ordinal, id.0));
            return Ok(());
        }
        Members::Many(set) => set,
    };
    if set.len() <= PERSONAL_MAX {
        rest.personal.extend(set.iter().map(|ordinal| (ordinal, id.0)));
    }
    for (segment, part) in set::segments(set) {
        connection
            .prepare_cached("insert into audience_segment (message_id, segment, members) values (?1, ?2, ?3)")
            .and_then(|mut statement| statement.execute((id.0, segment, set::to_bytes(&part))))
            .map_err(fault)?;
    }
    Ok(())
}

fn remember_clauses(connection: &Connection, item: &Accept) -> Result<()> {
    const SQL: &str = "insert into audience_clause (message_id, clause, segment, members) values (?1, ?2, ?3, ?4)";
    for row in clause::rows(&item.members, &item.clauses) {
        connection
            .prepare_cached(SQL)
            .and_then(|mut statement| statement.execute((item.facts.id.0, row.clause, row.segment, row.members)))
            .map_err(fault)?;
    }
    Ok(())
}

fn duplicate(connection: &Connection, item: &Accept) -> Result<Accepted> {
    let found = row::by_key(connection, item.facts.principal, &item.idempotency_key)?;
    let (message, digest) =
        found.ok_or_else(|| crate::store::Error::Damaged("an idempotency key without a message".into()))?;
    Ok(Accepted::Duplicate { message: Box::new(message), same: digest == item.digest })
}

fn is_known(connection: &Connection, item: &Accept) -> Result<bool> {
    Ok(row::by_key(connection, item.facts.principal, &item.idempotency_key)?.is_some())
}

/// People whom a grant has reached on a day.
pub(super) fn used(connection: &Connection, grant: GrantId, day: i64) -> Result<u64> {
    let n: Option<i64> = connection
        .prepare_cached("select n from usage where grant_id = ?1 and day = ?2")
        .and_then(|mut statement| statement.query_row((grant.0, day), |row| row.get(0)).optional())
        .map_err(fault)?;
    Ok(unsigned(n.unwrap_or(0)))
}

fn use_up(connection: &Connection, grant: GrantId, day: i64, n: u64) -> Result<()> {
    connection
        .prepare_cached(
            "insert into usage (grant_id, day, n) values (?1, ?2, ?3) \
             on conflict (grant_id, day) do update set n = n + excluded.n",
        )
        .and_then(|mut statement| statement.execute((grant.0, day, signed(n))))
        .map(|_| ())
        .map_err(fault)
}

/// Makes more batches of a leg. Returns whether more are to be made.
pub(super) fn cut(connection: &Connection, leg: LegId, batches_max: usize, at: At) -> Result<bool> {
    let found = connection
        .prepare_cached(
            "select leg.channel, leg.provider_id, leg.lane, leg.batch_size, leg.cut_to, message.principal from leg \
             join message on message.id = ?2 where leg.id = ?1 and leg.state = 2",
        )
        .and_then(|mut statement| {
            statement
                .query_row((leg.0, leg.message().0), |row| {
                    let provider: String = row.get(1)?;
                    Ok((row.get(0)?, provider, row.get(2)?, row.get::<_, i64>(3)?, row.get::<_, i64>(4)?, row.get(5)?))
                })
                .optional()
        })
        .map_err(fault)?;
    let Some((channel, provider, lane, batch_size, cut_to, principal)) = found else { return Ok(false) };
    let (lane, channel) = lane_and_channel(lane, channel)?;
    let size = unsigned(batch_size).max(1);
    let plan = LegPlan { channel, provider: provider.into(), lane, batch_size: size, claim_max: 0 };
    let members = batch::snapshot(connection, leg.message())?;
    let (slices, next) = crate::domain::leg::cut(&members, unsigned(cut_to), size, batches_max);
    for slice in slices {
        let new = NewBatch { leg, plan: &plan, principal, at, slice, short: false, birth: Birth::Waiting };
        batch::insert(connection, &new, 0)?;
    }
    connection
        .prepare_cached("update leg set cut_to = ?2, state = ?3 where id = ?1")
        .and_then(|mut statement| statement.execute((leg.0, signed(next), state_at(next) as i64)))
        .map_err(fault)?;
    Ok(state_at(next) == LegState::Cutting)
}
