//! The HTTP server: a cap on connections, a deadline for request heads, and a drain that ends.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tonic::transport::server::TcpConnectInfo;
use tower::ServiceExt;

use crate::runtime::tasks::Tasks;

/// How long a connection may take to send the head of a request; an idle one is closed then.
const HEAD_DEADLINE: Duration = Duration::from_secs(30);
/// The largest head of a request, in bytes.
const HEAD_BYTES_MAX: usize = 16 * 1024;
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves the routes over at most so many connections at a time until shutdown begins, then lets open calls end.
/// Returns the address in use.
///
/// # Errors
/// If the listener has no address any more.
pub fn serve(listener: TcpListener, routes: Router, connections: usize, tasks: &Tasks) -> io::Result<SocketAddr> {
    let address = listener.local_addr()?;
    let permits = Arc::new(Semaphore::new(connections.min(Semaphore::MAX_PERMITS)));
    let (stop, all) = (tasks.stop_token(), tasks.clone());
    tasks.spawn(async move {
        let accepting = async {
            loop {
                let Ok(permit) = permits.clone().acquire_owned().await else { return };
                match listener.accept().await {
                    Ok((stream, peer)) => {
                        let (routes, stop) = (routes.clone(), all.stop_token());
                        all.spawn(async move {
                            talk((stream, peer), routes, stop).await;
                            drop(permit);
                        });
                    }
                    Err(error) => {
                        tracing::warn!(%error, "a connection could not be accepted");
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                    }
                }
            }
        };
        stop.run_until_cancelled(accepting).await;
    });
    Ok(address)
}

/// One connection. Its faults are the caller's and nobody else's concern.
async fn talk((stream, peer): (TcpStream, SocketAddr), routes: Router, stop: CancellationToken) {
    // Small answers must not wait for the next one.
    let _ = stream.set_nodelay(true);
    let mut server = http1::Builder::new();
    server.timer(TokioTimer::new()).header_read_timeout(HEAD_DEADLINE).max_buf_size(HEAD_BYTES_MAX);
    // Keys may be for some networks only: those who serve a call hear from where it came.
    let told = TcpConnectInfo { local_addr: None, remote_addr: Some(peer) };
    let routes = routes.map_request(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(told.clone());
        request
    });
    let connection = server.serve_connection(TokioIo::new(stream), TowerToHyperService::new(routes));
    tokio::pin!(connection);
    tokio::select! {
        _ = &mut connection => return,
        () = stop.cancelled() => connection.as_mut().graceful_shutdown(),
    }
    let _ = connection.await;
}
