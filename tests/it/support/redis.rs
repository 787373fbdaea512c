//! A private Redis server for one test, which may treat it as badly as it likes.

use campanile::standin::private::{Error, Redis};
use redis::Value;
use tempfile::TempDir;

/// Set by tests/run: a server that is missing is a failure then.
const REQUIRED: &str = "CAMPANILE_TEST_SERVERS";

/// A running server; it goes with this.
pub struct Server {
    /// The server itself.
    pub redis: Redis,
    _folder: TempDir,
}

impl Server {
    /// A fresh server; `None`, and a word about it, if there is none to be had.
    pub fn start() -> Option<Server> {
        let folder = tempfile::tempdir().unwrap();
        match Redis::start(folder.path()) {
            Ok(redis) => Some(Server { redis, _folder: folder }),
            Err(error @ Error::Missing { .. }) if std::env::var_os(REQUIRED).is_none() => {
                eprintln!("\n*** SKIPPED: a test on Redis: {error}\n");
                None
            }
            Err(error) => panic!("{error}"),
        }
    }

    /// Where it is.
    pub fn url(&self) -> String {
        self.redis.url()
    }

    /// Says something to the server as its operator would.
    pub async fn say(&self, words: &[&str]) -> Value {
        let client = redis::Client::open(self.url()).unwrap();
        let mut connection = client.get_multiplexed_async_connection().await.unwrap();
        let mut command = redis::cmd(words[0]);
        command.arg(&words[1..]).query_async(&mut connection).await.unwrap()
    }
}
