//! Applications, keys and grants in PostgreSQL. Each method is one statement, one snapshot or one transaction.

use async_trait::async_trait;
use tokio_postgres::Row;

use super::encode::{get, head, known, small, unsigned};
use super::feed::Feed;
use super::session::{Session, Value};
use super::{Postgres, department, feed};
use crate::domain::access::{Application, Grant, Key, KeyScopes, Mode, Principal};
use crate::domain::change::ChangeCode;
use crate::domain::id::{ApplicationId, GrantId, KeyId};
use crate::domain::time::At;
use crate::store::access::{unwords, updated, words};
use crate::store::encode::{json, unjson};
use crate::store::{Access, AccessImage, ApplicationDraft, Error, Result, grant, refuse};

const APPLICATIONS: &str = "select id, department_id, title, weight, inbox_gateway, default_channels, default_topic, \
                            contact, version from application";
const KEYS: &str = "select id, principal, mode, hash, scopes, title, created_at, expire_at, revoked_at, version, networks, \
                    certificates \
                    from api_key";
const GRANTS: &str = "select id, principal, revoked_at, version, body from access_grant";

const REVOKE_KEY: &str =
    "update api_key set revoked_at = $2, version = version + 1 where id = $1 and revoked_at is null";
const LOCK: &str = "select pg_advisory_xact_lock($1)";

#[async_trait]
impl Access for Postgres {
    async fn load(&self) -> Result<AccessImage> {
        let session = self.whole_snapshot().await?;
        let secret: Vec<u8> = get(&session.one("select bytes from head where name = 'secret'", &[]).await?, 0)?;
        Ok(AccessImage {
            secret: secret.try_into().map_err(|_| Error::Damaged("the secret".into()))?,
            applications: all(&session, APPLICATIONS, read_application).await?,
            keys: all(&session, KEYS, read_key).await?,
            grants: all(&session, GRANTS, read_grant).await?,
        })
    }

    async fn create_application(&self, draft: ApplicationDraft, at: At) -> Result<(Application, i64)> {
        const SQL: &str = "insert into application (department_id, title, weight, inbox_gateway, default_channels, \
                           default_topic, contact, version, id) values ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
        let session = self.transaction().await?;
        let department_id = department::id_of(&session, &draft.department, "application.department_id").await?;
        let application = draft.of(department_id);
        write_application(&session, &application, SQL).await?;
        let seq = feed::append(&session, at, ChangeCode::Application, application.id.0).await?;
        session.commit().await?;
        Ok((application, seq))
    }

    async fn update_application(
        &self,
        application: Application,
        version: Option<i64>,
        at: At,
    ) -> Result<(Application, i64)> {
        const SQL: &str = "update application set department_id = $1, title = $2, weight = $3, inbox_gateway = $4, \
                           default_channels = $5, default_topic = $6, contact = $7, version = $8 where id = $9";
        let session = self.transaction().await?;
        let row = session.maybe(&format!("{APPLICATIONS} where id = $1 for update"), &[&application.id.0]).await?;
        let known = read_application(&row.ok_or_else(refuse::unknown_application)?)?;
        let application = updated(&known, application, version)?;
        write_application(&session, &application, SQL).await?;
        let seq = feed::append(&session, at, ChangeCode::Application, application.id.0).await?;
        session.commit().await?;
        Ok((application, seq))
    }

    async fn application(&self, id: ApplicationId) -> Result<Option<Application>> {
        by_id(self, APPLICATIONS, id.0, read_application).await
    }

    async fn create_key(&self, key: Key) -> Result<i64> {
        let session = self.transaction().await?;
        insert_key(&session, &key).await?;
        let seq = feed::append(&session, key.created_at, ChangeCode::Key, key.id.0).await?;
        session.commit().await?;
        Ok(seq)
    }

    async fn key(&self, id: KeyId) -> Result<Option<Key>> {
        by_id(self, KEYS, id.0, read_key).await
    }

    async fn revoke_key(&self, id: KeyId, at: At) -> Result<i64> {
        revoke(self, REVOKE_KEY, "api_key", (ChangeCode::Key, id.0), at).await
    }

    async fn rotate_key(&self, old: KeyId, successor: Key, old_end: At, at: At) -> Result<i64> {
        const END: &str = "update api_key set expire_at = least(coalesce(expire_at, $2), $2) \
                           where id = $1 and revoked_at is null";
        let session = self.transaction().await?;
        // The feed first, as in [`revoke`].
        let mut feed = Feed::lock(&session).await?;
        insert_key(&session, &successor).await?;
        let ended = if old_end > at {
            session.execute(END, &[&old.0, &old_end.0]).await?
        } else {
            session.rows(LOCK, &[&old.0]).await?;
            session.execute(REVOKE_KEY, &[&old.0, &at.0]).await?
        };
        if ended == 0 {
            return Err(refuse::unknown_key().into());
        }
        feed.append(ChangeCode::Key, old.0);
        feed.append(ChangeCode::Key, successor.id.0);
        let seq = feed.write(&session, at).await?;
        session.commit().await?;
        Ok(seq)
    }

    async fn create_grant(&self, grant: Grant) -> Result<i64> {
        let session = self.transaction().await?;
        insert_grant(&session, &grant).await?;
        let seq = feed::append(&session, grant.id.made_at(), ChangeCode::Grant, grant.id.0).await?;
        session.commit().await?;
        Ok(seq)
    }

    async fn grant(&self, id: GrantId) -> Result<Option<Grant>> {
        by_id(self, GRANTS, id.0, read_grant).await
    }

    async fn revoke_grant(&self, id: GrantId, at: At) -> Result<i64> {
        const SQL: &str =
            "update access_grant set revoked_at = $2, version = version + 1 where id = $1 and revoked_at is null";
        revoke(self, SQL, "access_grant", (ChangeCode::Grant, id.0), at).await
    }

    async fn renew_grant(&self, id: GrantId, expire_at: At, version: Option<i64>, at: At) -> Result<i64> {
        let session = self.transaction().await?;
        let row = session.maybe(&format!("{GRANTS} where id = $1 for update"), &[&id.0]).await?;
        let known = read_grant(&row.ok_or_else(refuse::unknown_grant)?)?;
        let renewed = grant::renewed(known, expire_at, version)?;
        let body = grant::body(&renewed)?;
        let sql = "update access_grant set version = $2, body = $3 where id = $1";
        session.execute(sql, &[&id.0, &renewed.version, &body]).await?;
        let seq = feed::append(&session, at, ChangeCode::Grant, id.0).await?;
        session.commit().await?;
        Ok(seq)
    }

    async fn used(&self, grant: GrantId, day: i64) -> Result<u64> {
        const SQL: &str = "select n from usage where grant_id = $1 and day = $2";
        let session = self.session().await?;
        let used = session.maybe(SQL, &[&grant.0, &day]).await?;
        used.map_or(Ok(0), |row| Ok(unsigned(get(&row, 0)?)))
    }
}

/// Writes a new grant.
pub(super) async fn insert_grant(session: &Session, grant: &Grant) -> Result<()> {
    const SQL: &str = "insert into access_grant (id, principal, revoked_at, version, body) \
                       values ($1, $2, $3, $4, $5)";
    let (principal, revoked_at) = (grant.principal.code(), grant.revoked_at.map(|at| at.0));
    let body = grant::body(grant)?;
    session.execute(SQL, &[&grant.id.0, &principal, &revoked_at, &grant.version, &body]).await?;
    Ok(())
}

async fn write_application(session: &Session, one: &Application, sql: &str) -> Result<()> {
    let (weight, gateway) = (i64::from(one.weight), i64::from(one.inbox_gateway));
    let channels = json(&one.default_channels)?;
    let values: [Value<'_>; 9] = [
        &one.department_id,
        &one.title,
        &weight,
        &gateway,
        &channels,
        &one.default_topic,
        &one.contact,
        &one.version,
        &one.id.0,
    ];
    session.execute(sql, &values).await.map(|_| ())
}

async fn insert_key(session: &Session, key: &Key) -> Result<()> {
    const SQL: &str = "insert into api_key \
                       (id, principal, mode, hash, scopes, title, created_at, expire_at, revoked_at, version, networks, \
                       certificates) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)";
    let (principal, mode, scopes) = (key.principal.code(), key.mode as i64, i64::from(key.scopes.0));
    let (expire_at, revoked_at) = (key.expire_at.map(|at| at.0), key.revoked_at.map(|at| at.0));
    let Key { id, hash, title, created_at, version, .. } = key;
    let (networks, certificates) = (words(&key.networks), words(&key.certificates));
    let values: [Value<'_>; 12] = [
        &id.0,
        &principal,
        &mode,
        &&hash[..],
        &scopes,
        title,
        &created_at.0,
        &expire_at,
        &revoked_at,
        version,
        &networks,
        &certificates,
    ];
    session.execute(SQL, &values).await.map(|_| ())
}

/// Revokes what is not revoked yet. The lock makes this wait for every publish that has seen it alive and later
/// ones wait for this, so that none is accepted after the answer.
async fn revoke(store: &Postgres, sql: &str, table: &str, (code, id): (ChangeCode, i64), at: At) -> Result<i64> {
    let session = store.transaction().await?;
    // The feed first, as everywhere: of two who take both locks none waits for the other.
    let mut feed = Feed::lock(&session).await?;
    session.rows(LOCK, &[&id]).await?;
    if session.execute(sql, &[&id, &at.0]).await? > 0 {
        feed.append(code, id);
        let seq = feed.write(&session, at).await?;
        session.commit().await?;
        return Ok(seq);
    }
    if session.maybe(&format!("select 1 from {table} where id = $1"), &[&id]).await?.is_some() {
        return head(&session).await;
    }
    Err(if code == ChangeCode::Key { refuse::unknown_key() } else { refuse::unknown_grant() }.into())
}

async fn all<T>(session: &Session, sql: &str, read: impl Fn(&Row) -> Result<T>) -> Result<Vec<T>> {
    session.rows(&format!("{sql} order by id"), &[]).await?.iter().map(read).collect()
}

async fn by_id<T>(store: &Postgres, sql: &str, id: i64, read: impl Fn(&Row) -> Result<T>) -> Result<Option<T>> {
    let session = store.session().await?;
    let row = session.maybe(&format!("{sql} where id = $1"), &[&id]).await?;
    row.as_ref().map(read).transpose()
}

fn read_application(row: &Row) -> Result<Application> {
    Ok(Application {
        id: ApplicationId(get(row, 0)?),
        department_id: get(row, 1)?,
        title: get(row, 2)?,
        weight: small(row, 3)?,
        inbox_gateway: get::<i64>(row, 4)? != 0,
        default_channels: unjson(get(row, 5)?, "the channels of an application")?,
        default_topic: get(row, 6)?,
        contact: get(row, 7)?,
        version: get(row, 8)?,
    })
}

fn read_key(row: &Row) -> Result<Key> {
    let hash: &[u8] = get(row, 3)?;
    Ok(Key {
        id: KeyId(get(row, 0)?),
        principal: Principal::from_code(get(row, 1)?),
        mode: known(Mode::from_code(get(row, 2)?), "mode")?,
        hash: hash.try_into().map_err(|_| Error::Damaged("the hash of a key".into()))?,
        scopes: KeyScopes(small(row, 4)?.try_into().map_err(|_| Error::Damaged("the scopes of a key".into()))?),
        title: get(row, 5)?,
        created_at: At(get(row, 6)?),
        expire_at: get::<Option<i64>>(row, 7)?.map(At),
        revoked_at: get::<Option<i64>>(row, 8)?.map(At),
        version: get(row, 9)?,
        networks: unwords(get(row, 10)?, "network")?,
        certificates: unwords(get(row, 11)?, "certificate")?,
    })
}

fn read_grant(row: &Row) -> Result<Grant> {
    let (id, principal) = (GrantId(get(row, 0)?), Principal::from_code(get(row, 1)?));
    grant::read(id, principal, get::<Option<i64>>(row, 2)?.map(At), get(row, 3)?, get(row, 4)?)
}
