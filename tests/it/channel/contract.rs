//! The rules of `src/channel/CONTRACT.md`, for every channel. A new channel adds a [`Case`] and passes.

use std::sync::Arc;
use std::time::{Duration, Instant};

use campanile::channel::stub::Stub;
use campanile::channel::{Call, Channel};
use campanile::domain::verdict::{Fault, Verdict};
use campanile::standin;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

use super::{Running, app, application, call, detail, http, mail, relay, served, short, smtp, token, wecom};

/// A channel as the suite sees it.
struct Case {
    name: &'static str,
    /// The channel, with its provider at a port of this machine.
    make: fn(u16) -> Arc<dyn Channel>,
    /// A provider that works.
    provider: Provider,
    /// Three addresses that it takes (the last one perhaps slowly), and one that it refuses.
    taken: [&'static str; 3],
    refused: &'static str,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Provider {
    Smtp,
    Wecom,
    None,
}

fn cases() -> [Case; 3] {
    [
        Case {
            name: "email",
            make: |port| mail(relay(port)),
            provider: Provider::Smtp,
            taken: ["li.ming@x.cn", "wang@x.cn", "zhao@x.cn"],
            refused: "gone.qian@x.cn",
        },
        Case {
            name: "wechat",
            make: |port| app(application(port)),
            provider: Provider::Wecom,
            taken: ["3121151001", "3121151002", "Zhao.Lei"],
            refused: "Left_3121151004",
        },
        Case {
            name: "stub",
            make: |_| Arc::new(Stub::default()),
            provider: Provider::None,
            taken: ["sim-sent@x.cn", "anybody", "sim-slow@x.cn"],
            refused: "sim-refused@x.cn",
        },
    ]
}

impl Case {
    async fn provider(&self) -> Option<Running> {
        match self.provider {
            Provider::Smtp => Some(smtp(standin::smtp::Options::default()).await),
            Provider::Wecom => Some(wecom(standin::wecom::Options::default()).await),
            Provider::None => None,
        }
    }

    /// The port of a provider that answers everything with a code nobody knows and all that it was told.
    async fn babbler(&self) -> u16 {
        match self.provider {
            Provider::Wecom => {
                http(|target, body| {
                    let said = format!("{target} {body}").replace(['"', '\\'], " ");
                    token(target).or_else(|| Some((200, format!(r#"{{"errcode":123456,"errmsg":"{said}"}}"#))))
                })
                .await
            }
            Provider::Smtp | Provider::None => served(echo).await,
        }
    }
}

/// Greets, and then refuses everything in its own words.
async fn echo(mut stream: TcpStream) -> std::io::Result<()> {
    let (read, mut write) = stream.split();
    let mut lines = BufReader::new(read).lines();
    write.write_all(b"220 here\r\n").await?;
    while let Some(line) = lines.next_line().await? {
        let reply = match line.get(..4) {
            Some("EHLO" | "MAIL" | "RSET") => "250 ok\r\n".to_owned(),
            _ => format!("599 what do you mean by {line} ({})\r\n", line.replace(['<', '>', '@'], " ")),
        };
        write.write_all(reply.as_bytes()).await?;
    }
    Ok(())
}

#[tokio::test]
async fn there_is_one_verdict_per_recipient_in_their_order() {
    for case in cases() {
        let provider = case.provider().await;
        let channel = (case.make)(provider.as_ref().map_or(0, |running| running.port));
        let [a, b, _] = case.taken;
        for (n, order) in [[a, b, a, case.refused], [case.refused, b, a, b], [a, case.refused, a, b]].iter().enumerate()
        {
            let report = channel.send(call(16 * (n as i64) + 17, order)).await;
            let refused: Vec<bool> = order.iter().map(|address| *address == case.refused).collect();
            let said: Vec<bool> = report.verdicts.iter().map(|v| matches!(v, Verdict::Rejected { .. })).collect();
            assert_eq!(said, refused, "{} {:?}", case.name, report.verdicts);
        }
        assert!(channel.capacity().per_call >= 1 && channel.capacity().concurrency >= 1);
        channel.check().await.unwrap();
    }
}

#[tokio::test]
async fn a_call_never_takes_longer_than_its_deadline() {
    async fn silent(stream: TcpStream) -> std::io::Result<()> {
        std::future::pending::<()>().await;
        drop(stream);
        Ok(())
    }
    for case in cases() {
        let channel = (case.make)(served(silent).await);
        for deadline in [Duration::from_millis(150), Duration::from_millis(600)] {
            let begun = Instant::now();
            let report = channel.send(Call { deadline, ..call(17, &case.taken) }).await;
            // A busy machine may be late to wake us up.
            let limit = deadline + Duration::from_millis(300);
            assert!(begun.elapsed() <= limit, "{} took {:?} of {deadline:?}", case.name, begun.elapsed());
            assert_eq!(report.verdicts.len(), 3);
            let accepted = report.verdicts.iter().any(|verdict| matches!(verdict, Verdict::Accepted { .. }));
            assert!(case.provider == Provider::None || !accepted, "{} {:?}", case.name, report.verdicts);
        }
    }
}

#[tokio::test]
async fn no_detail_holds_an_address_or_a_secret() {
    for case in cases() {
        let channel = (case.make)(case.babbler().await);
        let addresses = [case.taken[0], case.refused, case.taken[1]];
        let report = channel.send(call(17, &addresses)).await;
        let names = addresses.iter().map(|address| address.split('@').next().unwrap());
        let private: Vec<String> = names
            .filter(|name| !name.starts_with("sim-") && *name != "anybody")
            .chain(["tok-hush-1", "standin-secret", "standin-corp"])
            .map(str::to_lowercase)
            .collect();
        for verdict in &report.verdicts {
            let detail = detail(verdict).to_lowercase();
            assert!(!detail.contains('@') && !detail.contains(char::is_control), "{}: {detail}", case.name);
            assert!(private.iter().all(|word| !detail.contains(word)), "{}: {detail}", case.name);
            assert!(detail.chars().count() <= 200, "{}: {detail}", case.name);
        }
    }
}

#[tokio::test]
async fn a_refused_connection_is_the_networks_fault_and_tried_again() {
    for case in cases().into_iter().filter(|case| case.provider != Provider::None) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        let channel = (case.make)(port);
        let report = channel.send(call(17, &case.taken)).await;
        for verdict in &report.verdicts {
            assert!(matches!(verdict, Verdict::Retry { fault: Fault::Network, .. }), "{} {verdict:?}", case.name);
        }
        channel.check().await.unwrap_err();
    }
}

#[tokio::test]
async fn a_code_that_nobody_knows_is_never_an_acceptance() {
    for case in cases().into_iter().filter(|case| case.provider != Provider::None) {
        let channel = (case.make)(case.babbler().await);
        let report = channel.send(call(17, &case.taken)).await;
        let said = short(&report.verdicts);
        assert!(
            said.len() == 3 && !said.iter().any(|word| word == "accepted" || word == "unknown"),
            "{} {said:?}",
            case.name
        );
    }
}

#[tokio::test]
async fn addresses_that_carry_a_command_or_a_wildcard_reach_nobody() {
    let smuggled = ["x@y.cn>\r\nRCPT TO:<z@y.cn", "@all", "a|b", "*", "", "a\nb"];
    for case in cases().into_iter().filter(|case| case.provider != Provider::None) {
        let provider = case.provider().await.unwrap();
        let report = (case.make)(provider.port).send(call(17, &smuggled)).await;
        assert_eq!(short(&report.verdicts), ["rejected AddressInvalid"; 6], "{}", case.name);
        assert!(!provider.log.exists() || provider.addresses().is_empty());
    }
}
