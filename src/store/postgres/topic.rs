//! [`Topics`] on PostgreSQL.

use async_trait::async_trait;
use tokio_postgres::Row;

use super::Postgres;
use super::encode::get;
use super::feed::Feed;
use super::session::Session;
use crate::domain::change::ChangeCode;
use crate::domain::time::At;
use crate::domain::topic::Topic;
use crate::store::encode::{json, unjson};
use crate::store::topics::{self, Step};
use crate::store::{Result, Topics};

const COLUMNS: &str = "select name, title, department_id, default_on, may_mute, default_channels, version from topic";

#[async_trait]
impl Topics for Postgres {
    async fn all(&self) -> Result<Vec<Topic>> {
        let sql = format!("{COLUMNS} order by name collate \"C\"");
        self.session().await?.rows(&sql, &[]).await?.iter().map(read).collect()
    }

    async fn topic(&self, id: i64) -> Result<Option<Topic>> {
        let sql = format!("{COLUMNS} where id = $1");
        self.session().await?.maybe(&sql, &[&id]).await?.as_ref().map(read).transpose()
    }

    async fn upsert(&self, topic: Topic, at: At) -> Result<(Topic, i64)> {
        let session = self.transaction().await?;
        let mut feed = Feed::lock(&session).await?;
        let sql = format!("{COLUMNS} where name = $1");
        let kept = session.maybe(&sql, &[&topic.name]).await?.as_ref().map(read).transpose()?;
        let topic = match topics::step(topic, kept) {
            Step::Keep(topic) => topic,
            Step::Insert(topic) => {
                insert(&session, feed.append_new(ChangeCode::Topic), &topic).await?;
                topic
            }
            Step::Update(topic) => {
                feed.append(ChangeCode::Topic, update(&session, &topic).await?);
                topic
            }
        };
        let seq = feed.write(&session, at).await?;
        session.commit().await?;
        Ok((topic, seq))
    }
}

async fn insert(session: &Session, id: i64, topic: &Topic) -> Result<()> {
    const SQL: &str = "insert into topic (id, name, title, department_id, default_on, may_mute, default_channels, \
                       version) values ($1, $2, $3, $4, $5, $6, $7, $8)";
    let Topic { name, title, department_id, version, .. } = topic;
    let (default_on, may_mute) = (i64::from(topic.default_on), i64::from(topic.may_mute));
    let channels = json(&topic.default_channels)?;
    session.execute(SQL, &[&id, name, title, department_id, &default_on, &may_mute, &channels, version]).await?;
    Ok(())
}

/// Returns the number of the topic.
async fn update(session: &Session, topic: &Topic) -> Result<i64> {
    const SQL: &str = "update topic set title = $2, department_id = $3, default_on = $4, may_mute = $5, \
                       default_channels = $6, version = $7 where name = $1 returning id";
    let Topic { name, title, department_id, version, .. } = topic;
    let (default_on, may_mute) = (i64::from(topic.default_on), i64::from(topic.may_mute));
    let channels = json(&topic.default_channels)?;
    get(&session.one(SQL, &[name, title, department_id, &default_on, &may_mute, &channels, version]).await?, 0)
}

fn read(row: &Row) -> Result<Topic> {
    Ok(Topic {
        name: get(row, 0)?,
        title: get(row, 1)?,
        department_id: get(row, 2)?,
        default_on: get::<i64>(row, 3)? != 0,
        may_mute: get::<i64>(row, 4)? != 0,
        default_channels: unjson(get(row, 5)?, "the channels of a topic")?,
        version: get(row, 6)?,
    })
}
