//! The bulk write of users: what is kept is read at once, the plan made, new rows copied in.

use std::collections::{HashMap, HashSet};

use tokio_postgres::types::{ToSql, Type};

use super::encode::{get, known, small};
use super::feed::Feed;
use super::session::{Session, Values};
use super::{leaving, member, tag, user};
use crate::domain::change::ChangeCode;
use crate::domain::directory::{UserDraft, UserKind, UserStatus};
use crate::domain::time::At;
use crate::store::users::{self, Entry, Kept, Known, Names, Plan, Write};
use crate::store::{Error, Result, UsersWritten};

/// Writes the rows in one transaction. A refused row is left out, the others are written.
pub(super) async fn users(session: &Session, rows: Vec<UserDraft>, at: At) -> Result<UsersWritten> {
    let feed = Feed::lock(session).await?;
    let plan = plan(session, rows, None, &HashSet::new(), feed.seq()).await?;
    write(session, feed, plan, at).await
}

/// What the rows would change, in the name of a source or of none, once the departments `coming` were there; the last
/// change has the number `seq`.
pub(super) async fn plan(
    session: &Session,
    rows: Vec<UserDraft>,
    source_id: Option<i64>,
    coming: &HashSet<String>,
    seq: i64,
) -> Result<Plan> {
    let names = Names::of(&rows);
    let mut known = look_up(session, &names, seq).await?;
    known.expect(coming, &names.departments);
    users::plan(rows, known, source_id)
}

/// Writes a plan in the transaction in which it was made.
pub(super) async fn write(session: &Session, mut feed: Feed, plan: Plan, at: At) -> Result<UsersWritten> {
    let Plan { mut written, tags, users, created, renamed, leaving, ordinal, members } = plan;
    for planned in &tags {
        if feed.append_new(ChangeCode::Tag) != planned.id {
            return Err(Error::Damaged("the order of changes".into()));
        }
    }
    tag::insert(session, &tags).await?;
    let (new, changed): (Vec<&Write>, Vec<&Write>) = users.iter().partition(|write| write.kept.is_none());
    insert(session, &new).await?;
    update(session, &changed).await?;
    write_aliases(session, &users).await?;
    write_addresses(session, &users, at).await?;
    write_tags(session, &users).await?;
    if !created.is_empty() {
        session.execute("update head set value = $1 where name = 'ordinal'", &[&ordinal]).await?;
        feed.append_users(&created);
    }
    if !renamed.is_empty() {
        feed.append_aliases(&renamed);
    }
    member::write(session, &mut feed, members).await?;
    written.ended = leaving::end(session, &mut feed, &leaving, at).await?;
    written.seq = feed.write(session, at).await?;
    Ok(written)
}

async fn look_up(session: &Session, names: &Names, seq: i64) -> Result<Known> {
    const ORDINAL: &str = "select value from head where name = 'ordinal'";
    const DEPARTMENTS: &str = "select department.external_id, department.id, tag.id from department \
                               join tag on tag.kind = 3 and tag.name = department.external_id \
                               where department.external_id = any($1)";
    let in_names: &Values<'_> = &[&names.departments];
    let (ordinal, departments, tags, implied, (ids, users)) = futures::try_join!(
        session.one(ORDINAL, &[]),
        session.rows(DEPARTMENTS, in_names),
        tag::named(session, &names.tags),
        tag::implied(session),
        kept(session, &names.users),
    )?;
    let mut found = Known { ids, users, seq, ordinal: get(&ordinal, 0)?, ..Known::default() };
    for row in &departments {
        found.departments.insert(get(row, 0)?, (get(row, 1)?, get(row, 2)?));
    }
    found.tags = tags.into_iter().map(|tag| (tag.name, (tag.kind, tag.id))).collect();
    found.implied = implied.into_iter().map(|tag| ((tag.kind, tag.name), tag.id)).collect();
    Ok(found)
}

/// Whose ids these are, and what is kept of those users.
async fn kept(session: &Session, ids: &[String]) -> Result<(HashMap<String, u32>, HashMap<u32, Kept>)> {
    const IDS: &str = "select external_id, ordinal from \"user\" where external_id = any($1) \
                       union all select external_id, ordinal from alias where external_id = any($1)";
    const USERS: &str = "select external_id, ordinal, kind, name, status, locale, primary_department_id, version, \
                         source_id from \"user\" where ordinal = any($1)";
    const ALIASES: &str = "select ordinal, external_id from alias where ordinal = any($1) order by external_id";
    const ADDRESSES: &str = "select ordinal, channel, value, state, verified_at from address where ordinal = any($1)";
    const TAGS: &str = "select ordinal, tag_id from membership where ordinal = any($1)";
    let (mut owners, mut users) = (HashMap::new(), HashMap::new());
    for row in session.rows(IDS, &[&ids]).await? {
        owners.insert(get::<String>(&row, 0)?, small(&row, 1)?);
    }
    if owners.is_empty() {
        return Ok((owners, users));
    }
    let ordinals: Vec<i64> = owners.values().copied().map(i64::from).collect();
    let values: &Values<'_> = &[&ordinals];
    let (rows, aliases, addresses, tags) = futures::try_join!(
        session.rows(USERS, values),
        session.rows(ALIASES, values),
        session.rows(ADDRESSES, values),
        session.rows(TAGS, values),
    )?;
    for row in &rows {
        let entry = Entry {
            kind: known(UserKind::from_code(get(row, 2)?), "kind of user")?,
            name: get(row, 3)?,
            status: known(UserStatus::from_code(get(row, 4)?), "status")?,
            locale: get(row, 5)?,
            alias_ids: Vec::new(),
            primary_id: get(row, 6)?,
            source_id: get(row, 8)?,
            addresses: Vec::new(),
            tag_ids: Vec::new(),
        };
        users.insert(small(row, 1)?, Kept { external_id: get(row, 0)?, version: get(row, 7)?, entry });
    }
    for row in &aliases {
        if let Some(kept) = users.get_mut(&small(row, 0)?) {
            kept.entry.alias_ids.push(get(row, 1)?);
        }
    }
    for row in &addresses {
        if let Some(kept) = users.get_mut(&small(row, 0)?) {
            kept.entry.addresses.push(user::address(row, 1)?);
        }
    }
    for row in &tags {
        if let Some(kept) = users.get_mut(&small(row, 0)?) {
            kept.entry.tag_ids.push(get(row, 1)?);
        }
    }
    for kept in users.values_mut() {
        users::sort(&mut kept.entry.addresses);
        kept.entry.tag_ids.sort_unstable();
    }
    Ok((owners, users))
}

/// A user's columns as numbers.
struct Codes {
    ordinal: i64,
    kind: i64,
    status: i64,
}

impl Codes {
    fn of(write: &Write) -> Codes {
        let Entry { kind, status, .. } = write.wanted;
        Codes { ordinal: i64::from(write.ordinal), kind: kind as i64, status: status as i64 }
    }
}

async fn insert(session: &Session, users: &[&Write]) -> Result<()> {
    const SQL: &str = "copy \"user\" (ordinal, external_id, kind, name, status, locale, primary_department_id, \
                       source_id, version) from stdin binary";
    const TYPES: [Type; 9] =
        [Type::INT8, Type::TEXT, Type::INT8, Type::TEXT, Type::INT8, Type::TEXT, Type::INT8, Type::INT8, Type::INT8];
    let codes: Vec<Codes> = users.iter().map(|write| Codes::of(write)).collect();
    let mut rows: Vec<Vec<&(dyn ToSql + Sync)>> = Vec::with_capacity(users.len());
    for (write, codes) in users.iter().zip(&codes) {
        let Entry { name, locale, primary_id, source_id, .. } = &write.wanted;
        rows.push(vec![
            &codes.ordinal,
            &write.external_id,
            &codes.kind,
            name,
            &codes.status,
            locale,
            primary_id,
            source_id,
            &1_i64,
        ]);
    }
    session.copy(SQL, &TYPES, &rows).await
}

async fn update(session: &Session, users: &[&Write]) -> Result<()> {
    const SQL: &str = "update \"user\" u set kind = new.kind, name = new.name, status = new.status, \
                       locale = new.locale, primary_department_id = new.primary_id, source_id = new.source_id, \
                       version = version + 1 from unnest($1::bigint[], $2::bigint[], $3::text[], $4::bigint[], \
                       $5::text[], $6::bigint[], $7::bigint[]) \
                       as new (ordinal, kind, name, status, locale, primary_id, source_id) where u.ordinal = new.ordinal";
    if users.is_empty() {
        return Ok(());
    }
    let codes: Vec<Codes> = users.iter().map(|write| Codes::of(write)).collect();
    let ordinals: Vec<i64> = codes.iter().map(|codes| codes.ordinal).collect();
    let kinds: Vec<i64> = codes.iter().map(|codes| codes.kind).collect();
    let statuses: Vec<i64> = codes.iter().map(|codes| codes.status).collect();
    let names: Vec<&str> = users.iter().map(|write| write.wanted.name.as_str()).collect();
    let locales: Vec<&str> = users.iter().map(|write| write.wanted.locale.as_str()).collect();
    let primaries: Vec<Option<i64>> = users.iter().map(|write| write.wanted.primary_id).collect();
    let sources: Vec<Option<i64>> = users.iter().map(|write| write.wanted.source_id).collect();
    session.execute(SQL, &[&ordinals, &kinds, &names, &statuses, &locales, &primaries, &sources]).await.map(|_| ())
}

async fn write_addresses(session: &Session, users: &[Write], at: At) -> Result<()> {
    const COPY: &str = "copy address (ordinal, channel, value, state, verified_at, changed_at) from stdin binary";
    const DELETE: &str = "delete from address using unnest($1::bigint[], $2::bigint[], $3::text[]) \
                          as gone (ordinal, channel, value) where address.ordinal = gone.ordinal \
                          and address.channel = gone.channel and address.value = gone.value";
    let (mut ordinals, mut channels, mut values) = (Vec::new(), Vec::new(), Vec::new());
    let mut new = Vec::new();
    for write in users {
        let ordinal = i64::from(write.ordinal);
        for gone in write.gone_addresses() {
            ordinals.push(ordinal);
            channels.push(gone.channel.code());
            values.push(gone.value.as_str());
        }
        new.extend(
            write
                .new_addresses()
                .map(|one| (ordinal, one.channel.code(), &one.value, one.state as i64, one.verified_at.map(|at| at.0))),
        );
    }
    if !ordinals.is_empty() {
        session.execute(DELETE, &[&ordinals, &channels, &values]).await?;
    }
    let mut rows: Vec<Vec<&(dyn ToSql + Sync)>> = Vec::with_capacity(new.len());
    for (ordinal, channel, value, state, verified_at) in &new {
        rows.push(vec![ordinal, channel, *value, state, verified_at, &at.0]);
    }
    session.copy(COPY, &[Type::INT8, Type::INT8, Type::TEXT, Type::INT8, Type::INT8, Type::INT8], &rows).await
}

async fn write_aliases(session: &Session, users: &[Write]) -> Result<()> {
    const COPY: &str = "copy alias (external_id, ordinal) from stdin binary";
    const DELETE: &str = "delete from alias where external_id = any($1)";
    // What one gives up another may take.
    let gone: Vec<&String> = users.iter().flat_map(Write::gone_aliases).collect();
    if !gone.is_empty() {
        session.execute(DELETE, &[&gone]).await?;
    }
    let mut new: Vec<(&String, i64)> = Vec::new();
    for write in users {
        new.extend(write.new_aliases().map(|id| (id, i64::from(write.ordinal))));
    }
    let rows: Vec<Vec<&(dyn ToSql + Sync)>> = new.iter().map(|(id, ordinal)| vec![*id as _, ordinal as _]).collect();
    session.copy(COPY, &[Type::TEXT, Type::INT8], &rows).await
}

async fn write_tags(session: &Session, users: &[Write]) -> Result<()> {
    let (mut gone, mut new) = (Vec::new(), Vec::new());
    for write in users {
        let ordinal = i64::from(write.ordinal);
        gone.extend(write.gone_tags().map(|tag_id| (ordinal, tag_id)));
        new.extend(write.new_tags().map(|tag_id| (ordinal, tag_id)));
    }
    member::delete_rows(session, &gone).await?;
    member::insert_rows(session, &new).await
}
