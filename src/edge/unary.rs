//! One unary gRPC call within the process: the bytes of a message in, the bytes of the answer out, or the status.

use axum::http::{HeaderMap, HeaderValue, Method, Request, Response, Uri, header};
use bytes::{BufMut, Bytes, BytesMut};
use http_body_util::{BodyExt, Full};
use tonic::Status;
use tonic::body::Body;
use tonic::transport::server::TcpConnectInfo;
use tower::{Service, ServiceExt};

/// Before every message: one byte that says whether it is compressed, four of its length.
const PREFIX: usize = 5;

/// An answer: the metadata, and the bytes of the message or why there is none.
pub(super) struct Answer {
    pub(super) metadata: HeaderMap,
    pub(super) message: Result<Bytes, Status>,
}

/// Calls a method, `/package.Service/Method`, with metadata, for somebody at the far end of a connection.
pub(super) async fn call<S>(
    grpc: S,
    path: Uri,
    (metadata, peer): (HeaderMap, Option<TcpConnectInfo>),
    message: &[u8],
) -> Answer
where
    S: Service<Request<Body>, Response = Response<Body>>,
    S::Error: std::fmt::Display,
{
    let mut request = Request::new(Body::new(Full::new(framed(message)).map_err(|never| match never {})));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = path;
    *request.headers_mut() = metadata;
    if let Some(peer) = peer {
        request.extensions_mut().insert(peer);
    }
    request.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    request.headers_mut().insert(header::TE, HeaderValue::from_static("trailers"));
    match grpc.oneshot(request).await {
        Ok(response) => answer(response).await,
        Err(error) => Answer { metadata: HeaderMap::new(), message: Err(Status::internal(error.to_string())) },
    }
}

fn framed(message: &[u8]) -> Bytes {
    let mut frame = BytesMut::with_capacity(PREFIX + message.len());
    frame.put_u8(0);
    // A request is far below 4 GiB: its JSON was limited before.
    frame.put_u32(u32::try_from(message.len()).unwrap_or(u32::MAX));
    frame.put_slice(message);
    frame.freeze()
}

async fn answer(response: Response<Body>) -> Answer {
    let (head, body) = response.into_parts();
    let message = match Status::from_header_map(&head.headers) {
        Some(status) if status.code() != tonic::Code::Ok => Err(status),
        _ => first(body).await,
    };
    Answer { metadata: head.headers, message }
}

/// The one message of a body whose trailers say that all went well.
async fn first(body: Body) -> Result<Bytes, Status> {
    let body = body.collect().await?;
    if let Some(status) = body.trailers().and_then(Status::from_header_map)
        && status.code() != tonic::Code::Ok
    {
        return Err(status);
    }
    let mut bytes = body.to_bytes();
    if bytes.len() < PREFIX {
        return Err(Status::internal("the answer holds no message"));
    }
    Ok(bytes.split_off(PREFIX))
}
