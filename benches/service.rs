//! The real binary, its stand-ins and the echo as processes of their own, stopped by process id.

use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use campanile::api::v1;
use campanile::api::v1::access_service_client::AccessServiceClient;
use tonic::metadata::MetadataValue;
use tonic::transport::{Channel, Endpoint};

const CAMPANILE: &str = env!("CARGO_BIN_EXE_campanile");

/// A process that ends with this value.
pub struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Process {
    /// Its number.
    pub fn id(&self) -> u32 {
        self.0.id()
    }

    /// Asks it to end, and waits until it has.
    fn stop(&mut self) {
        if let Some(id) = i32::try_from(self.0.id()).ok().and_then(rustix::process::Pid::from_raw) {
            let _ = rustix::process::kill_process(id, rustix::process::Signal::TERM);
        }
        let _ = self.0.wait();
    }

    /// Memory in use now, in MiB.
    pub fn resident_mib(&self) -> f64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.0.id())).unwrap_or_default();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap_or_default();
        line.split_whitespace().nth(1).and_then(|kib| kib.parse::<f64>().ok()).unwrap_or(0.0) / 1024.0
    }
}

/// The bare echo and its address.
pub fn echo() -> (Process, SocketAddr) {
    let this = std::env::current_exe().expect("this program");
    let mut child = Command::new(this).arg("echo-server").stdout(Stdio::piped()).spawn().expect("the echo starts");
    let mut line = String::new();
    BufReader::new(child.stdout.take().expect("its output")).read_line(&mut line).expect("its address");
    (Process(child), line.trim().parse().expect("an address"))
}

/// One `campanile serve`.
pub struct Node {
    /// The process.
    pub process: Process,
    /// Where it serves gRPC.
    pub grpc: SocketAddr,
}

/// Where a service keeps its truth.
pub enum Place {
    /// In a fresh directory, for one node.
    Embedded,
    /// In servers that all nodes share.
    Shared {
        /// How many.
        nodes: usize,
        /// URL of an empty database.
        store: String,
        /// URL of a Redis.
        coordination: String,
    },
}

/// A running service on an empty store with both stand-ins.
pub struct Service {
    /// Its nodes, one or more.
    pub nodes: Vec<Node>,
    /// The administrator's token.
    pub token: String,
    /// What the SMTP stand-in received.
    pub mail_log: PathBuf,
    /// What the WeCom stand-in received.
    pub wecom_log: PathBuf,
    settings: PathBuf,
    data: PathBuf,
    _standins: [Process; 2],
    _directory: tempfile::TempDir,
}

impl Service {
    /// Starts one node on the embedded store.
    pub async fn start() -> Service {
        Service::start_at(&Place::Embedded).await
    }

    /// Starts everything and waits until every node serves.
    pub async fn start_at(place: &Place) -> Service {
        let directory = tempfile::tempdir().expect("a directory");
        let [smtp, wecom] = [free(), free()];
        let (mail_log, wecom_log) = (directory.path().join("mail.log"), directory.path().join("wecom.log"));
        let standins = [standin("smtp", smtp, &mail_log), standin("wecom", wecom, &wecom_log)];
        let settings = directory.path().join("campanile.toml");
        std::fs::write(&settings, settings_text(place, smtp, wecom)).expect("settings");
        let data = directory.path().join("data");
        // The first makes the schema and the administrator's token.
        let mut nodes = vec![serve(&settings, &data).await];
        let token = token(&data.join("admin-token")).await;
        if let Place::Shared { nodes: wanted, .. } = place {
            while nodes.len() < *wanted {
                nodes.push(serve(&settings, &data).await);
            }
        }
        Service { nodes, token, mail_log, wecom_log, settings, data, _standins: standins, _directory: directory }
    }

    /// Stops its first node as an operator would and starts it again. Returns how long the start took until it answered.
    pub async fn restart(&mut self) -> Duration {
        self.nodes[0].process.stop();
        let began = Instant::now();
        self.nodes[0] = serve(&self.settings, &self.data).await;
        // It listens before it has read everything; a call waits until it has.
        let mut client = AccessServiceClient::new(connect(self.grpc()).await);
        client.who_am_i(self.ask(v1::WhoAmIRequest {})).await.expect("an answer");
        began.elapsed()
    }

    /// Where its first node serves gRPC.
    pub fn grpc(&self) -> SocketAddr {
        self.nodes[0].grpc
    }

    /// Memory of its first node in use now, in MiB.
    pub fn resident_mib(&self) -> f64 {
        self.nodes[0].process.resident_mib()
    }

    /// A request with the administrator's token.
    pub fn ask<T>(&self, message: T) -> tonic::Request<T> {
        with_token(&self.token, message)
    }
}

/// A request with a token.
pub fn with_token<T>(token: &str, message: T) -> tonic::Request<T> {
    let mut request = tonic::Request::new(message);
    let value = MetadataValue::try_from(format!("Bearer {token}")).expect("a token is ASCII");
    request.metadata_mut().insert("authorization", value);
    request
}

/// A connection, as soon as somebody listens.
pub async fn connect(address: SocketAddr) -> Channel {
    let endpoint = Endpoint::from_shared(format!("http://{address}")).expect("an address").tcp_nodelay(true);
    for _ in 0..200 {
        if let Ok(channel) = endpoint.connect().await {
            return channel;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("nobody listens on {address}");
}

/// Starts a node and waits until it serves.
async fn serve(settings: &Path, data: &Path) -> Node {
    let [grpc, http] = [free(), free()];
    let child = Command::new(CAMPANILE)
        .arg("serve")
        .args(["--config".as_ref(), settings.as_os_str()])
        .args(["--data".as_ref(), data.as_os_str()])
        .args(["--grpc", &grpc.to_string(), "--http", &http.to_string()])
        .env("RUST_LOG", "warn")
        .stdout(Stdio::null())
        .spawn()
        .expect("campanile starts");
    let process = Process(child);
    connect(grpc).await;
    Node { process, grpc }
}

async fn token(file: &Path) -> String {
    for _ in 0..400 {
        match std::fs::read_to_string(file) {
            Ok(text) if text.trim().len() > 20 => return text.trim().to_owned(),
            _ => tokio::time::sleep(Duration::from_millis(25)).await,
        }
    }
    panic!("campanile serve wrote no administrator's token");
}

fn standin(kind: &str, address: SocketAddr, log: &Path) -> Process {
    let child = Command::new(CAMPANILE)
        .args(["standin", kind, "--listen", &address.to_string(), "--log"])
        .arg(log)
        .stdout(Stdio::null())
        .spawn()
        .expect("the stand-in starts");
    Process(child)
}

fn settings_text(place: &Place, smtp: SocketAddr, wecom: SocketAddr) -> String {
    let shared = match place {
        Place::Embedded => String::new(),
        Place::Shared { store, coordination, .. } => {
            format!("[store]\nurl = \"{store}\"\n\n[coordination]\nurl = \"{coordination}\"\n\n")
        }
    };
    format!(
        "{shared}[review]\nthreshold = \"off\"\n\n[channel.email.relay]\nhost = \"127.0.0.1\"\nport = {}\nfrom = \"notice@campus.example.edu\"\nconnections = 16\n\n\
         [channel.wechat.campus]\nbase_url = \"http://{wecom}\"\ncorp_id = \"standin-corp\"\nsecret = \"standin-secret\"\nagent_id = 1000002\n",
        smtp.port()
    )
}

fn free() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port")
}
