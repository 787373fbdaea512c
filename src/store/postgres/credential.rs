//! [`Credentials`] on PostgreSQL. The row of a provider is locked for one statement at a time, never while a
//! provider is asked.

use std::time::Duration;

use async_trait::async_trait;
use tokio_postgres::Row;

use super::Postgres;
use super::encode::{CLOCK, get, millis};
use crate::domain::batch::ProviderId;
use crate::store::{Credential, Credentials, Refresh, Result, Turn};

#[async_trait]
impl Credentials for Postgres {
    async fn credential(&self, provider: ProviderId) -> Result<Option<Credential>> {
        let sql = format!("{} where provider_id = $1", kept());
        let row = self.session().await?.maybe(&sql, &[&&*provider]).await?;
        row.map_or(Ok(None), |row| Ok(Kept::read(&row)?.credential))
    }

    async fn begin_refresh(&self, refresh: Refresh, span: Duration) -> Result<Turn> {
        let transaction = self.transaction().await?;
        let first = "insert into credential (provider_id, version, expires_at) values ($1, 0, 0) \
                     on conflict (provider_id) do nothing";
        transaction.execute(first, &[&&*refresh.provider]).await?;
        let locked = format!("{} where provider_id = $1 for update", kept());
        let kept = Kept::read(&transaction.one(&locked, &[&&*refresh.provider]).await?)?;
        if kept.version != refresh.known
            && let Some(credential) = kept.credential
        {
            return Ok(Turn::Replaced(credential));
        }
        if let Some((_, left)) = kept.refreshing.filter(|(by, _)| *by != refresh.by) {
            return Ok(Turn::Theirs { left });
        }
        let take =
            format!("update credential set refreshing_by = $2, refreshing_until = {CLOCK} + $3 where provider_id = $1");
        transaction.execute(&take, &[&&*refresh.provider, &refresh.by, &millis(span)]).await?;
        transaction.commit().await?;
        Ok(Turn::Mine)
    }

    async fn finish_refresh(&self, refresh: Refresh, body: Vec<u8>, lasts: Duration) -> Result<Option<i64>> {
        let sql = format!(
            "update credential set version = version + 1, body = $4, refreshing_by = null, refreshing_until = null, \
             expires_at = {CLOCK} + $5 where provider_id = $1 and version = $2 and refreshing_by = $3 returning version"
        );
        let values: [&(dyn tokio_postgres::types::ToSql + Sync); 5] =
            [&&*refresh.provider, &refresh.known, &refresh.by, &body, &millis(lasts)];
        let row = self.session().await?.maybe(&sql, &values).await?;
        row.map(|row| get(&row, 0)).transpose()
    }

    async fn end_refresh(&self, refresh: Refresh) -> Result<()> {
        const SQL: &str = "update credential set refreshing_by = null, refreshing_until = null \
                           where provider_id = $1 and refreshing_by = $2";
        self.session().await?.execute(SQL, &[&&*refresh.provider, &refresh.by]).await.map(|_| ())
    }
}

/// A row with the spans that are left of it.
struct Kept {
    version: i64,
    credential: Option<Credential>,
    /// Who has the turn, and for how long; `None` when nobody has or it has passed.
    refreshing: Option<(i64, Duration)>,
}

fn kept() -> String {
    format!(
        "select version, body, greatest(expires_at - {CLOCK}, 0), refreshing_by, \
         greatest(refreshing_until - {CLOCK}, 0) from credential"
    )
}

impl Kept {
    fn read(row: &Row) -> Result<Kept> {
        let span = |millis: i64| Duration::from_millis(millis.unsigned_abs());
        let (version, body): (i64, Option<Vec<u8>>) = (get(row, 0)?, get(row, 1)?);
        let lasts = span(get(row, 2)?);
        let by: Option<i64> = get(row, 3)?;
        let left: Option<i64> = get(row, 4)?;
        Ok(Kept {
            version,
            credential: body.map(|body| Credential { version, body, lasts }),
            refreshing: by.zip(left.map(span)).filter(|(_, left)| !left.is_zero()),
        })
    }
}
