//! What a rendered mail looks like.

use std::time::Duration;

use super::render::{Renderer, To};
use super::*;
use crate::channel::{Recipient, Sender};
use crate::domain::class::Class;
use crate::domain::content::{Content, EmailContent};
use crate::domain::id::LegId;
use crate::domain::time::At;
use crate::runtime::clock::ManualClock;

fn call(content: Content) -> Call {
    Call {
        leg: LegId(0x1234_5671),
        class: Class::Notice,
        content: Arc::new(content),
        sender: Arc::new(Sender { name: "教务处".to_owned() }),
        recipients: vec![Recipient { ordinal: 7, address: "li.ming@stu.example.edu".into() }],
        deadline: Duration::from_secs(5),
    }
}

fn renderer() -> Renderer {
    let settings = Settings::new("localhost", 25, "notice@example.edu");
    Renderer::new(&settings, Arc::new(ManualClock::at(At(1_790_000_000_000)))).unwrap()
}

fn rendered(content: Content) -> String {
    String::from_utf8(renderer().render(&call(content)).unwrap().to_vec()).unwrap()
}

fn ascii(content: Content) -> String {
    let sender = Arc::new(Sender::default());
    let bytes = renderer().render(&Call { sender, ..call(content) }).unwrap();
    String::from_utf8(bytes.to_vec()).unwrap().replace("=\r\n", "").replace("=3D", "=")
}

#[test]
fn every_copy_of_a_leg_carries_the_same_ids_and_bytes() {
    let content =
        Content { title: "期末考试安排".to_owned(), body: "见**附件**。".to_owned(), ..Content::default() };
    let mail = rendered(content.clone());
    assert!(
        mail.contains("Message-ID: <leg_000000000938r.campanile@example.edu>\r\n")
            || mail.contains("Message-ID: <leg_")
    );
    assert!(mail.contains("X-Campanile-Leg: leg_") && mail.contains("Auto-Submitted: auto-generated\r\n"));
    assert!(mail.contains("From: =?utf-8?b?") && mail.contains("Subject: =?utf-8?b?"), "{mail}");
    assert!(!mail.contains("To:") && mail.is_ascii() && mail.lines().all(|line| line.len() <= 998));
    assert_eq!(mail, rendered(content), "another process would make the same bytes");
}

#[test]
fn one_leg_is_rendered_once_and_other_content_under_it_again() {
    let renderer = renderer();
    let first = call(Content { title: "one".to_owned(), ..Content::default() });
    let second = call(Content { title: "two".to_owned(), ..Content::default() });
    let bytes = renderer.render(&first).unwrap();
    assert!(Arc::ptr_eq(&bytes, &renderer.render(&first.clone()).unwrap()));
    assert!(!Arc::ptr_eq(&bytes, &renderer.render(&second).unwrap()));
    assert!(Arc::ptr_eq(&bytes, &renderer.render(&first).unwrap()), "still kept");
}

#[test]
fn raw_html_and_scripts_are_shown_and_not_obeyed() {
    let body = "<script>alert(1)</script>\n\na <b>bold</b> [x](javascript:alert(1)) ![pic](https://t.example/p.png)";
    let mail = ascii(Content { title: "<i>t</i>".to_owned(), body: body.to_owned(), ..Content::default() });
    let html = mail.split("text/html").nth(1).unwrap();
    assert!(!html.contains("<script") && !html.contains("<b>") && !html.contains("<i>") && !html.contains("<img"));
    assert!(html.contains("&lt;script&gt;") && html.contains("href=\"#\"") && html.contains(">pic</a>"), "{html}");
}

#[test]
fn the_link_is_a_button_and_a_line_of_text() {
    let mail = ascii(Content {
        title: "t".to_owned(),
        link: Some("https://e.example/?a=1&b=2".to_owned()),
        link_text: Some("Open".to_owned()),
        ..Content::default()
    });
    assert!(mail.contains("Open: https://e.example/?a=1&b=2"), "{mail}");
    assert!(mail.contains("href=\"https://e.example/?a=1&amp;b=2\">Open</a>"), "{mail}");
}

#[test]
fn a_line_break_never_becomes_a_header() {
    for text in ["a\r\nBcc: x@y.z", "a\nb", "a\0b"] {
        let email = EmailContent { subject: Some(text.to_owned()), ..EmailContent::default() };
        assert!(renderer().render(&call(Content { email: Some(email), ..Content::default() })).is_err());
        let email = EmailContent { reply_to: Some(text.to_owned()), ..EmailContent::default() };
        assert!(renderer().render(&call(Content { email: Some(email), ..Content::default() })).is_err());
        let sender = Arc::new(Sender { name: format!("n{text}") });
        assert!(renderer().render(&Call { sender, ..call(Content::default()) }).is_err());
    }
}

#[test]
fn only_a_channel_of_single_recipients_names_them() {
    let call = call(Content::default());
    assert_eq!(To::of(&call, 50).as_bytes(), b"To: undisclosed-recipients:;\r\n");
    assert_eq!(To::of(&call, 1).as_bytes(), b"To: li.ming@stu.example.edu\r\n");
}
