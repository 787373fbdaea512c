//! Bad input: each is refused with its status, its reason and the field at fault, and nothing is stored.

use bytes::{BufMut, Bytes};
use campanile::api::v1;
use prost::Message;
use prost_types::Timestamp;
use tonic::codec::CompressionEncoding;
use tonic::{Code, Request};

use crate::support::app::{Campus, TestApp, letter, notice};
use crate::support::refusal::{fact, refused};

type Change = fn(&mut v1::PublishRequest);

/// What is wrong, the status, reason and field that it has to get.
const WRONG: &[(&str, Code, &str, &str, Change)] = &[
    ("an unknown tag", Code::FailedPrecondition, "UNKNOWN_TAG", "audience.expression", |r| to(r, "grade:2o21")),
    ("nobody", Code::FailedPrecondition, "EMPTY_AUDIENCE", "audience", |r| to(r, "grade:2021 AND department:math")),
    ("an unreadable expression", Code::InvalidArgument, "AUDIENCE_SYNTAX", "audience.expression", |r| to(r, "(a AND")),
    ("AND mixed with OR", Code::InvalidArgument, "AUDIENCE_AMBIGUOUS", "audience.expression", |r| {
        to(r, "everyone AND grade:2021 OR grade:2022");
    }),
    ("a long expression", Code::InvalidArgument, "AUDIENCE_TOO_COMPLEX", "audience.expression", |r| {
        to(r, &format!("everyone{}", " ".repeat(5_000)));
    }),
    ("an unknown department", Code::FailedPrecondition, "UNKNOWN_DEPARTMENT", "audience.expression", |r| {
        to(r, "department:physics");
    }),
    ("an unknown user", Code::FailedPrecondition, "UNKNOWN_USER", "audience.users.user_ids", |r| {
        r.audience = letter("", &["u999"]).audience;
    }),
    ("an expression as a user id", Code::InvalidArgument, "FIELD_INVALID", "audience.users.user_ids[0]", |r| {
        r.audience = letter("", &["1 OR everyone"]).audience;
    }),
    ("a line break in the title", Code::InvalidArgument, "CONTROL_CHARACTER", "content.inline.title", |r| {
        inline(r).title = "Notice\r\nBcc: all@example.edu".to_owned();
    }),
    ("a line separator in the subject", Code::InvalidArgument, "CONTROL_CHARACTER", "content.email.subject", |r| {
        let email = v1::EmailContent { subject: "a\u{2028}b".to_owned(), ..Default::default() };
        r.content.as_mut().unwrap().email = Some(email);
    }),
    ("a long title", Code::InvalidArgument, "FIELD_TOO_LONG", "content.inline.title", |r| {
        inline(r).title = "长".repeat(201);
    }),
    ("a long body", Code::InvalidArgument, "FIELD_TOO_LONG", "content.inline.body", |r| {
        inline(r).body = "x".repeat(64 * 1024 + 1);
    }),
    ("a NUL", Code::InvalidArgument, "FIELD_INVALID", "content.inline.body", |r| inline(r).body = "a\0".to_owned()),
    ("an unknown class", Code::InvalidArgument, "FIELD_INVALID", "message_class", |r| r.message_class = 999),
    ("an unknown channel", Code::InvalidArgument, "FIELD_INVALID", "channels[0]", |r| r.channels = vec![999]),
    ("a channel without a provider", Code::FailedPrecondition, "CHANNEL_NOT_CONFIGURED", "channels", |r| {
        r.channels = vec![v1::Channel::Email.into()];
    }),
    ("an expiry before the send time", Code::InvalidArgument, "EXPIRE_BEFORE_SEND", "expire_at", |r| {
        (r.send_at, r.expire_at) = (Some(in_hours(2)), Some(in_hours(1)));
    }),
    ("a send time of yesterday", Code::InvalidArgument, "PAST_SEND_AT", "send_at", |r| r.send_at = Some(in_hours(-24))),
    ("an impossible time", Code::InvalidArgument, "FIELD_INVALID", "send_at", |r| {
        r.send_at = Some(Timestamp { seconds: 0, nanos: -1 });
    }),
    ("an expression in a transactional message", Code::FailedPrecondition, "CLASS_NEEDS_USER_LIST", "audience", |r| {
        r.message_class = v1::MessageClass::Transactional.into();
    }),
    ("a class that is not granted", Code::PermissionDenied, "CLASS_NOT_GRANTED", "message_class", |r| {
        r.message_class = v1::MessageClass::Emergency.into();
    }),
    ("a wrong number of people", Code::FailedPrecondition, "RECIPIENTS_UNEXPECTED", "expected_recipients", |r| {
        r.expected_recipients = Some(500);
    }),
    ("no key", Code::InvalidArgument, "FIELD_REQUIRED", "idempotency_key", |r| r.idempotency_key.clear()),
    ("a field for later", Code::Unimplemented, "NOT_YET_AVAILABLE", "collapse_key", |r| {
        r.collapse_key = "x".to_owned();
    }),
];

fn to(request: &mut v1::PublishRequest, expression: &str) {
    request.audience = notice("", expression).audience;
}

fn inline(request: &mut v1::PublishRequest) -> &mut v1::Inline {
    match request.content.as_mut().and_then(|content| content.source.as_mut()) {
        Some(v1::content::Source::Inline(inline)) => inline,
        _ => panic!("the sample is written out"),
    }
}

fn in_hours(hours: i64) -> Timestamp {
    Timestamp { seconds: jiff::Timestamp::now().as_second() + hours * 3_600, nanos: 0 }
}

#[tokio::test]
async fn each_bad_publish_is_refused_by_name_and_leaves_nothing_behind() {
    let app = TestApp::start().await;
    let campus = app.campus().await;
    let mut wrong = Vec::new();
    for (what, code, reason, field, change) in WRONG {
        let mut request = notice("bad", "grade:2021");
        change(&mut request);
        let Err(status) = app.publish(&campus.live).publish(request).await else {
            wrong.push(format!("{what}: was accepted"));
            continue;
        };
        let found = refused(&status);
        if (found.code, found.reason.as_str(), found.field.as_str()) != (*code, *reason, *field) {
            wrong.push(format!("{what}: {found:?}, {}", status.message()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(app.messages().await, 0);
    let accepted = app.publish(&campus.live).publish(notice("bad", "grade:2021")).await.unwrap().into_inner();
    assert!(!accepted.duplicate, "the key is still free");
}

#[tokio::test]
async fn a_refusal_helps_with_what_it_knows() {
    let app = TestApp::start().await;
    let campus = app.campus().await;
    let mut client = app.publish(&campus.live);
    let unknown = client.publish(notice("k", "grade:2031")).await.unwrap_err();
    assert!(fact(&unknown, "nearest").is_some_and(|near| near.starts_with("grade:20")), "{unknown:?}");
    let unreadable = client.publish(notice("k", "grade:2021 AND AND grade:2022")).await.unwrap_err();
    assert!(fact(&unreadable, "position").is_some(), "{unreadable:?}");
    let mixed = client.publish(notice("k", "everyone AND grade:2021 OR grade:2022")).await.unwrap_err();
    assert!(fact(&mixed, "reading_a").is_some() && fact(&mixed, "reading_b").is_some(), "{mixed:?}");
}

#[tokio::test]
async fn a_caller_nobody_knows_hears_no_more_than_that() {
    let app = TestApp::start().await;
    let campus = app.campus().await;
    let (kept, last) = campus.live.split_at(campus.live.len() - 1);
    let mangled = format!("{kept}{}", if last == "0" { "1" } else { "0" });
    let of_person = app.user_token(&campus, "u001").await;
    for (token, reason) in [
        ("", "TOKEN_MISSING"),
        ("nonsense", "TOKEN_INVALID"),
        (mangled.as_str(), "TOKEN_INVALID"),
        (of_person.as_str(), "TOKEN_INVALID"),
    ] {
        let status = app.publish(token).publish(notice("k", "everyone")).await.unwrap_err();
        let found = refused(&status);
        assert_eq!((found.code, found.reason.as_str()), (Code::Unauthenticated, reason));
    }
    let mut twice = Request::new(notice("k", "everyone"));
    twice.metadata_mut().append("authorization", format!("Bearer {}", campus.live).parse().unwrap());
    twice.metadata_mut().append("authorization", format!("Bearer {}", campus.live).parse().unwrap());
    let status = app.publish("").publish(twice).await.unwrap_err();
    assert_eq!(refused(&status).reason, "TOKEN_INVALID");
    assert_eq!(app.messages().await, 0);
}

#[tokio::test]
async fn what_is_outside_the_grant_is_denied() {
    let app = TestApp::start().await;
    let campus = app.campus().await;
    let application = app.application("Mathematics", "math").await;
    let token = app.key(&application, v1::KeyMode::Live, &[v1::KeyScope::Publish]).await.1;
    let status = app.publish(&token).publish(notice("k", "department:math")).await.unwrap_err();
    assert_eq!((status.code(), refused(&status).reason.as_str()), (Code::PermissionDenied, "GRANT_MISSING"));
    let grant = v1::Grant { department_ids: vec!["math".to_owned()], ..Default::default() };
    let grant_id = app.grant(&application, grant).await;
    app.publish(&token).publish(notice("k", "department:math")).await.unwrap();
    let status = app.publish(&token).publish(notice("l", "everyone")).await.unwrap_err();
    assert_eq!(refused(&status).reason, "AUDIENCE_OUTSIDE_GRANT");
    assert_eq!(fact(&status, "outside").as_deref(), Some("20"));
    let revoke = v1::RevokeGrantRequest { grant_id, why: "over".to_owned() };
    app.access(&app.admin).revoke_grant(revoke).await.unwrap();
    for audience in ["department:math", "grade:2021", "grade:1999"] {
        let status = app.publish(&token).publish(notice("m", audience)).await.unwrap_err();
        assert_eq!((status.code(), refused(&status).reason.as_str()), (Code::PermissionDenied, "GRANT_MISSING"));
    }
    let principal =
        Some(v1::Principal { subject: Some(v1::principal::Subject::ApplicationId(application)), ..Default::default() });
    let audience = notice("", "grade:2021").audience;
    let question =
        v1::CheckAccessRequest { principal, audience, channels: vec![v1::Channel::App.into()], ..Default::default() };
    let answer = app.access(&app.admin).check_access(question).await.unwrap().into_inner();
    assert!(!answer.allowed && answer.missing[0].reason == "GRANT_MISSING", "{answer:?}");
    assert_eq!(app.messages().await, 1, "campus {} sent nothing", campus.application);
}

#[tokio::test]
async fn another_request_under_a_known_key_is_refused() {
    let app = TestApp::start().await;
    let campus = app.campus().await;
    let mut client = app.publish(&campus.live);
    let first = client.publish(letter("same", &["u001"])).await.unwrap().into_inner();
    let status = client.publish(letter("same", &["u002"])).await.unwrap_err();
    let found = refused(&status);
    assert_eq!((found.code, found.reason.as_str()), (Code::AlreadyExists, "IDEMPOTENCY_MISMATCH"));
    assert_eq!(fact(&status, "message_id"), Some(first.message_id));
    assert_eq!(app.messages().await, 1);
}

#[tokio::test]
async fn requests_that_are_too_large_are_refused_plain_or_compressed() {
    let app = TestApp::start().await;
    let campus = app.campus().await;
    let mut large = notice("large", "everyone");
    inline(&mut large).body = "x".repeat(1024 * 1024);
    let plain = app.publish(&campus.live).publish(large.clone()).await.unwrap_err();
    let client = app.publish(&campus.live);
    let packed = client.send_compressed(CompressionEncoding::Gzip).publish(large).await.unwrap_err();
    for status in [plain, packed] {
        let found = refused(&status);
        assert_eq!((found.code, found.reason.as_str()), (Code::ResourceExhausted, "REQUEST_TOO_LARGE"));
    }
    let small = app.publish(&campus.live).send_compressed(CompressionEncoding::Gzip);
    small.clone().publish(notice("small", "everyone")).await.unwrap();
    assert_eq!(app.messages().await, 1);
}

#[tokio::test]
async fn bytes_that_cannot_be_read_are_the_callers_fault() {
    let app = TestApp::start().await;
    let campus = app.campus().await;
    let mut bytes = notice("utf8", "everyone").encode_to_vec();
    let place = bytes.windows(5).position(|window| window == b"Bring").unwrap();
    bytes[place] = 0xc0;
    let found = raw(&app, &campus, bytes).await;
    assert_eq!(found, (Code::InvalidArgument, "FIELD_INVALID".to_owned(), "content.inline.body".to_owned()));
    let found = raw(&app, &campus, b"\xff\xff\xff".to_vec()).await;
    assert_eq!((found.0, found.1.as_str()), (Code::InvalidArgument, "FIELD_INVALID"));
    assert_eq!(app.messages().await, 0);
    app.publish(&campus.live).publish(notice("next", "everyone")).await.unwrap();
}

/// Sends bytes as the request of `Publish`, whatever they are.
async fn raw(app: &TestApp, campus: &Campus, bytes: Vec<u8>) -> (Code, String, String) {
    let mut client = tonic::client::Grpc::new(app.channel());
    client.ready().await.unwrap();
    let mut request = Request::new(bytes);
    request.metadata_mut().insert("authorization", format!("Bearer {}", campus.live).parse().unwrap());
    let path = http::uri::PathAndQuery::from_static("/campanile.v1.PublishService/Publish");
    let status = client.unary(request, path, RawCodec).await.unwrap_err();
    let found = refused(&status);
    (found.code, found.reason, found.field)
}

/// Puts bytes on the wire as they are.
struct RawCodec;

impl tonic::codec::Codec for RawCodec {
    type Encode = Vec<u8>;
    type Decode = Bytes;
    type Encoder = RawCodec;
    type Decoder = RawCodec;

    fn encoder(&mut self) -> RawCodec {
        RawCodec
    }

    fn decoder(&mut self) -> RawCodec {
        RawCodec
    }
}

impl tonic::codec::Encoder for RawCodec {
    type Item = Vec<u8>;
    type Error = tonic::Status;

    fn encode(&mut self, item: Vec<u8>, buf: &mut tonic::codec::EncodeBuf<'_>) -> Result<(), tonic::Status> {
        buf.put_slice(&item);
        Ok(())
    }
}

impl tonic::codec::Decoder for RawCodec {
    type Item = Bytes;
    type Error = tonic::Status;

    fn decode(&mut self, buf: &mut tonic::codec::DecodeBuf<'_>) -> Result<Option<Bytes>, tonic::Status> {
        use bytes::Buf;
        let length = buf.remaining();
        Ok(Some(buf.copy_to_bytes(length)))
    }
}
