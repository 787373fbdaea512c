//! WeCom: HTTP 200 says nothing, the business code does.

use std::time::Duration;

use campanile::channel::wechat::Settings;
use campanile::channel::{Call, Report};
use campanile::domain::content::Content;
use campanile::standin::log::BreakLog;
use campanile::standin::wecom::Options;

use super::{Answering, app, application, call, detail, http, short, token, wecom};

#[tokio::test]
async fn users_whom_the_provider_names_are_refused_and_the_others_reached() {
    let api = wecom(Options::default()).await;
    let report = app(application(api.port)).send(call(17, &["u1", "Left_2", "unlicensed_3", "@all", "u4"])).await;
    let refused = "rejected RefusedRecipient";
    assert_eq!(short(&report.verdicts), ["accepted", refused, refused, "rejected AddressInvalid", "accepted"]);
    assert!(detail(&report.verdicts[0]).starts_with("standin-"), "the provider's id");
    assert_eq!(api.addresses(), ["u1", "u4"]);
    let receipt = &api.receipts()[0];
    assert_eq!(receipt.id, "关于期末考试安排的通知");
    assert!(receipt.content.contains("**附件**"), "{receipt:?}");
}

#[tokio::test]
async fn everybody_unknown_is_refused() {
    let api = wecom(Options::default()).await;
    let report = app(application(api.port)).send(call(17, &["left_1", "left_2"])).await;
    assert_eq!(short(&report.verdicts), ["rejected RefusedRecipient"; 2]);
    assert_eq!(detail(&report.verdicts[0]), "send 81013 user & party & tag all invalid");
}

#[tokio::test]
async fn too_many_calls_pause_the_provider_and_lose_nobody() {
    let api = wecom(Options { throttle_call: Some(2), ..Options::default() }).await;
    let wechat = app(Settings { cool_down: Duration::from_secs(90), ..application(api.port) });
    assert_eq!(wechat.send(call(17, &["u1"])).await.cool_down, None);
    let throttled = wechat.send(call(17, &["u2", "u3"])).await;
    assert_eq!(short(&throttled.verdicts), ["retry Provider"; 2]);
    assert_eq!(throttled.cool_down, Some(Duration::from_secs(90)));
    assert_eq!(short(&wechat.send(call(17, &["u2", "u3"])).await.verdicts), ["accepted"; 2]);
    assert_eq!(api.addresses(), ["u1", "u2", "u3"]);
}

#[tokio::test]
async fn a_token_that_ends_in_mid_run_costs_nobody_a_try() {
    let api = wecom(Options { sends_per_token: Some(3), ..Options::default() }).await;
    let wechat = app(application(api.port));
    for n in 0..10 {
        let report = wechat.send(call(17, &[&format!("u{n}")])).await;
        assert_eq!(short(&report.verdicts), ["accepted"], "{n}");
    }
    assert_eq!(api.receipts().len(), 10);
}

#[tokio::test]
async fn a_token_refused_twice_is_the_providers_fault() {
    let port = http(|target, _| {
        token(target).or_else(|| Some((200, r#"{"errcode":40014,"errmsg":"invalid access_token"}"#.to_owned())))
    })
    .await;
    assert_eq!(short(&app(application(port)).send(call(17, &["u1"])).await.verdicts), ["retry Provider"]);
}

#[tokio::test]
async fn a_wrong_secret_is_a_wrong_setting() {
    let api = wecom(Options::default()).await;
    let wechat = app(Settings { secret: "wrong-hush".to_owned().into(), ..application(api.port) });
    let report = wechat.send(call(17, &["u1"])).await;
    assert_eq!(short(&report.verdicts), ["retry Operator"]);
    assert!(wechat.check().await.unwrap_err().contains("40001"));
    app(application(api.port)).check().await.unwrap();
}

#[tokio::test]
async fn a_batch_sent_again_is_delivered_once() {
    let api = wecom(Options::default()).await;
    let wechat = app(application(api.port));
    for _ in 0..2 {
        assert_eq!(short(&wechat.send(call(17, &["u1", "u2"])).await.verdicts), ["accepted"; 2]);
    }
    assert_eq!(api.addresses(), ["u1", "u2"], "identical bytes are not delivered again");
    wechat.send(call(17, &["u2", "u1"])).await;
    assert_eq!(api.receipts().len(), 4, "other bytes are");
}

#[tokio::test]
async fn a_text_card_carries_its_link() {
    let api = wecom(Options::default()).await;
    let content = Content {
        title: "停水通知".to_owned(),
        body: "明日停水".to_owned(),
        link: Some("https://e.cn/1".to_owned()),
        ..Content::default()
    };
    let call = Call { content: content.into(), ..call(17, &["u1"]) };
    assert_eq!(short(&app(application(api.port)).send(call).await.verdicts), ["accepted"]);
    let receipt = &api.receipts()[0];
    assert_eq!((&*receipt.id, &*receipt.content), ("https://e.cn/1", "停水通知\n明日停水"));
}

#[tokio::test]
async fn what_is_no_answer_is_unknown_and_what_never_arrived_is_tried_again() {
    async fn answered(answer: Answering) -> Report {
        app(application(http(answer).await)).send(call(17, &["u1", "u2"])).await
    }
    let unknown: [Answering; 5] = [
        |target, _| token(target).or_else(|| Some((502, "<html>".to_owned()))),
        |target, _| token(target).or_else(|| Some((200, "<html>".to_owned()))),
        |target, _| token(target).or_else(|| Some((200, r#"{"errcode":0"#.to_owned()))),
        |target, _| {
            token(target).or_else(|| Some((200, format!("{{\"errcode\":0,\"x\":\"{}\"}}", "x".repeat(99_999)))))
        },
        |target, _| token(target),
    ];
    for answer in unknown {
        assert_eq!(short(&answered(answer).await.verdicts), ["unknown"; 2]);
    }
    let again: [Answering; 3] = [
        |_, _| Some((502, "<html>".to_owned())),
        |_, _| Some((200, r#"{"errcode":0,"access_token":"","expires_in":7200}"#.to_owned())),
        |_, _| None,
    ];
    for answer in again {
        assert_eq!(short(&answered(answer).await.verdicts), ["retry Network"; 2]);
    }
    let turned = answered(|target, _| token(target).or_else(|| Some((429, String::new())))).await;
    assert_eq!(short(&turned.verdicts), ["retry Provider"; 2]);
}

#[tokio::test]
async fn an_answer_that_comes_too_late_is_unknown() {
    let slow = Options { step_delay: Some(Duration::from_millis(300)), ..Options::default() };
    let api = wecom(slow).await;
    let wechat = app(application(api.port));
    wechat.check().await.unwrap();
    let in_time = wechat.send(Call { deadline: Duration::from_millis(200), ..call(17, &["u1"]) }).await;
    assert_eq!(short(&in_time.verdicts), ["unknown"], "it was under way");
    assert_eq!(short(&wechat.send(call(17, &["u1"])).await.verdicts), ["accepted"]);
}

#[tokio::test]
async fn a_broken_stand_in_shows_in_its_log() {
    let api = wecom(Options { break_log: Some(BreakLog::LoseOne), ..Options::default() }).await;
    let report = app(application(api.port)).send(call(17, &["u1", "u2", "u3", "u4"])).await;
    assert_eq!(short(&report.verdicts), ["accepted"; 4]);
    assert_eq!(api.addresses(), ["u1", "u2", "u4"]);
}
