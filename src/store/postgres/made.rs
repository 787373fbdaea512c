//! What releases make, by table: written and committed in one flight.

use std::collections::BTreeMap;
use std::vec::IntoIter;

use tokio_postgres::types::ToSql;

use super::audit;
use super::batch::{self, NewBatches};
use super::leg::{self, NewLegs, NewSettlements};
use super::review::{self, NewReviews};
use super::session::Session;
use super::tally;
use crate::domain::audit::Entry;
use crate::domain::id::{BatchId, MessageId};
use crate::domain::message::{MessageFacts, MessageState, PERSONAL_MAX};
use crate::domain::review::Opening;
use crate::domain::set;
use crate::store::books::{Books, Tally};
use crate::store::clause::{self, ClauseMembers};
use crate::store::encode::signed;
use crate::store::release::Release;
use crate::store::{Error, Members, Result, Stored};

const PERSONAL: &str = "insert into personal (ordinal, message_id) select * from unnest($1::bigint[], $2::bigint[])";
const SEGMENTS: &str = "insert into audience_segment (message_id, segment, members) \
                        select * from unnest($1::bigint[], $2::bigint[], $3::bytea[])";
const CLAUSES: &str = "insert into audience_clause (message_id, clause, segment, members) \
                       select * from unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bytea[])";
const RELATIONS: &str = "insert into relation (other_id, message_id, kind) \
                         select * from unnest($1::bigint[], $2::bigint[], $3::bigint[])";
const USE_UP: &str = "update usage set n = used.n from unnest($1::bigint[], $2::bigint[], $3::bigint[]) \
                      as used (grant_id, day, n) where usage.grant_id = used.grant_id and usage.day = used.day";
const STATE: &str = "update message set state = $2 where id = $1";

/// People reached by grants on days.
pub(super) type Usage = BTreeMap<(i64, i64), u64>;

/// Rows of clauses, column by column.
#[derive(Default)]
struct Clauses {
    messages: Vec<i64>,
    clauses: Vec<i64>,
    segments: Vec<i64>,
    members: Vec<Option<Vec<u8>>>,
}

/// Rows to be written.
#[derive(Default)]
pub(super) struct Made<'a> {
    reviews: NewReviews,
    people: (Vec<i64>, Vec<i64>),
    segments: (Vec<i64>, Vec<i64>, Vec<Vec<u8>>),
    clauses: Clauses,
    relations: (Vec<i64>, Vec<i64>, Vec<i64>),
    legs: NewLegs<'a>,
    settlements: NewSettlements<'a>,
    batches: NewBatches<'a>,
    tally: Tally,
    /// Of a publish commit.
    pub(super) audit: Option<Entry>,
    /// What grants have used by now.
    pub(super) used: Usage,
    /// The new state of a message that was there before.
    pub(super) state: Option<(MessageId, MessageState)>,
}

impl Clauses {
    fn values(&self) -> [&(dyn ToSql + Sync); 4] {
        [&self.messages, &self.clauses, &self.segments, &self.members]
    }
}

impl<'a> Made<'a> {
    /// Nothing yet; batches that are held from birth will belong to `epoch`.
    pub(super) fn of(epoch: i64) -> Made<'a> {
        Made { batches: NewBatches::of(epoch), ..Made::default() }
    }

    /// Whom a message is for.
    pub(super) fn people(&mut self, id: MessageId, members: &Members) {
        let mut personal = |ordinal: u32| {
            self.people.0.push(i64::from(ordinal));
            self.people.1.push(id.0);
        };
        let set = match members {
            Members::One(ordinal) => return personal(*ordinal),
            Members::Many(set) => set,
        };
        if set.len() <= PERSONAL_MAX {
            set.iter().for_each(personal);
        }
        for (segment, part) in set::segments(set) {
            self.segments.0.push(id.0);
            self.segments.1.push(i64::from(segment));
            self.segments.2.push(set::to_bytes(&part));
        }
    }

    /// Which of them were in which clause.
    pub(super) fn clauses(&mut self, id: MessageId, members: &Members, clauses: &[ClauseMembers]) {
        for row in clause::rows(members, clauses) {
            self.clauses.messages.push(id.0);
            self.clauses.clauses.push(row.clause);
            self.clauses.segments.push(row.segment);
            self.clauses.members.push(row.members);
        }
    }

    /// The review that opens with a message, if one does.
    pub(super) fn review(&mut self, id: MessageId, opening: Option<&Opening>) {
        if let Some(opening) = opening {
            self.reviews.push(id, opening);
        }
    }

    /// To which message it refers.
    pub(super) fn relation(&mut self, facts: &MessageFacts) {
        if let Some(relation) = facts.relation {
            self.relations.0.push(relation.message.0);
            self.relations.1.push(facts.id.0);
            self.relations.2.push(relation.kind as i64);
        }
    }

    /// The rows of a release; its batches take the next ids.
    pub(super) fn release(
        &mut self,
        facts: &MessageFacts,
        release: Release<'a>,
        ids: &mut IntoIter<i64>,
    ) -> Result<Stored> {
        for (channel, outcome, n) in release.over {
            self.tally.roll_up(Books::of(facts), channel.code(), outcome, n);
        }
        for new in &release.legs {
            self.legs.push(new, &mut self.settlements);
        }
        let mut stored = Stored { claimed: Vec::new(), more: release.more };
        for new in release.batches {
            let id = ids.next().ok_or_else(|| Error::Damaged("the ids of batches".into()))?;
            self.batches.push(&new, Some(id));
            stored.claimed.extend(new.claimed(BatchId(id), self.batches.epoch()));
        }
        Ok(stored)
    }

    /// Writes everything and commits, in one flight.
    pub(super) async fn commit(self, session: Session) -> Result<()> {
        let (grants_and_days, used): (Vec<_>, Vec<i64>) = self.used.iter().map(|(key, n)| (*key, signed(*n))).unzip();
        let (grants, days): (Vec<i64>, Vec<i64>) = grants_and_days.into_iter().unzip();
        let state = self.state.map(|(id, state)| (id.0, state as i64));
        let totals = tally::rolled_up(&self.tally);
        let deed = self.audit.as_ref().map(audit::Values::of).unwrap_or_default();
        let Made { reviews, people, segments, clauses, relations, legs, settlements, batches, tally, .. } = &self;
        let [personal, audience, why, ask, relate, make_legs, settle, make_batches, use_up, set_state, roll_up, note] =
            session
                .prepared([
                    PERSONAL,
                    SEGMENTS,
                    CLAUSES,
                    review::OPEN,
                    RELATIONS,
                    leg::INSERT,
                    leg::SETTLE,
                    batch::INSERT,
                    USE_UP,
                    STATE,
                    tally::ROLL_UP,
                    audit::APPEND,
                ])
                .await?;
        let (id, state_code) = state.unwrap_or_default();
        futures::try_join!(
            session.run_if(!people.0.is_empty(), &personal, [&people.0, &people.1]),
            session.run_if(!segments.0.is_empty(), &audience, [&segments.0, &segments.1, &segments.2]),
            session.run_if(!clauses.messages.is_empty(), &why, clauses.values()),
            session.run_if(!reviews.is_empty(), &ask, reviews.values()),
            session.run_if(!relations.0.is_empty(), &relate, [&relations.0, &relations.1, &relations.2]),
            session.run_if(!legs.is_empty(), &make_legs, legs.values()),
            session.run_if(!settlements.is_empty(), &settle, settlements.values()),
            session.run_if(!batches.is_empty(), &make_batches, batches.values()),
            session.run_if(!grants.is_empty(), &use_up, [&grants, &days, &used]),
            session.run_if(state.is_some(), &set_state, [&id, &state_code]),
            session.run_if(!tally.rollup.is_empty(), &roll_up, tally::values(&totals)),
            session.run_if(self.audit.is_some(), &note, deed.all()),
            session.batch("commit"),
        )?;
        session.committed();
        Ok(())
    }
}
