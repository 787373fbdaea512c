//! [`Credentials`] on SQLite.

use std::time::Duration;

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension, Row};

use super::{Sqlite, fault};
use crate::domain::batch::ProviderId;
use crate::store::{Credential, Credentials, Refresh, Result, Turn};

#[async_trait]
impl Credentials for Sqlite {
    async fn credential(&self, provider: ProviderId) -> Result<Option<Credential>> {
        self.readers.read(move |connection| Ok(found(connection, &provider)?.and_then(Kept::into_credential))).await
    }

    async fn begin_refresh(&self, refresh: Refresh, span: Duration) -> Result<Turn> {
        self.writer.write(move |connection| begin(connection, &refresh, span)).await
    }

    async fn finish_refresh(&self, refresh: Refresh, body: Vec<u8>, lasts: Duration) -> Result<Option<i64>> {
        self.writer.write(move |connection| finish(connection, &refresh, &body, lasts)).await
    }

    async fn end_refresh(&self, refresh: Refresh) -> Result<()> {
        self.writer.write(move |connection| end(connection, &refresh)).await
    }
}

/// A row with the spans that are left of it.
struct Kept {
    version: i64,
    body: Option<Vec<u8>>,
    lasts: Duration,
    /// Who has the turn, and for how long; `None` when nobody has or it has passed.
    refreshing: Option<(i64, Duration)>,
}

impl Kept {
    const SQL: &str = "select version, body, expires_at, refreshing_by, refreshing_until, \
                       cast(unixepoch('subsec') * 1000 as integer) from credential where provider_id = ?1";

    fn read(row: &Row<'_>) -> rusqlite::Result<Kept> {
        let now: i64 = row.get(5)?;
        let left = |until: i64| Duration::from_millis(u64::try_from(until - now).unwrap_or(0));
        let by: Option<i64> = row.get(3)?;
        let until: Option<i64> = row.get(4)?;
        Ok(Kept {
            version: row.get(0)?,
            body: row.get(1)?,
            lasts: left(row.get(2)?),
            refreshing: by.zip(until.map(left)).filter(|(_, left)| !left.is_zero()),
        })
    }

    fn into_credential(self) -> Option<Credential> {
        let Kept { version, body, lasts, .. } = self;
        body.map(|body| Credential { version, body, lasts })
    }
}

fn found(connection: &Connection, provider: &str) -> Result<Option<Kept>> {
    connection
        .prepare_cached(Kept::SQL)
        .and_then(|mut statement| statement.query_row([provider], Kept::read).optional())
        .map_err(fault)
}

fn begin(connection: &Connection, refresh: &Refresh, span: Duration) -> Result<Turn> {
    let kept = found(connection, &refresh.provider)?;
    if let Some(kept) = kept {
        let other = kept.refreshing.filter(|(by, _)| *by != refresh.by);
        if kept.version != refresh.known
            && let Some(credential) = kept.into_credential()
        {
            return Ok(Turn::Replaced(credential));
        }
        if let Some((_, left)) = other {
            return Ok(Turn::Theirs { left });
        }
    }
    connection
        .prepare_cached(
            "insert into credential (provider_id, version, expires_at, refreshing_by, refreshing_until) \
             values (?1, 0, 0, ?2, cast(unixepoch('subsec') * 1000 as integer) + ?3) on conflict (provider_id) \
             do update set refreshing_by = excluded.refreshing_by, refreshing_until = excluded.refreshing_until",
        )
        .and_then(|mut statement| statement.execute((&*refresh.provider, refresh.by, millis(span))))
        .map(|_| Turn::Mine)
        .map_err(fault)
}

fn finish(connection: &Connection, refresh: &Refresh, body: &[u8], lasts: Duration) -> Result<Option<i64>> {
    connection
        .prepare_cached(
            "update credential set version = version + 1, body = ?4, refreshing_by = null, refreshing_until = null, \
             expires_at = cast(unixepoch('subsec') * 1000 as integer) + ?5 \
             where provider_id = ?1 and version = ?2 and refreshing_by = ?3 returning version",
        )
        .and_then(|mut statement| {
            let parameters = (&*refresh.provider, refresh.known, refresh.by, body, millis(lasts));
            statement.query_row(parameters, |row| row.get(0)).optional()
        })
        .map_err(fault)
}

fn end(connection: &Connection, refresh: &Refresh) -> Result<()> {
    connection
        .prepare_cached(
            "update credential set refreshing_by = null, refreshing_until = null \
             where provider_id = ?1 and refreshing_by = ?2",
        )
        .and_then(|mut statement| statement.execute((&*refresh.provider, refresh.by)))
        .map(|_| ())
        .map_err(fault)
}

fn millis(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX / 4).min(i64::MAX / 4)
}
