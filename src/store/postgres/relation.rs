//! [`Relations`] on PostgreSQL.

use async_trait::async_trait;

use super::{Postgres, row};
use crate::domain::id::MessageId;
use crate::store::{MessageRow, Relations, Result, facts};

#[async_trait]
impl Relations for Postgres {
    async fn referring(&self, id: MessageId, limit: usize) -> Result<Vec<MessageRow>> {
        let sql = format!(
            "select {} from message where id in (select message_id from relation where other_id = $1) \
             order by id limit $2",
            facts::COLUMNS
        );
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        self.session().await?.rows(&sql, &[&id.0, &limit]).await?.iter().map(row::read).collect()
    }
}
