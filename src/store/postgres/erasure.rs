//! Erasing a person in PostgreSQL: one transaction.

use async_trait::async_trait;

use super::encode::get;
use super::feed::Feed;
use super::session::Session;
use super::{Postgres, member, row, tag, user};
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
impl Erasures for Postgres {
    async fn erase(&self, external_id: &str, dry: bool, at: At) -> Result<Erased> {
        // No text that is kept can have this character.
        if external_id.contains('\0') {
            return Err(refuse::unknown_user().into());
        }
        let session = self.whole_transaction().await?;
        let erased = erase(&session, external_id, dry, at).await?;
        if !dry {
            session.commit().await?;
        }
        Ok(erased)
    }
}

async fn erase(session: &Session, external_id: &str, dry: bool, at: At) -> Result<Erased> {
    const MESSAGES: &str = "select id from personal join message on message.id = personal.message_id \
                            where personal.ordinal = $1 and message.only_member = $1";
    const KEYS: &str = "select id from api_key where principal = $1 and revoked_at is null";
    const GRANTS: &str = "select id from access_grant where principal = $1 and revoked_at is null";
    const ROLES: &str = "select role from role where ordinal = $1";
    const ROWS: &str = "select tag_id from membership where ordinal = $1";
    let ordinal = user::ordinal_of(session, external_id).await?.ok_or_else(refuse::unknown_user)?;
    refuse::own_user_stays(ordinal)?;
    let (number, principal) = (i64::from(ordinal), Principal::Person(ordinal).code());
    let (keys, grants) = (ids(session, KEYS, principal).await?, ids(session, GRANTS, principal).await?);
    if !dry {
        // Before the feed, as every revocation: publishes that have seen these alive come first.
        for id in keys.iter().chain(&grants) {
            session.rows("select pg_advisory_xact_lock($1)", &[id]).await?;
        }
    }
    let mut feed = Feed::lock(session).await?;
    let messages = ids(session, MESSAGES, number).await?;
    let roles = ids(session, ROLES, number).await?;
    let tag_ids = ids(session, ROWS, number).await?;
    let tags = tag::by_ids(session, &tag_ids).await?;
    let people = user::complete(session, &[ordinal]).await?;
    let Some(person) = people.first() else { return Err(refuse::unknown_user().into()) };
    let erased = Erased {
        ordinal,
        addresses: person.addresses.len() as u64,
        messages: messages.len() as u64,
        tags: tags.iter().filter(|tag| tag.kind == TagKind::Static).count() as u64,
        rights: (keys.len() + grants.len() + roles.len()) as u64,
        seq: 0,
    };
    if dry {
        return Ok(erased);
    }
    let mut changes = MemberChanges::default();
    let implied = tag::implied(session).await?;
    tag_ids.iter().chain(implied.iter().map(|tag| &tag.id)).for_each(|id| changes.remove(*id, ordinal));
    for id in messages {
        redact(session, id).await?;
    }
    forget(session, number, principal, at).await?;
    keys.iter().for_each(|id| feed.append(ChangeCode::Key, *id));
    grants.iter().for_each(|id| feed.append(ChangeCode::Grant, *id));
    if !roles.is_empty() {
        feed.append(ChangeCode::Role, number);
    }
    feed.append_ended(&Set::from_iter([ordinal]));
    member::write(session, &mut feed, changes).await?;
    if !person.alias_ids.is_empty() {
        feed.append_aliases(&Set::from_iter([ordinal]));
    }
    feed.append_users(&Set::from_iter([ordinal]));
    Ok(Erased { seq: feed.write(session, at).await?, ..erased })
}

async fn ids(session: &Session, sql: &str, of: i64) -> Result<Vec<i64>> {
    session.rows(sql, &[&of]).await?.iter().map(|row| get(row, 0)).collect()
}

/// Takes the words of a message to one person away, and what the provider said of it.
async fn redact(session: &Session, id: i64) -> Result<()> {
    const MESSAGE: &str = "update message set reference = null, facts = $2, content = $3 where id = $1";
    let Some(message) = row::by_id(session, MessageId(id)).await? else { return Ok(()) };
    let (facts, content) = without_words(message)?;
    let (first, last) = legs_of(id);
    session.execute(MESSAGE, &[&id, &facts, &content]).await?;
    for table in ["batch", "settlement"] {
        let sql = format!("update {table} set detail = null where leg_id between $1 and $2");
        session.execute(&sql, &[&first, &last]).await?;
    }
    Ok(())
}

/// Deletes the rows that lead to a person, and reduces her own to ordinal and date.
async fn forget(session: &Session, ordinal: i64, principal: i64, at: At) -> Result<()> {
    const USER: &str = "update \"user\" set external_id = null, name = '', locale = '', primary_department_id = null, \
                        status = $2, token_epoch = token_epoch + 1, version = version + 1, erased_at = $3 \
                        where ordinal = $1";
    for table in ["alias", "address", "membership", "role", "personal", "inbox_mark"] {
        session.execute(&format!("delete from {table} where ordinal = $1"), &[&ordinal]).await?;
    }
    for gone in ["request where requester = $1", "review_deputy where ordinal = $1 or deputy = $1"] {
        session.execute(&format!("delete from {gone}"), &[&ordinal]).await?;
    }
    for table in ["api_key", "access_grant"] {
        let sql = format!(
            "update {table} set revoked_at = $2, version = version + 1 where principal = $1 and revoked_at is null"
        );
        session.execute(&sql, &[&principal, &at.0]).await?;
    }
    session.execute("update api_key set title = '' where principal = $1", &[&principal]).await?;
    session.execute(USER, &[&ordinal, &(UserStatus::Left as i64), &at.0]).await.map(|_| ())
}
