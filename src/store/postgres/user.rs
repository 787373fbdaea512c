//! Users as they are read, many at a time.

use std::collections::HashMap;

use tokio_postgres::Row;

use super::encode::{get, known, ordinals, small};
use super::session::{Session, Values};
use crate::domain::channel::Channel;
use crate::domain::directory::{Address, AddressState, FIRST_ORDINAL, TagKind, User, UserKind, UserStatus};
use crate::domain::set::Set;
use crate::domain::time::At;
use crate::store::{Result, UserFilter};

/// How many ordinals of a set are looked at together.
const SLICE: usize = 2_000;

/// Ordinal and external id of every user that was not erased, ascending.
pub(super) async fn all(session: &Session) -> Result<Vec<(u32, String)>> {
    const SQL: &str = "select ordinal, external_id from \"user\" where external_id is not null order by ordinal";
    let mut users = Vec::new();
    let add = |row| {
        users.push((small(&row, 0)?, get(&row, 1)?));
        Ok(())
    };
    session.each(SQL, add).await?;
    Ok(users)
}

/// The further external ids of everybody who has some, sorted.
pub(super) async fn all_aliases(session: &Session) -> Result<Vec<(u32, Vec<String>)>> {
    let mut people: Vec<(u32, Vec<String>)> = Vec::new();
    let add = |row| {
        let (ordinal, id) = (small(&row, 0)?, get(&row, 1)?);
        match people.last_mut() {
            Some((last, ids)) if *last == ordinal => ids.push(id),
            _ => people.push((ordinal, vec![id])),
        }
        Ok(())
    };
    session.each("select ordinal, external_id from alias order by ordinal, external_id", add).await?;
    Ok(people)
}

/// The further external ids of some users, sorted; of those who have some.
pub(super) async fn aliases(session: &Session, users: &Set) -> Result<HashMap<u32, Vec<String>>> {
    const SQL: &str = "select ordinal, external_id from alias where ordinal = any($1) order by external_id";
    let mut found: HashMap<u32, Vec<String>> = HashMap::new();
    if users.is_empty() {
        return Ok(found);
    }
    for row in session.rows(SQL, &[&ordinals(users)]).await? {
        found.entry(small(&row, 0)?).or_default().push(get(&row, 1)?);
    }
    Ok(found)
}

/// The ordinal of the user with an external id or such a further id.
pub(super) async fn ordinal_of(session: &Session, external_id: &str) -> Result<Option<u32>> {
    const SQL: &str = "select ordinal from \"user\" where external_id = $1 \
                       union all select ordinal from alias where external_id = $1";
    let row = session.maybe(SQL, &[&external_id]).await?;
    row.map(|row| small(&row, 0)).transpose()
}

/// Users with departments, addresses and tags, in the order of `ordinals`. Who is unknown or was erased is left
/// out.
pub(super) async fn complete(session: &Session, ordinals: &[u32]) -> Result<Vec<User>> {
    const USERS: &str = "select u.ordinal, u.external_id, u.kind, u.name, u.status, u.locale, \
                         department.external_id, u.version \
                         from \"user\" u left join department on department.id = u.primary_department_id \
                         where u.ordinal = any($1) and u.external_id is not null";
    const ALIASES: &str = "select ordinal, external_id from alias where ordinal = any($1) order by external_id";
    const ADDRESSES: &str = "select ordinal, channel, value, state, verified_at from address where ordinal = any($1) \
                             order by ordinal, channel, value";
    const TAGS: &str = "select membership.ordinal, tag.kind, tag.name from membership \
                        join tag on tag.id = membership.tag_id where membership.ordinal = any($1) order by tag.name";
    if ordinals.is_empty() {
        return Ok(Vec::new());
    }
    let wanted: Vec<i64> = ordinals.iter().copied().map(i64::from).collect();
    let values: &Values<'_> = &[&wanted];
    let (users, aliases, addresses, tags) = futures::try_join!(
        session.rows(USERS, values),
        session.rows(ALIASES, values),
        session.rows(ADDRESSES, values),
        session.rows(TAGS, values),
    )?;
    let mut found = HashMap::with_capacity(users.len());
    for row in &users {
        let user = read(row)?;
        found.insert(user.ordinal, user);
    }
    for row in &aliases {
        if let Some(user) = found.get_mut(&small(row, 0)?) {
            user.alias_ids.push(get(row, 1)?);
        }
    }
    for row in &addresses {
        if let Some(user) = found.get_mut(&small(row, 0)?) {
            user.addresses.push(address(row, 1)?);
        }
    }
    for row in &tags {
        if let Some(user) = found.get_mut(&small(row, 0)?) {
            let department = get::<i64>(row, 1)? == TagKind::Department as i64;
            let names = if department { &mut user.departments } else { &mut user.tags };
            names.push(get(row, 2)?);
        }
    }
    Ok(ordinals.iter().filter_map(|ordinal| found.get(ordinal).cloned()).collect())
}

/// The address in four columns, from the channel's code on.
pub(super) fn address(row: &Row, column: usize) -> Result<Address> {
    let channel = known(Channel::from_code(get(row, column)?), "channel")?;
    Ok(Address {
        channel,
        value: get(row, column + 1)?,
        state: known(AddressState::from_code(get(row, column + 2)?), "state of an address")?,
        verified_at: get::<Option<i64>>(row, column + 3)?.map(At),
    })
}

/// At most `limit` users above `after` that the filter lets through, ascending; none of the service's own.
pub(super) async fn list(
    session: &Session,
    filter: &UserFilter,
    after: Option<u32>,
    limit: usize,
) -> Result<Vec<User>> {
    let from = after.map_or(0, |after| i64::from(after) + 1).max(i64::from(FIRST_ORDINAL));
    let query = filter.query.as_deref().unwrap_or_default();
    // No text that is kept can have this character, nor can one be asked for.
    if query.contains('\0') {
        return Ok(Vec::new());
    }
    let found = match &filter.among {
        None => matching(session, query, from, limit).await?,
        Some(among) => {
            // Above the largest ordinal nothing is left.
            let start = u32::try_from(from).ok();
            let mut rest = start.into_iter().flat_map(|start| among.range(start..));
            let mut found = Vec::new();
            loop {
                let slice: Vec<i64> = rest.by_ref().take(SLICE).map(i64::from).collect();
                if slice.is_empty() || found.len() >= limit {
                    break found;
                }
                found.extend(matching_among(session, query, &slice, limit - found.len()).await?);
            }
        }
    };
    complete(session, &found).await
}

async fn matching(session: &Session, query: &str, from: i64, limit: usize) -> Result<Vec<u32>> {
    const SQL: &str = "select ordinal from \"user\" where ordinal >= $1 and external_id is not null \
                       and (position(lower($2 collate \"C\") in lower(name collate \"C\")) > 0 \
                         or starts_with(external_id, $2) \
                         or ordinal in (select ordinal from alias where starts_with(alias.external_id, $2))) \
                       order by ordinal limit $3";
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    session.rows(SQL, &[&from, &query, &limit]).await?.iter().map(|row| small(row, 0)).collect()
}

async fn matching_among(session: &Session, query: &str, among: &[i64], limit: usize) -> Result<Vec<u32>> {
    const SQL: &str = "select ordinal from \"user\" where ordinal = any($1) and external_id is not null \
                       and (position(lower($2 collate \"C\") in lower(name collate \"C\")) > 0 \
                         or starts_with(external_id, $2) \
                         or ordinal in (select ordinal from alias where starts_with(alias.external_id, $2))) \
                       order by ordinal limit $3";
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    session.rows(SQL, &[&among, &query, &limit]).await?.iter().map(|row| small(row, 0)).collect()
}

fn read(row: &Row) -> Result<User> {
    Ok(User {
        ordinal: small(row, 0)?,
        external_id: get(row, 1)?,
        alias_ids: Vec::new(),
        kind: known(UserKind::from_code(get(row, 2)?), "kind of user")?,
        name: get(row, 3)?,
        status: known(UserStatus::from_code(get(row, 4)?), "status")?,
        locale: get(row, 5)?,
        primary_department: get(row, 6)?,
        departments: Vec::new(),
        addresses: Vec::new(),
        tags: Vec::new(),
        version: get(row, 7)?,
    })
}
