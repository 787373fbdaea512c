//! JSON beside gRPC.

use std::collections::BTreeSet;

use bytes::Bytes;
use campanile::api::DESCRIPTOR_SET;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use prost_reflect::DescriptorPool;
use serde_json::{Value, json};

use crate::support::app::{TestApp, user_id};

const PUBLISH: &str = "PublishService/Publish";

/// A call with a body of this kind; an empty token sends none.
async fn sent(app: &TestApp, method: &str, token: &str, kind: &str, body: Vec<u8>) -> (StatusCode, Value) {
    let mut request = Request::post(format!("http://{}/campanile.v1.{method}", app.app().http()));
    if !token.is_empty() {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    let request = request.header("content-type", kind).body(Full::new(Bytes::from(body))).unwrap();
    let client: Client<_, Full<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
    let response = client.request(request).await.unwrap();
    let status = response.status();
    assert_eq!(response.headers()["content-type"], "application/json");
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, serde_json::from_slice(&body).unwrap())
}

async fn call(app: &TestApp, method: &str, token: &str, body: &Value) -> (StatusCode, Value) {
    sent(app, method, token, "application/json", body.to_string().into_bytes()).await
}

fn notice(key: &str, expression: &str) -> Value {
    json!({
        "idempotencyKey": key,
        "audience": {"expression": expression},
        "content": {"inline": {"title": "图书馆：周六闭馆", "body": "还书请用自助还书机。"}},
        "channels": ["CHANNEL_APP"],
    })
}

#[tokio::test]
async fn what_is_published_as_json_is_in_the_inboxes_and_the_same_key_is_the_same_message() {
    let app = TestApp::start().await;
    let campus = app.campus().await;
    let (status, accepted) = call(&app, PUBLISH, &campus.live, &notice("j-1", "department:cs")).await;
    assert_eq!((status, &accepted["recipientCount"]), (StatusCode::OK, &json!(20)), "{accepted}");
    let (_, again) = call(&app, PUBLISH, &campus.live, &notice("j-1", "department:cs")).await;
    assert_eq!((&again["duplicate"], &again["messageId"]), (&json!(true), &accepted["messageId"]));
    // Names as they stand in the proto files are taken too.
    let (_, by_name) = call(&app, PUBLISH, &campus.live, &{
        let mut same = notice("j-1", "department:cs");
        let fields = same.as_object_mut().unwrap();
        let key = fields.remove("idempotencyKey").unwrap();
        fields.insert("idempotency_key".to_owned(), key);
        same
    })
    .await;
    assert_eq!(by_name["messageId"], accepted["messageId"]);

    let reader = app.user_token(&campus, &user_id(1)).await;
    let (_, inbox) = sent(&app, "InboxService/ListInbox", &reader, "application/json; charset=utf-8", vec![]).await;
    assert_eq!(inbox["items"][0]["messageId"], accepted["messageId"], "{inbox}");
    assert_eq!((&inbox["items"][0]["title"], &inbox["unreadCount"]), (&json!("图书馆：周六闭馆"), &json!(1)));
}

#[tokio::test]
async fn a_key_works_in_its_networks_only() {
    let app = TestApp::start().await;
    let campus = app.campus().await;
    for (network, status) in [("127.0.0.0/8", StatusCode::OK), ("10.0.0.0/8", StatusCode::FORBIDDEN)] {
        let wanted = json!({
            "applicationId": campus.application,
            "scopes": ["KEY_SCOPE_READ"],
            "networks": [network],
        });
        let (_, made) = call(&app, "AccessService/CreateKey", &app.admin, &wanted).await;
        let (found, answer) = call(&app, "AccessService/WhoAmI", made["token"].as_str().unwrap(), &json!({})).await;
        assert_eq!(found, status, "{answer}");
        assert!(status == StatusCode::OK || answer["reason"] == "NETWORK_NOT_ALLOWED", "{answer}");
    }
}

#[tokio::test]
async fn each_bad_call_is_refused_with_reason_and_field_and_stores_nothing() {
    let app = TestApp::start().await;
    let campus = app.campus().await;
    let changed = |field: &str, value: Value| {
        let mut body = notice("bad", "department:cs");
        body[field] = value;
        body
    };
    let cases = [
        ("", notice("bad", "department:cs"), 401, 16, "TOKEN_MISSING", ""),
        ("cpl_live_wrong", notice("bad", "department:cs"), 401, 16, "TOKEN_INVALID", ""),
        (&*campus.live, notice("bad", "grade:2012"), 400, 9, "UNKNOWN_TAG", "audience.expression"),
        (&*campus.live, changed("idempotencyKey", json!("")), 400, 3, "FIELD_REQUIRED", "idempotency_key"),
        (&*campus.live, changed("expireAtt", json!("2030-01-01T00:00:00Z")), 400, 3, "FIELD_INVALID", ""),
        (&*campus.live, changed("expireAt", json!("tomorrow")), 400, 3, "FIELD_INVALID", ""),
        (&*campus.live, changed("channels", json!(["CHANNEL_SMOKE"])), 400, 3, "FIELD_INVALID", ""),
        (&*campus.live, changed("expectedRecipients", json!("99999999999")), 400, 3, "FIELD_INVALID", ""),
        (&*campus.live, json!([]), 400, 3, "FIELD_INVALID", ""),
    ];
    for (token, body, status, code, reason, field) in cases {
        let (found, refusal) = call(&app, PUBLISH, token, &body).await;
        assert_eq!(
            (found.as_u16(), &refusal["code"], &refusal["reason"], &refusal["field"]),
            (status, &json!(code), &json!(reason), &json!(field)),
            "{body}: {refusal}"
        );
        assert!(refusal["message"].as_str().unwrap().ends_with(['.', '?']), "{refusal}");
    }
    let (_, refusal) = call(&app, PUBLISH, &campus.live, &notice("bad", "grade:2012")).await;
    assert_eq!(
        (&refusal["metadata"]["tag"], &refusal["metadata"]["nearest"]),
        (&json!("grade:2012"), &json!("grade:2022"))
    );
    assert_eq!(app.messages().await, 0);
}

#[tokio::test]
async fn refusals_speak_the_callers_language() {
    let app = TestApp::start().await;
    let campus = app.campus().await;
    let url = format!("http://{}/campanile.v1.{PUBLISH}", app.app().http());
    for (language, message) in [
        ("zh-CN", "没有可用的标签“grade:2012”，最接近的是“grade:2022”。请改正。"),
        ("en;q=0.2, zh;q=0.9", "没有可用的标签“grade:2012”，最接近的是“grade:2022”。请改正。"),
        ("en", "There is no tag `grade:2012` that you may use. Is `grade:2022` meant?"),
    ] {
        let request = Request::post(&url).header("authorization", format!("Bearer {}", campus.live));
        let request = request.header("content-type", "application/json").header("accept-language", language);
        let body = Full::new(Bytes::from(notice("zh", "grade:2012").to_string()));
        let client: Client<_, Full<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
        let response = client.request(request.body(body).unwrap()).await.unwrap();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        let refusal: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!((&refusal["reason"], &refusal["message"]), (&json!("UNKNOWN_TAG"), &json!(message)), "{language}");
    }
}

#[tokio::test]
async fn bytes_that_are_no_request_are_refused() {
    let app = TestApp::start().await;
    let campus = app.campus().await;
    let whole = notice("bytes", "everyone").to_string();
    let json = "application/json";
    let twice = whole.replacen('{', "{\"idempotencyKey\":\"other\",", 1);
    let cases: [(&str, Vec<u8>, &str); 9] = [
        (json, whole.as_bytes()[..40].to_vec(), "FIELD_INVALID"),
        (json, [b"{\"idempotencyKey\":\"\xff\xfe\"}".as_slice()].concat(), "FIELD_INVALID"),
        (json, [b"\xef\xbb\xbf".as_slice(), whole.as_bytes()].concat(), "FIELD_INVALID"),
        (json, format!("{whole}{whole}").into_bytes(), "FIELD_INVALID"),
        (json, twice.into_bytes(), "FIELD_INVALID"),
        (json, [vec![b'['; 100_000], vec![b']'; 100_000]].concat(), "FIELD_INVALID"),
        (json, vec![b' '; 1_048_577], "REQUEST_TOO_LARGE"),
        ("text/plain", whole.clone().into_bytes(), "FIELD_INVALID"),
        ("application/x-www-form-urlencoded", whole.into_bytes(), "FIELD_INVALID"),
    ];
    for (kind, body, reason) in cases {
        let start = String::from_utf8_lossy(&body[..body.len().min(40)]).into_owned();
        let (status, refusal) = sent(&app, PUBLISH, &campus.live, kind, body).await;
        assert!(status.is_client_error(), "{start}: {status}");
        assert_eq!(refusal["reason"], reason, "{start}: {refusal}");
    }
    assert_eq!(app.messages().await, 0);
}

#[tokio::test]
async fn every_method_of_the_interface_is_there() {
    let app = TestApp::start().await;
    let pool = DescriptorPool::decode(DESCRIPTOR_SET).unwrap();
    let (mut unary, mut reasons) = (0, BTreeSet::new());
    for service in pool.services().filter(|service| service.full_name().starts_with("campanile.")) {
        for method in service.methods() {
            let (status, refusal) = call(&app, &format!("{}/{}", service.name(), method.name()), "", &json!({})).await;
            let reason = refusal["reason"].as_str().unwrap().to_owned();
            let streams = method.is_client_streaming() || method.is_server_streaming();
            assert!(!streams || (status.as_u16(), &*reason) == (501, "NOT_YET_AVAILABLE"), "{}", method.full_name());
            unary += usize::from(!streams);
            reasons.insert(reason);
        }
    }
    assert!(unary > 50, "{unary}");
    // Without a token every one that is built says so, and nothing else is said.
    assert_eq!(reasons, ["NOT_YET_AVAILABLE", "TOKEN_MISSING"].map(str::to_owned).into());
    let (status, refusal) = call(&app, "PublishService/Publishh", "", &json!({})).await;
    assert_eq!((status, &refusal["reason"]), (StatusCode::NOT_FOUND, &json!("NOT_FOUND")));
}
