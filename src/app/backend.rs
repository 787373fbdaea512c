//! The store that the settings name: embedded in this process, or a database that many nodes share.

use std::time::Duration;

use secrecy::ExposeSecret;

use crate::config;
use crate::store::postgres::{Durability, Options, Postgres};
use crate::store::sqlite::Sqlite;
use crate::store::{Error, Result, Store};

/// How long a look at the database may take.
const LOOK: Duration = Duration::from_secs(10);

/// Opens it and brings its schema up to date.
pub(super) async fn open(settings: &config::Store) -> Result<Store> {
    match &settings.url {
        None => Ok(Sqlite::open(&settings.directory)?.store()),
        Some(url) => Ok(Postgres::open(url.expose_secret(), &options(settings)).await?.store()),
    }
}

/// Asks the database whether a node could use it, and changes nothing. `None`: the store is embedded.
pub(super) async fn look(settings: &config::Store) -> Option<Result<Durability>> {
    let url = settings.url.as_ref()?.expose_secret();
    let late = |_| Error::Unavailable("PostgreSQL did not answer in time".into());
    Some(tokio::time::timeout(LOOK, Postgres::look(url, &options(settings))).await.map_err(late).flatten())
}

fn options(settings: &config::Store) -> Options {
    Options { connections: settings.connections, allow_weak_durability: settings.allow_weak_durability }
}
