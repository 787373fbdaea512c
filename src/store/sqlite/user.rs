//! Users as they are read: one by one from their rows, and lists of them.

use rusqlite::{Connection, OptionalExtension, Row};

use super::encode::known;
use super::fault;
use crate::domain::channel::Channel;
use crate::domain::directory::{Address, AddressState, FIRST_ORDINAL, TagKind, User, UserKind, UserStatus};
use crate::domain::time::At;
use crate::store::{Result, UserFilter, refuse};

/// Ordinal and external id of every user that was not erased, ascending.
pub(super) fn all(connection: &Connection) -> Result<Vec<(u32, String)>> {
    connection
        .prepare_cached("select ordinal, external_id from user where external_id is not null order by ordinal")
        .and_then(|mut statement| statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect())
        .map_err(fault)
}

/// The external id of a user; empty if the user was erased.
pub(super) fn external_id(connection: &Connection, ordinal: u32) -> Result<String> {
    let id: Option<Option<String>> = connection
        .prepare_cached("select external_id from user where ordinal = ?1")
        .and_then(|mut statement| statement.query_row([ordinal], |row| row.get(0)).optional())
        .map_err(fault)?;
    Ok(id.flatten().unwrap_or_default())
}

/// The further external ids of everybody who has some.
pub(super) fn all_aliases(connection: &Connection) -> Result<Vec<(u32, Vec<String>)>> {
    let ordinals: Vec<u32> = connection
        .prepare_cached("select distinct ordinal from alias order by ordinal")
        .and_then(|mut statement| statement.query_map([], |row| row.get(0))?.collect())
        .map_err(fault)?;
    ordinals.into_iter().map(|ordinal| Ok((ordinal, aliases(connection, ordinal)?))).collect()
}

/// The further external ids of a user, sorted.
pub(super) fn aliases(connection: &Connection, ordinal: u32) -> Result<Vec<String>> {
    connection
        .prepare_cached("select external_id from alias where ordinal = ?1 order by external_id")
        .and_then(|mut statement| statement.query_map([ordinal], |row| row.get(0))?.collect())
        .map_err(fault)
}

/// The ordinal of the user with an external id or such a further id.
pub(super) fn ordinal_of(connection: &Connection, external_id: &str) -> Result<Option<u32>> {
    connection
        .prepare_cached(
            "select ordinal from user where external_id = ?1 union all select ordinal from alias where external_id = ?1",
        )
        .and_then(|mut statement| statement.query_row([external_id], |row| row.get(0)).optional())
        .map_err(fault)
}

/// A user with departments, addresses and tags. `None` if there is none or the user was erased.
pub(super) fn complete(connection: &Connection, ordinal: u32) -> Result<Option<User>> {
    const SQL: &str = "select user.ordinal, user.external_id, user.kind, user.name, user.status, user.locale, \
                       department.external_id, user.version \
                       from user left join department on department.id = user.primary_department_id \
                       where user.ordinal = ?1 and user.external_id is not null";
    let row: Option<Columns> = connection
        .prepare_cached(SQL)
        .and_then(|mut statement| statement.query_row([ordinal], columns).optional())
        .map_err(fault)?;
    let Some((ordinal, external_id, kind, name, status, locale, primary_department, version)) = row else {
        return Ok(None);
    };
    let (departments, tags) = tags(connection, ordinal)?;
    Ok(Some(User {
        ordinal,
        external_id,
        alias_ids: aliases(connection, ordinal)?,
        kind: known(UserKind::from_code(kind), "kind of user")?,
        name,
        status: known(UserStatus::from_code(status), "status")?,
        locale,
        primary_department,
        departments,
        addresses: addresses(connection, ordinal)?,
        tags,
        version,
    }))
}

/// Where a user can be reached, by channel and value.
pub(super) fn addresses(connection: &Connection, ordinal: u32) -> Result<Vec<Address>> {
    const SQL: &str = "select channel, value, state, verified_at from address where ordinal = ?1 \
                       order by channel, value";
    let mut statement = connection.prepare_cached(SQL).map_err(fault)?;
    let mut rows = statement.query([ordinal]).map_err(fault)?;
    let mut addresses = Vec::new();
    while let Some(row) = rows.next().map_err(fault)? {
        addresses.push(Address {
            channel: known(Channel::from_code(row.get(0).map_err(fault)?), "channel")?,
            value: row.get(1).map_err(fault)?,
            state: known(AddressState::from_code(row.get(2).map_err(fault)?), "state of an address")?,
            verified_at: row.get::<_, Option<i64>>(3).map_err(fault)?.map(At),
        });
    }
    Ok(addresses)
}

/// Notes that something of a user changed.
pub(super) fn touch(connection: &Connection, ordinal: u32) -> Result<()> {
    connection
        .prepare_cached("update user set version = version + 1 where ordinal = ?1")
        .and_then(|mut statement| statement.execute([ordinal]))
        .map(|_| ())
        .map_err(fault)
}

/// Like [`touch`], for somebody who comes into a tag: false if nobody has the ordinal, refused for a group.
pub(super) fn join(connection: &Connection, ordinal: u32) -> Result<bool> {
    let kind: Option<i64> = connection
        .prepare_cached("select kind from user where ordinal = ?1 and external_id is not null")
        .and_then(|mut statement| statement.query_row([ordinal], |row| row.get(0)).optional())
        .map_err(fault)?;
    match kind {
        None => Ok(false),
        Some(kind) if kind == UserKind::Group as i64 => Err(refuse::groups_have_no_tags("tag.members").into()),
        Some(_) => touch(connection, ordinal).map(|()| true),
    }
}

/// At most `limit` users above `after` that the filter lets through, ascending; none of the service's own.
pub(super) fn list(
    connection: &Connection,
    filter: &UserFilter,
    after: Option<u32>,
    limit: usize,
) -> Result<Vec<User>> {
    let from = after.map_or(0, |after| i64::from(after) + 1).max(i64::from(FIRST_ORDINAL));
    let query = filter.query.as_deref().unwrap_or_default();
    let ordinals = match &filter.among {
        None => matching(connection, query, from, limit)?,
        Some(among) => {
            let mut found = Vec::new();
            // Above the largest ordinal nothing is left.
            let start = u32::try_from(from).ok();
            for ordinal in start.into_iter().flat_map(|start| among.range(start..)) {
                if found.len() == limit {
                    break;
                }
                if matches(connection, query, ordinal)? {
                    found.push(ordinal);
                }
            }
            found
        }
    };
    let users = ordinals.into_iter().map(|ordinal| complete(connection, ordinal));
    users.filter_map(Result::transpose).collect()
}

fn matching(connection: &Connection, query: &str, from: i64, limit: usize) -> Result<Vec<u32>> {
    const SQL: &str = "select ordinal from user where ordinal >= ?1 and external_id is not null \
                       and (instr(lower(name), lower(?2)) > 0 or substr(external_id, 1, length(?2)) = ?2 \
                         or ordinal in (select ordinal from alias where substr(external_id, 1, length(?2)) = ?2)) \
                       order by ordinal limit ?3";
    connection
        .prepare_cached(SQL)
        .and_then(|mut statement| {
            let limit = i64::try_from(limit).unwrap_or(i64::MAX);
            statement.query_map((from, query, limit), |row| row.get(0))?.collect()
        })
        .map_err(fault)
}

fn matches(connection: &Connection, query: &str, ordinal: u32) -> Result<bool> {
    const SQL: &str = "select 1 from user where ordinal = ?1 and external_id is not null \
                       and (instr(lower(name), lower(?2)) > 0 or substr(external_id, 1, length(?2)) = ?2 \
                         or ordinal in (select ordinal from alias where substr(external_id, 1, length(?2)) = ?2))";
    connection.prepare_cached(SQL).and_then(|mut statement| statement.exists((ordinal, query))).map_err(fault)
}

/// External ids of the departments and names of the static tags, each sorted.
fn tags(connection: &Connection, ordinal: u32) -> Result<(Vec<String>, Vec<String>)> {
    const SQL: &str = "select tag.kind, tag.name from membership join tag on tag.id = membership.tag_id \
                       where membership.ordinal = ?1 order by tag.name";
    let rows: Vec<(i64, String)> = connection
        .prepare_cached(SQL)
        .and_then(|mut statement| statement.query_map([ordinal], |row| Ok((row.get(0)?, row.get(1)?)))?.collect())
        .map_err(fault)?;
    let (departments, tags): (Vec<_>, Vec<_>) =
        rows.into_iter().partition(|(kind, _)| *kind == TagKind::Department as i64);
    let names = |rows: Vec<(i64, String)>| rows.into_iter().map(|(_, name)| name).collect();
    Ok((names(departments), names(tags)))
}

type Columns = (u32, String, i64, String, i64, String, Option<String>, i64);

fn columns(row: &Row<'_>) -> rusqlite::Result<Columns> {
    Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?, row.get(6)?, row.get(7)?))
}
