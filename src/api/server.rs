//! The gRPC server: our own listener in front of tonic, with a cap on connections, keepalive and a drain that
//! ends. Health and reflection are served beside the services.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::Stream;
use futures::stream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tonic::codec::CompressionEncoding;
use tonic::service::Routes;
use tonic::transport::server::{Connected, TcpConnectInfo};
use tonic::transport::{Certificate, Identity, Server, ServerTlsConfig};
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;
use tower::Layer;

use super::answer::{AnswerLayer, AnswerService};
use super::{DESCRIPTOR_SET, Services, v1};
use crate::runtime::tasks::Tasks;
use crate::telemetry::health::Readiness;

/// The largest request after decompression, in bytes.
pub const REQUEST_BYTES_MAX: usize = 1024 * 1024;

const STREAMS_MAX: u32 = 1_024;
const HEADER_BYTES_MAX: u32 = 16 * 1024;
const KEEPALIVE_EVERY: Duration = Duration::from_secs(30);
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(10);
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How the server runs.
#[derive(Clone, Debug)]
pub struct Options {
    /// The most connections at a time; further ones wait in the system's queue.
    pub connections: usize,
    /// How long open calls may go on after shutdown began.
    pub drain: Duration,
    /// Whether applications and people are served; if not, only health and operations are.
    pub serves_api: bool,
    /// What health answers.
    pub readiness: Readiness,
    /// How connections are encrypted; `None`: in clear text.
    pub tls: Option<Papers>,
}

/// What a server encrypts with, in PEM.
#[derive(Clone)]
pub struct Papers {
    /// Its certificate, with those between it and its authority behind it.
    pub certificate: Vec<u8>,
    /// Its private key.
    pub private_key: Vec<u8>,
    /// The authorities of client certificates; `None`: none is asked for.
    pub client_authority: Option<Vec<u8>>,
}

impl std::fmt::Debug for Papers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Papers")
    }
}

/// The files of `[grpc.tls]` do not fit.
#[derive(Debug, thiserror::Error)]
#[error("[grpc.tls]: the certificate, its private key and the client authority are not usable together: {}", cause(.0))]
struct Unusable(tonic::transport::Error);

/// The innermost word about a fault: the outer ones only say that there is one.
fn cause(fault: &dyn std::error::Error) -> String {
    fault.source().map_or_else(|| fault.to_string(), cause)
}

impl Papers {
    /// Whoever connects may show a certificate of the client authority, and need not: which key needs one is the
    /// key's affair.
    fn config(&self) -> ServerTlsConfig {
        let identity = Identity::from_pem(&self.certificate, &self.private_key);
        let config = ServerTlsConfig::new().identity(identity).timeout(HANDSHAKE_TIMEOUT);
        match &self.client_authority {
            None => config,
            Some(authority) => config.client_ca_root(Certificate::from_pem(authority)).client_auth_optional(true),
        }
    }
}

/// Serves until shutdown begins, then lets open calls end, at most for `options.drain`. Returns the address in
/// use.
///
/// # Errors
/// If the listener has no address any more, the certificate or its key is none, or the compiled-in descriptors cannot be
/// read.
pub fn serve(services: Services, listener: TcpListener, options: Options, tasks: &Tasks) -> io::Result<SocketAddr> {
    let address = listener.local_addr()?;
    let (mut health, health_service) = tonic_health::server::health_reporter();
    let reflection = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(DESCRIPTOR_SET)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        .build_v1()
        .map_err(io::Error::other)?;
    let routes = if options.serves_api { routes(&services) } else { operations(&services) };
    let routes = routes.add_service(health_service).add_service(reflection);
    let stop = tasks.stop_token();
    let mut server = Server::builder();
    if let Some(papers) = &options.tls {
        server = server.tls_config(papers.config()).map_err(|fault| io::Error::other(Unusable(fault)))?;
    }
    let server = server
        .max_concurrent_streams(STREAMS_MAX)
        .http2_keepalive_interval(Some(KEEPALIVE_EVERY))
        .http2_keepalive_timeout(Some(KEEPALIVE_TIMEOUT))
        .http2_max_header_list_size(HEADER_BYTES_MAX)
        .layer(AnswerLayer::new(options.serves_api))
        .add_routes(routes)
        .serve_with_incoming_shutdown(incoming(listener, options.connections), stop.clone().cancelled_owned());
    tasks.spawn(async move {
        let watch = async {
            follow(&options.readiness, &health, &stop).await;
            // Whoever watches the health hears of the end instead of holding it up.
            health.clear_service_status("").await;
            tokio::time::sleep(options.drain).await;
        };
        tokio::select! {
            ended = server => {
                if let Err(error) = ended {
                    tracing::error!(%error, "gRPC is not served any more");
                }
            }
            () = watch => tracing::warn!("some calls did not end in time and are cut off"),
        }
    });
    Ok(address)
}

/// What answers a call that comes from within the process and not over [`serve`]'s listener: the same services.
#[must_use]
pub fn within(services: &Services, serves_api: bool) -> AnswerService<Routes> {
    AnswerLayer::new(serves_api).layer(if serves_api { routes(services) } else { operations(services) })
}

/// Answers for the node's health until shutdown begins.
async fn follow(readiness: &Readiness, health: &HealthReporter, stop: &CancellationToken) {
    let turns = async {
        loop {
            let ready = readiness.get();
            let status = if ready { ServingStatus::Serving } else { ServingStatus::NotServing };
            health.set_service_status("", status).await;
            readiness.wait_for(!ready).await;
        }
    };
    tokio::select! {
        () = stop.cancelled() => {}
        () = turns => {}
    }
}

macro_rules! limited {
    ($server:expr) => {
        $server.max_decoding_message_size(REQUEST_BYTES_MAX).accept_compressed(CompressionEncoding::Gzip)
    };
}

/// What a node serves that does not serve the interface.
fn operations(services: &Services) -> Routes {
    let services = Arc::new(services.clone());
    Routes::new(limited!(v1::operations_service_server::OperationsServiceServer::from_arc(services)))
}

/// Every service of the interface, each with our limits.
fn routes(services: &Services) -> Routes {
    let shared = |services: &Services| Arc::new(services.clone());
    Routes::new(limited!(v1::publish_service_server::PublishServiceServer::from_arc(shared(services))))
        .add_service(limited!(v1::access_service_server::AccessServiceServer::from_arc(shared(services))))
        .add_service(limited!(v1::directory_service_server::DirectoryServiceServer::from_arc(shared(services))))
        .add_service(limited!(v1::inbox_service_server::InboxServiceServer::from_arc(shared(services))))
        .add_service(limited!(v1::report_service_server::ReportServiceServer::from_arc(shared(services))))
        .add_service(limited!(v1::event_service_server::EventServiceServer::from_arc(shared(services))))
        .add_service(limited!(v1::template_service_server::TemplateServiceServer::from_arc(shared(services))))
        .add_service(limited!(v1::operations_service_server::OperationsServiceServer::from_arc(shared(services))))
}

/// Accepted connections. A fault of one accept (file descriptors are used up, the peer left) pauses and goes on.
fn incoming(listener: TcpListener, connections: usize) -> impl Stream<Item = io::Result<Connection>> {
    let permits = Arc::new(Semaphore::new(connections.min(Semaphore::MAX_PERMITS)));
    stream::unfold((listener, permits), |(listener, permits)| async move {
        loop {
            let permit = permits.clone().acquire_owned().await.ok()?;
            match listener.accept().await {
                Ok((stream, _)) => {
                    // Small answers must not wait for the next one.
                    let _ = stream.set_nodelay(true);
                    return Some((Ok(Connection { stream, _permit: permit }), (listener, permits)));
                }
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    })
}

/// A connection that counts against the cap as long as it lives.
struct Connection {
    stream: TcpStream,
    _permit: OwnedSemaphorePermit,
}

impl Connected for Connection {
    type ConnectInfo = TcpConnectInfo;

    fn connect_info(&self) -> TcpConnectInfo {
        self.stream.connect_info()
    }
}

impl AsyncRead for Connection {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
