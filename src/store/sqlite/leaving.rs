//! What ends with people who no longer receive, and the epochs of user tokens.

use rusqlite::{Connection, OptionalExtension};

use super::{fault, feed};
use crate::domain::access::Principal;
use crate::domain::change::ChangeCode;
use crate::domain::id::{GrantId, KeyId};
use crate::domain::set::Set;
use crate::domain::time::At;
use crate::store::{Ended, Result};

/// Ends grants, keys, roles and user tokens of people, in the transaction in which they leave.
pub(super) fn end(connection: &Connection, people: &Set, at: At) -> Result<Ended> {
    const GRANTS: &str = "update access_grant set revoked_at = ?2, version = version + 1 \
                          where principal = ?1 and revoked_at is null returning id";
    const KEYS: &str = "update api_key set revoked_at = ?2, version = version + 1 \
                        where principal = ?1 and revoked_at is null returning id";
    let mut ended = Ended::default();
    if people.is_empty() {
        return Ok(ended);
    }
    for ordinal in people {
        raise_epoch(connection, ordinal)?;
        for id in revoked(connection, GRANTS, ordinal, at)? {
            feed::append(connection, at, ChangeCode::Grant, id)?;
            ended.grants.push(GrantId(id));
        }
        for id in revoked(connection, KEYS, ordinal, at)? {
            feed::append(connection, at, ChangeCode::Key, id)?;
            ended.keys.push(KeyId(id));
        }
    }
    for ordinal in people {
        if withdrawn(connection, ordinal)? {
            feed::append(connection, at, ChangeCode::Role, ordinal.into())?;
            ended.roles.push(ordinal);
        }
    }
    feed::append_people(connection, at, ChangeCode::TokensEnded, people)?;
    Ok(ended)
}

/// The epoch that a person's tokens must have.
pub(super) fn epoch(connection: &Connection, ordinal: u32) -> Result<i64> {
    let found: Option<i64> = connection
        .prepare_cached("select token_epoch from user where ordinal = ?1")
        .and_then(|mut statement| statement.query_row([ordinal], |row| row.get(0)).optional())
        .map_err(fault)?;
    Ok(found.unwrap_or_default())
}

/// Those whose tokens were ended once, ascending, with their epochs.
pub(super) fn epochs(connection: &Connection) -> Result<Vec<(u32, i64)>> {
    connection
        .prepare_cached("select ordinal, token_epoch from user where token_epoch > 0 order by ordinal")
        .and_then(|mut statement| statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect())
        .map_err(fault)
}

/// Takes all roles of a person; false if she had none.
fn withdrawn(connection: &Connection, ordinal: u32) -> Result<bool> {
    connection
        .prepare_cached("delete from role where ordinal = ?1")
        .and_then(|mut statement| statement.execute([ordinal]))
        .map(|gone| gone > 0)
        .map_err(fault)
}

fn raise_epoch(connection: &Connection, ordinal: u32) -> Result<()> {
    connection
        .prepare_cached("update user set token_epoch = token_epoch + 1 where ordinal = ?1")
        .and_then(|mut statement| statement.execute([ordinal]))
        .map(|_| ())
        .map_err(fault)
}

fn revoked(connection: &Connection, sql: &str, ordinal: u32, at: At) -> Result<Vec<i64>> {
    let principal = Principal::Person(ordinal).code();
    connection
        .prepare_cached(sql)
        .and_then(|mut statement| statement.query_map((principal, at.0), |row| row.get(0))?.collect())
        .map_err(fault)
}
