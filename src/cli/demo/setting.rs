//! The stage of the demo: a fresh folder, the service with its settings, the stand-ins for its providers.

use std::path::{Path, PathBuf};

use rand::Rng;

use super::super::client::{Failure, Session};
use super::processes::Process;

/// On a campus smaller than this the mail relay takes its time, or nobody could call a message back half-way.
const SMALL_CAMPUS: usize = 20_000;
/// How long the slow relay thinks before each answer, in milliseconds.
const SLOW_RELAY_MS: &str = "1";
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

/// The running service and stand-ins.
pub struct Stage {
    /// Where everything writes.
    pub folder: PathBuf,
    /// Address of the service.
    pub url: String,
    /// Speaks for the first administrator.
    pub admin: Session,
    /// The service's process.
    pub service: Process,
    smtp: Process,
    wecom: Process,
}

impl Stage {
    /// Starts everything and waits until the service is ready.
    pub async fn start(folder: &Path, users: usize, break_how: Option<&str>) -> Result<Stage, Failure> {
        let mut arguments = vec!["standin", "smtp", "--listen", "127.0.0.1:0", "--log", "smtp.log"];
        if users < SMALL_CAMPUS {
            arguments.extend(["--step-delay", SLOW_RELAY_MS]);
        }
        if let Some(how) = break_how {
            arguments.extend(["--break", how]);
        }
        let mut smtp = Process::start("smtp", folder, arguments)?;
        let throttled = (users.div_ceil(1_000) + THROTTLED_AFTER).to_string();
        let arguments = ["standin", "wecom", "--listen", "127.0.0.1:0", "--log", "wecom.log"];
        let troubles = ["--sends-per-token", SENDS_PER_TOKEN, "--throttle-call", &throttled];
        let mut wecom = Process::start("wecom", folder, arguments.into_iter().chain(troubles))?;
        let smtp_at = Process::address_of(&smtp.line("listening on ").await?)?;
        let wecom_at = Process::address_of(&wecom.line("listening on ").await?)?;

        let settings =
            SETTINGS.replace("SMTP_PORT", &smtp_at.port().to_string()).replace("WECOM", &wecom_at.to_string());
        let write = std::fs::write(folder.join("campanile.toml"), settings);
        write.map_err(|error| Failure::refused(format!("cannot write the settings: {error}")))?;
        let mut service = Process::start("service", folder, ["serve"])?;
        // The service says where the token is once it has written it, before it serves.
        service.line("The administrator's token is in ").await?;
        let grpc = service.line("  gRPC ").await?;
        let url = format!("http://{}", Process::address_of(grpc.split_whitespace().next().unwrap_or_default())?);
        service.healthy(&url).await?;
        let token = std::fs::read_to_string(folder.join("campanile-data/admin-token"));
        let token = token.map_err(|_| service.died())?;
        let admin = Session::open(&url, token.trim()).await?;
        println!("  service {url}, mail relay {smtp_at}, WeCom {wecom_at}; logs in {}", folder.display());
        Ok(Stage { folder: folder.to_owned(), url, admin, service, smtp, wecom })
    }

    /// Fails when a child has ended by itself.
    pub fn check_running(&mut self) -> Result<(), Failure> {
        for process in [&mut self.service, &mut self.smtp, &mut self.wecom] {
            if !process.runs() {
                return Err(process.died());
            }
        }
        Ok(())
    }

    /// Ends everything.
    pub async fn end(self, app: Process) {
        for process in [app, self.service, self.smtp, self.wecom] {
            process.stop().await;
        }
    }
}

/// The service's settings. The waits after a provider's refusal are short, since nobody wants to watch them.
const SETTINGS: &str = r#"
[campus]
name = "钟楼大学"

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
connections = 8

[channel.wechat.wecom]
base_url = "http://WECOM"
corp_id = "standin-corp"
agent_id = 1000002
secret = "standin-secret"
cool_down = "1s"
"#;
