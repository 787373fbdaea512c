//! The whole-school notice, from the call to the stand-ins' own logs.

use std::path::Path;
use std::time::{Duration, Instant};

use campanile::api::v1;
use campanile::api::v1::publish_service_client::PublishServiceClient;

use crate::service::{Service, connect, with_token};
use crate::{Effort, campus, row};

const USERS: u32 = 50_000;

/// Mail alone, then all three channels together, then the time until every inbox shows it.
pub async fn run(_effort: Effort) {
    println!("notice: one message to {USERS} people, until the stand-ins have logged every delivery");
    let service = Service::start().await;
    let keys = campus::load(&service, USERS).await;
    let quiet = service.resident_mib();
    let (mail, wechat, app) = (v1::Channel::Email, v1::Channel::Wechat, v1::Channel::App);
    let mail_rate = f64::from(USERS) / publish(&service, &keys.live, &[mail]).await.as_secs_f64();
    row("mail leg, 50 recipients a transaction, lock-step", mail_rate, None, "/s", "aim >= 25,000");
    let all_rate = f64::from(USERS * 3) / publish(&service, &keys.live, &[mail, wechat, app]).await.as_secs_f64();
    row("mail, WeCom and inbox legs together", all_rate, None, "/s", "aim >= 60,000");
    let shown = shown(&service, &keys.live).await;
    println!("  commit until {USERS} inboxes show it            {:>12.1} ms  | aim <= 50", shown.as_secs_f64() * 1e3);
    println!("  resident: {quiet:.0} MiB with the directory, {:.0} MiB after | aim <= 250\n", service.resident_mib());
}

/// Publishes to everybody and waits until the stand-ins have logged each called delivery.
pub async fn publish(service: &Service, token: &str, channels: &[v1::Channel]) -> Duration {
    let mut client = PublishServiceClient::new(connect(service.grpc()).await);
    let logs = [(v1::Channel::Email, &service.mail_log), (v1::Channel::Wechat, &service.wecom_log)];
    let waits: Vec<_> = logs
        .iter()
        .filter(|(channel, _)| channels.contains(channel))
        .map(|(_, log)| (log.as_path(), lines(log) + USERS as usize))
        .collect();
    let began = Instant::now();
    client.publish(with_token(token, notice(channels))).await.expect("accepted");
    for (log, expected) in waits {
        while lines(log) < expected {
            assert!(began.elapsed() < Duration::from_secs(60), "{} of {expected} after a minute", lines(log));
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
    began.elapsed()
}

/// From the answer of a publish, which comes after its commit, until 50 inboxes across the campus show it.
async fn shown(service: &Service, token: &str) -> Duration {
    let channel = connect(service.grpc()).await;
    let mut inbox = v1::inbox_service_client::InboxServiceClient::new(channel.clone());
    let mut readers = Vec::new();
    for number in (0..USERS).step_by(USERS as usize / 50) {
        let request = v1::IssueUserTokenRequest { user_id: campus::user_id(number), ..Default::default() };
        match inbox.issue_user_token(with_token(token, request)).await {
            Ok(issued) => readers.push(issued.into_inner().token),
            Err(status) => panic!("no user token: {status}"),
        }
    }
    let mut client = PublishServiceClient::new(channel);
    let accepted = client.publish(with_token(token, notice(&[v1::Channel::App]))).await.expect("accepted").into_inner();
    let began = Instant::now();
    for reader in readers {
        loop {
            let request = with_token(&reader, v1::ListInboxRequest { page_size: 1, ..Default::default() });
            let listed = inbox.list_inbox(request).await.expect("an inbox").into_inner();
            if listed.items.first().is_some_and(|item| item.message_id == accepted.message_id) {
                break;
            }
        }
    }
    began.elapsed()
}

fn notice(channels: &[v1::Channel]) -> v1::PublishRequest {
    let key = format!("notice:{}:{:?}", std::process::id(), Instant::now());
    let inline = v1::Inline {
        title: "关于国庆节放假安排的通知".into(),
        body: "根据学校校历，10 月 1 日至 7 日放假，8 日正常上课。请大家注意安全，**按时返校**。".into(),
        link: "https://www.campus.example.edu/notice/1".into(),
        ..Default::default()
    };
    v1::PublishRequest {
        idempotency_key: key.chars().filter(char::is_ascii_graphic).take(128).collect(),
        audience: Some(v1::Audience { target: Some(v1::audience::Target::Expression("everyone".into())) }),
        content: Some(v1::Content { source: Some(v1::content::Source::Inline(inline)), ..Default::default() }),
        channels: channels.iter().map(|channel| (*channel).into()).collect(),
        ..Default::default()
    }
}

fn lines(log: &Path) -> usize {
    std::fs::read(log).map_or(0, |bytes| bytes.iter().filter(|byte| **byte == b'\n').count())
}
