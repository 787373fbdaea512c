//! The connection to a service: address, bearer token, and what a failed call becomes for a person.

use std::path::PathBuf;
use std::sync::LazyLock;
use std::time::Duration;

use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;
use tonic::{Code, Request, Status};
use tonic_types::StatusExt;

use super::endpoint::{Papers, endpoint};
use campanile::api::v1::access_service_client::AccessServiceClient;
use campanile::api::v1::directory_service_client::DirectoryServiceClient;
use campanile::api::v1::inbox_service_client::InboxServiceClient;
use campanile::api::v1::operations_service_client::OperationsServiceClient;
use campanile::api::v1::publish_service_client::PublishServiceClient;
use campanile::api::v1::report_service_client::ReportServiceClient;

/// Where the first start of a service leaves the administrator's token.
pub const ADMIN_TOKEN_FILE: &str = "campanile-data/admin-token";
/// How long one call may take, streams apart.
const CALL_DEADLINE: Duration = Duration::from_secs(30);
/// The largest answer that is taken: a page of 1,000 people.
const ANSWER_BYTES_MAX: usize = 16 * 1024 * 1024;

/// How every command reaches the service.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Connection")]
pub struct Connection {
    /// Address of the service
    #[arg(long, global = true, env = "CAMPANILE_URL", default_value = "http://127.0.0.1:7700")]
    pub url: String,
    /// Bearer token; administrators' commands fall back to ./campanile-data/admin-token
    #[arg(long, global = true, env = "CAMPANILE_TOKEN", hide_env_values = true)]
    pub token: Option<String>,
    /// Certificates (PEM) to trust for https:// besides the system's
    #[arg(long, global = true, value_name = "FILE", env = "CAMPANILE_CA")]
    pub ca: Option<PathBuf>,
    /// Client certificate (PEM) to show to https://, for keys that are bound to one
    #[arg(long, global = true, value_name = "FILE", env = "CAMPANILE_CERTIFICATE", requires = "private_key")]
    pub certificate: Option<PathBuf>,
    /// Its private key (PEM)
    #[arg(long, global = true, value_name = "FILE", env = "CAMPANILE_PRIVATE_KEY", requires = "certificate")]
    pub private_key: Option<PathBuf>,
    /// Print answers as JSON, and a refusal as {code, reason, field, message, metadata} to stderr
    #[arg(long, global = true)]
    pub json: bool,
}

impl Connection {
    fn papers(&self) -> Papers<'_> {
        let identity = self.certificate.as_deref().zip(self.private_key.as_deref());
        Papers { authorities: self.ca.as_deref(), identity }
    }

    /// Whether a token was given or lies where the first start left it.
    #[must_use]
    pub fn has_token(&self) -> bool {
        self.token.is_some() || PathBuf::from(ADMIN_TOKEN_FILE).exists()
    }

    /// Connects with a token, whatever it is.
    pub async fn open_as(&self, token: &str) -> Result<Session, Failure> {
        Session::open_with(&self.url, token, &self.papers()).await
    }

    /// Connects. Without a token the one in ./campanile-data/admin-token is used, if there is one, and stderr says so.
    pub async fn open(&self) -> Result<Session, Failure> {
        let token = match &self.token {
            Some(token) => Some(token.clone()),
            None => admin_token(),
        };
        let Some(token) = token else {
            return Err(Failure::usage("no token: set CAMPANILE_TOKEN or give --token"));
        };
        self.open_as(&token).await
    }
}

/// The administrator's token in the current folder's data directory.
fn admin_token() -> Option<String> {
    let path = PathBuf::from(ADMIN_TOKEN_FILE);
    let token = std::fs::read_to_string(&path).ok()?;
    eprintln!("Using the administrator's token in ./{}.", path.display());
    Some(token.trim().to_owned())
}

/// An open connection that speaks for one token. Clones share the connection.
#[derive(Clone)]
pub struct Session {
    channel: Channel,
    bearer: Bearer,
}

/// Puts the token on every call.
#[derive(Clone)]
pub struct Bearer(MetadataValue<Ascii>);

/// A channel that carries the token.
pub type Carried = InterceptedService<Channel, Bearer>;

impl Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        request.metadata_mut().insert("authorization", self.0.clone());
        if speaks_chinese() {
            request.metadata_mut().insert("accept-language", MetadataValue::from_static("zh-CN"));
        }
        Ok(request)
    }
}

/// Whether the terminal's language is Chinese; the service answers in it then.
fn speaks_chinese() -> bool {
    static CHINESE: LazyLock<bool> = LazyLock::new(|| {
        // In this order, as setlocale(3) has it.
        let mut names = ["LC_ALL", "LC_MESSAGES", "LANG"].into_iter().filter_map(|name| std::env::var(name).ok());
        names.find(|value| !value.is_empty()).is_some_and(|value| value.starts_with("zh"))
    });
    *CHINESE
}

impl Session {
    /// Connects to an address such as `http://127.0.0.1:7700`.
    pub async fn open(url: &str, token: &str) -> Result<Session, Failure> {
        Session::open_with(url, token, &Papers::default()).await
    }

    /// The same with what an encrypted connection trusts and shows.
    async fn open_with(url: &str, token: &str, papers: &Papers<'_>) -> Result<Session, Failure> {
        let channel = endpoint(url, papers)?.connect().await.map_err(|fault| Failure::unreachable(url, &fault))?;
        Ok(Session { channel, bearer: Bearer::new(token)? })
    }

    /// The same connection for another token.
    pub fn with_token(&self, token: &str) -> Result<Session, Failure> {
        Ok(Session { channel: self.channel.clone(), bearer: Bearer::new(token)? })
    }

    fn carried(&self) -> Carried {
        InterceptedService::new(self.channel.clone(), self.bearer.clone())
    }

    /// The client of PublishService.
    #[must_use]
    pub fn publish(&self) -> PublishServiceClient<Carried> {
        PublishServiceClient::new(self.carried()).max_decoding_message_size(ANSWER_BYTES_MAX)
    }

    /// The client of AccessService.
    #[must_use]
    pub fn access(&self) -> AccessServiceClient<Carried> {
        AccessServiceClient::new(self.carried()).max_decoding_message_size(ANSWER_BYTES_MAX)
    }

    /// The client of DirectoryService.
    #[must_use]
    pub fn directory(&self) -> DirectoryServiceClient<Carried> {
        DirectoryServiceClient::new(self.carried()).max_decoding_message_size(ANSWER_BYTES_MAX)
    }

    /// The client of InboxService.
    #[must_use]
    pub fn inbox(&self) -> InboxServiceClient<Carried> {
        InboxServiceClient::new(self.carried()).max_decoding_message_size(ANSWER_BYTES_MAX)
    }

    /// The client of OperationsService.
    #[must_use]
    pub fn operations(&self) -> OperationsServiceClient<Carried> {
        OperationsServiceClient::new(self.carried()).max_decoding_message_size(ANSWER_BYTES_MAX)
    }

    /// The client of ReportService.
    #[must_use]
    pub fn report(&self) -> ReportServiceClient<Carried> {
        ReportServiceClient::new(self.carried()).max_decoding_message_size(ANSWER_BYTES_MAX)
    }
}

impl Bearer {
    fn new(token: &str) -> Result<Bearer, Failure> {
        let value = format!("Bearer {}", token.trim()).parse();
        let mut value: MetadataValue<Ascii> =
            value.map_err(|_| Failure::usage("the token holds characters that no token has"))?;
        value.set_sensitive(true);
        Ok(Bearer(value))
    }
}

/// A request with the deadline that ordinary calls have.
pub fn timed<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(CALL_DEADLINE);
    request
}

/// How a command ends when it does not succeed; the number is the exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// The service refused.
    Refused = 1,
    /// The command line is wrong.
    Usage = 2,
    /// Trying again may help.
    TryAgain = 3,
    /// The token may not do this.
    NotPermitted = 4,
    /// Ended by a signal before it was done, as shells say it.
    Interrupted = 130,
}

/// Why a command did not succeed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The exit code.
    pub exit: Exit,
    /// The number of the gRPC status; 0 when the fault is on this side.
    pub code: i32,
    /// The stable reason of the service; empty when the fault is on this side.
    pub reason: String,
    /// What is wrong and what to do.
    pub message: String,
    /// The field at fault; empty for none.
    pub field: String,
    /// Facts that belong to the reason.
    pub metadata: Vec<(String, String)>,
}

impl Failure {
    /// A wrong command line.
    #[must_use]
    pub fn usage(message: impl Into<String>) -> Failure {
        Failure::plain(Exit::Usage, message)
    }

    /// Something that did not work out, without a reason of the service.
    #[must_use]
    pub fn refused(message: impl Into<String>) -> Failure {
        Failure::plain(Exit::Refused, message)
    }

    /// Ended by a signal before it was done.
    #[must_use]
    pub fn interrupted(message: impl Into<String>) -> Failure {
        Failure::plain(Exit::Interrupted, message)
    }

    fn unreachable(url: &str, fault: &dyn std::error::Error) -> Failure {
        let mut cause = fault;
        while let Some(deeper) = cause.source() {
            cause = deeper;
        }
        let message =
            format!("no service answers at {url} ({cause}); start one with `campanile serve`, or set CAMPANILE_URL");
        Failure::plain(Exit::TryAgain, message)
    }

    fn plain(exit: Exit, message: impl Into<String>) -> Failure {
        let (reason, field, metadata) = Default::default();
        Failure { exit, code: 0, reason, message: message.into(), field, metadata }
    }

    /// The same as JSON, as the HTTP edge says it.
    #[must_use]
    pub fn json(&self) -> String {
        let metadata: std::collections::BTreeMap<_, _> = self.metadata.iter().cloned().collect();
        serde_json::json!({
            "code": self.code,
            "reason": self.reason,
            "field": self.field,
            "message": self.message,
            "metadata": metadata,
        })
        .to_string()
    }

    /// The lines for stderr.
    #[must_use]
    pub fn lines(&self) -> String {
        let mut text = match self.reason.is_empty() {
            true => format!("error: {}", self.message),
            false => format!("refused ({}): {}", self.reason, self.message),
        };
        if !self.field.is_empty() {
            text.push_str(&format!("\n  field: {}", self.field));
        }
        for (key, value) in &self.metadata {
            text.push_str(&format!("\n  {key}: {value}"));
        }
        if self.exit == Exit::TryAgain {
            text.push_str("\n  Trying again is safe; a publish with the same --key is never sent twice.");
        }
        text
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.lines())
    }
}

impl std::error::Error for Failure {}

impl From<Status> for Failure {
    fn from(status: Status) -> Failure {
        let exit = match (exit_of(status.code()), status.get_details_error_info()) {
            // The same call will be refused again.
            (Exit::TryAgain, Some(info)) if info.reason == "REQUEST_TOO_LARGE" => Exit::Refused,
            (exit, _) => exit,
        };
        let local = status.get_details_localized_message().map(|local| local.message);
        let mut failure = Failure::plain(exit, local.unwrap_or_else(|| status.message().to_owned()));
        failure.code = status.code() as i32;
        if let Some(info) = status.get_details_error_info() {
            failure.reason = info.reason;
            failure.metadata = info.metadata.into_iter().collect();
            failure.metadata.sort();
        } else if failure.message.is_empty() || status.code() == Code::Unknown {
            failure.message = format!("the call failed: {:?} {}", status.code(), status.message());
        }
        if let Some(violation) =
            status.get_details_bad_request().and_then(|bad| bad.field_violations.into_iter().next())
        {
            failure.field = violation.field;
        }
        failure
    }
}

/// The exit code for a gRPC status.
#[must_use]
pub fn exit_of(code: Code) -> Exit {
    match code {
        Code::Unavailable | Code::DeadlineExceeded | Code::Aborted | Code::ResourceExhausted => Exit::TryAgain,
        Code::PermissionDenied | Code::Unauthenticated => Exit::NotPermitted,
        _ => Exit::Refused,
    }
}

#[cfg(test)]
mod tests {
    use tonic_types::ErrorDetails;

    use super::*;

    #[test]
    fn a_refusal_keeps_reason_field_and_facts() {
        let mut details = ErrorDetails::with_error_info(
            "UNKNOWN_TAG",
            "campanile",
            [("nearest".to_owned(), "grade:2021".to_owned())],
        );
        details.add_bad_request_violation("audience.expression", "unknown");
        let status = Status::with_error_details(Code::FailedPrecondition, "There is no tag grade:2012.", details);
        let failure = Failure::from(status);
        assert_eq!((failure.exit, failure.reason.as_str()), (Exit::Refused, "UNKNOWN_TAG"));
        assert_eq!(
            failure.lines(),
            "refused (UNKNOWN_TAG): There is no tag grade:2012.\n  field: audience.expression\n  nearest: grade:2021"
        );
    }

    #[test]
    fn codes_become_exit_codes() {
        assert_eq!(exit_of(Code::Unavailable), Exit::TryAgain);
        assert_eq!(exit_of(Code::Unauthenticated), Exit::NotPermitted);
        assert_eq!(exit_of(Code::AlreadyExists), Exit::Refused);
    }
}
