//! Applications, keys and grants in SQLite. Each method is one read or one transaction.

use async_trait::async_trait;
use rusqlite::{Connection, Row};

use super::encode::{head, known};
use super::reader::snapshot;
use super::{Sqlite, accept, department, fault, feed};
use crate::domain::access::{Application, Grant, Key, KeyScopes, Mode, Principal};
use crate::domain::change::ChangeCode;
use crate::domain::id::{ApplicationId, GrantId, KeyId};
use crate::domain::time::At;
use crate::store::access::{unwords, updated, words};
use crate::store::encode::{json, unjson};
use crate::store::{Access, AccessImage, ApplicationDraft, Result, grant, refuse};

const REVOKE_KEY: &str =
    "update api_key set revoked_at = ?2, version = version + 1 where id = ?1 and revoked_at is null";

#[async_trait]
impl Access for Sqlite {
    async fn load(&self) -> Result<AccessImage> {
        let image = |connection: &_| {
            Ok(AccessImage {
                secret: secret(connection)?,
                applications: applications(connection)?,
                keys: keys(connection)?,
                grants: grants(connection)?,
            })
        };
        self.readers.read(move |connection| snapshot(connection, image)).await
    }

    async fn create_application(&self, draft: ApplicationDraft, at: At) -> Result<(Application, i64)> {
        let write = move |connection: &_| {
            let department_id = department::id_of(connection, &draft.department, "application.department_id")?;
            let application = draft.of(department_id);
            insert_application(connection, &application)?;
            let seq = feed::append(connection, at, ChangeCode::Application, application.id.0)?;
            Ok((application, seq))
        };
        self.writer.write(write).await
    }

    async fn application(&self, id: ApplicationId) -> Result<Option<Application>> {
        self.readers.read(move |connection| one_application(connection, id)).await
    }

    async fn update_application(
        &self,
        application: Application,
        version: Option<i64>,
        at: At,
    ) -> Result<(Application, i64)> {
        let write = move |connection: &_| {
            let known = one_application(connection, application.id)?.ok_or_else(refuse::unknown_application)?;
            let application = updated(&known, application, version)?;
            replace_application(connection, &application)?;
            let seq = feed::append(connection, at, ChangeCode::Application, application.id.0)?;
            Ok((application, seq))
        };
        self.writer.write(write).await
    }

    async fn create_key(&self, key: Key) -> Result<i64> {
        let write = move |connection: &_| {
            insert_key(connection, &key)?;
            feed::append(connection, key.created_at, ChangeCode::Key, key.id.0)
        };
        self.writer.write(write).await
    }

    async fn key(&self, id: KeyId) -> Result<Option<Key>> {
        self.readers.read(move |connection| one_key(connection, id)).await
    }

    async fn revoke_key(&self, id: KeyId, at: At) -> Result<i64> {
        let write = move |connection: &_| {
            if execute(connection, REVOKE_KEY, id.0, at)? > 0 {
                return feed::append(connection, at, ChangeCode::Key, id.0);
            }
            match one_key(connection, id)? {
                Some(_) => head(connection, "change"),
                None => Err(refuse::unknown_key().into()),
            }
        };
        self.writer.write(write).await
    }

    async fn rotate_key(&self, old: KeyId, successor: Key, old_end: At, at: At) -> Result<i64> {
        self.writer.write(move |connection| rotate_key(connection, old, &successor, old_end, at)).await
    }

    async fn create_grant(&self, grant: Grant) -> Result<i64> {
        let write = move |connection: &_| {
            insert_grant(connection, &grant)?;
            feed::append(connection, grant.id.made_at(), ChangeCode::Grant, grant.id.0)
        };
        self.writer.write(write).await
    }

    async fn grant(&self, id: GrantId) -> Result<Option<Grant>> {
        self.readers.read(move |connection| one_grant(connection, id)).await
    }

    async fn revoke_grant(&self, id: GrantId, at: At) -> Result<i64> {
        const SQL: &str =
            "update access_grant set revoked_at = ?2, version = version + 1 where id = ?1 and revoked_at is null";
        let write = move |connection: &_| {
            if execute(connection, SQL, id.0, at)? > 0 {
                return feed::append(connection, at, ChangeCode::Grant, id.0);
            }
            match one_grant(connection, id)? {
                Some(_) => head(connection, "change"),
                None => Err(refuse::unknown_grant().into()),
            }
        };
        self.writer.write(write).await
    }

    async fn renew_grant(&self, id: GrantId, expire_at: At, version: Option<i64>, at: At) -> Result<i64> {
        self.writer.write(move |connection| renew_grant(connection, id, expire_at, version, at)).await
    }

    async fn used(&self, grant: GrantId, day: i64) -> Result<u64> {
        self.readers.read(move |connection| accept::used(connection, grant, day)).await
    }
}

fn secret(connection: &Connection) -> Result<[u8; 32]> {
    connection
        .prepare_cached("select bytes from head where name = 'secret'")
        .and_then(|mut statement| statement.query_row([], |row| row.get(0)))
        .map_err(fault)
}

fn execute(connection: &Connection, sql: &str, id: i64, at: At) -> Result<usize> {
    connection.prepare_cached(sql).and_then(|mut statement| statement.execute((id, at.0))).map_err(fault)
}

fn insert_application(connection: &Connection, application: &Application) -> Result<()> {
    write_application(
        connection,
        application,
        "insert into application (department_id, title, weight, inbox_gateway, \
        default_channels, default_topic, contact, version, id) values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
    )
}

fn replace_application(connection: &Connection, application: &Application) -> Result<()> {
    write_application(
        connection,
        application,
        "update application set department_id = ?1, title = ?2, weight = ?3, \
        inbox_gateway = ?4, default_channels = ?5, default_topic = ?6, contact = ?7, version = ?8 where id = ?9",
    )
}

fn write_application(connection: &Connection, one: &Application, sql: &str) -> Result<()> {
    let channels = json(&one.default_channels)?;
    connection
        .prepare_cached(sql)
        .and_then(|mut statement| {
            statement.execute(rusqlite::params![
                one.department_id,
                one.title,
                one.weight,
                one.inbox_gateway,
                channels,
                one.default_topic,
                one.contact,
                one.version,
                one.id.0,
            ])
        })
        .map(|_| ())
        .map_err(fault)
}

fn one_application(connection: &Connection, id: ApplicationId) -> Result<Option<Application>> {
    const SQL: &str = "select id, department_id, title, weight, inbox_gateway, default_channels, default_topic, contact, \
                       version from application where id = ?1";
    let mut statement = connection.prepare_cached(SQL).map_err(fault)?;
    let mut rows = statement.query([id.0]).map_err(fault)?;
    rows.next().map_err(fault)?.map(read_application).transpose()
}

fn applications(connection: &Connection) -> Result<Vec<Application>> {
    const SQL: &str = "select id, department_id, title, weight, inbox_gateway, default_channels, default_topic, contact, \
                       version from application order by id";
    let mut statement = connection.prepare_cached(SQL).map_err(fault)?;
    let mut rows = statement.query([]).map_err(fault)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next().map_err(fault)? {
        found.push(read_application(row)?);
    }
    Ok(found)
}

fn read_application(row: &Row<'_>) -> Result<Application> {
    let channels: String = row.get(5).map_err(fault)?;
    Ok(Application {
        id: ApplicationId(row.get(0).map_err(fault)?),
        department_id: row.get(1).map_err(fault)?,
        title: row.get(2).map_err(fault)?,
        weight: row.get(3).map_err(fault)?,
        inbox_gateway: row.get(4).map_err(fault)?,
        default_channels: unjson(&channels, "the channels of an application")?,
        default_topic: row.get(6).map_err(fault)?,
        contact: row.get(7).map_err(fault)?,
        version: row.get(8).map_err(fault)?,
    })
}

fn insert_key(connection: &Connection, key: &Key) -> Result<()> {
    const SQL: &str = "insert into api_key \
                       (id, principal, mode, hash, scopes, title, created_at, expire_at, revoked_at, version, networks, \
                       certificates) values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)";
    connection
        .prepare_cached(SQL)
        .and_then(|mut statement| {
            statement.execute((
                key.id.0,
                key.principal.code(),
                key.mode as i64,
                key.hash,
                key.scopes.0,
                &key.title,
                key.created_at.0,
                key.expire_at.map(|at| at.0),
                key.revoked_at.map(|at| at.0),
                key.version,
                words(&key.networks),
                words(&key.certificates),
            ))
        })
        .map(|_| ())
        .map_err(fault)
}

fn one_key(connection: &Connection, id: KeyId) -> Result<Option<Key>> {
    const SQL: &str = "select id, principal, mode, hash, scopes, title, created_at, expire_at, revoked_at, version, \
                       networks, certificates from api_key where id = ?1";
    let mut statement = connection.prepare_cached(SQL).map_err(fault)?;
    let mut rows = statement.query([id.0]).map_err(fault)?;
    rows.next().map_err(fault)?.map(read_key).transpose()
}

fn keys(connection: &Connection) -> Result<Vec<Key>> {
    const SQL: &str = "select id, principal, mode, hash, scopes, title, created_at, expire_at, revoked_at, version, \
                       networks, certificates from api_key order by id";
    let mut statement = connection.prepare_cached(SQL).map_err(fault)?;
    let mut rows = statement.query([]).map_err(fault)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next().map_err(fault)? {
        found.push(read_key(row)?);
    }
    Ok(found)
}

fn read_key(row: &Row<'_>) -> Result<Key> {
    Ok(Key {
        id: KeyId(row.get(0).map_err(fault)?),
        principal: Principal::from_code(row.get(1).map_err(fault)?),
        mode: known(Mode::from_code(row.get(2).map_err(fault)?), "mode")?,
        hash: row.get(3).map_err(fault)?,
        scopes: KeyScopes(row.get(4).map_err(fault)?),
        title: row.get(5).map_err(fault)?,
        created_at: At(row.get(6).map_err(fault)?),
        expire_at: row.get::<_, Option<i64>>(7).map_err(fault)?.map(At),
        revoked_at: row.get::<_, Option<i64>>(8).map_err(fault)?.map(At),
        version: row.get(9).map_err(fault)?,
        networks: unwords(&row.get::<_, String>(10).map_err(fault)?, "network")?,
        certificates: unwords(&row.get::<_, String>(11).map_err(fault)?, "certificate")?,
    })
}

/// A key that ends later keeps its version: what is published with it meanwhile stands.
fn rotate_key(connection: &Connection, old: KeyId, successor: &Key, old_end: At, at: At) -> Result<i64> {
    const END: &str = "update api_key set expire_at = min(coalesce(expire_at, ?2), ?2) \
                       where id = ?1 and revoked_at is null";
    let (sql, when) = if old_end > at { (END, old_end) } else { (REVOKE_KEY, at) };
    if execute(connection, sql, old.0, when)? == 0 {
        return Err(refuse::unknown_key().into());
    }
    insert_key(connection, successor)?;
    feed::append(connection, at, ChangeCode::Key, old.0)?;
    feed::append(connection, at, ChangeCode::Key, successor.id.0)
}

fn renew_grant(connection: &Connection, id: GrantId, expire_at: At, version: Option<i64>, at: At) -> Result<i64> {
    let known = one_grant(connection, id)?.ok_or_else(refuse::unknown_grant)?;
    let renewed = grant::renewed(known, expire_at, version)?;
    let body = grant::body(&renewed)?;
    connection
        .prepare_cached("update access_grant set version = ?2, body = ?3 where id = ?1")
        .and_then(|mut statement| statement.execute((id.0, renewed.version, body)))
        .map_err(fault)?;
    feed::append(connection, at, ChangeCode::Grant, id.0)
}

pub(super) fn insert_grant(connection: &Connection, grant: &Grant) -> Result<()> {
    let body = grant::body(grant)?;
    let Grant { id, principal, revoked_at, version, .. } = grant;
    connection
        .prepare_cached(
            "insert into access_grant (id, principal, revoked_at, version, body) values (?1, ?2, ?3, ?4, ?5)",
        )
        .and_then(|mut statement| statement.execute((id.0, principal.code(), revoked_at.map(|at| at.0), version, body)))
        .map(|_| ())
        .map_err(fault)
}

fn one_grant(connection: &Connection, id: GrantId) -> Result<Option<Grant>> {
    let mut statement = connection
        .prepare_cached("select id, principal, revoked_at, version, body from access_grant where id = ?1")
        .map_err(fault)?;
    let mut rows = statement.query([id.0]).map_err(fault)?;
    rows.next().map_err(fault)?.map(read_grant).transpose()
}

fn grants(connection: &Connection) -> Result<Vec<Grant>> {
    let mut statement = connection
        .prepare_cached("select id, principal, revoked_at, version, body from access_grant order by id")
        .map_err(fault)?;
    let mut rows = statement.query([]).map_err(fault)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next().map_err(fault)? {
        found.push(read_grant(row)?);
    }
    Ok(found)
}

fn read_grant(row: &Row<'_>) -> Result<Grant> {
    let body: String = row.get(4).map_err(fault)?;
    let id = GrantId(row.get(0).map_err(fault)?);
    let principal = Principal::from_code(row.get(1).map_err(fault)?);
    let revoked_at = row.get::<_, Option<i64>>(2).map_err(fault)?.map(At);
    grant::read(id, principal, revoked_at, row.get(3).map_err(fault)?, &body)
}
