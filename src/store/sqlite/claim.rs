//! Taking batches, fairly over the publishers that have some, and giving them back.

use rusqlite::{Connection, OptionalExtension};

use super::batch::{self, Stored};
use super::{fault, tally};
use crate::domain::batch::{Claimed, Fence, Pending};
use crate::domain::id::BatchId;
use crate::store::books::Tally;
use crate::store::encode::lane_and_channel;
use crate::store::release::{CLAIMED, CLOSED};
use crate::store::{Claim, Result};

/// Takes due batches; see [`crate::store::Deliveries::claim`].
pub(super) fn claim(connection: &Connection, claim: &Claim) -> Result<Vec<Claimed>> {
    let mut tally = Tally::default();
    let claimed =
        if claim.expired_only { ended(connection, claim, &mut tally) } else { fair(connection, claim, &mut tally) };
    tally::write(connection, tally)?;
    claimed
}

/// Takes batches of messages that have ended; fairness is nothing to them.
fn ended(connection: &Connection, claim: &Claim, tally: &mut Tally) -> Result<Vec<Claimed>> {
    let sql = format!(
        "select {} from batch where state = 1 and provider_id = ?1 and lane = ?2 \
         and (select expire_at from message where message.id = (leg_id & ~15)) <= ?3 limit ?4",
        Stored::COLUMNS
    );
    let most = i64::try_from(claim.max).unwrap_or(i64::MAX);
    let found = batch::rows(connection, &sql, (&*claim.provider, claim.lane.code(), claim.now.0, most), Stored::read)?;
    let mut claimed = Vec::with_capacity(found.len());
    for stored in &found {
        claimed.extend(take(connection, claim, stored, tally)?);
    }
    Ok(claimed)
}

fn fair(connection: &Connection, claim: &Claim, tally: &mut Tally) -> Result<Vec<Claimed>> {
    let mut queues = Vec::new();
    for principal in publishers(connection, claim)? {
        let due = due(connection, claim, principal)?;
        if !due.is_empty() {
            queues.push(due.into_iter());
        }
    }
    let mut claimed = Vec::new();
    while claimed.len() < claim.max && !queues.is_empty() {
        let mut still = Vec::with_capacity(queues.len());
        for mut queue in queues {
            if let Some(stored) = queue.next() {
                if claimed.len() < claim.max {
                    claimed.extend(take(connection, claim, &stored, tally)?);
                }
                still.push(queue);
            }
        }
        queues = still;
    }
    Ok(claimed)
}

/// The publishers with waiting work: one index look-up each, whatever lies between.
fn publishers(connection: &Connection, claim: &Claim) -> Result<Vec<i64>> {
    let mut found = Vec::new();
    let mut after = i64::MIN;
    loop {
        let next: Option<i64> = connection
            .prepare_cached(
                "select principal from batch where state = 1 and provider_id = ?1 and lane = ?2 and principal > ?3 \
                 order by principal limit 1",
            )
            .and_then(|mut statement| {
                statement.query_row((&*claim.provider, claim.lane.code(), after), |row| row.get(0)).optional()
            })
            .map_err(fault)?;
        let Some(principal) = next else { return Ok(found) };
        found.push(principal);
        after = principal;
    }
}

fn due(connection: &Connection, claim: &Claim, principal: i64) -> Result<Vec<Stored>> {
    let sql = format!(
        "select {} from batch where state = 1 and provider_id = ?1 and lane = ?2 and principal = ?3 and due_at <= ?4 \
         order by due_at limit ?5",
        Stored::COLUMNS
    );
    let most = i64::try_from(claim.max).unwrap_or(i64::MAX);
    let parameters = (&*claim.provider, claim.lane.code(), principal, claim.now.0, most);
    batch::rows(connection, &sql, parameters, Stored::read)
}

fn take(connection: &Connection, claim: &Claim, stored: &Stored, tally: &mut Tally) -> Result<Option<Claimed>> {
    let pending = if stored.short { None } else { Some(stored.pending(connection)?) };
    if pending.as_ref().is_some_and(roaring::RoaringBitmap::is_empty) {
        // A crash fell between the last settlement and the closing of the batch.
        set_state(connection, stored.id.0, CLOSED)?;
        tally.touch(stored.leg);
        return Ok(None);
    }
    let (claims, principal, attempt, opened_to, channel) = connection
        .prepare_cached(
            "update batch set state = ?2, owner_epoch = ?3, claims = claims + 1 where id = ?1 \
             returning claims, principal, attempt, opened_to, channel",
        )
        .and_then(|mut statement| {
            statement.query_row((stored.id.0, CLAIMED, claim.epoch), |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?))
            })
        })
        .map_err(fault)?;
    let (lane, channel) = lane_and_channel(claim.lane.code(), channel)?;
    Ok(Some(Claimed {
        fence: Fence { batch: stored.id, epoch: claim.epoch, claims },
        leg: stored.leg,
        channel,
        provider: claim.provider.clone(),
        principal,
        lane,
        attempt,
        members: pending.map_or(Pending::One(stored.first), Pending::Many),
        opened_to,
        short: stored.short,
    }))
}

/// The fences of an epoch.
pub(super) fn owned(connection: &Connection, epoch: i64) -> Result<Vec<Fence>> {
    let sql = "select id, claims from batch where state = 2 and owner_epoch = ?1 order by id";
    batch::rows(connection, sql, [epoch], |row| Ok(Fence { batch: BatchId(row.get(0)?), epoch, claims: row.get(1)? }))
}

/// Sets the state of a batch.
pub(super) fn set_state(connection: &Connection, id: i64, state: i64) -> Result<()> {
    connection
        .prepare_cached("update batch set state = ?2, owner_epoch = null where id = ?1")
        .and_then(|mut statement| statement.execute((id, state)))
        .map(|_| ())
        .map_err(fault)
}

/// Whether a batch is still held under a fence.
pub(super) fn holds(connection: &Connection, fence: &Fence) -> Result<bool> {
    let held: Option<i64> = connection
        .prepare_cached("select 1 from batch where id = ?1 and owner_epoch = ?2 and claims = ?3 and state = 2")
        .and_then(|mut statement| {
            statement.query_row((fence.batch.0, fence.epoch, fence.claims), |row| row.get(0)).optional()
        })
        .map_err(fault)?;
    Ok(held.is_some())
}

/// Notes that calls up to an ordinal may have begun.
pub(super) fn open(connection: &Connection, calls: &[(Fence, u32)]) -> Result<Vec<bool>> {
    calls
        .iter()
        .map(|(fence, to)| {
            let held = holds(connection, fence)?;
            if held {
                connection
                    .prepare_cached("update batch set opened_to = max(coalesce(opened_to, 0), ?2) where id = ?1")
                    .and_then(|mut statement| statement.execute((fence.batch.0, to)))
                    .map_err(fault)?;
            }
            Ok(held)
        })
        .collect()
}

/// Gives batches back unharmed.
pub(super) fn give_back(connection: &Connection, fences: &[Fence]) -> Result<()> {
    for fence in fences {
        if holds(connection, fence)? {
            connection
                .prepare_cached("update batch set state = 1, owner_epoch = null where id = ?1")
                .and_then(|mut statement| statement.execute([fence.batch.0]))
                .map_err(fault)?;
        }
    }
    Ok(())
}
