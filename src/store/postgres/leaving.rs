//! What ends with people who no longer receive, and the epochs of user tokens.

use super::encode::{get, small};
use super::feed::Feed;
use super::session::Session;
use crate::domain::access::Principal;
use crate::domain::change::ChangeCode;
use crate::domain::id::{GrantId, KeyId};
use crate::domain::set::Set;
use crate::domain::time::At;
use crate::store::{Ended, Result};

/// Ends grants, keys, roles and user tokens of people, in the transaction in which they leave.
pub(super) async fn end(session: &Session, feed: &mut Feed, people: &Set, at: At) -> Result<Ended> {
    const EPOCH: &str = "update \"user\" set token_epoch = token_epoch + 1 where ordinal = any($1)";
    if people.is_empty() {
        return Ok(Ended::default());
    }
    let ordinals: Vec<i64> = people.iter().map(i64::from).collect();
    session.execute(EPOCH, &[&ordinals]).await?;
    let principals: Vec<i64> = people.iter().map(|ordinal| Principal::Person(ordinal).code()).collect();
    let grants = revoke(session, "access_grant", &principals, at).await?;
    let keys = revoke(session, "api_key", &principals, at).await?;
    grants.iter().for_each(|id| feed.append(ChangeCode::Grant, *id));
    keys.iter().for_each(|id| feed.append(ChangeCode::Key, *id));
    let mut roles = Vec::new();
    for row in session.rows("delete from role where ordinal = any($1) returning ordinal", &[&ordinals]).await? {
        roles.push(small(&row, 0)?);
    }
    roles.sort_unstable();
    roles.dedup();
    roles.iter().for_each(|ordinal| feed.append(ChangeCode::Role, i64::from(*ordinal)));
    feed.append_ended(people);
    let (grants, keys) = (grants.into_iter().map(GrantId).collect(), keys.into_iter().map(KeyId).collect());
    Ok(Ended { grants, keys, roles })
}

/// Those whose tokens were ended once, ascending, with their epochs.
pub(super) async fn epochs(session: &Session) -> Result<Vec<(u32, i64)>> {
    const SQL: &str = "select ordinal, token_epoch from \"user\" where token_epoch > 0 order by ordinal";
    session.rows(SQL, &[]).await?.iter().map(|row| Ok((small(row, 0)?, get(row, 1)?))).collect()
}

/// Revokes what these principals have in a table. As a single revocation does, this waits for every publish that has
/// seen it alive.
async fn revoke(session: &Session, table: &str, principals: &[i64], at: At) -> Result<Vec<i64>> {
    let found = format!("select id from {table} where principal = any($1) and revoked_at is null order by id");
    let ids = session.rows(&found, &[&principals]).await?;
    let ids: Vec<i64> = ids.iter().map(|row| get(row, 0)).collect::<Result<_>>()?;
    if ids.is_empty() {
        return Ok(ids);
    }
    session.rows("select pg_advisory_xact_lock(id) from unnest($1::bigint[]) as held (id)", &[&ids]).await?;
    let end = format!("update {table} set revoked_at = $2, version = version + 1 where id = any($1)");
    session.execute(&end, &[&ids, &at.0]).await?;
    Ok(ids)
}
