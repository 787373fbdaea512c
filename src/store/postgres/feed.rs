//! The change feed: appended to in the transaction of the change itself, under the lock of its head, so that
//! the order of numbers is the order of commits.

use std::collections::HashMap;

use tokio_postgres::Row;

use super::encode::{get, known, set_in, small};
use super::session::{Session, Values};
use super::{department, tag, user};
use crate::domain::change::{Change, ChangeCode, ChangeKind};
use crate::domain::id::{ApplicationId, GrantId, KeyId, MessageId};
use crate::domain::set::{self, Set};
use crate::domain::time::At;
use crate::store::{Error, Result};

/// The changes of one transaction, in order. Nobody else appends until its end.
pub(super) struct Feed {
    seq: i64,
    seqs: Vec<i64>,
    codes: Vec<i64>,
    objects: Vec<i64>,
    segments: Vec<Option<i64>>,
    added: Vec<Option<Vec<u8>>>,
    removed: Vec<Option<Vec<u8>>>,
}

impl Feed {
    /// Waits until no other transaction appends. First in every transaction that reads what it will change:
    /// what it reads afterwards stays so.
    pub(super) async fn lock(session: &Session) -> Result<Feed> {
        const SQL: &str = "select value from head where name = 'change' for update";
        let seq = get(&session.one(SQL, &[]).await?, 0)?;
        let (seqs, codes, objects, segments) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        Ok(Feed { seq, seqs, codes, objects, segments, added: Vec::new(), removed: Vec::new() })
    }

    /// The number of the last change.
    pub(super) fn seq(&self) -> i64 {
        self.seq
    }

    /// An object changed. Its state is read from its own table when the feed is read.
    pub(super) fn append(&mut self, code: ChangeCode, object_id: i64) {
        self.push(code, object_id, None, None, None);
    }

    /// A new object whose number is that of its change, so that none is ever used twice.
    pub(super) fn append_new(&mut self, code: ChangeCode) -> i64 {
        let id = self.seq + 1;
        self.append(code, id);
        id
    }

    /// There are new or erased users.
    pub(super) fn append_users(&mut self, users: &Set) {
        self.push(ChangeCode::Users, 0, None, Some(users), None);
    }

    /// The tokens of some people ended.
    pub(super) fn append_ended(&mut self, people: &Set) {
        self.push(ChangeCode::TokensEnded, 0, None, Some(people), None);
    }

    /// Users have other further ids.
    pub(super) fn append_aliases(&mut self, users: &Set) {
        self.push(ChangeCode::Aliases, 0, None, Some(users), None);
    }

    /// Some came into one segment of a tag and some left it.
    pub(super) fn append_members(&mut self, (tag_id, segment): (i64, u32), added: &Set, removed: &Set) {
        self.push(ChangeCode::Members, tag_id, Some(segment), Some(added), Some(removed));
    }

    fn push(
        &mut self,
        code: ChangeCode,
        object_id: i64,
        segment: Option<u32>,
        added: Option<&Set>,
        removed: Option<&Set>,
    ) {
        self.seq += 1;
        self.seqs.push(self.seq);
        self.codes.push(code as i64);
        self.objects.push(object_id);
        self.segments.push(segment.map(i64::from));
        self.added.push(added.map(set::to_bytes));
        self.removed.push(removed.map(set::to_bytes));
    }

    /// Writes the changes and returns the number of the last one.
    pub(super) async fn write(self, session: &Session, at: At) -> Result<i64> {
        const ROWS: &str = "insert into change (seq, at, kind, object_id, segment, added, removed) \
                            select seq, $2, kind, object_id, segment, added, removed from unnest($1::bigint[], \
                            $3::bigint[], $4::bigint[], $5::bigint[], $6::bytea[], $7::bytea[]) \
                            as new (seq, kind, object_id, segment, added, removed)";
        const HEAD: &str = "update head set value = $1 where name = 'change'";
        if self.seqs.is_empty() {
            return Ok(self.seq);
        }
        let Feed { seq, seqs, codes, objects, segments, added, removed } = self;
        let head: &Values<'_> = &[&seq];
        let rows: &Values<'_> = &[&seqs, &at.0, &codes, &objects, &segments, &added, &removed];
        futures::try_join!(session.execute(HEAD, head), session.execute(ROWS, rows))?;
        Ok(seq)
    }
}

/// Appends one change at the end of a transaction and returns its number.
pub(super) async fn append(session: &Session, at: At, code: ChangeCode, object_id: i64) -> Result<i64> {
    let mut feed = Feed::lock(session).await?;
    feed.append(code, object_id);
    feed.write(session, at).await
}

/// At most `limit` changes after `seq`, ascending.
pub(super) async fn changes_after(session: &Session, seq: i64, limit: usize) -> Result<Vec<Change>> {
    const SQL: &str = "select seq, at, kind, object_id, segment, added, removed from change \
                       where seq > $1 order by seq limit $2";
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let rows = session.rows(SQL, &[&seq, &limit]).await?;
    let objects = Objects::of(session, &rows).await?;
    let change = |row: &Row| Ok(Change { seq: get(row, 0)?, at: At(get(row, 1)?), what: objects.what(row)? });
    rows.iter().map(change).collect()
}

/// What the changes of a page are about, as it is now.
struct Objects {
    tags: HashMap<i64, crate::domain::directory::Tag>,
    departments: HashMap<i64, crate::domain::directory::Department>,
    /// External ids by ordinal, empty of erased users, with token epochs.
    users: HashMap<i64, (String, i64)>,
    /// Further ids by ordinal.
    aliases: HashMap<u32, Vec<String>>,
}

impl Objects {
    async fn of(session: &Session, rows: &[Row]) -> Result<Objects> {
        const USERS: &str =
            "select ordinal, coalesce(external_id, ''), token_epoch from \"user\" where ordinal = any($1)";
        let (mut tags, mut departments) = (Vec::new(), Vec::new());
        let (mut users, mut renamed) = (Set::new(), Set::new());
        for row in rows {
            let id: i64 = get(row, 3)?;
            match ChangeCode::from_code(get(row, 2)?) {
                Some(ChangeCode::Tag) => tags.push(id),
                Some(ChangeCode::Department) => departments.push(id),
                Some(ChangeCode::Users | ChangeCode::TokensEnded) => users |= set_in(row, 5)?,
                Some(ChangeCode::Aliases) => renamed |= set_in(row, 5)?,
                _ => {}
            }
        }
        let mut known = HashMap::with_capacity(usize::try_from(users.len()).unwrap_or(0));
        if !users.is_empty() {
            let ordinals: Vec<i64> = users.iter().map(i64::from).collect();
            for row in session.rows(USERS, &[&ordinals]).await? {
                known.insert(get(&row, 0)?, (get(&row, 1)?, get(&row, 2)?));
            }
        }
        Ok(Objects {
            tags: tag::by_ids(session, &tags).await?.into_iter().map(|tag| (tag.id, tag)).collect(),
            departments: department::by_ids(session, &departments)
                .await?
                .into_iter()
                .map(|one| (one.id, one))
                .collect(),
            users: known,
            aliases: user::aliases(session, &renamed).await?,
        })
    }

    fn what(&self, row: &Row) -> Result<ChangeKind> {
        let code = known(ChangeCode::from_code(get(row, 2)?), "change")?;
        let id: i64 = get(row, 3)?;
        let user = |ordinal| self.users.get(&i64::from(ordinal)).cloned().unwrap_or_default();
        Ok(match code {
            ChangeCode::Members => ChangeKind::Members {
                tag_id: id,
                segment: small(row, 4)?,
                added: set_in(row, 5)?,
                removed: set_in(row, 6)?,
            },
            // Numbers of tags are never used twice: a tag that is gone by now was deleted by a later change.
            ChangeCode::Tag => match self.tags.get(&id) {
                Some(tag) => ChangeKind::Tag(tag.clone()),
                None => ChangeKind::TagDeleted { tag_id: id },
            },
            ChangeCode::TagDeleted => ChangeKind::TagDeleted { tag_id: id },
            // Nor are keys of departments.
            ChangeCode::Department => match self.departments.get(&id) {
                Some(department) => ChangeKind::Department(department.clone()),
                None => ChangeKind::DepartmentDeleted { id },
            },
            ChangeCode::DepartmentDeleted => ChangeKind::DepartmentDeleted { id },
            ChangeCode::Users => {
                ChangeKind::Users(set_in(row, 5)?.iter().map(|ordinal| (ordinal, user(ordinal).0)).collect())
            }
            ChangeCode::TokensEnded => {
                ChangeKind::TokensEnded(set_in(row, 5)?.iter().map(|ordinal| (ordinal, user(ordinal).1)).collect())
            }
            ChangeCode::Aliases => {
                let aliases = |ordinal| (ordinal, self.aliases.get(&ordinal).cloned().unwrap_or_default());
                ChangeKind::Aliases(set_in(row, 5)?.iter().map(aliases).collect())
            }
            ChangeCode::Key => ChangeKind::Key { id: KeyId(id) },
            ChangeCode::Grant => ChangeKind::Grant { id: GrantId(id) },
            ChangeCode::Topic => ChangeKind::Topic { id },
            ChangeCode::Application => ChangeKind::Application { id: ApplicationId(id) },
            ChangeCode::Cancel => ChangeKind::Cancel { id: MessageId(id) },
            ChangeCode::Role => ChangeKind::Role {
                ordinal: u32::try_from(id).map_err(|_| Error::Damaged("a role of the feed".into()))?,
            },
        })
    }
}
