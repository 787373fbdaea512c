//! The demo's child processes, all of them this same program: the service and the stand-ins. They end with the demo.

use std::ffi::OsStr;
use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::{sleep, timeout};
use tonic::transport::Endpoint;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use super::super::client::Failure;

/// How long a child may take until it is ready.
const READY_DEADLINE: Duration = Duration::from_secs(30);
const HEALTH_INTERVAL: Duration = Duration::from_millis(20);

/// A running child. Dropping it kills it.
pub struct Process {
    child: Child,
    stdout: Option<Lines<BufReader<ChildStdout>>>,
    /// What it complained about is in here.
    errors: PathBuf,
    name: String,
}

impl Process {
    /// Starts this program with other arguments in a folder; stderr goes to `NAME.err` there.
    pub fn start<I, S>(name: &str, folder: &Path, arguments: I) -> Result<Process, Failure>
    where
        I: IntoIterator<Item = S>,
        S: AsRef<OsStr>,
    {
        let fault = |error: std::io::Error| Failure::refused(format!("cannot start {name}: {error}"));
        let program = std::env::current_exe().map_err(fault)?;
        let errors = folder.join(format!("{name}.err"));
        let mut command = Command::new(program);
        command.args(arguments).current_dir(folder).stdin(Stdio::null()).stdout(Stdio::piped());
        command.stderr(File::create(&errors).map_err(fault)?).kill_on_drop(true);
        // The surroundings of the demo must not change what it shows.
        for (key, _) in std::env::vars_os().filter(|(key, _)| key.to_string_lossy().starts_with("CAMPANILE_")) {
            command.env_remove(key);
        }
        let mut child = command.spawn().map_err(fault)?;
        let stdout = child.stdout.take().map(|stdout| BufReader::new(stdout).lines());
        Ok(Process { child, stdout, errors, name: name.to_owned() })
    }

    /// Waits for a line on stdout that begins so, and returns the rest of it.
    pub async fn line(&mut self, begins: &str) -> Result<String, Failure> {
        let Some(stdout) = &mut self.stdout else { return Err(self.died()) };
        let wait = async {
            while let Ok(Some(line)) = stdout.next_line().await {
                if let Some(rest) = line.strip_prefix(begins) {
                    return Some(rest.to_owned());
                }
            }
            None
        };
        match timeout(READY_DEADLINE, wait).await {
            Ok(Some(rest)) => Ok(rest),
            _ => Err(self.died()),
        }
    }

    /// Reads what a child said of where it listens.
    pub fn address_of(rest: &str) -> Result<SocketAddr, Failure> {
        rest.trim().parse().map_err(|_| Failure::refused(format!("{rest:?} is not an address")))
    }

    /// Waits until the gRPC health service at a URL says SERVING.
    pub async fn healthy(&mut self, url: &str) -> Result<(), Failure> {
        let endpoint = Endpoint::from_shared(url.to_owned()).map_err(|_| self.died())?;
        let wait = async {
            loop {
                if let Ok(channel) = endpoint.connect().await {
                    let request = HealthCheckRequest { service: String::new() };
                    let answer = HealthClient::new(channel).check(request).await;
                    if answer.is_ok_and(|answer| answer.into_inner().status() == ServingStatus::Serving) {
                        return;
                    }
                }
                sleep(HEALTH_INTERVAL).await;
            }
        };
        tokio::select! {
            waited = timeout(READY_DEADLINE, wait) => waited.map_err(|_| self.died()),
            _ = self.child.wait() => Err(self.died()),
        }
    }

    /// The most memory the process has held, in MiB, where the system tells.
    #[must_use]
    pub fn peak_memory(&self) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()?)).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
        line.split_whitespace().next()?.parse::<u64>().ok().map(|kib| kib / 1_024)
    }

    /// Whether it still runs.
    pub fn runs(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Why it is of no use any more, with the end of what it complained about.
    #[must_use]
    pub fn died(&self) -> Failure {
        let text = std::fs::read_to_string(&self.errors).unwrap_or_default();
        let lines: Vec<_> = text.lines().rev().take(5).collect();
        let last: Vec<_> = lines.into_iter().rev().collect();
        Failure::refused(format!("{} is not running as it should. It said last:\n{}", self.name, last.join("\n")))
    }

    /// Kills it and waits until it has ended.
    pub async fn kill(&mut self) {
        self.child.start_kill().ok();
        self.child.wait().await.ok();
    }
}
