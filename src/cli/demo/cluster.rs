//! What several nodes share in the demo: a PostgreSQL and a Redis of its own, and what they all must have heard of
//! before the day begins.

use std::path::Path;

use super::super::client::{Failure, Session, timed};
use super::campus::Campus;
use super::load::Loaded;
use super::places::NOTICE_PLATFORM;
use super::plan;
use campanile::api::v1;
use campanile::standin::private::{self, Postgres, Redis};

/// Connections of one node to PostgreSQL.
const CONNECTIONS: usize = 16;

/// The servers; they end with this.
pub struct Servers {
    postgres: Postgres,
    redis: Redis,
}

impl Servers {
    /// Starts both in a folder, which takes some seconds.
    pub async fn start(folder: &Path) -> Result<Servers, Failure> {
        let parent = folder.to_owned();
        let start = move || Ok(Servers { redis: Redis::start(&parent)?, postgres: Postgres::start(&parent)? });
        let started: Result<Result<Servers, private::Error>, _> = tokio::task::spawn_blocking(start).await;
        let servers = started
            .map_err(|error| Failure::refused(format!("the private servers cannot be started: {error}")))?
            .map_err(|error| Failure::refused(format!("--cluster needs a PostgreSQL and a Redis: {error}")))?;
        println!(
            "  PostgreSQL on 127.0.0.1:{}, Redis on 127.0.0.1:{}, both of the demo's own",
            servers.postgres.port(),
            servers.redis.port()
        );
        Ok(servers)
    }

    /// The sections of a node's settings that name them. They hold passwords.
    #[must_use]
    pub fn settings(&self) -> String {
        let (store, coordination) = (self.postgres.url("postgres"), self.redis.url());
        format!("[store]\nurl = \"{store}\"\nconnections = {CONNECTIONS}\n\n[coordination]\nurl = \"{coordination}\"\n")
    }
}

/// Waits until every node knows everything that was loaded.
pub async fn all_know(nodes: &[Session], loaded: &Loaded, campus: &Campus) -> Result<(), Failure> {
    for node in nodes {
        let session = node.with_token(&loaded.systems[NOTICE_PLATFORM].token)?;
        let request = v1::PublishRequest {
            validate_only: true,
            min_directory_seq: loaded.directory_seq,
            ..plan::school_notice().request(campus)
        };
        session.publish().publish(timed(request)).await?;
    }
    Ok(())
}
