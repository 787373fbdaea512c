//! Taking batches, fairly over the publishers that have some, and giving them back.

use std::collections::{BTreeMap, HashSet};

use tokio_postgres::Row;

use super::Postgres;
use super::batch::{Members, Stored};
use super::encode::{get, small};
use super::session::Session;
use crate::domain::batch::{Claimed, Fence, Pending, Settlement};
use crate::domain::id::BatchId;
use crate::domain::time::At;
use crate::store::encode::lane_and_channel;
use crate::store::{Claim, Result};

/// How many batches of one publisher are looked at for each that is wanted. Nodes that claim at the same moment
/// look at the same ones and pass over those that another has taken: so many nodes find enough at once.
const LOOKED_AT: i64 = 8;

/// The publishers with waiting work by one index look-up each, whatever lies between; of each the batches that
/// are due longest; of these one turn after the other as many as are wanted and nobody else is taking now.
const FAIR: &str = "with recursive publisher (principal) as ( \
       (select principal from batch where state = 1 and provider_id = $1 and lane = $2 order by principal limit 1) \
       union all \
       select (select batch.principal from batch where state = 1 and provider_id = $1 and lane = $2 \
               and batch.principal > publisher.principal order by batch.principal limit 1) \
       from publisher where publisher.principal is not null \
     ), candidate as ( \
       select due.id, publisher.principal, \
              row_number() over (partition by publisher.principal order by due.due_at, due.id) as turn \
       from publisher cross join lateral ( \
         select batch.id, batch.due_at from batch where state = 1 and provider_id = $1 and lane = $2 \
         and batch.principal = publisher.principal and batch.due_at <= $3 order by batch.due_at limit $4 \
       ) as due where publisher.principal is not null \
     ), picked as ( \
       select batch.id, candidate.turn from candidate join batch on batch.id = candidate.id \
       where batch.state = 1 order by candidate.turn, candidate.principal limit $5 for update of batch skip locked \
     )";

/// Batches of messages that have ended; fairness is nothing to them.
const ENDED: &str = "with picked as ( \
       select batch.id, 1 as turn from batch join message on message.id = (batch.leg_id & ~15::bigint) \
       where batch.state = 1 and batch.provider_id = $1 and batch.lane = $2 and message.expire_at <= $3 \
       limit least($4::bigint, $5::bigint) for update of batch skip locked \
     )";

/// Takes what was picked.
const TAKE: &str = ", taken as ( \
       update batch set state = 2, owner_epoch = $6, claims = claims + 1 from picked where batch.id = picked.id \
       returning batch.id, batch.leg_id, batch.ord_min, batch.ord_max, batch.members, batch.short, batch.claims, \
                 batch.principal, batch.attempt, batch.opened_to, batch.channel, picked.turn \
     ) select * from taken order by turn, principal";

impl Postgres {
    /// Takes due batches; see [`crate::store::Deliveries::claim`].
    pub(super) async fn take(&self, claim: &Claim) -> Result<Vec<Claimed>> {
        let max = i64::try_from(claim.max).unwrap_or(i64::MAX);
        let session = self.unbegun().await?;
        let sql = format!("{}{TAKE}", if claim.expired_only { ENDED } else { FAIR });
        let [sql] = session.prepared([&sql]).await?;
        let (provider, lane, looked_at) = (&*claim.provider, claim.lane.code(), max.saturating_mul(LOOKED_AT));
        let (_, rows) = futures::try_join!(
            session.begin(),
            session.run(&sql, [&provider, &lane, &claim.now.0, &looked_at, &max, &claim.epoch]),
        )?;
        let stored = rows.iter().map(Stored::read).collect::<Result<Vec<_>>>()?;
        // In the same transaction: if it cannot be read who is in them, nobody has taken them.
        let members = Members::read(&session, &stored).await?;
        let mut found = Vec::with_capacity(rows.len());
        for (row, stored) in rows.iter().zip(&stored) {
            found.push(claimed(row, stored, &members, claim)?);
        }
        if found.is_empty() {
            return Ok(found);
        }
        session.commit().await?;
        self.without_empty(found).await
    }

    /// Closes batches of which nothing is left: a crash fell between the last settlement and the closing.
    async fn without_empty(&self, claimed: Vec<Claimed>) -> Result<Vec<Claimed>> {
        let (empty, claimed): (Vec<_>, Vec<_>) = claimed.into_iter().partition(|batch| batch.members.is_empty());
        if !empty.is_empty() {
            self.settle_all(&empty.iter().map(nothing_left).collect::<Vec<_>>()).await?;
        }
        Ok(claimed)
    }

    /// Notes that calls up to an ordinal may have begun.
    pub(super) async fn note_opened(&self, calls: &[(Fence, u32)]) -> Result<Vec<bool>> {
        const SQL: &str = "update batch set opened_to = greatest(coalesce(opened_to, 0), opened.upto) \
                           from unnest($1::bigint[], $2::bigint[]) as opened (id, upto) where batch.id = opened.id";
        let mut upto: BTreeMap<i64, i64> = BTreeMap::new();
        let session = self.unbegun().await?;
        let held = holding(&session, calls.iter().map(|(fence, _)| fence)).await?;
        for (fence, to) in calls {
            if held.contains(fence) {
                let furthest = upto.entry(fence.batch.0).or_default();
                *furthest = (*furthest).max(i64::from(*to));
            }
        }
        if !upto.is_empty() {
            let (ids, upto): (Vec<i64>, Vec<i64>) = upto.into_iter().unzip();
            session.execute(SQL, &[&ids, &upto]).await?;
            session.commit().await?;
        }
        Ok(calls.iter().map(|(fence, _)| held.contains(fence)).collect())
    }

    /// The fences of an epoch.
    pub(super) async fn owned_by(&self, epoch: i64) -> Result<Vec<Fence>> {
        const SQL: &str = "select id, owner_epoch, claims from batch where state = 2 and owner_epoch = $1 order by id";
        self.session().await?.rows(SQL, &[&epoch]).await?.iter().map(fence).collect()
    }

    /// Gives batches back unharmed.
    pub(super) async fn give_back(&self, fences: &[Fence]) -> Result<()> {
        const SQL: &str = "update batch set state = 1, owner_epoch = null where id = any($1::bigint[])";
        let session = self.unbegun().await?;
        let held = holding(&session, fences.iter()).await?;
        let ids: Vec<i64> = held.iter().map(|fence| fence.batch.0).collect();
        session.execute(SQL, &[&ids]).await?;
        session.commit().await
    }
}

/// Begins a transaction and holds those of some fences that stand, in the order of their batches.
async fn holding(session: &Session, fences: impl Iterator<Item = &Fence>) -> Result<HashSet<Fence>> {
    const SQL: &str = "select id, owner_epoch, claims from batch where state = 2 and id = any($1::bigint[]) \
                       and (id, owner_epoch, claims) in \
                       (select * from unnest($1::bigint[], $2::bigint[], $3::bigint[])) order by id for update";
    let [sql] = session.prepared([SQL]).await?;
    let [ids, epochs, claims] = columns(fences);
    let (_, rows) = futures::try_join!(session.begin(), session.run(&sql, [&ids, &epochs, &claims]))?;
    rows.iter().map(fence).collect()
}

/// Fences as three columns.
pub(super) fn columns<'a>(fences: impl Iterator<Item = &'a Fence>) -> [Vec<i64>; 3] {
    let mut columns: [Vec<i64>; 3] = Default::default();
    for fence in fences {
        for (column, value) in columns.iter_mut().zip([fence.batch.0, fence.epoch, i64::from(fence.claims)]) {
            column.push(value);
        }
    }
    columns
}

/// A row that begins with id, epoch and claims of a batch.
pub(super) fn fence(row: &Row) -> Result<Fence> {
    Ok(Fence { batch: BatchId(get(row, 0)?), epoch: get(row, 1)?, claims: small(row, 2)? })
}

fn claimed(row: &Row, stored: &Stored, members: &Members, claim: &Claim) -> Result<Claimed> {
    let (lane, channel) = lane_and_channel(claim.lane.code(), get(row, 10)?)?;
    let opened_to: Option<i64> = get(row, 9)?;
    Ok(Claimed {
        fence: Fence { batch: BatchId(stored.id), epoch: claim.epoch, claims: small(row, 6)? },
        leg: stored.leg,
        channel,
        provider: claim.provider.clone(),
        principal: get(row, 7)?,
        lane,
        attempt: small(row, 8)?,
        members: match stored.short {
            true => Pending::One(stored.first),
            false => Pending::Many(members.pending(stored)?),
        },
        opened_to: opened_to.map(|_| small(row, 9)).transpose()?,
        short: stored.short,
    })
}

fn nothing_left(claimed: &Claimed) -> Settlement {
    Settlement {
        fence: claimed.fence,
        leg: claimed.leg,
        short: false,
        attempt: claimed.attempt,
        at: At::default(),
        settled: vec![],
        again: vec![],
        done: true,
    }
}
