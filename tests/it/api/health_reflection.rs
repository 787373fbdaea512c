//! What operators and tools ask: health, reflection, readiness, metrics, and RPCs that are not built yet.

use campanile::api::v1;
use campanile::api::v1::operations_service_client::OperationsServiceClient;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tonic::Code;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;
use tonic_reflection::pb::v1::{ServerReflectionRequest, ServerReflectionResponse};

use crate::support::app::TestApp;
use crate::support::refusal::refused;

#[tokio::test]
async fn the_node_says_that_it_serves_and_what() {
    let app = TestApp::start().await;
    let answer = HealthClient::new(app.channel()).check(HealthCheckRequest::default()).await.unwrap().into_inner();
    let HealthCheckResponse { status } = answer;
    assert_eq!(status, i32::from(ServingStatus::Serving));

    let ask = ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    };
    let mut answers = ServerReflectionClient::new(app.channel())
        .server_reflection_info(tokio_stream::iter([ask]))
        .await
        .unwrap()
        .into_inner();
    let ServerReflectionResponse { message_response, .. } = answers.message().await.unwrap().unwrap();
    let Some(MessageResponse::ListServicesResponse(list)) = message_response else { panic!("no list") };
    let names: Vec<_> = list.service.iter().map(|one| one.name.as_str()).collect();
    for service in ["Publish", "Access", "Directory", "Inbox", "Report", "Event", "Template", "Operations"] {
        assert!(names.contains(&format!("campanile.v1.{service}Service").as_str()), "{service}: {names:?}");
    }
}

#[tokio::test]
async fn what_is_not_built_yet_says_so() {
    let app = TestApp::start().await;
    let mut client = OperationsServiceClient::new(app.channel());
    let status = client.list_limits(v1::ListLimitsRequest::default()).await.unwrap_err();
    let found = refused(&status);
    assert_eq!((found.code, found.reason.as_str()), (Code::Unimplemented, "NOT_YET_AVAILABLE"));
}

#[tokio::test]
async fn health_readiness_and_metrics_are_served_over_http() {
    let app = TestApp::start().await;
    app.campus().await;
    assert!(get(&app, "/healthz").await.starts_with("HTTP/1.1 200"));
    assert!(get(&app, "/readyz").await.starts_with("HTTP/1.1 200"));
    let metrics = get(&app, "/metrics").await;
    assert!(metrics.contains("campanile_directory_seq") && metrics.contains("# EOF"), "{metrics}");
}

async fn get(app: &TestApp, path: &str) -> String {
    let mut stream = TcpStream::connect(app.app().http()).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}
