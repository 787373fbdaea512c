//! JSON beside gRPC: every unary RPC of the interface at `POST /PACKAGE.SERVICE/METHOD`, in proto3 JSON.
//!
//! One bridge over the descriptors serves them all. A call becomes the gRPC call that it stands for, with the same
//! token and the same checks; nothing is decided here. Unknown fields are refused: a misspelt `expireAt` must not
//! send a message that never expires.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Request, Response, Uri, header};
use axum::response::IntoResponse;
use axum::routing::post;
use prost_reflect::prost::Message;
use prost_reflect::{DescriptorError, DescriptorPool, DynamicMessage, MessageDescriptor, MethodDescriptor};
use serde::de::DeserializeSeed;
use tonic::transport::server::TcpConnectInfo;
use tower::Service;

use super::once::Once;
use super::refused::Refused;
use super::unary;
use crate::domain::refusal::{Reason, Refusal};

/// The largest request, in bytes of JSON.
const REQUEST_BYTES_MAX: usize = 1024 * 1024;
/// How long a call may take, its body included.
const CALL_DEADLINE: Duration = Duration::from_secs(60);
/// What callers may say beside the message.
const PASSED_ON: [HeaderName; 2] = [header::AUTHORIZATION, header::ACCEPT_LANGUAGE];
/// How much of what is wrong with some JSON is told.
const FAULT_CHARS_MAX: usize = 300;

/// The methods of the interface and what answers them.
struct Bridge<S> {
    methods: HashMap<String, Method>,
    grpc: S,
}

struct Method {
    path: Uri,
    input: MessageDescriptor,
    output: MessageDescriptor,
    streams: bool,
}

/// Routes that serve the services of the encoded descriptors by way of `grpc`.
///
/// # Errors
/// If the descriptors cannot be read.
pub fn routes<S>(descriptors: &[u8], grpc: S) -> Result<Router, DescriptorError>
where
    S: Service<Request<tonic::body::Body>, Response = Response<tonic::body::Body>> + Clone + Send + Sync + 'static,
    S::Error: std::fmt::Display + Send,
    S::Future: Send,
{
    let pool = DescriptorPool::decode(descriptors)?;
    let methods = pool.services().flat_map(|service| service.methods().collect::<Vec<_>>());
    let methods = methods.filter_map(|method| Some((path_of(&method), Method::of(&method)?))).collect();
    let bridge = Arc::new(Bridge { methods, grpc });
    Ok(Router::new().route("/{service}/{method}", post(handle::<S>)).with_state(bridge))
}

fn path_of(method: &MethodDescriptor) -> String {
    format!("/{}/{}", method.parent_service().full_name(), method.name())
}

impl Method {
    fn of(method: &MethodDescriptor) -> Option<Method> {
        Some(Method {
            path: path_of(method).parse().ok()?,
            input: method.input(),
            output: method.output(),
            streams: method.is_client_streaming() || method.is_server_streaming(),
        })
    }
}

async fn handle<S>(
    State(bridge): State<Arc<Bridge<S>>>,
    Path((service, method)): Path<(String, String)>,
    request: Request<Body>,
) -> Response<Body>
where
    S: Service<Request<tonic::body::Body>, Response = Response<tonic::body::Body>> + Clone + Send + Sync + 'static,
    S::Error: std::fmt::Display + Send,
    S::Future: Send,
{
    let answered = async {
        let method = bridge.method(&format!("/{service}/{method}"))?;
        let (head, body) = request.into_parts();
        is_json(&head.headers)?;
        let bytes = axum::body::to_bytes(body, REQUEST_BYTES_MAX).await.map_err(|_| too_large())?;
        let message = read(method, &bytes)?;
        let from = (passed_on(&head.headers), head.extensions.get::<TcpConnectInfo>().cloned());
        let answer = unary::call(bridge.grpc.clone(), method.path.clone(), from, &message).await;
        Ok::<_, Refusal>(answered(method, answer))
    };
    match tokio::time::timeout(CALL_DEADLINE, answered).await {
        Ok(Ok(response)) => response,
        Ok(Err(refusal)) => Refused::from(refusal).into_response(),
        Err(_) => Refused::from(too_slow()).into_response(),
    }
}

impl<S> Bridge<S> {
    fn method(&self, path: &str) -> Result<&Method, Refusal> {
        let method = self.methods.get(path).ok_or_else(|| {
            let advice = "There is no such method; the path is /campanile.v1.SERVICE/METHOD as in the proto files.";
            Refusal::new(Reason::NotFound, advice)
        })?;
        if method.streams {
            let advice = "This method is a stream, which JSON does not carry; call it over gRPC.";
            return Err(Refusal::new(Reason::NotYetAvailable, advice));
        }
        Ok(method)
    }
}

/// Only JSON is taken: a browser sends no other kind to a foreign site unasked.
fn is_json(headers: &HeaderMap) -> Result<(), Refusal> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    if kind.eq_ignore_ascii_case("application/json") {
        return Ok(());
    }
    Err(Refusal::new(Reason::FieldInvalid, "Say what you send: content-type: application/json.").field("content-type"))
}

/// The bytes of the message that some JSON says. No body at all says an empty message.
fn read(method: &Method, json: &[u8]) -> Result<Vec<u8>, Refusal> {
    if json.iter().all(u8::is_ascii_whitespace) {
        return Ok(Vec::new());
    }
    let read = || -> serde_json::Result<DynamicMessage> {
        Once::Message(method.input.clone()).deserialize(&mut serde_json::Deserializer::from_slice(json))?;
        let mut reader = serde_json::Deserializer::from_slice(json);
        let message = DynamicMessage::deserialize(method.input.clone(), &mut reader)?;
        reader.end().map(|()| message)
    };
    let message = read().map_err(|fault| {
        let told: String = fault.to_string().chars().take(FAULT_CHARS_MAX).collect();
        Refusal::new(Reason::FieldInvalid, format!("The JSON is no {}: {told}.", method.input.name()))
    })?;
    Ok(message.encode_to_vec())
}

fn passed_on(headers: &HeaderMap) -> HeaderMap {
    PASSED_ON.iter().filter_map(|name| Some((name.clone(), headers.get(name)?.clone()))).collect()
}

fn answered(method: &Method, answer: unary::Answer) -> Response<Body> {
    let mut response = match answer.message {
        Ok(bytes) => shown(method, bytes).unwrap_or_else(|refusal| Refused::from(refusal).into_response()),
        Err(status) => Refused::from(status).into_response(),
    };
    for (name, value) in &answer.metadata {
        if name.as_str().starts_with("campanile-") {
            response.headers_mut().insert(name.clone(), value.clone());
        }
    }
    response
}

fn shown(method: &Method, bytes: Bytes) -> Result<Response<Body>, Refusal> {
    let fault = |_| Refusal::new(Reason::Internal, "The answer cannot be shown as JSON; ask for it over gRPC.");
    let message = DynamicMessage::decode(method.output.clone(), bytes).map_err(|error| fault(error.to_string()))?;
    let text = serde_json::to_vec(&message).map_err(|error| fault(error.to_string()))?;
    let kind = HeaderValue::from_static("application/json");
    Ok(([(header::CONTENT_TYPE, kind)], text).into_response())
}

fn too_large() -> Refusal {
    Refusal::new(Reason::RequestTooLarge, "The request is larger than 1 MiB, or broke off; send less at once.")
}

fn too_slow() -> Refusal {
    let advice =
        "The call took longer than 60 seconds and was given up. Repeat it; with the same key nothing is done twice.";
    Refusal::new(Reason::StoreUnavailable, advice)
}
