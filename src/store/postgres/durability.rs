//! The settings that durability depends on, read back from the server.

use std::time::Duration;

use tokio_postgres::Client;

use super::{Options, fault};
use crate::store::{Error, Result};

/// The oldest server that the statements are written for.
const SERVER_MIN: i64 = 150_000;
/// How long the server may take to say so.
const ANSWER: Duration = Duration::from_secs(5);

/// The settings that durability depends on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Durability {
    /// `on` or `remote_apply`: a commit is answered when it is on the disk.
    pub synchronous_commit: String,
    /// `on`: the server flushes at all.
    pub fsync: String,
    /// `on`: a power cut in the middle of a page can be repaired.
    pub full_page_writes: String,
    /// The server's version as a number: 15.4 is 150004.
    pub server: i64,
    /// The server follows another and only reads.
    pub only_reads: bool,
}

impl Durability {
    /// Asks the server.
    pub(super) async fn read(client: &Client) -> Result<Durability> {
        const SQL: &str = "select current_setting('synchronous_commit'), current_setting('fsync'), \
                           current_setting('full_page_writes'), current_setting('server_version_num')::bigint, \
                           pg_is_in_recovery()";
        let late = |_| Error::Unavailable("PostgreSQL did not answer in time".into());
        let row = tokio::time::timeout(ANSWER, client.query_one(SQL, &[])).await.map_err(late)?.map_err(fault)?;
        let text = |column: usize| row.try_get(column).map_err(fault);
        Ok(Durability {
            synchronous_commit: text(0)?,
            fsync: text(1)?,
            full_page_writes: text(2)?,
            server: row.try_get(3).map_err(fault)?,
            only_reads: row.try_get(4).map_err(fault)?,
        })
    }

    /// Whether a commit that was answered survives a power cut.
    #[must_use]
    pub fn keeps(&self) -> bool {
        ["on", "remote_apply"].contains(&self.synchronous_commit.as_str())
            && self.fsync == "on"
            && self.full_page_writes == "on"
    }

    /// Goes on if the server keeps what it confirms.
    pub(super) fn suffices(&self, options: &Options) -> Result<()> {
        if self.server < SERVER_MIN {
            let (major, minor) = (self.server / 10_000, self.server % 10_000);
            return Err(Error::Unavailable(format!("PostgreSQL {major}.{minor} is older than 15")));
        }
        if self.only_reads {
            return Err(Error::Unavailable("the server follows another and only reads; name the primary".into()));
        }
        if self.keeps() || options.allow_weak_durability {
            return Ok(());
        }
        Err(Error::Unavailable(format!(
            "the server has synchronous_commit={}, fsync={}, full_page_writes={}; acknowledged messages need all \
             of them on. Set them, or say allow_weak_durability = true and accept that a power cut loses messages",
            self.synchronous_commit, self.fsync, self.full_page_writes
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(synchronous_commit: &str, fsync: &str, full_page_writes: &str, server: i64) -> Durability {
        let text = str::to_owned;
        let (synchronous_commit, fsync) = (text(synchronous_commit), text(fsync));
        Durability { synchronous_commit, fsync, full_page_writes: text(full_page_writes), server, only_reads: false }
    }

    #[test]
    fn a_server_that_may_forget_is_refused() {
        let strict = Options::default();
        let weak = Options { allow_weak_durability: true, ..Options::default() };
        for good in ["on", "remote_apply"] {
            assert!(said(good, "on", "on", 150_004).suffices(&strict).is_ok());
        }
        for forgetful in [said("off", "on", "on", 150_004), said("local", "on", "on", 160_000)] {
            assert!(forgetful.suffices(&strict).is_err());
            assert!(forgetful.suffices(&weak).is_ok());
        }
        assert!(said("on", "off", "on", 150_004).suffices(&strict).is_err());
        assert!(said("on", "on", "off", 150_004).suffices(&strict).is_err());
        assert!(said("on", "on", "on", 140_009).suffices(&weak).is_err());
        let follower = Durability { only_reads: true, ..said("on", "on", "on", 150_004) };
        assert!(follower.suffices(&weak).is_err());
    }
}
