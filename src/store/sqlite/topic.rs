//! [`Topics`] on SQLite.

use async_trait::async_trait;
use rusqlite::{Connection, Params, Row};

use super::encode::head;
use super::{Sqlite, fault, feed};
use crate::domain::change::ChangeCode;
use crate::domain::time::At;
use crate::domain::topic::Topic;
use crate::store::encode::{json, unjson};
use crate::store::topics::{self, Step};
use crate::store::{Result, Topics};

const COLUMNS: &str = "select name, title, department_id, default_on, may_mute, default_channels, version from topic";

#[async_trait]
impl Topics for Sqlite {
    async fn all(&self) -> Result<Vec<Topic>> {
        self.readers.read(|connection| found(connection, "order by name", [])).await
    }

    async fn topic(&self, id: i64) -> Result<Option<Topic>> {
        self.readers.read(move |connection| Ok(found(connection, "where id = ?1", [id])?.pop())).await
    }

    async fn upsert(&self, topic: Topic, at: At) -> Result<(Topic, i64)> {
        self.writer.write(move |connection| upsert(connection, topic, at)).await
    }
}

fn upsert(connection: &Connection, topic: Topic, at: At) -> Result<(Topic, i64)> {
    let kept = found(connection, "where name = ?1", [&topic.name])?.pop();
    Ok(match topics::step(topic, kept) {
        Step::Keep(topic) => (topic, head(connection, "change")?),
        Step::Insert(topic) => {
            let id = feed::next(connection)?;
            insert(connection, id, &topic)?;
            feed::record(connection, id, at, ChangeCode::Topic, id)?;
            (topic, id)
        }
        Step::Update(topic) => {
            let id = update(connection, &topic)?;
            let seq = feed::append(connection, at, ChangeCode::Topic, id)?;
            (topic, seq)
        }
    })
}

fn insert(connection: &Connection, id: i64, topic: &Topic) -> Result<()> {
    const SQL: &str = "insert into topic (id, name, title, department_id, default_on, may_mute, default_channels, \
                       version) values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
    let Topic { name, title, department_id, default_on, may_mute, default_channels, version } = topic;
    let values = (id, name, title, department_id, default_on, may_mute, json(default_channels)?, version);
    connection.prepare_cached(SQL).and_then(|mut statement| statement.execute(values)).map(|_| ()).map_err(fault)
}

/// Returns the number of the topic.
fn update(connection: &Connection, topic: &Topic) -> Result<i64> {
    const SQL: &str = "update topic set title = ?2, department_id = ?3, default_on = ?4, may_mute = ?5, \
                       default_channels = ?6, version = ?7 where name = ?1 returning id";
    let Topic { name, title, department_id, default_on, may_mute, default_channels, version } = topic;
    let values = (name, title, department_id, default_on, may_mute, json(default_channels)?, version);
    connection
        .prepare_cached(SQL)
        .and_then(|mut statement| statement.query_row(values, |row| row.get(0)))
        .map_err(fault)
}

fn found(connection: &Connection, which: &str, values: impl Params) -> Result<Vec<Topic>> {
    let rows: Vec<(Topic, String)> = connection
        .prepare_cached(&format!("{COLUMNS} {which}"))
        .and_then(|mut statement| statement.query_map(values, columns)?.collect())
        .map_err(fault)?;
    let topic = |(topic, channels): (Topic, String)| {
        Ok(Topic { default_channels: unjson(&channels, "the channels of a topic")?, ..topic })
    };
    rows.into_iter().map(topic).collect()
}

/// A topic without its channels, and those as they are stored.
fn columns(row: &Row<'_>) -> rusqlite::Result<(Topic, String)> {
    let topic = Topic {
        name: row.get(0)?,
        title: row.get(1)?,
        department_id: row.get(2)?,
        default_on: row.get(3)?,
        may_mute: row.get(4)?,
        default_channels: Vec::new(),
        version: row.get(6)?,
    };
    Ok((topic, row.get(5)?))
}
