//! The publish commit: verify, store, release, for a group of publishes in one transaction.

use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension};

use super::batch::{self, Fresh};
use super::encode::{head, signed, unsigned};
use super::fault;
use super::row;
use super::tally::{Tally, counts_text};
use crate::domain::access::Principal;
use crate::domain::batch::{Pending, STUB_PROVIDER};
use crate::domain::channel::Channel;
use crate::domain::id::{GrantId, LegId, MessageId};
use crate::domain::leg::{self, LegState, Slice};
use crate::domain::message::{MessageFacts, MessageState, PERSONAL_MAX};
use crate::domain::outcome::{Counts, Outcome, Reason};
use crate::domain::set::{self, Set};
use crate::domain::time::At;
use crate::store::{Accept, Accepted, LegPlan, Members, Result, Stored};

/// Batches of a leg that are made in the accepting transaction; the rest is cut later.
const CUT_AT_ONCE: usize = 100;

/// Stores a group of publishes; one answer each, in order.
pub(super) fn accept(connection: &Connection, group: &[Accept], epoch: i64) -> Result<Vec<Accepted>> {
    let mut rights = Rights { head: head(connection, "change")?, versions: HashMap::new() };
    let mut tally = Tally::default();
    let mut answers = Vec::with_capacity(group.len());
    for item in group {
        let answer = match rights.objection(connection, item)? {
            Some(objection) => objection,
            None => store(connection, item, epoch, &mut tally)?,
        };
        answers.push(answer);
    }
    tally.write(connection)?;
    Ok(answers)
}

/// What the transaction has read of the keys and grants that its group uses.
struct Rights {
    head: i64,
    versions: HashMap<(bool, i64), Option<i64>>,
}

impl Rights {
    fn objection(&mut self, connection: &Connection, item: &Accept) -> Result<Option<Accepted>> {
        if self.version(connection, true, item.key.0.0)? != Some(item.key.1) {
            return Ok(Some(Accepted::KeyChanged));
        }
        for (grant, version) in &item.grants {
            if self.version(connection, false, grant.0)? != Some(*version) {
                return Ok(Some(Accepted::GrantChanged(*grant)));
            }
        }
        if self.head > item.facts.directory_seq {
            return Ok(Some(Accepted::DirectoryMoved { head: self.head }));
        }
        Ok(None)
    }

    /// The version of a key or grant, or `None` if it is absent or revoked.
    fn version(&mut self, connection: &Connection, is_key: bool, id: i64) -> Result<Option<i64>> {
        if let Some(known) = self.versions.get(&(is_key, id)) {
            return Ok(*known);
        }
        let sql = if is_key {
            "select version from api_key where id = ?1 and revoked_at is null"
        } else {
            "select version from access_grant where id = ?1 and revoked_at is null"
        };
        let version = connection
            .prepare_cached(sql)
            .and_then(|mut statement| statement.query_row([id], |row| row.get(0)).optional())
            .map_err(fault)?;
        self.versions.insert((is_key, id), version);
        Ok(version)
    }
}

fn store(connection: &Connection, item: &Accept, epoch: i64, tally: &mut Tally) -> Result<Accepted> {
    let state = match item.released {
        false => MessageState::Scheduled,
        true if item.plans.iter().all(is_inbox) => MessageState::Closed,
        true => MessageState::Open,
    };
    if let Some((grant, day, limit)) = item.quota {
        let used = used(connection, grant, day)?;
        if used + item.members.len() > limit && !is_known(connection, item)? {
            return Ok(Accepted::QuotaExhausted { used });
        }
    }
    if !row::insert(connection, item, state)? {
        return duplicate(connection, item);
    }
    if let Some((grant, day, _)) = item.quota {
        use_up(connection, grant, day, item.members.len())?;
    }
    remember_people(connection, item.facts.id, &item.members)?;
    if !item.released {
        return Ok(Accepted::Stored(Stored::default()));
    }
    let at = item.facts.created_at;
    release(connection, &item.facts, &item.members, &item.plans, at, epoch, tally).map(Accepted::Stored)
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
    let mut stored = Stored::default();
    for (number, plan) in (1u8..).zip(plans) {
        let short = matches!(members, Members::One(_));
        let fresh = Fresh { leg: facts.id.leg(number), plan, principal: facts.principal.code(), at, short };
        if is_inbox(plan) {
            tally.accepted(facts, plan.channel, Outcome::Sent, members.len());
        }
        match members {
            Members::One(ordinal) => release_short(connection, &fresh, *ordinal, epoch, &mut stored)?,
            Members::Many(set) if is_inbox(plan) => show(connection, &fresh, set)?,
            Members::Many(set) => release_leg(connection, &fresh, set, epoch, &mut stored)?,
        }
    }
    Ok(stored)
}

/// Releasing an app leg is its delivery. Under a test key the stub answers instead.
pub(super) fn is_inbox(plan: &LegPlan) -> bool {
    plan.channel == Channel::App && &*plan.provider != STUB_PROVIDER
}

fn release_short(
    connection: &Connection,
    fresh: &Fresh<'_>,
    ordinal: u32,
    epoch: i64,
    stored: &mut Stored,
) -> Result<()> {
    if is_inbox(fresh.plan) {
        return batch::insert_delivered(connection, fresh, ordinal);
    }
    let holder = (fresh.plan.claim_max > 0).then_some(epoch);
    let id = batch::insert(connection, fresh, Slice { first: ordinal, last: ordinal, n: 1 }, holder)?;
    match holder {
        Some(epoch) => stored.claimed.push(batch::claimed(fresh, id, epoch, Pending::One(ordinal))),
        None => stored.more = true,
    }
    Ok(())
}

fn show(connection: &Connection, fresh: &Fresh<'_>, members: &Set) -> Result<()> {
    let mut counts = Counts::default();
    counts.add(Outcome::Sent, members.len());
    insert_leg(connection, fresh, LegState::Closed, 0, members.len(), Some(&counts))?;
    connection
        .prepare_cached(
            "insert into settlement (leg_id, at, attempt, outcome, reason, n) values (?1, ?2, 1, ?3, ?4, ?5)",
        )
        .and_then(|mut statement| {
            let (outcome, reason) = (Outcome::Sent.code(), Reason::None.code());
            statement.execute((fresh.leg.0, fresh.at.0, outcome, reason, signed(members.len())))
        })
        .map(|_| ())
        .map_err(fault)
}

fn release_leg(
    connection: &Connection,
    fresh: &Fresh<'_>,
    members: &Set,
    epoch: i64,
    stored: &mut Stored,
) -> Result<()> {
    let (slices, next) = leg::cut(members, 0, fresh.plan.batch_size, CUT_AT_ONCE);
    let state = if next > u64::from(u32::MAX) { LegState::Open } else { LegState::Cutting };
    insert_leg(connection, fresh, state, next, members.len(), None)?;
    for (place, slice) in slices.iter().enumerate() {
        let holder = (place < fresh.plan.claim_max).then_some(epoch);
        let id = batch::insert(connection, fresh, *slice, holder)?;
        if let Some(epoch) = holder {
            let pending = Pending::Many(leg::slice_members(members, slice.first, slice.last));
            stored.claimed.push(batch::claimed(fresh, id, epoch, pending));
        }
    }
    stored.more |= state == LegState::Cutting || slices.len() > fresh.plan.claim_max;
    Ok(())
}

fn insert_leg(
    connection: &Connection,
    fresh: &Fresh<'_>,
    state: LegState,
    cut_to: u64,
    members_n: u64,
    counts: Option<&Counts>,
) -> Result<()> {
    connection
        .prepare_cached(
            "insert into leg (id, channel, provider_id, lane, state, batch_size, cut_to, members_n, visible_at, counts) \
             values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
        )
        .and_then(|mut statement| {
            statement.execute(rusqlite::params![
                fresh.leg.0,
                fresh.plan.channel.code(),
                &*fresh.plan.provider,
                fresh.plan.lane.code(),
                state as i64,
                signed(fresh.plan.batch_size),
                signed(cut_to),
                signed(members_n),
                is_inbox(fresh.plan).then_some(fresh.at.0),
                counts.map(counts_text),
            ])
        })
        .map(|_| ())
        .map_err(fault)
}

fn remember_people(connection: &Connection, id: MessageId, members: &Members) -> Result<()> {
    let personal = |ordinal: u32| {
        connection
            .prepare_cached("insert into personal (ordinal, message_id) values (?1, ?2)")
            .and_then(|mut statement| statement.execute((ordinal, id.0)))
            .map_err(fault)
    };
    let set = match members {
        Members::One(ordinal) => return personal(*ordinal).map(|_| ()),
        Members::Many(set) => set,
    };
    if set.len() <= PERSONAL_MAX {
        for ordinal in set.iter() {
            personal(ordinal)?;
        }
    }
    for (segment, part) in set::segments(set) {
        connection
            .prepare_cached("insert into audience_segment (message_id, segment, members) values (?1, ?2, ?3)")
            .and_then(|mut statement| statement.execute((id.0, segment, set::to_bytes(&part))))
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
    let principal: Principal = item.facts.principal;
    Ok(row::by_key(connection, principal, &item.idempotency_key)?.is_some())
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
    let (lane, channel) = batch::lane_and_channel(lane, channel)?;
    let size = unsigned(batch_size).max(1);
    let plan = LegPlan { channel, provider: provider.into(), lane, batch_size: size, claim_max: 0 };
    let fresh = Fresh { leg, plan: &plan, principal, at, short: false };
    let members = batch::snapshot(connection, leg.message())?;
    let (slices, next) = leg::cut(&members, unsigned(cut_to), size, batches_max);
    for slice in slices {
        batch::insert(connection, &fresh, slice, None)?;
    }
    let state = if next > u64::from(u32::MAX) { LegState::Open } else { LegState::Cutting };
    connection
        .prepare_cached("update leg set cut_to = ?2, state = ?3 where id = ?1")
        .and_then(|mut statement| statement.execute((leg.0, signed(next), state as i64)))
        .map_err(fault)?;
    Ok(state == LegState::Cutting)
}
