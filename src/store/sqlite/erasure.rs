//! Erasing a person in SQLite: one transaction.

use async_trait::async_trait;
use rusqlite::Connection;

use super::encode::head;
use super::{Sqlite, fault, feed, member, row, tag, user};
use crate::domain::access::Principal;
use crate::domain::change::ChangeCode;
use crate::domain::directory::UserStatus;
use crate::domain::id::MessageId;
use crate::domain::set::Set;
use crate::domain::tag::TagKind;
use crate::domain::time::At;
use crate::store::erasure::{Erased, Erasures, legs_of, without_words};
use crate::store::members::MemberChanges;
use crate::store::{Result, refuse};

#[async_trait]
impl Erasures for Sqlite {
    async fn erase(&self, external_id: &str, dry: bool, at: At) -> Result<Erased> {
        let external_id = external_id.to_owned();
        self.writer.write(move |connection| erase(connection, &external_id, dry, at)).await
    }
}

fn erase(connection: &Connection, external_id: &str, dry: bool, at: At) -> Result<Erased> {
    let ordinal = user::ordinal_of(connection, external_id)?.ok_or_else(refuse::unknown_user)?;
    refuse::own_user_stays(ordinal)?;
    let principal = Principal::Person(ordinal).code();
    let messages = ids(
        connection,
        "select id from personal join message on message.id = personal.message_id \
         where personal.ordinal = ?1 and message.only_member = ?1",
        i64::from(ordinal),
    )?;
    let keys = ids(connection, "select id from api_key where principal = ?1 and revoked_at is null", principal)?;
    let grants = ids(connection, "select id from access_grant where principal = ?1 and revoked_at is null", principal)?;
    let roles = ids(connection, "select role from role where ordinal = ?1", i64::from(ordinal))?;
    let tag_ids = member::rows_of(connection, ordinal)?;
    let mut erased = Erased {
        ordinal,
        addresses: user::addresses(connection, ordinal)?.len() as u64,
        messages: messages.len() as u64,
        rights: (keys.len() + grants.len() + roles.len()) as u64,
        ..Erased::default()
    };
    let mut changes = MemberChanges::default();
    for id in &tag_ids {
        let tag = tag::by_id(connection, *id)?;
        erased.tags += u64::from(tag.is_some_and(|tag| tag.kind == TagKind::Static));
        changes.remove(*id, ordinal);
    }
    if dry {
        return Ok(erased);
    }
    tag::implied(connection)?.values().for_each(|id| changes.remove(*id, ordinal));
    let renamed = !user::aliases(connection, ordinal)?.is_empty();
    for id in messages {
        redact(connection, id)?;
    }
    forget(connection, ordinal, principal, at)?;
    for (code, ids) in [(ChangeCode::Key, keys), (ChangeCode::Grant, grants)] {
        for id in ids {
            feed::append(connection, at, code, id)?;
        }
    }
    if !roles.is_empty() {
        feed::append(connection, at, ChangeCode::Role, ordinal.into())?;
    }
    feed::append_people(connection, at, ChangeCode::TokensEnded, &Set::from_iter([ordinal]))?;
    member::write(connection, changes, at)?;
    if renamed {
        feed::append_aliases(connection, at, &Set::from_iter([ordinal]))?;
    }
    feed::append_users(connection, at, &Set::from_iter([ordinal]))?;
    Ok(Erased { seq: head(connection, "change")?, ..erased })
}

fn ids(connection: &Connection, sql: &str, of: i64) -> Result<Vec<i64>> {
    connection
        .prepare_cached(sql)
        .and_then(|mut statement| statement.query_map([of], |row| row.get(0))?.collect())
        .map_err(fault)
}

/// Takes the words of a message to one person away, and what the provider said of it.
fn redact(connection: &Connection, id: i64) -> Result<()> {
    let Some(message) = row::by_id(connection, MessageId(id))? else { return Ok(()) };
    let (facts, content) = without_words(message)?;
    let (first, last) = legs_of(id);
    let redact = || {
        connection
            .prepare_cached("update message set reference = null, facts = ?2, content = ?3 where id = ?1")?
            .execute((id, facts, content))?;
        for table in ["batch", "settlement"] {
            let sql = format!("update {table} set detail = null where leg_id between ?1 and ?2");
            connection.prepare_cached(&sql)?.execute((first, last))?;
        }
        Ok(())
    };
    redact().map_err(fault)
}

/// Deletes the rows that lead to a person, and reduces her own to ordinal and date.
fn forget(connection: &Connection, ordinal: u32, principal: i64, at: At) -> Result<()> {
    let forget = || {
        for table in ["alias", "address", "membership", "role", "personal", "inbox_mark"] {
            connection.prepare_cached(&format!("delete from {table} where ordinal = ?1"))?.execute([ordinal])?;
        }
        for gone in ["request where requester = ?1", "review_deputy where ordinal = ?1 or deputy = ?1"] {
            connection.prepare_cached(&format!("delete from {gone}"))?.execute([ordinal])?;
        }
        for table in ["api_key", "access_grant"] {
            let sql = format!(
                "update {table} set revoked_at = ?2, version = version + 1 where principal = ?1 and revoked_at is null"
            );
            connection.prepare_cached(&sql)?.execute((principal, at.0))?;
        }
        connection.prepare_cached("update api_key set title = '' where principal = ?1")?.execute([principal])?;
        connection
            .prepare_cached(
                "update user set external_id = null, name = '', locale = '', primary_department_id = null, \
                 status = ?2, token_epoch = token_epoch + 1, version = version + 1, erased_at = ?3 where ordinal = ?1",
            )?
            .execute((ordinal, UserStatus::Left as i64, at.0))?;
        Ok(())
    };
    forget().map_err(fault)
}
