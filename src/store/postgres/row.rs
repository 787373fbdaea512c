//! Messages as rows: writing many at once and reading them back.

use tokio_postgres::Row;

use super::encode::get;
use super::session::{Session, Value};
use crate::domain::access::Principal;
use crate::domain::id::MessageId;
use crate::store::encode::signed;
use crate::store::facts::{self, Columns, Texts};
use crate::store::release::accepted_state;
use crate::store::{Accept, Error, MessageRow, Result};

/// Stores messages and returns the ids of those whose idempotency key was new.
pub(super) const INSERT: &str = "insert into message (id, principal, state, mode, class, department_id, members_n, only_member, send_at, \
     expire_at, idem_key, idem_digest, reference, facts, content, counted) \
     select * from unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], \
     $7::bigint[], $8::bigint[], $9::bigint[], $10::bigint[], $11::text[], $12::bytea[], $13::text[], $14::text[], \
     $15::text[], $16::bigint[]) on conflict (principal, idem_key) do nothing returning id";

/// Messages to be stored, by column. Two groups that share keys wait for each other in the order of the keys, so
/// they must come sorted by principal and key.
#[derive(Default)]
pub(super) struct NewMessages<'a> {
    ids: Vec<i64>,
    principals: Vec<i64>,
    states: Vec<i64>,
    modes: Vec<i64>,
    classes: Vec<i64>,
    departments: Vec<i64>,
    members: Vec<i64>,
    only_members: Vec<Option<i64>>,
    send_at: Vec<i64>,
    expire_at: Vec<i64>,
    keys: Vec<&'a str>,
    digests: Vec<&'a [u8]>,
    references: Vec<Option<&'a str>>,
    facts: Vec<&'a str>,
    contents: Vec<&'a str>,
    counted: Vec<i64>,
}

impl<'a> NewMessages<'a> {
    /// One more.
    pub(super) fn push(&mut self, item: &'a Accept, texts: &'a Texts) {
        let facts = &item.facts;
        self.ids.push(facts.id.0);
        self.principals.push(facts.principal.code());
        self.states.push(accepted_state(item) as i64);
        self.modes.push(facts.mode as i64);
        self.classes.push(facts.class.code());
        self.departments.push(facts.department_id);
        self.members.push(signed(item.members.len()));
        self.only_members.push(facts::only_member(item).map(i64::from));
        self.send_at.push(facts.send_at.0);
        self.expire_at.push(facts.expire_at.0);
        self.keys.push(&item.idempotency_key);
        #[cfg(feature = "sabotage")]
        if crate::runtime::sabotage::chosen().forget_idempotency {
            self.keys.pop();
            self.keys.push(format!("{}, {:x}", item.idempotency_key, facts.id.0).leak());
        }
        self.digests.push(&item.digest);
        self.references.push(facts.reference.as_deref());
        self.facts.push(&texts.facts);
        self.contents.push(&texts.content);
        self.counted.push(i64::from(facts::counted(facts)));
    }

    /// The values of [`INSERT`].
    pub(super) fn values(&self) -> [Value<'_>; 16] {
        [
            &self.ids,
            &self.principals,
            &self.states,
            &self.modes,
            &self.classes,
            &self.departments,
            &self.members,
            &self.only_members,
            &self.send_at,
            &self.expire_at,
            &self.keys,
            &self.digests,
            &self.references,
            &self.facts,
            &self.contents,
            &self.counted,
        ]
    }
}

/// One message by its id.
pub(super) async fn by_id(session: &Session, id: MessageId) -> Result<Option<MessageRow>> {
    let sql = select(" where id = $1");
    session.maybe(&sql, &[&id.0]).await?.as_ref().map(read).transpose()
}

/// A scheduled message, held until the transaction ends so that nobody else releases or stops it.
pub(super) async fn scheduled(session: &Session, id: MessageId) -> Result<Option<MessageRow>> {
    let sql = select(" where id = $1 and state = 1 for update");
    session.maybe(&sql, &[&id.0]).await?.as_ref().map(read).transpose()
}

/// Any message, held until the transaction ends so that nobody else releases, decides or stops it.
pub(super) async fn locked(session: &Session, id: MessageId) -> Result<Option<MessageRow>> {
    let sql = select(" where id = $1 for update");
    session.maybe(&sql, &[&id.0]).await?.as_ref().map(read).transpose()
}

/// One message by its idempotency key, with the digest of its request.
pub(super) async fn by_key(
    session: &Session,
    principal: Principal,
    key: &str,
) -> Result<Option<(MessageRow, [u8; 32])>> {
    let found = session.maybe(&by_keys_sql(), &[&vec![principal.code()], &vec![key]]).await?;
    found.as_ref().map(read_keyed).transpose().map(|found| found.map(|(_, row, digest)| (row, digest)))
}

/// Finds the messages that are stored under some keys; each key belongs to the principal in the same place.
pub(super) fn by_keys_sql() -> String {
    format!(
        "select {}, idem_key, idem_digest from message join unnest($1::bigint[], $2::text[]) as wanted \
         (principal, idem_key) using (principal, idem_key)",
        facts::COLUMNS
    )
}

/// A row of [`by_keys_sql`]: the key, the message, the digest of its request.
pub(super) fn read_keyed(row: &Row) -> Result<(String, MessageRow, [u8; 32])> {
    let digest: &[u8] = get(row, 15)?;
    let digest = digest.try_into().map_err(|_| Error::Damaged("the digest of a request".into()))?;
    Ok((get(row, 14)?, read(row)?, digest))
}

/// A row with [`facts::COLUMNS`] as a message.
pub(super) fn read(row: &Row) -> Result<MessageRow> {
    let columns = Columns {
        id: get(row, 0)?,
        principal: get(row, 1)?,
        state: get(row, 2)?,
        mode: get(row, 3)?,
        class: get(row, 4)?,
        department_id: get(row, 5)?,
        members_n: get(row, 6)?,
        only_member: get(row, 7)?,
        send_at: get(row, 8)?,
        expire_at: get(row, 9)?,
        cancelled_at: get(row, 10)?,
        reference: get(row, 11)?,
        facts: get(row, 12)?,
        content: get(row, 13)?,
    };
    columns.decode()
}

fn select(rest: &str) -> String {
    format!("select {} from message{rest}", facts::COLUMNS)
}
