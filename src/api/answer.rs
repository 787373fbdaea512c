//! What every answer carries whatever the service said: a request id, and details on errors that the transport
//! made itself.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use http::{HeaderValue, Request, Response};
use rand::Rng;
use tonic::Status;
use tonic::transport::server::{TcpConnectInfo, TlsConnectInfo};
use tower::{Layer, Service};

use super::{auth, error};
use crate::domain::certificate::Fingerprint;
use crate::domain::language::Language;
use crate::domain::refusal::{Reason, Refusal};

/// The metadata key of the request id.
pub const REQUEST_ID: &str = "campanile-request-id";

/// Puts the request id on every answer and gives bare errors their reason.
#[derive(Clone, Debug)]
pub struct AnswerLayer {
    ids: Arc<RequestIds>,
    serves_api: bool,
}

impl AnswerLayer {
    /// A layer whose ids differ from those of any other start. `serves_api`: what is not served is not built;
    /// otherwise another node serves it.
    #[must_use]
    pub fn new(serves_api: bool) -> AnswerLayer {
        let ids = Arc::new(RequestIds { start: rand::rng().random(), next: AtomicU64::new(0) });
        AnswerLayer { ids, serves_api }
    }
}

impl<S> Layer<S> for AnswerLayer {
    type Service = AnswerService<S>;

    fn layer(&self, inner: S) -> AnswerService<S> {
        AnswerService { inner, ids: self.ids.clone(), serves_api: self.serves_api }
    }
}

#[derive(Debug)]
struct RequestIds {
    start: u32,
    next: AtomicU64,
}

impl RequestIds {
    /// Random for the process, counted within it: unique without asking the system for randomness each time.
    fn draw(&self) -> HeaderValue {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let text = format!("{:08x}-{number:x}", self.start);
        HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static("none"))
    }
}

/// The service that [`AnswerLayer`] makes.
#[derive(Clone, Debug)]
pub struct AnswerService<S> {
    inner: S,
    ids: Arc<RequestIds>,
    serves_api: bool,
}

impl<S, B, R> Service<Request<B>> for AnswerService<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    S::Future: Send + 'static,
    R: Default,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<R>, S::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        say_origin(&mut request);
        let id = self.ids.draw();
        let serves_api = self.serves_api;
        let language = auth::language(request.headers());
        let answer = self.inner.call(request);
        Box::pin(async move {
            let mut answer = with_reason(answer.await?, serves_api, language);
            answer.headers_mut().insert(REQUEST_ID, id);
            Ok(answer)
        })
    }
}

/// Tells those who serve a call from which network address it came and with which client certificate. What a caller
/// says of it is dropped.
fn say_origin<B>(request: &mut Request<B>) {
    let encrypted = request.extensions().get::<TlsConnectInfo<TcpConnectInfo>>();
    let plain = encrypted.map(TlsConnectInfo::get_ref).or_else(|| request.extensions().get());
    let address = plain.and_then(TcpConnectInfo::remote_addr).map(|peer| peer.ip().to_canonical().to_string());
    let certificates = encrypted.and_then(TlsConnectInfo::peer_certs);
    let certificate = certificates.and_then(|chain| Some(Fingerprint::of(chain.first()?).to_string()));
    for (name, text) in [(auth::CLIENT_ADDRESS, address), (auth::CLIENT_CERTIFICATE, certificate)] {
        request.headers_mut().remove(name);
        if let Some(text) = text.and_then(|text| HeaderValue::from_str(&text).ok()) {
            request.headers_mut().insert(name, text);
        }
    }
}

/// An answer that is an error from its first byte has its status among the headers.
fn with_reason<R: Default>(answer: Response<R>, serves_api: bool, language: Language) -> Response<R> {
    let Some(found) = Status::from_header_map(answer.headers()) else { return answer };
    if found.code() == tonic::Code::Ok {
        return answer;
    }
    let bare = found.details().is_empty();
    if !bare && language == Language::default() {
        return answer;
    }
    let status = match bare && !serves_api && found.code() == tonic::Code::Unimplemented {
        true => error::status(&not_here()),
        false => error::transport(found),
    };
    error::localized(status, language).into_http()
}

/// What a node answers that only delivers.
fn not_here() -> Refusal {
    Refusal::new(Reason::NotServedHere, "This node serves health and operations only; call another one.")
}
