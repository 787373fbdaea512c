//! HTTP to WeCom: one request at a time, within its time, with a bounded answer.

use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::time::timeout;

use super::settings::Settings;

/// The longest answer; a thousand refused users fit.
const ANSWER_BYTES_MAX: usize = 64 * 1024 + 4 * 1024;

/// Why a request brought no answer to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// It did not reach the provider.
    NotSent(&'static str),
    /// The provider did not let it in; it wants a pause.
    Turned(StatusCode, Option<Duration>),
    /// The provider may have acted on it.
    Lost(&'static str),
}

/// A client for one host.
pub(super) struct Http {
    transport: Transport,
    base_url: String,
    limit: Duration,
}

enum Transport {
    Plain(Client<HttpConnector, Full<Bytes>>),
    Tls(Client<HttpsConnector<HttpConnector>, Full<Bytes>>),
}

impl Http {
    /// A client without connections yet. Fails if TLS is wanted and the machine has no root certificates.
    pub(super) fn new(settings: &Settings) -> Result<Http, String> {
        let mut tcp = HttpConnector::new();
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(settings.connect_timeout));
        let mut builder = Client::builder(TokioExecutor::new());
        builder.pool_timer(TokioTimer::new());
        builder.pool_idle_timeout(Duration::from_secs(30)).pool_max_idle_per_host(settings.concurrency);
        let transport = if settings.is_https() {
            tcp.enforce_http(false);
            let tls = HttpsConnectorBuilder::new()
                .with_native_roots()
                .map_err(|error| format!("wechat: no root certificates on this machine: {error}"))?;
            Transport::Tls(builder.build(tls.https_only().enable_http1().wrap_connector(tcp)))
        } else {
            Transport::Plain(builder.build(tcp))
        };
        let base_url = settings.base_url.trim_end_matches('/').to_owned();
        Ok(Http { transport, base_url, limit: settings.request_timeout })
    }

    /// GET a path with an encoded query; the answer's body.
    pub(super) async fn get(&self, path: &str) -> Result<Bytes, Failure> {
        self.request(Method::GET, path, Bytes::new()).await
    }

    /// POST JSON to a path with an encoded query; the answer's body.
    pub(super) async fn post(&self, path: &str, json: Bytes) -> Result<Bytes, Failure> {
        self.request(Method::POST, path, json).await
    }

    async fn request(&self, method: Method, path: &str, body: Bytes) -> Result<Bytes, Failure> {
        let request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.base_url))
            .header(http::header::CONTENT_TYPE, "application/json; charset=utf-8")
            .body(Full::new(body))
            .map_err(|_| Failure::NotSent("the request could not be built"))?;
        timeout(self.limit, self.exchange(request)).await.unwrap_or(Err(Failure::Lost("no answer in time")))
    }

    async fn exchange(&self, request: Request<Full<Bytes>>) -> Result<Bytes, Failure> {
        let response = match &self.transport {
            Transport::Plain(client) => client.request(request).await,
            Transport::Tls(client) => client.request(request).await,
        };
        let response = response.map_err(|error| match error.is_connect() {
            true => Failure::NotSent("no connection"),
            false => Failure::Lost("the connection broke"),
        })?;
        let status = response.status();
        if status.is_server_error() {
            return Err(Failure::Lost("a server error instead of an answer"));
        }
        if status != StatusCode::OK {
            return Err(Failure::Turned(status, retry_after(response.headers())));
        }
        let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect().await;
        body.map(http_body_util::Collected::to_bytes).map_err(|_| Failure::Lost("the answer broke off or was too long"))
    }
}

fn retry_after(headers: &http::HeaderMap) -> Option<Duration> {
    headers.get(http::header::RETRY_AFTER)?.to_str().ok()?.trim().parse().ok().map(Duration::from_secs)
}

/// A value for a query.
pub(super) fn encode(value: &str) -> String {
    use std::fmt::Write as _;
    let mut out = String::with_capacity(value.len());
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}
