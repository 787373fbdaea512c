//! The stage of the demo: a fresh folder, the service with its settings, the stand-ins for its providers.

use std::fs::OpenOptions;
use std::io::Write;
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rand::Rng;

use super::super::client::{Failure, Session};
use super::nodes::Nodes;
use super::processes::Process;

/// On a campus smaller than this the mail relay takes its time, or nobody could call a message back half-way.
const SMALL_CAMPUS: usize = 20_000;
/// How long the slow relay thinks before each answer, in milliseconds; with several nodes, which use more connections
/// and of which one is to be killed in time.
const SLOW_RELAY_MS: &str = "1";
const SLOWER_RELAY_MS: &str = "8";
/// A WeCom token ends after so many sends.
const SENDS_PER_TOKEN: &str = "900";
/// Sends before the one that WeCom answers with 45009, beyond those of the whole-school notice: late among the
/// messages to one person, so that few have to wait.
const THROTTLED_AFTER: usize = 1_400;

/// A folder that is removed in the end unless somebody wants to keep it.
pub struct Folder {
    path: PathBuf,
    keep: bool,
}

impl Folder {
    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Removes it, or says where it is kept.
    pub fn close(&self) {
        if self.keep {
            println!("Data and logs are kept in {}.", self.path.display());
        }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if !self.keep {
            std::fs::remove_dir_all(&self.path).ok();
        }
    }
}

/// Makes the demo's folder: the one to keep, which must not hold anything, or a temporary one.
pub fn folder(keep: Option<PathBuf>) -> Result<Folder, Failure> {
    let name = format!("campanile-demo-{:08x}", rand::rng().random::<u32>());
    let path = keep.clone().unwrap_or_else(|| std::env::temp_dir().join(name));
    let fault = |error: std::io::Error| Failure::refused(format!("cannot make {}: {error}", path.display()));
    std::fs::create_dir_all(&path).map_err(fault)?;
    if std::fs::read_dir(&path).map_err(fault)?.next().is_some() {
        return Err(Failure::usage(format!("{} is not empty; name a new folder", path.display())));
    }
    let path = path.canonicalize().map_err(fault)?;
    Ok(Folder { path, keep: keep.is_some() })
}

/// Writes a file that only its owner can read.
pub fn write_private(path: &Path, text: &str) -> Result<(), Failure> {
    let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path);
    let written = file.and_then(|mut file| file.write_all(text.as_bytes()));
    written.map_err(|error| Failure::refused(format!("cannot write {}: {error}", path.display())))
}

/// The running service and stand-ins.
pub struct Stage {
    /// Where everything writes.
    pub folder: PathBuf,
    /// Speaks for the first administrator, at the first node.
    pub admin: Session,
    /// The service.
    pub nodes: Nodes,
    providers: Providers,
}

impl Stage {
    /// Starts everything, with so many nodes, and waits until the service is ready.
    pub async fn start(folder: &Path, users: usize, nodes: usize, break_how: Option<&str>) -> Result<Stage, Failure> {
        let step_delay = match (users < SMALL_CAMPUS, nodes) {
            (false, _) => None,
            (true, 1) => Some(SLOW_RELAY_MS),
            (true, _) => Some(SLOWER_RELAY_MS),
        };
        let providers = Providers::start(folder, users, step_delay, break_how).await?;
        let nodes = Nodes::start(folder, nodes, &providers).await?;
        let urls = nodes.urls().join(" and ");
        let Providers { smtp_at, wecom_at, .. } = &providers;
        println!("  service {urls}, mail relay {smtp_at}, WeCom {wecom_at}");
        Ok(Stage { folder: folder.to_owned(), admin: nodes.first().admin.clone(), nodes, providers })
    }

    /// Fails when a child has ended by itself.
    pub fn check_running(&mut self) -> Result<(), Failure> {
        self.nodes.check_running()?;
        for process in [&mut self.providers.smtp, &mut self.providers.wecom] {
            if !process.runs() {
                return Err(process.died());
            }
        }
        Ok(())
    }

    /// Ends everything.
    pub async fn end(self, mut app: Process) {
        app.kill().await;
        self.nodes.end().await;
        for mut process in [self.providers.smtp, self.providers.wecom] {
            process.kill().await;
        }
    }
}

/// The stand-ins for the providers.
pub struct Providers {
    smtp: Process,
    wecom: Process,
    smtp_at: SocketAddr,
    wecom_at: SocketAddr,
    /// Messages to more people than this wait for a second person: those to the whole school.
    review_above: usize,
}

impl Providers {
    async fn start(
        folder: &Path,
        users: usize,
        step_delay: Option<&str>,
        break_how: Option<&str>,
    ) -> Result<Providers, Failure> {
        let mut arguments = vec!["standin", "smtp", "--listen", "127.0.0.1:0", "--log", "smtp.log"];
        arguments.extend(step_delay.into_iter().flat_map(|delay| ["--step-delay", delay]));
        arguments.extend(break_how.into_iter().flat_map(|how| ["--break", how]));
        let mut smtp = Process::start("smtp", folder, arguments)?;
        let throttled = (users.div_ceil(1_000) + THROTTLED_AFTER).to_string();
        let arguments = ["standin", "wecom", "--listen", "127.0.0.1:0", "--log", "wecom.log"];
        let troubles = ["--sends-per-token", SENDS_PER_TOKEN, "--throttle-call", &throttled];
        let mut wecom = Process::start("wecom", folder, arguments.into_iter().chain(troubles))?;
        let smtp_at = Process::address_of(&smtp.line("listening on ").await?)?;
        let wecom_at = Process::address_of(&wecom.line("listening on ").await?)?;
        Ok(Providers { smtp, wecom, smtp_at, wecom_at, review_above: users / 10 * 9 })
    }
}

/// The settings of a node, with the sections for what it shares with others.
#[must_use]
pub fn settings(node: &str, shared: &str, providers: &Providers) -> String {
    let port = providers.smtp_at.port().to_string();
    let own = SETTINGS
        .replace("SMTP_PORT", &port)
        .replace("REVIEW", &providers.review_above.to_string())
        .replace("WECOM", &providers.wecom_at.to_string());
    format!("{shared}{}", own.replace("NODE", node))
}

/// The name of the node that greets so at the mail relay.
#[must_use]
pub fn node_of(greeting: &str) -> Option<&str> {
    greeting.strip_suffix(MAIL_DOMAIN)?.strip_suffix('.')
}

/// What the names end with by which nodes greet the mail relay.
const MAIL_DOMAIN: &str = "campus.example";

/// The service's settings. The waits after a provider's refusal are short, since nobody wants to watch them.
const SETTINGS: &str = r#"
[node]
name = "NODE"

[campus]
name = "钟楼大学"

[review]
threshold = REVIEW

[grpc]
listen = "127.0.0.1:0"

[http]
listen = "127.0.0.1:0"

[log]
level = "warn"

[channel.email.relay]
host = "127.0.0.1"
port = SMTP_PORT
from = "notice@campus.example"
hello = "NODE.campus.example"
connections = 8

[channel.wechat.wecom]
base_url = "http://WECOM"
corp_id = "standin-corp"
agent_id = 1000002
secret = "standin-secret"
cool_down = "1s"
"#;
