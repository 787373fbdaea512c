//! The limit of every gRPC service here: the same server library, the same request, and nothing done with it.

use campanile::api::v1;
use tonic::{Request, Response, Status};

/// Prints its address and echoes until the process is killed.
pub async fn serve() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    println!("{}", listener.local_addr().expect("an address"));
    let incoming = tonic::transport::server::TcpIncoming::from(listener).with_nodelay(Some(true));
    let service = tonic::service::RoutesBuilder::default().add_service(EchoServer).clone().routes();
    tonic::transport::Server::builder().add_routes(service).serve_with_incoming(incoming).await.expect("served");
}

/// Answers `Publish` and nothing else.
#[derive(Clone)]
struct EchoServer;

impl tonic::server::NamedService for EchoServer {
    const NAME: &'static str = "campanile.v1.PublishService";
}

impl tonic::server::UnaryService<v1::PublishRequest> for EchoServer {
    type Response = v1::PublishResponse;
    type Future = std::future::Ready<Result<Response<v1::PublishResponse>, Status>>;

    fn call(&mut self, request: Request<v1::PublishRequest>) -> Self::Future {
        let message_id = request.into_inner().idempotency_key;
        std::future::ready(Ok(Response::new(v1::PublishResponse { message_id, ..Default::default() })))
    }
}

impl<B> tower::Service<http::Request<B>> for EchoServer
where
    B: http_body::Body + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>> + Send,
{
    type Response = http::Response<tonic::body::Body>;
    type Error = std::convert::Infallible;
    type Future = std::pin::Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut std::task::Context<'_>) -> std::task::Poll<Result<(), Self::Error>> {
        std::task::Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<B>) -> Self::Future {
        Box::pin(async move {
            let codec = tonic_prost::ProstCodec::<v1::PublishResponse, v1::PublishRequest>::default();
            Ok(tonic::server::Grpc::new(codec).unary(EchoServer, request).await)
        })
    }
}
