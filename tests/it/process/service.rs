//! The program in processes of its own: the service on one data directory, and an SMTP stand-in that outlives
//! its kills. Everything ends with the test.

use std::fs::OpenOptions;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use campanile::api::v1;
use campanile::standin::log::{self, Receipt};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::net::TcpStream;
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use v1::access_service_client::AccessServiceClient;
use v1::directory_service_client::DirectoryServiceClient;
use v1::publish_service_client::PublishServiceClient;
use v1::report_service_client::ReportServiceClient;

const CAMPANILE: &str = env!("CARGO_BIN_EXE_campanile");
/// However busy the machine is, nothing here takes longer.
pub const PATIENCE: Duration = Duration::from_secs(60);
/// How often a condition is looked at that nobody announces.
pub const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Milliseconds since 1970, as the stand-in writes them.
pub fn now_ms() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

/// A folder with settings, data and logs, and the mail relay of its service.
pub struct House {
    folder: TempDir,
    _smtp: Child,
}

impl House {
    /// A relay that takes `step_ms` for each answer, with more of its arguments, and the settings that name it,
    /// with more of them.
    pub async fn open(step_ms: u32, relay: &[&str], settings: &str) -> House {
        let folder = tempfile::tempdir().unwrap();
        let delay = step_ms.to_string();
        let mut command = Command::new(CAMPANILE);
        command.args(["standin", "smtp", "--listen", "127.0.0.1:0", "--log", "smtp.log", "--step-delay", &delay]);
        command.args(relay).current_dir(folder.path()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut smtp = command.spawn().unwrap();
        let mut lines = lines(&mut smtp);
        let relay: SocketAddr = line(&mut lines, "listening on ").await.unwrap().parse().unwrap();
        let settings = format!(
            "[log]\nlevel = \"warn\"\n\n[channel.email.relay]\nhost = \"127.0.0.1\"\nport = {}\n\
             from = \"notice@campus.example\"\nconnections = 16\n\n{settings}",
            relay.port()
        );
        std::fs::write(folder.path().join("campanile.toml"), settings).unwrap();
        House { folder, _smtp: smtp }
    }

    /// Where everything lies.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// What the relay has taken so far.
    pub fn receipts(&self) -> Vec<Receipt<'static>> {
        log::read(&self.smtp_log()).unwrap()
    }

    /// Whom the relay has refused so far.
    pub fn refusals(&self) -> Vec<Receipt<'static>> {
        log::read(&log::refusals(&self.smtp_log())).unwrap_or_default()
    }

    /// How many recipients' mails were begun and not ended because the service went away.
    pub fn cuts(&self) -> usize {
        log::read(&log::cuts(&self.smtp_log())).map_or(0, |cuts| cuts.len())
    }

    fn smtp_log(&self) -> PathBuf {
        self.folder().join("smtp.log")
    }

    /// Starts a service on the data directory and does not wait for anything.
    pub fn spawn(&self) -> Child {
        self.spawn_with(&[])
    }

    fn spawn_with(&self, variables: &[(&str, &str)]) -> Child {
        let errors = OpenOptions::new().create(true).append(true).open(self.folder().join("service.err")).unwrap();
        let mut command = Command::new(CAMPANILE);
        command.args(["serve", "--config", "campanile.toml", "--data", "data"]);
        command.args(["--grpc", "127.0.0.1:0", "--http", "127.0.0.1:0"]);
        command.current_dir(self.folder()).envs(variables.iter().copied());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(errors);
        command.kill_on_drop(true).spawn().unwrap()
    }

    /// Starts a service on the data directory and waits until it serves.
    pub async fn serve(&self) -> Service {
        self.serve_with(&[]).await
    }

    /// The same with some of its settings in variables of its environment.
    pub async fn serve_with(&self, variables: &[(&str, &str)]) -> Service {
        let mut child = self.spawn_with(variables);
        let mut lines = lines(&mut child);
        let started = async {
            let address = line(&mut lines, "  gRPC     ").await?;
            let address = address.split_whitespace().next()?.to_owned();
            let http = line(&mut lines, "  HTTP     http://").await?;
            let http = http.split('/').next()?.to_owned();
            let channel = Endpoint::from_shared(format!("http://{address}")).ok()?.connect().await.ok()?;
            loop {
                let request = HealthCheckRequest { service: String::new() };
                let answer = HealthClient::new(channel.clone()).check(request).await.ok()?;
                if answer.into_inner().status() == ServingStatus::Serving {
                    return Some((address, http));
                }
                tokio::time::sleep(LOOK_EVERY).await;
            }
        };
        let started = timeout(PATIENCE, started).await.ok().flatten();
        let (grpc, http) =
            started.unwrap_or_else(|| panic!("the service does not serve; it said\n{}", self.complaints()));
        Service { child, _lines: lines, url: format!("http://{grpc}"), http }
    }

    /// The administrator's token of the first start.
    pub async fn admin_token(&self) -> String {
        let path = self.folder().join("data/admin-token");
        let wait = async {
            loop {
                match std::fs::read_to_string(&path) {
                    Ok(token) if token.ends_with('\n') => return token.trim().to_owned(),
                    _ => tokio::time::sleep(LOOK_EVERY).await,
                }
            }
        };
        timeout(PATIENCE, wait).await.expect("the first start leaves a token")
    }

    /// What the services have written to stderr.
    pub fn complaints(&self) -> String {
        std::fs::read_to_string(self.folder().join("service.err")).unwrap_or_default()
    }
}

/// A running service.
pub struct Service {
    child: Child,
    /// Kept open, so that the service can say good-bye.
    _lines: Lines<BufReader<ChildStdout>>,
    url: String,
    http: String,
}

impl Service {
    /// A connection that speaks for a token.
    pub async fn client(&self, token: &str) -> Client {
        let channel = Endpoint::from_shared(self.url.clone()).unwrap().tcp_nodelay(true).connect().await.unwrap();
        Client { channel, bearer: Bearer(format!("Bearer {token}").parse().unwrap()) }
    }

    /// The same, connected when it is first used and again whenever the connection is lost; a call without an
    /// answer ends after `patience`.
    pub fn door(&self, token: &str, patience: Duration) -> Client {
        let channel = Endpoint::from_shared(self.url.clone()).unwrap().tcp_nodelay(true).timeout(patience);
        Client { channel: channel.connect_lazy(), bearer: Bearer(format!("Bearer {token}").parse().unwrap()) }
    }

    /// What the service counts under a name, summed over all labels unless the name has some.
    pub async fn metric(&self, name: &str) -> u64 {
        let read = async {
            let mut stream = TcpStream::connect(&self.http).await?;
            stream.write_all(b"GET /metrics HTTP/1.0\r\n\r\n").await?;
            let mut page = String::new();
            stream.read_to_string(&mut page).await.map(|_| page)
        };
        let page = timeout(PATIENCE, read).await.expect("the service shows its figures").unwrap();
        let named = |line: &&str| line.strip_prefix(name).is_some_and(|rest| rest.starts_with([' ', '{']));
        let value = |line: &str| line.rsplit(' ').next().and_then(|number| number.parse::<u64>().ok());
        page.lines().filter(named).filter_map(value).sum()
    }

    /// Kills it at once and waits until it is gone.
    pub async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }

    /// Asks it to end.
    pub fn terminate(&self) {
        self.signal("TERM");
    }

    /// Sends it a signal.
    pub fn signal(&self, name: &str) {
        let id = self.child.id().expect("it runs").to_string();
        assert!(std::process::Command::new("kill").args(["-s", name, &id]).status().unwrap().success());
    }

    /// Waits until it has ended by itself.
    pub async fn ended(mut self) -> ExitStatus {
        timeout(PATIENCE, self.child.wait()).await.expect("it ends in time").unwrap()
    }
}

fn lines(child: &mut Child) -> Lines<BufReader<ChildStdout>> {
    BufReader::new(child.stdout.take().expect("stdout is a pipe")).lines()
}

/// The rest of the next line that begins so.
async fn line(lines: &mut Lines<BufReader<ChildStdout>>, begins: &str) -> Option<String> {
    while let Ok(Some(line)) = lines.next_line().await {
        if let Some(rest) = line.strip_prefix(begins) {
            return Some(rest.to_owned());
        }
    }
    None
}

/// A gRPC connection with its token; clones share it.
#[derive(Clone)]
pub struct Client {
    channel: Channel,
    bearer: Bearer,
}

/// Puts the token on every call.
#[derive(Clone)]
pub struct Bearer(MetadataValue<Ascii>);

type Carried = InterceptedService<Channel, Bearer>;

impl Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        request.metadata_mut().insert("authorization", self.0.clone());
        Ok(request)
    }
}

impl Client {
    fn carried(&self) -> Carried {
        InterceptedService::new(self.channel.clone(), self.bearer.clone())
    }

    pub fn publish(&self) -> PublishServiceClient<Carried> {
        PublishServiceClient::new(self.carried()).max_decoding_message_size(16 * 1024 * 1024)
    }

    pub fn access(&self) -> AccessServiceClient<Carried> {
        AccessServiceClient::new(self.carried())
    }

    pub fn report(&self) -> ReportServiceClient<Carried> {
        ReportServiceClient::new(self.carried())
    }

    pub fn directory(&self) -> DirectoryServiceClient<Carried> {
        DirectoryServiceClient::new(self.carried())
    }
}
