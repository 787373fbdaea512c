//! A first publish arrives at the relay, at WeCom and on the open stream of the app; a refusal is told apart.

use std::fs;
use std::path::Path;

use super::interpreter::{Example, Interpreter};
use super::{House, MAILBOX, PERSON, WECOM_ID};

const TITLE: &str = "图书馆：您预约的书已到";

#[tokio::test(flavor = "multi_thread")]
async fn a_publish_from_python_arrives_everywhere_and_a_refusal_says_why() {
    let Some(python) = Interpreter::python() else { return };
    arrives_and_is_refused(&python).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_publish_from_node_arrives_everywhere_and_a_refusal_says_why() {
    let Some(node) = Interpreter::node() else { return };
    arrives_and_is_refused(&node).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_publish_from_php_arrives_everywhere_and_a_refusal_says_why() {
    let Some(php) = Interpreter::php() else { return };
    let house = House::start().await;
    arrives(&house, &php).await;
    refused(&house, &php).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_publish_with_curl_is_accepted_and_a_refusal_says_why() {
    let Some(shell) = Interpreter::shell() else { return };
    let house = House::start().await;
    let mut publish = shell.start(&house, "first_publish", &[PERSON]);
    assert!(publish.ends().await.success(), "{:#?}", publish.said);
    let accepted: serde_json::Value = serde_json::from_str(&publish.said.join("\n")).unwrap();
    assert_eq!(accepted["recipientCount"], 1, "{accepted}");
    assert!(accepted["messageId"].as_str().unwrap().starts_with("msg_"));
    let mut refused = shell.start(&house, "first_publish", &["31211510019"]);
    assert_eq!(refused.ends().await.code(), Some(1), "{:#?}", refused.said);
    let refusal: serde_json::Value = serde_json::from_str(&refused.said.join("\n")).unwrap();
    assert_eq!((&refusal["reason"], &refusal["code"]), (&"UNKNOWN_USER".into(), &9.into()), "{refusal}");
}

async fn arrives_and_is_refused(language: &Interpreter) {
    let house = House::start().await;
    let mut inbox = language.start(&house, "inbox", &[PERSON, "1"]);
    inbox.says("subscribed").await;
    assert_eq!(inbox.said[0], "0 in the inbox, 0 unread");

    let message = arrives(&house, language).await;
    assert!(inbox.ends().await.success(), "{:#?}", inbox.said);
    assert_eq!(*inbox.said.last().unwrap(), format!("new: {message} {TITLE}"));
    refused(&house, language).await;
}

/// Publishes to the person and returns the message's id. What its counts claim, the providers saw.
async fn arrives(house: &House, language: &Interpreter) -> String {
    let mut publish = language.start(house, "first_publish", &[PERSON, TITLE]);
    assert!(publish.ends().await.success(), "{:#?}", publish.said);
    let message = accepted(&publish);
    let last = publish.said.last().unwrap();
    assert_eq!(last, "MESSAGE_STATE_FINISHED: CHANNEL_EMAIL sent 1, CHANNEL_WECHAT sent 1, CHANNEL_APP sent 1");
    let mails = house.mails.receipts();
    assert_eq!((mails.len(), &*mails[0].address, &*mails[0].content), (1, MAILBOX, TITLE));
    let cards = house.wecom.receipts();
    assert_eq!((cards.len(), &*cards[0].address), (1, WECOM_ID));
    assert!(cards[0].content.contains(TITLE), "{}", cards[0].content);
    message
}

/// Publishes to somebody who does not exist.
async fn refused(house: &House, language: &Interpreter) {
    let mut refused = language.start(house, "first_publish", &["31211510019"]);
    assert_eq!(refused.ends().await.code(), Some(1), "{:#?}", refused.said);
    let line = refused.said.last().unwrap();
    assert!(line.starts_with("refused: UNKNOWN_USER audience.users.user_ids "), "{line}");
    assert!(line.contains("31211510019"), "{line}");
    assert_eq!((house.mails.receipts().len(), house.wecom.receipts().len()), (1, 1), "a refusal reaches nobody");
}

/// The message's id out of the line `accepted: msg_… for 1 person`.
fn accepted(example: &Example) -> String {
    let line = &example.said[0];
    let rest = line.strip_prefix("accepted: ").unwrap_or_else(|| panic!("not accepted: {:#?}", example.said));
    let (message, people) = rest.split_once(' ').unwrap();
    assert!(message.starts_with("msg_"), "{line}");
    assert_eq!(people, "for 1 person");
    message.to_owned()
}

#[tokio::test]
async fn stock_tools_compile_every_proto_file() {
    let Some(python) = Interpreter::python() else { return };
    let files = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("proto/campanile/v1")).unwrap();
    let mut script = "import importlib, client\n".to_owned();
    let mut wanted = Vec::new();
    for file in files {
        let path = file.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        for made in [format!("{name}_pb2"), format!("{name}_pb2_grpc")] {
            script.push_str(&format!("print(importlib.import_module('campanile.v1.{made}').__name__)\n"));
            wanted.push(format!("campanile.v1.{made}"));
        }
    }
    let mut compiled = python.script(&script);
    assert!(compiled.ends().await.success(), "{:#?}", compiled.said);
    assert!(wanted.len() > 10, "the proto files are there");
    assert_eq!(compiled.said, wanted);
}
