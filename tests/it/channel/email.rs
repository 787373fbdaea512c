//! E-mail: a verdict per recipient, whatever the relay does.

use std::time::{Duration, Instant};

use campanile::channel::Call;
use campanile::channel::email::Settings;
use campanile::domain::content::Content;
use campanile::domain::verdict::Verdict;
use campanile::standin::smtp::{Options, decode_words};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use super::{call, detail, mail, relay, served, short, smtp};

#[tokio::test]
async fn one_mail_reaches_all_who_can_be_reached_and_each_has_a_verdict() {
    let relay_end = smtp(Options::default()).await;
    let email = mail(relay(relay_end.port));
    let report = email.send(call(17, &["a@x.cn", "gone.b@x.cn", "full.c@x.cn", "d@x.cn", "bad\r\naddress"])).await;
    let expected = ["accepted", "rejected AddressDead", "retry Recipient", "accepted", "rejected AddressInvalid"];
    assert_eq!(short(&report.verdicts), expected);
    assert_eq!(detail(&report.verdicts[1]), "RCPT 550 5.1.1 […] no such user here");
    assert!(detail(&report.verdicts[0]).starts_with('S'), "the relay's own name for the mail");

    let again = email.send(call(17, &["full.c@x.cn"])).await;
    assert_eq!(short(&again.verdicts), ["accepted"]);
    assert_eq!(relay_end.addresses(), ["a@x.cn", "d@x.cn", "full.c@x.cn"]);
    let receipt = &relay_end.receipts()[0];
    assert!(receipt.id.starts_with("leg_") && receipt.content == "关于期末考试安排的通知", "{receipt:?}");
}

#[tokio::test]
async fn nobody_accepted_sends_no_body_and_keeps_the_connection() {
    let relay_end = smtp(Options::default()).await;
    let email = mail(Settings { connections: 1, ..relay(relay_end.port) });
    assert_eq!(short(&email.send(call(17, &["gone.a@x.cn"])).await.verdicts), ["rejected AddressDead"]);
    assert_eq!(short(&email.send(call(33, &["b@x.cn"])).await.verdicts), ["accepted"]);
    assert_eq!(relay_end.addresses(), ["b@x.cn"]);
}

#[tokio::test]
async fn those_over_the_limit_of_a_transaction_go_soon() {
    let relay_end = smtp(Options { recipients_max: Some(2), ..Options::default() }).await;
    let report = mail(relay(relay_end.port)).send(call(17, &["a@x.cn", "b@x.cn", "c@x.cn", "d@x.cn"])).await;
    assert_eq!(short(&report.verdicts), ["accepted", "accepted", "retry Recipient", "retry Recipient"]);
    for late in &report.verdicts[2..] {
        assert!(matches!(late, Verdict::Retry { after: Some(Duration::ZERO), .. }));
    }
}

#[tokio::test]
async fn an_answer_lost_after_the_final_dot_is_unknown_only_for_those_accepted() {
    let relay_end = smtp(Options::default()).await;
    let email = mail(relay(relay_end.port));
    let report = email.send(call(17, &["gone.a@x.cn", "drop.b@x.cn", "c@x.cn"])).await;
    assert_eq!(short(&report.verdicts), ["rejected AddressDead", "unknown", "unknown"]);
    assert_eq!(relay_end.addresses(), ["drop.b@x.cn", "c@x.cn"], "it was taken after all");
}

#[tokio::test]
async fn a_server_that_leaves_in_between_is_tried_again() {
    let relay_end = smtp(Options::default()).await;
    let email = mail(relay(relay_end.port));
    let report = email.send(call(17, &["a@x.cn", "busy.b@x.cn", "c@x.cn"])).await;
    assert_eq!(short(&report.verdicts), ["retry Provider"; 3]);
    assert_eq!(short(&email.send(call(17, &["a@x.cn", "busy.b@x.cn"])).await.verdicts), ["accepted"; 2]);
    assert_eq!(relay_end.addresses(), ["a@x.cn", "busy.b@x.cn"]);
}

#[tokio::test]
async fn the_mail_on_the_wire_is_whole_and_its_words_read_back() {
    let (copies, mut taken) = mpsc::channel(8);
    let relay_end = smtp(Options { copies: Some(copies), ..Options::default() }).await;
    let email = mail(Settings { recipients_per_transaction: 1, ..relay(relay_end.port) });
    assert_eq!(email.capacity().per_call, 1);
    email.send(call(17, &["a@x.cn"])).await;
    let mail = taken.recv().await.unwrap();
    assert_eq!((mail.from.as_str(), mail.recipients.as_slice()), ("notice@example.edu", &["a@x.cn".to_owned()][..]));
    let text = String::from_utf8(mail.data).unwrap();
    assert!(text.starts_with("To: a@x.cn\r\n"), "{text}");
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let unfolded = head.replace("\r\n ", " ");
    let value = |name: &str| unfolded.lines().find_map(|l| l.strip_prefix(name)).map(str::trim).unwrap_or_default();
    assert_eq!(decode_words(value("Subject:")), "关于期末考试安排的通知");
    assert_eq!(decode_words(value("From:")), "教务处 <notice@example.edu>");
    assert!(body.trim_end().ends_with("--"), "the last boundary arrived: {body}");
}

#[tokio::test]
async fn lines_of_dots_do_not_end_a_mail() {
    let (copies, mut taken) = mpsc::channel(8);
    let relay_end = smtp(Options { copies: Some(copies), ..Options::default() }).await;
    let content = Content { title: "t".to_owned(), body: ".\n..\n.\nQUIT".to_owned(), ..Content::default() };
    let call = Call { content: content.into(), ..call(17, &["a@x.cn"]) };
    assert_eq!(short(&mail(relay(relay_end.port)).send(call).await.verdicts), ["accepted"]);
    let text = String::from_utf8(taken.recv().await.unwrap().data).unwrap();
    assert!(text.contains("<p>.\r\n..\r\n.\r\nQUIT</p>\r\n"), "{text}");
}

#[tokio::test]
async fn an_idle_connection_that_went_stale_costs_nobody_a_try() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let email = mail(relay(listener.local_addr().unwrap().port()));
    let (closed, mut was_closed) = mpsc::channel(8);
    tokio::spawn(async move {
        loop {
            // Takes one mail and closes.
            let (stream, _) = listener.accept().await.unwrap();
            drop(talk(stream, 1, &[]).await);
            closed.send(()).await.unwrap();
        }
    });
    for leg in [17, 33] {
        assert_eq!(short(&email.send(call(leg, &["a@x.cn"])).await.verdicts), ["accepted"]);
        was_closed.recv().await.unwrap();
    }
}

#[tokio::test]
async fn hostile_replies_give_verdicts_and_never_an_acceptance() {
    let long = format!("250 {}\r\n", "x".repeat(200_000));
    let replies: [&[u8]; 9] = [
        b"\r\n",
        b"999 no\r\n",
        b"250",
        b"25\xff ok\r\n",
        b"354 go on\r\n",
        b"250-a\r\n550 b\r\n",
        b"\0\0\0\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n",
        long.as_bytes(),
    ];
    for step in ["EHLO", "MAIL", "RCPT", "DATA", "."] {
        for reply in replies {
            if step == "DATA" && reply.starts_with(b"354") {
                continue;
            }
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let email = mail(relay(listener.local_addr().unwrap().port()));
            let reply = reply.to_vec();
            tokio::spawn(async move {
                let (stream, _) = listener.accept().await.unwrap();
                drop(talk(stream, 9, &[(step, &reply)]).await);
            });
            let report = email.send(call(17, &["secret.person@x.cn"])).await;
            let expected = if step == "." { "unknown" } else { "retry Network" };
            assert_eq!(short(&report.verdicts), [expected], "{step} {:?}", report.verdicts);
            assert!(!detail(&report.verdicts[0]).contains("secret"));
        }
    }
}

#[tokio::test]
async fn a_relay_that_falls_silent_is_unknown_only_after_the_final_dot() {
    for (step, expected) in
        [("MAIL", "retry Network"), ("RCPT", "retry Network"), ("DATA", "retry Network"), (".", "unknown")]
    {
        let port = served(move |stream| async move { talk(stream, 9, &[(step, b"")]).await }).await;
        let step_limit = Duration::from_millis(100);
        let settings = Settings { command_timeout: step_limit, body_timeout: step_limit, ..relay(port) };
        let begun = Instant::now();
        assert_eq!(short(&mail(settings).send(call(17, &["a@x.cn"])).await.verdicts), [expected], "{step}");
        assert!(begun.elapsed() < Duration::from_secs(5), "the step has a limit of its own");
    }
}

#[tokio::test]
async fn a_relay_that_does_not_know_us_is_the_operators_affair() {
    let own: &[(&str, &[u8])] = &[("MAIL", b"530 5.7.0 log in first\r\n")];
    let port = served(move |stream| talk(stream, 1, own)).await;
    let email = mail(relay(port));
    let report = email.send(call(17, &["a@x.cn", "b@x.cn"])).await;
    assert_eq!(short(&report.verdicts), ["retry Operator"; 2]);
    assert!(email.check().await.unwrap_err().contains("MAIL 530 5.7.0 log in first"));
    let knows = smtp(Options::default()).await;
    mail(relay(knows.port)).check().await.unwrap();
    assert!(knows.receipts().is_empty());
}

/// Speaks SMTP for so many mails; answers a step in its own way and then closes, or falls silent if that is nothing.
async fn talk(mut stream: tokio::net::TcpStream, mails: usize, own: &[(&str, &[u8])]) -> std::io::Result<()> {
    let (read, mut write) = stream.split();
    let mut lines = BufReader::new(read);
    write.write_all(b"220 here\r\n").await?;
    let (mut line, mut in_data, mut taken) = (String::new(), false, 0);
    while taken < mails {
        line.clear();
        if lines.read_line(&mut line).await? == 0 {
            return Ok(());
        }
        if in_data && line != ".\r\n" {
            continue;
        }
        if let Some((_, reply)) = own.iter().find(|(step, _)| line.starts_with(step)) {
            if reply.is_empty() {
                std::future::pending::<()>().await;
            }
            write.write_all(reply).await?;
            write.shutdown().await?;
            // Closing with unread bytes would reset the connection and take the reply with it.
            let mut rest = Vec::new();
            return lines.read_to_end(&mut rest).await.map(drop);
        }
        taken += usize::from(in_data);
        in_data = line.starts_with("DATA");
        write.write_all(if in_data { b"354 go on\r\n" } else { b"250 ok\r\n" }).await?;
    }
    Ok(())
}
