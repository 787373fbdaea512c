//! The publish commit: verify, store, release, for a group of publishes in one transaction of three flights.
//!
//! Locks are taken in one order by every group, each kind by its primary key: rights (shared: whoever revokes a
//! key or a grant waits for the publishes that saw it alive, and answers when there are none), usage, messages,
//! totals. So two groups wait for each other but never in a circle.

use std::collections::{BTreeSet, HashMap, HashSet};

use tokio_postgres::Row;

use super::Postgres;
use super::batch::{self, NewBatches};
use super::encode::get;
use super::made::{Made, Usage};
use super::row::{self, NewMessages};
use super::session::Session;
use crate::domain::id::LegId;
use crate::domain::leg::{self, LegState};
use crate::domain::time::At;
use crate::store::audit::published;
use crate::store::encode::{lane_and_channel, signed, unsigned};
use crate::store::facts::{self, Texts};
use crate::store::release::{Birth, NewBatch, Release, state_at};
use crate::store::rights::{self, Rights};
use crate::store::{Accept, Accepted, Encoded, Error, Gathering, LegPlan, MessageRow, Result};

/// Holds rights as they are. Not by their rows: whoever joins those that share a row does not queue behind one
/// who waits to change it, so under load a revocation would never have its turn.
const HOLD: &str = "select pg_advisory_xact_lock_shared(id) from unnest($1::bigint[]) as used (id)";
const KEYS: &str = "select id, version from api_key where id = any($1::bigint[]) and revoked_at is null";
const GRANTS: &str = "select id, version from access_grant where id = any($1::bigint[]) and revoked_at is null";
const HEAD: &str = "select value from head where name = 'change'";
const BEGIN_USAGE: &str = "insert into usage (grant_id, day, n) \
                           select grant_id, day, 0 from unnest($1::bigint[], $2::bigint[]) as used (grant_id, day) \
                           on conflict (grant_id, day) do nothing";
const USAGE: &str = "select grant_id, day, n from usage where (grant_id, day) in \
                     (select * from unnest($1::bigint[], $2::bigint[])) order by grant_id, day for update";
/// What is stored under an idempotency key, with the digest of its request.
type Known = HashMap<(i64, String), (MessageRow, [u8; 32])>;

/// What the first flight read.
struct Seen {
    rights: Rights,
    usage: Usage,
    /// Of the items with a quota.
    known: Known,
    /// For batches to be made.
    ids: std::vec::IntoIter<i64>,
}

impl Postgres {
    /// Stores a group of publishes; one answer each, in order.
    pub(super) async fn accept_all(&self, gathering: Gathering, epoch: i64) -> Result<Vec<Accepted>> {
        let session = self.unbegun().await?;
        let (group, texts) = Encoded::unzip(gathering());
        let mut releases: Vec<_> = group.iter().map(release_of).collect();
        let batches = releases.iter().map(|release| release.batches.len()).sum();
        let mut seen = see(&session, &group, batches).await?;
        let mut decided = decide(&group, &mut seen);
        store(&session, &group, &texts, &mut decided).await?;
        let mut made = Made::of(epoch);
        for place in decided.stored.iter().copied() {
            let item = &group[place];
            made.people(item.facts.id, &item.members);
            made.clauses(item.facts.id, &item.members, &item.clauses);
            made.review(item.facts.id, item.review.as_ref());
            made.relation(&item.facts);
            let release = std::mem::take(&mut releases[place]);
            let stored = made.release(&item.facts, release, &mut seen.ids)?;
            decided.answers[place] = Some(Accepted::Stored(stored));
        }
        if !decided.stored.is_empty() {
            made.used = decided.used(&group, &seen.usage);
            made.audit = published(decided.stored.iter().map(|place| &group[*place]), epoch);
            made.commit(session).await?;
        }
        decided.answers(&group)
    }
}

fn release_of(item: &Accept) -> Release<'_> {
    match item.is_released() {
        true => Release::new(&item.facts, &item.members, &item.plans, item.facts.created_at),
        false => Release::default(),
    }
}

/// Begins the transaction, locks rights and usage, reads how far the change feed is, what is known of items
/// with a quota, and takes ids: one flight.
async fn see(session: &Session, group: &[Accept], batches: usize) -> Result<Seen> {
    let (keys, grants, batches) = (rights::keys_of(group), rights::grants_of(group), signed(batches as u64));
    let mut rights = [&keys[..], &grants].concat();
    rights.sort_unstable();
    let limited: Vec<&Accept> = group.iter().filter(|item| item.quota.is_some()).collect();
    let days: BTreeSet<(i64, i64)> =
        limited.iter().filter_map(|item| item.quota).map(|(grant, day, _)| (grant.0, day)).collect();
    let (used_grants, days): (Vec<i64>, Vec<i64>) = days.into_iter().unzip();
    let is_limited = !limited.is_empty();
    let principals: Vec<i64> = limited.iter().map(|item| item.facts.principal.code()).collect();
    let idem_keys: Vec<&str> = limited.iter().map(|item| &*item.idempotency_key).collect();
    let by_keys = row::by_keys_sql();
    let [hold, read_keys, read_grants, head, begin_usage, usage, known, ids] =
        session.prepared([HOLD, KEYS, GRANTS, HEAD, BEGIN_USAGE, USAGE, &by_keys, batch::IDS]).await?;
    let (_, _, keys, grants, head, _, usage, known, ids) = futures::try_join!(
        session.begin(),
        session.run(&hold, [&rights]),
        session.run(&read_keys, [&keys]),
        session.run(&read_grants, [&grants]),
        session.run(&head, []),
        session.run_if(is_limited, &begin_usage, [&used_grants, &days]),
        session.run_if(is_limited, &usage, [&used_grants, &days]),
        // After the lock on usage: a group that stored the same key under the same grant has committed by now.
        session.run_if(is_limited, &known, [&principals, &idem_keys]),
        session.run_if(batches > 0, &ids, [&batches]),
    )?;
    let head = head.first().ok_or_else(|| Error::Damaged("the head table".into()))?;
    let mut used = Usage::new();
    for row in &usage {
        used.insert((get(row, 0)?, get(row, 1)?), unsigned(get(row, 2)?));
    }
    Ok(Seen {
        rights: Rights { head: get(head, 0)?, keys: versions(&keys)?, grants: versions(&grants)? },
        usage: used,
        known: known_of(&known)?,
        ids: ids.iter().map(|row| get(row, 0)).collect::<Result<Vec<i64>>>()?.into_iter(),
    })
}

fn versions(rows: &[Row]) -> Result<HashMap<i64, i64>> {
    rows.iter().map(|row| Ok((get(row, 0)?, get(row, 1)?))).collect()
}

fn known_of(rows: &[Row]) -> Result<Known> {
    rows.iter()
        .map(|row| {
            let (key, message, digest) = row::read_keyed(row)?;
            Ok(((message.facts.principal.code(), key), (message, digest)))
        })
        .collect()
}

/// What became of each item so far.
struct Decided {
    answers: Vec<Option<Accepted>>,
    /// Items that nothing speaks against: first the candidates, then those that were stored, ascending.
    stored: Vec<usize>,
    /// Items that repeat the key of an earlier candidate.
    repeats: Vec<(usize, usize)>,
    /// What is known under the keys of candidates that were not stored.
    known: Known,
}

fn key_of(item: &Accept) -> (i64, String) {
    (item.facts.principal.code(), item.idempotency_key.clone())
}

fn decide(group: &[Accept], seen: &mut Seen) -> Decided {
    let answers = group.iter().map(|_| None).collect();
    let mut decided = Decided { answers, stored: Vec::new(), repeats: Vec::new(), known: HashMap::new() };
    let mut first: HashMap<(i64, &str), usize> = HashMap::with_capacity(group.len());
    let mut usage = seen.usage.clone();
    for (place, item) in group.iter().enumerate() {
        let answer = &mut decided.answers[place];
        *answer = seen.rights.objection(item);
        if answer.is_some() {
            continue;
        }
        if let Some((row, digest)) = seen.known.get(&key_of(item)) {
            *answer = Some(duplicate(row, digest, item));
            continue;
        }
        let key = (item.facts.principal.code(), &*item.idempotency_key);
        if let Some(first) = first.get(&key) {
            decided.repeats.push((place, *first));
            continue;
        }
        if let Some((grant, day, limit)) = item.quota {
            let used = usage.entry((grant.0, day)).or_default();
            if *used + item.members.len() > limit {
                *answer = Some(Accepted::QuotaExhausted { used: *used });
                continue;
            }
            *used += item.members.len();
        }
        first.insert(key, place);
        decided.stored.push(place);
    }
    decided
}

/// Stores the candidates, sorted by key, and finds out which keys somebody else has used meanwhile.
async fn store(session: &Session, group: &[Accept], texts: &[Texts], decided: &mut Decided) -> Result<()> {
    if decided.stored.is_empty() {
        return Ok(());
    }
    let mut sorted: Vec<_> = decided.stored.iter().map(|place| (&group[*place], &texts[*place])).collect();
    sorted.sort_unstable_by_key(|(item, _)| (item.facts.principal.code(), &*item.idempotency_key));
    let mut new = NewMessages::default();
    for (item, texts) in sorted {
        new.push(item, texts);
    }
    let rows = session.rows(row::INSERT, &new.values()).await?;
    let ids = rows.iter().map(|row| get(row, 0)).collect::<Result<HashSet<i64>>>()?;
    let (stored, known): (Vec<usize>, Vec<usize>) =
        decided.stored.iter().partition(|place| ids.contains(&group[**place].facts.id.0));
    decided.stored = stored;
    if !known.is_empty() {
        let principals: Vec<i64> = known.iter().map(|place| group[*place].facts.principal.code()).collect();
        let keys: Vec<&str> = known.iter().map(|place| &*group[*place].idempotency_key).collect();
        decided.known = known_of(&session.rows(&row::by_keys_sql(), &[&principals, &keys]).await?)?;
    }
    for place in known {
        let (row, digest) = decided.known.get(&key_of(&group[place])).ok_or_else(without_message)?;
        decided.answers[place] = Some(duplicate(row, digest, &group[place]));
    }
    Ok(())
}

fn duplicate(row: &MessageRow, digest: &[u8; 32], item: &Accept) -> Accepted {
    Accepted::Duplicate { message: Box::new(row.clone()), same: *digest == item.digest }
}

fn without_message() -> Error {
    Error::Damaged("an idempotency key without a message".into())
}

impl Decided {
    /// The new usage of what was stored.
    fn used(&self, group: &[Accept], before: &Usage) -> Usage {
        let mut used = Usage::new();
        for item in self.stored.iter().map(|place| &group[*place]) {
            if let Some((grant, day, _)) = item.quota {
                let key = (grant.0, day);
                let start = before.get(&key).copied().unwrap_or_default();
                *used.entry(key).or_insert(start) += item.members.len();
            }
        }
        used
    }

    /// The answers, those to repeated keys too.
    fn answers(mut self, group: &[Accept]) -> Result<Vec<Accepted>> {
        for (place, first) in std::mem::take(&mut self.repeats) {
            let answer = match self.known.get(&key_of(&group[place])) {
                Some((row, digest)) => duplicate(row, digest, &group[place]),
                None => duplicate(&facts::row_of(&group[first]), &group[first].digest, &group[place]),
            };
            self.answers[place] = Some(answer);
        }
        self.answers.into_iter().map(|answer| answer.ok_or_else(without_message)).collect()
    }
}

impl Postgres {
    /// Makes more batches of a leg. Returns whether more are to be made.
    pub(super) async fn cut_more(&self, leg: LegId, batches_max: usize, at: At) -> Result<bool> {
        const LEG: &str = "select leg.channel, leg.provider_id, leg.lane, leg.batch_size, leg.cut_to, \
                           message.principal from leg join message on message.id = $2 \
                           where leg.id = $1 and leg.state = 2 for update of leg";
        const CUT_TO: &str = "update leg set cut_to = $2, state = $3 where id = $1";
        let session = self.transaction().await?;
        let Some(row) = session.maybe(LEG, &[&leg.0, &leg.message().0]).await? else { return Ok(false) };
        let (lane, channel) = lane_and_channel(get(&row, 2)?, get(&row, 0)?)?;
        let size = unsigned(get(&row, 3)?).max(1);
        let provider = get::<&str>(&row, 1)?.into();
        let plan = LegPlan { channel, provider, lane, batch_size: size, claim_max: 0 };
        let members = batch::snapshot(&session, leg.message()).await?;
        let (slices, next) = leg::cut(&members, unsigned(get(&row, 4)?), size, batches_max);
        let mut batches = NewBatches::of(0);
        let principal = get(&row, 5)?;
        for slice in slices {
            let new = NewBatch { leg, plan: &plan, principal, at, slice, short: false, birth: Birth::Waiting };
            batches.push(&new, None);
        }
        let state = state_at(next);
        session.execute(batch::INSERT, &batches.values()).await?;
        session.execute(CUT_TO, &[&leg.0, &signed(next), &(state as i64)]).await?;
        session.commit().await?;
        Ok(state == LegState::Cutting)
    }
}
