//! What a publish may say, field by field.

use prost_types::{Struct, Timestamp};

use super::*;
use crate::domain::message::LostAnswer;

fn inline(request: &mut v1::PublishRequest) -> &mut v1::Inline {
    match request.content.as_mut().and_then(|content| content.source.as_mut()) {
        Some(v1::content::Source::Inline(inline)) => inline,
        _ => panic!("the sample is written out"),
    }
}

fn content_of(request: &mut v1::PublishRequest) -> &mut v1::Content {
    request.content.as_mut().unwrap()
}

fn sample() -> v1::PublishRequest {
    let inline = v1::Inline {
        title: "补考通知".to_owned(),
        body: "Bring your card.".to_owned(),
        link: "https://www.example.edu/resit".to_owned(),
        ..Default::default()
    };
    let users = v1::UserList { user_ids: vec!["3121151001".to_owned()], ..Default::default() };
    v1::PublishRequest {
        idempotency_key: "resit-2026:3121151001".to_owned(),
        audience: Some(v1::Audience { target: Some(v1::audience::Target::Users(users)) }),
        content: Some(v1::Content { source: Some(v1::content::Source::Inline(inline)), ..Default::default() }),
        message_class: v1::MessageClass::Transactional.into(),
        channels: vec![v1::Channel::Email.into(), v1::Channel::App.into()],
        labels: [("term".to_owned(), "2026".to_owned())].into(),
        ..Default::default()
    }
}

fn users(request: &mut v1::PublishRequest, ids: Vec<String>) {
    let list = v1::UserList { user_ids: ids, ..Default::default() };
    request.audience = Some(v1::Audience { target: Some(v1::audience::Target::Users(list)) });
}

#[test]
fn a_valid_publish_is_taken_as_it_stands() {
    let mut request = sample();
    request.send_at = Some(Timestamp { seconds: 1_790_000_000, nanos: 500_000_000 });
    request.expected_recipients = Some(10);
    request.lost_answer = v1::LostAnswer::Never.into();
    let draft = draft(request).unwrap();
    assert_eq!(draft.idempotency_key, "resit-2026:3121151001");
    assert_eq!((draft.class, draft.channels), (Class::Transactional, vec![Channel::Email, Channel::App]));
    assert_eq!(draft.send_at.map(|at| at.0), Some(1_790_000_000_500));
    assert_eq!(draft.expected, Some(Expected { recipients: 10, tolerance_percent: 10 }));
    assert_eq!((draft.lost_answer, draft.topic, draft.labels.len()), (LostAnswer::Never, None, 1));
}

#[test]
fn the_digest_covers_everything_but_the_key() {
    let digest = |change: &dyn Fn(&mut v1::PublishRequest)| {
        let mut request = sample();
        change(&mut request);
        draft(request).unwrap().digest
    };
    let same = digest(&|_| {});
    assert_eq!(same, digest(&|request| request.idempotency_key = "another".to_owned()));
    assert_ne!(same, digest(&|request| request.reference = "x".to_owned()));
    assert_ne!(same, digest(&|request| inline(request).body.push('!')));
}

#[test]
fn content_reads_back() {
    let mut request = sample();
    let content = content_of(&mut request);
    content.email = Some(v1::EmailContent {
        subject: "Resit".to_owned(),
        reply_to: "office@example.edu".to_owned(),
        ..Default::default()
    });
    content.wechat = Some(v1::WechatContent { form: v1::WechatForm::TextCard.into(), ..Default::default() });
    content.app = Some(v1::AppContent { deep_link: "campus://resit".to_owned(), ..Default::default() });
    let first = draft(request.clone()).unwrap().content;
    request.content = Some(content::to_wire(&first));
    assert_eq!(draft(request).unwrap().content, first);
}

type Change = fn(&mut v1::PublishRequest);

/// The field at fault, the reason, and what makes the sample wrong.
const WRONG: &[(&str, Reason, Change)] = &[
    ("idempotency_key", Reason::FieldRequired, |r| r.idempotency_key.clear()),
    ("idempotency_key", Reason::FieldTooLong, |r| r.idempotency_key = "k".repeat(129)),
    ("idempotency_key", Reason::FieldInvalid, |r| r.idempotency_key = "键".to_owned()),
    ("audience", Reason::FieldRequired, |r| r.audience = None),
    ("audience.users.user_ids", Reason::FieldRequired, |r| users(r, vec![])),
    ("audience.users.user_ids", Reason::UserListTooLong, |r| users(r, vec!["1".to_owned(); 1_001])),
    ("audience.users.user_ids[0]", Reason::FieldInvalid, |r| users(r, vec!["1 OR everyone".to_owned()])),
    ("content", Reason::FieldRequired, |r| r.content = None),
    ("content.inline", Reason::FieldRequired, |r| content_of(r).source = None),
    ("content.template", Reason::NotYetAvailable, |r| {
        content_of(r).source = Some(v1::content::Source::Template(v1::TemplateUse::default()));
    }),
    ("content.inline.title", Reason::FieldRequired, |r| inline(r).title = " ".to_owned()),
    ("content.inline.title", Reason::ControlCharacter, |r| inline(r).title = "a\r\nBcc: x@y".to_owned()),
    ("content.inline.title", Reason::FieldTooLong, |r| inline(r).title = "中".repeat(201)),
    ("content.inline.body", Reason::FieldTooLong, |r| inline(r).body = "x".repeat(65_537)),
    ("content.inline.body", Reason::FieldInvalid, |r| inline(r).body = "a\0b".to_owned()),
    ("content.inline.body", Reason::NotYetAvailable, |r| inline(r).body = "Dear {{user.name}}".to_owned()),
    ("content.inline.link", Reason::FieldInvalid, |r| inline(r).link = "javascript:alert(1)".to_owned()),
    ("content.inline.attachments", Reason::NotYetAvailable, |r| {
        inline(r).attachments.push(v1::Attachment::default());
    }),
    ("content.email.html", Reason::NotYetAvailable, |r| {
        content_of(r).email = Some(v1::EmailContent { html: "<p>".to_owned(), ..Default::default() });
    }),
    ("content.email.subject", Reason::ControlCharacter, |r| {
        content_of(r).email = Some(v1::EmailContent { subject: "a\u{2028}b".to_owned(), ..Default::default() });
    }),
    ("content.email.reply_to", Reason::FieldInvalid, |r| {
        content_of(r).email = Some(v1::EmailContent { reply_to: "a@b@c".to_owned(), ..Default::default() });
    }),
    ("content.wechat.text", Reason::FieldTooLong, |r| {
        content_of(r).wechat = Some(v1::WechatContent { text: "x".repeat(2_049), ..Default::default() });
    }),
    ("content.app.data", Reason::NotYetAvailable, |r| {
        content_of(r).app = Some(v1::AppContent { data: Some(Struct::default()), ..Default::default() });
    }),
    ("message_class", Reason::FieldInvalid, |r| r.message_class = 999),
    ("channels[0]", Reason::FieldInvalid, |r| r.channels = vec![999]),
    ("channels[1]", Reason::FieldInvalid, |r| r.channels = vec![1, 1]),
    ("route", Reason::FieldInvalid, |r| r.route = Some(v1::Route::default())),
    ("topic", Reason::FieldInvalid, |r| r.topic = "Library Overdue".to_owned()),
    ("send_at", Reason::FieldInvalid, |r| r.send_at = Some(Timestamp { seconds: 0, nanos: -1 })),
    ("expire_at", Reason::ExpireBeforeSend, |r| {
        (r.send_at, r.expire_at) = (Some(Timestamp::default()), Some(Timestamp::default()));
    }),
    ("tolerance_percent", Reason::FieldInvalid, |r| r.tolerance_percent = Some(101)),
    ("expected_recipients", Reason::FieldRequired, |r| r.tolerance_percent = Some(5)),
    ("reference", Reason::FieldTooLong, |r| r.reference = "x".repeat(129)),
    ("labels", Reason::FieldTooLong, |r| {
        r.labels = (0..9).map(|n| (n.to_string(), String::new())).collect();
    }),
    ("collapse_key", Reason::NotYetAvailable, |r| r.collapse_key = "x".to_owned()),
    ("min_directory_seq", Reason::FieldInvalid, |r| r.min_directory_seq = -1),
];

#[test]
fn each_wrong_field_is_refused_by_name() {
    for (field, reason, change) in WRONG {
        let mut request = sample();
        change(&mut request);
        let refusal = draft(request).expect_err(field);
        assert_eq!((refusal.reason, refusal.field.as_deref()), (*reason, Some(*field)), "{refusal}");
    }
}

#[test]
fn routes_with_an_order_are_not_taken_for_all_at_once() {
    let step = v1::Step { channel: v1::Channel::Email.into(), ..Default::default() };
    let mut request = sample();
    request.channels.clear();
    request.route = Some(v1::Route { mode: v1::RouteMode::Steps.into(), steps: vec![step] });
    assert_eq!(draft(request.clone()).unwrap_err().reason, Reason::NotYetAvailable);
    request.route = Some(v1::Route { mode: v1::RouteMode::AllAtOnce.into(), steps: vec![step] });
    assert_eq!(draft(request).unwrap().channels, vec![Channel::Email]);
}
