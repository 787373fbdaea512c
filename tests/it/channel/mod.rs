//! Channels against stand-ins that speak the real wire.

mod contract;
mod email;
mod wechat;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use campanile::channel::email::{Email, Settings};
use campanile::channel::wechat::{Settings as Application, Wechat};
use campanile::channel::{Call, Channel, Recipient, Sender};
use campanile::domain::class::Class;
use campanile::domain::content::Content;
use campanile::domain::id::LegId;
use campanile::domain::verdict::Verdict;
use campanile::runtime::clock::SystemClock;
use campanile::runtime::tasks::Tasks;
use campanile::standin::log::Receipt;
use campanile::standin::wecom::Options;
use campanile::standin::{log, smtp, wecom};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// A stand-in that runs until the value is dropped.
pub struct Running {
    pub port: u16,
    pub log: PathBuf,
    tasks: Tasks,
    _dir: TempDir,
}

impl Running {
    /// The receipts so far.
    pub fn receipts(&self) -> Vec<Receipt<'static>> {
        log::read(&self.log).unwrap()
    }

    /// The addresses of the receipts so far.
    pub fn addresses(&self) -> Vec<String> {
        self.receipts().into_iter().map(|receipt| receipt.address.into_owned()).collect()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.tasks.stop_token().cancel();
    }
}

async fn listen() -> (TcpListener, u16, TempDir, PathBuf) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("receipts");
    (listener, port, dir, log)
}

/// Starts an SMTP stand-in.
pub async fn smtp(options: smtp::Options) -> Running {
    let (listener, port, dir, log) = listen().await;
    let tasks = Tasks::new();
    let options = smtp::Options { log: log.clone(), ..options };
    tokio::spawn(smtp::serve(listener, options, tasks.clone()));
    Running { port, log, tasks, _dir: dir }
}

/// Starts a WeCom stand-in.
pub async fn wecom(options: wecom::Options) -> Running {
    let (listener, port, dir, log) = listen().await;
    let tasks = Tasks::new();
    let options = wecom::Options { log: log.clone(), ..options };
    tokio::spawn(wecom::serve(listener, options, tasks.clone()));
    Running { port, log, tasks, _dir: dir }
}

/// The settings of an e-mail channel to a port of this machine.
pub fn relay(port: u16) -> Settings {
    Settings::new("127.0.0.1", port, "notice@example.edu")
}

/// An e-mail channel.
pub fn mail(settings: Settings) -> Arc<dyn Channel> {
    Arc::new(Email::new(settings, SystemClock::shared()).unwrap())
}

/// The settings of a WeCom channel to a port of this machine.
pub fn application(port: u16) -> Application {
    let Options { corp_id, secret, .. } = Options::default();
    let settings = Application::new(&corp_id, secret.into(), 1_000_002);
    Application { base_url: format!("http://127.0.0.1:{port}"), ..settings }
}

/// A WeCom channel.
pub fn app(settings: Application) -> Arc<dyn Channel> {
    Arc::new(Wechat::new(settings, SystemClock::shared()).unwrap())
}

/// A port where every connection is taken and talked to by `talk`.
pub async fn served<F, T>(talk: F) -> u16
where
    F: Fn(TcpStream) -> T + Send + 'static,
    T: Future<Output = std::io::Result<()>> + Send + 'static,
{
    let (listener, port, ..) = listen().await;
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(talk(stream));
        }
    });
    port
}

/// What an HTTP server answers to a target and a body: status and body, or nothing.
pub type Answering = fn(&str, &str) -> Option<(u16, String)>;

/// A port where every HTTP request is answered by `answer`, and then the connection is closed.
pub async fn http(answer: Answering) -> u16 {
    served(move |mut stream| async move {
        let mut reader = BufReader::new(&mut stream);
        let (mut target, mut length, mut line) = (String::new(), 0, String::new());
        while reader.read_line(&mut line).await? > 2 {
            if target.is_empty() {
                target = line.split(' ').nth(1).unwrap_or_default().to_owned();
            }
            if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
            line.clear();
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).await?;
        if let Some((status, said)) = answer(&target, &String::from_utf8(body).unwrap()) {
            let head = format!("HTTP/1.1 {status} X\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", said.len());
            stream.write_all(format!("{head}{said}").as_bytes()).await?;
        }
        stream.shutdown().await
    })
    .await
}

/// The answer of gettoken with the token `tok-hush-1`, or `None` if something else was asked for.
pub fn token(target: &str) -> Option<(u16, String)> {
    let json = r#"{"errcode":0,"errmsg":"ok","access_token":"tok-hush-1","expires_in":7200}"#;
    target.starts_with("/cgi-bin/gettoken").then(|| (200, json.to_owned()))
}

/// A call with a Chinese text.
pub fn call(leg: i64, addresses: &[&str]) -> Call {
    let content = Content {
        title: "关于期末考试安排的通知".to_owned(),
        body: "各位同学：\n\n.考试时间见**附件**。\n\n.\n\n结束".to_owned(),
        ..Content::default()
    };
    let recipient = |(n, address): (usize, &&str)| Recipient { ordinal: n as u32, address: (*address).into() };
    Call {
        leg: LegId(leg),
        class: Class::Notice,
        content: Arc::new(content),
        sender: Arc::new(Sender { name: "教务处".to_owned() }),
        recipients: addresses.iter().enumerate().map(recipient).collect(),
        deadline: Duration::from_secs(10),
    }
}

/// A word per verdict, with its reason or fault.
pub fn short(verdicts: &[Verdict]) -> Vec<String> {
    let short = |verdict: &Verdict| match verdict {
        Verdict::Accepted { .. } => "accepted".to_owned(),
        Verdict::Retry { fault, .. } => format!("retry {fault:?}"),
        Verdict::Rejected { reason, .. } => format!("rejected {reason:?}"),
        Verdict::Unknown { .. } => "unknown".to_owned(),
    };
    verdicts.iter().map(short).collect()
}

/// The detail of a verdict; empty if it has none.
pub fn detail(verdict: &Verdict) -> &str {
    match verdict {
        Verdict::Accepted { reference } => reference.as_deref().unwrap_or_default(),
        Verdict::Retry { detail, .. } | Verdict::Rejected { detail, .. } | Verdict::Unknown { detail } => detail,
    }
}
