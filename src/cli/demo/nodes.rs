//! The nodes of the demo's service: one with an embedded store, or several on the demo's own servers.

use std::path::{Path, PathBuf};

use super::super::client::{ADMIN_TOKEN_FILE, Failure, Session};
use super::cluster::Servers;
use super::processes::Process;
use super::setting::{self, Providers};

/// A node, as a process of its own.
pub struct Node {
    /// What it is called, by operators and, as the first part of a host's name, at the mail relay.
    pub name: String,
    /// Where it serves.
    pub url: String,
    /// Speaks for the first administrator.
    pub admin: Session,
    process: Process,
    is_killed: bool,
}

/// All nodes. The first is never killed.
pub struct Nodes {
    all: Vec<Node>,
    /// What they share; ends after them.
    _servers: Option<Servers>,
}

impl Nodes {
    /// Starts so many nodes one after the other and waits until each is ready: one on its own, several on a
    /// PostgreSQL and a Redis of their own.
    pub async fn start(folder: &Path, count: usize, providers: &Providers) -> Result<Nodes, Failure> {
        let servers = if count > 1 { Some(Servers::start(folder).await?) } else { None };
        let mut all = Vec::with_capacity(count);
        let mut token = None;
        for number in 1..=count {
            let name = if count > 1 { format!("node-{number}") } else { "service".to_owned() };
            let shared = servers.as_ref().map(Servers::settings).unwrap_or_default();
            let text = setting::settings(&name, &shared, providers);
            let home = if count > 1 { folder.join(&name) } else { folder.to_owned() };
            let (process, url) = launch(&name, &home, &text, &mut token).await?;
            let admin = Session::open(&url, token.as_deref().unwrap_or_default()).await?;
            all.push(Node { name, url, admin, process, is_killed: false });
        }
        Ok(Nodes { all, _servers: servers })
    }

    /// Every node, the killed ones as well.
    #[must_use]
    pub fn all(&self) -> &[Node] {
        &self.all
    }

    /// The node that is there from the beginning to the end.
    #[must_use]
    pub fn first(&self) -> &Node {
        &self.all[0]
    }

    /// The administrator's sessions, one per node.
    #[must_use]
    pub fn sessions(&self) -> Vec<Session> {
        self.all.iter().map(|node| node.admin.clone()).collect()
    }

    /// Where they serve.
    #[must_use]
    pub fn urls(&self) -> Vec<String> {
        self.all.iter().map(|node| node.url.clone()).collect()
    }

    /// Kills a node as a crash would, and waits until it is gone.
    pub async fn kill(&mut self, number: usize) {
        let node = &mut self.all[number];
        node.is_killed = true;
        node.process.kill().await;
    }

    /// The most memory that one of them held, in MiB, where the system tells.
    #[must_use]
    pub fn peak_memory(&self) -> Option<u64> {
        self.all.iter().filter_map(|node| node.process.peak_memory()).max()
    }

    /// Fails when a node has ended by itself.
    pub fn check_running(&mut self) -> Result<(), Failure> {
        for node in self.all.iter_mut().filter(|node| !node.is_killed) {
            if !node.process.runs() {
                return Err(node.process.died());
            }
        }
        Ok(())
    }

    /// Ends them, and then what they share.
    pub async fn end(self) {
        for mut node in self.all {
            node.process.kill().await;
        }
    }
}

/// Starts a node in its folder. The first one tells the administrator's token.
async fn launch(
    name: &str,
    home: &PathBuf,
    settings: &str,
    token: &mut Option<String>,
) -> Result<(Process, String), Failure> {
    let made = std::fs::create_dir_all(home);
    made.map_err(|error| Failure::refused(format!("cannot make {}: {error}", home.display())))?;
    setting::write_private(&home.join("campanile.toml"), settings)?;
    let mut process = Process::start(name, home, ["serve"])?;
    if token.is_none() {
        // The service says where the token is once it has written it, before it serves.
        process.line("The administrator's token is in ").await?;
        let text = std::fs::read_to_string(home.join(ADMIN_TOKEN_FILE)).map_err(|_| process.died())?;
        *token = Some(text.trim().to_owned());
    }
    let grpc = process.line("  gRPC ").await?;
    let url = format!("http://{}", Process::address_of(grpc.split_whitespace().next().unwrap_or_default())?);
    process.healthy(&url).await?;
    Ok((process, url))
}
