//! The permission matrix: every RPC with every kind of caller, on what is their own department's, another's, and on
//! what is not there. `matrix.txt` says by hand what each call must answer; every cell is a real call.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use bytes::{Buf, BufMut, Bytes};
use campanile::api::{DESCRIPTOR_SET, v1};
use prost_reflect::{DescriptorPool, DynamicMessage, MethodDescriptor, prost::Message};
use tonic::codec::{BufferSettings, Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::{Code, Request, Status};

use super::world::World;
use crate::support::refusal::reason;

/// The columns of the table, as in its first line.
const CALLERS: [&str; 10] =
    ["platform", "head", "reviewer", "sender", "auditor", "person", "system", "test", "user", "nobody"];

const TABLE: &str = include_str!("matrix.txt");

/// An RPC, what is sent, and for each kind of object what each caller must be answered.
struct Row {
    rpc: String,
    sent: String,
    cells: Vec<(String, Vec<String>)>,
}

fn rows() -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    for line in TABLE.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        if let Some(line) = line.strip_prefix("  ") {
            let mut words = line.split_whitespace().map(str::to_owned);
            let (object, cells) = (words.next().unwrap(), words.collect::<Vec<_>>());
            // One word for all callers, or one for each.
            let cells = if cells.len() == 1 { vec![cells[0].clone(); CALLERS.len()] } else { cells };
            assert_eq!(cells.len(), CALLERS.len(), "{line}");
            rows.last_mut().unwrap().cells.push((object, cells));
        } else {
            let (rpc, sent) = line.split_once(' ').unwrap_or((line, "{}"));
            rows.push(Row { rpc: rpc.to_owned(), sent: sent.to_owned(), cells: Vec::new() });
        }
    }
    rows
}

#[test]
fn every_rpc_has_a_row() {
    let pool = DescriptorPool::decode(DESCRIPTOR_SET).unwrap();
    let ours = pool.services().filter(|service| service.full_name().starts_with("campanile."));
    let there: BTreeSet<String> =
        ours.flat_map(|service| service.methods().map(|one| name(&one)).collect::<Vec<_>>()).collect();
    let told: BTreeSet<String> = rows().into_iter().map(|row| row.rpc).collect();
    assert!(there.len() > 90, "{}", there.len());
    assert_eq!(there.difference(&told).collect::<Vec<_>>(), [""; 0], "RPCs without a row in matrix.txt");
    assert_eq!(told.difference(&there).collect::<Vec<_>>(), [""; 0], "rows without an RPC");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_call_is_answered_as_the_matrix_says() {
    let pool = DescriptorPool::decode(DESCRIPTOR_SET).unwrap();
    let methods = pool.services().flat_map(|service| service.methods().collect::<Vec<_>>());
    let methods: BTreeMap<String, MethodDescriptor> = methods.map(|one| (name(&one), one)).collect();
    let world = World::build().await;
    let (mut wrong, mut calls) = (String::new(), 0);
    for row in rows() {
        let method = &methods[&row.rpc];
        let mut answers: BTreeMap<&str, Vec<(String, String)>> = BTreeMap::new();
        for (object, cells) in &row.cells {
            for (caller, expected) in CALLERS.iter().zip(cells) {
                let sent = world.filled(&row.sent, object).await;
                let (found, words) = call(&world, method, world.token(caller), &sent).await;
                calls += 1;
                if found != *expected {
                    let _ = writeln!(wrong, "{} {object} {caller}: {found}, not {expected} ({words}) {sent}", row.rpc);
                }
                answers.entry(caller).or_default().push((object.clone(), found + &said(&words)));
            }
        }
        for (caller, seen) in answers {
            let of = |kind: &str| seen.iter().find(|(object, _)| object == kind).map(|(_, answer)| answer.clone());
            // To whoever runs the platform nothing is foreign.
            if caller == "platform" {
                continue;
            }
            if let (Some(foreign), Some(absent)) = (of("foreign"), of("absent"))
                && foreign.starts_with("NOT_FOUND")
                && foreign != absent
            {
                let _ = writeln!(wrong, "{} {caller}: foreign and absent differ: {foreign} | {absent}", row.rpc);
            }
        }
    }
    println!("{calls} calls");
    assert!(wrong.is_empty(), "\n{wrong}");
}

/// The sentence of a refusal without the id or the name in it that the caller gave.
fn said(words: &str) -> String {
    let words: String = words.split('`').step_by(2).collect();
    let id = |word: &str| word.len() > 15 && word.as_bytes()[3] == b'_';
    words.split(' ').map(|word| if id(word) { "ID" } else { word }).fold(String::new(), |all, word| all + " " + word)
}

fn name(method: &MethodDescriptor) -> String {
    format!("{}.{}", method.parent_service().name(), method.name())
}

/// Calls a method of any kind with messages in JSON, and waits for the first answer: `ok`, or the reason.
async fn call(world: &World, method: &MethodDescriptor, token: &str, sent: &str) -> (String, String) {
    let messages: Vec<Bytes> = sent.split(" & ").map(|json| bytes(method, json)).collect();
    let mut request = Request::new(tokio_stream::iter(messages));
    if !token.is_empty() {
        request.metadata_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
    }
    let mut grpc = tonic::client::Grpc::new(world.app.channel());
    grpc.ready().await.unwrap();
    let path = format!("/{}/{}", method.parent_service().full_name(), method.name()).parse().unwrap();
    let wait = std::time::Duration::from_millis(1_500);
    let answered = async {
        let mut stream = grpc.streaming(request, path, Raw).await?.into_inner();
        // A stream that is open and silent has let the caller in.
        match tokio::time::timeout(wait, stream.message()).await {
            Ok(first) => first.map(Option::unwrap_or_default),
            Err(_) => Ok(Bytes::new()),
        }
    };
    let answer: Result<Bytes, Status> = answered.await;
    match answer {
        Ok(message) => refused_inside(method, &message).map_or(("ok".to_owned(), String::new()), |found| found),
        Err(status) if status.code() == Code::Unimplemented => ("LATER".to_owned(), String::new()),
        Err(status) => (reason(&status), status.message().to_owned()),
    }
}

/// Items of a stream of publishes are refused inside it.
fn refused_inside(method: &MethodDescriptor, message: &Bytes) -> Option<(String, String)> {
    if method.name() != "PublishStream" {
        return None;
    }
    let item = v1::PublishStreamResponse::decode(message.clone()).unwrap();
    match item.answer {
        Some(v1::publish_stream_response::Answer::Error(error)) => Some((error.reason, error.message)),
        _ => None,
    }
}

fn bytes(method: &MethodDescriptor, json: &str) -> Bytes {
    let mut reader = serde_json::Deserializer::from_str(json);
    let message = DynamicMessage::deserialize(method.input(), &mut reader);
    message.unwrap_or_else(|fault| panic!("{}: {fault} in {json}", method.full_name())).encode_to_vec().into()
}

/// Messages as the bytes that they are.
#[derive(Clone, Copy, Default)]
struct Raw;

impl Codec for Raw {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Raw;
    type Decoder = Raw;

    fn encoder(&mut self) -> Raw {
        Raw
    }

    fn decoder(&mut self) -> Raw {
        Raw
    }
}

impl Encoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, to: &mut EncodeBuf<'_>) -> Result<(), Status> {
        to.put(item);
        Ok(())
    }

    fn buffer_settings(&self) -> BufferSettings {
        BufferSettings::default()
    }
}

impl Decoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        let n = from.remaining();
        Ok(Some(from.copy_to_bytes(n)))
    }

    fn buffer_settings(&self) -> BufferSettings {
        BufferSettings::default()
    }
}
