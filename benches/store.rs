//! The publish commit alone: what the store takes from the committer, without any gRPC.

use std::sync::Arc;
use std::time::Instant;

use campanile::domain::access::{Grant, Key, KeyScopes, Mode, Principal};
use campanile::domain::channel::Channel;
use campanile::domain::class::{Class, Lane};
use campanile::domain::content::Content;
use campanile::domain::id::{ApplicationId, GrantId, KeyId};
use campanile::domain::message::{LostAnswer, MessageFacts};
use campanile::domain::time::At;
use campanile::runtime::clock::SystemClock;
use campanile::runtime::ids::IdSource;
use campanile::store::sqlite::Sqlite;
use campanile::store::{Accept, Accepted, LegPlan, Members, Store};

use crate::{Effort, row};

/// Groups of 1, 64 and 256 messages to one inbox each.
pub async fn run(effort: Effort) {
    println!("store: the publish commit alone, one-to-one into an inbox (three rows a message)");
    for group in [1, 64, 256] {
        let directory = tempfile::tempdir().expect("a directory");
        let store = Sqlite::open(directory.path()).expect("a store").store();
        rights(&store).await;
        let clock = SystemClock::shared();
        let ids = IdSource::new(clock.clone(), 1);
        let seq = store.directory.head().await.expect("the head");
        let (began, mut done) = (Instant::now(), 0u32);
        while began.elapsed() < effort.span {
            let items = (0..group).map(|_| item(&ids, clock.now(), seq)).collect();
            let answers = store.messages.accept(items, 1).await.expect("a commit");
            assert!(answers.iter().all(|answer| matches!(answer, Accepted::Stored(_))));
            done += group;
        }
        let what = format!("{group} messages a commit");
        row(&what, f64::from(done) / began.elapsed().as_secs_f64(), None, "/s", "");
    }
    println!();
}

/// A key and a grant for everything that may be accepted here.
pub async fn rights(store: &Store) {
    let principal = Principal::Application(ApplicationId(1));
    let key = Key { scopes: KeyScopes::all(), ..Key::new(KeyId(1), principal, Mode::Live, [1; 32], At(0)) };
    store.access.create_key(key).await.expect("a key");
    let grant = Grant {
        audience: Some("everyone".into()),
        any_tag: true,
        channels: vec![Channel::App],
        classes: vec![Class::Transactional],
        ..Grant::new(GrantId(1), principal, Principal::Person(0), At(0))
    };
    store.access.create_grant(grant).await.expect("a grant");
}

/// A message to one inbox.
pub fn item(ids: &IdSource, now: At, seq: i64) -> Accept {
    let id = ids.message();
    let facts = MessageFacts {
        id,
        principal: Principal::Application(ApplicationId(1)),
        key_id: KeyId(1),
        grant: (GrantId(1), 1),
        department_id: 1,
        sender: None,
        class: Class::Transactional,
        mode: Mode::Live,
        channels: vec![Channel::App],
        audience_text: String::new(),
        directory_seq: seq,
        members_n: 1,
        topic: None,
        reference: None,
        labels: Default::default(),
        lost_answer: LostAnswer::Repeat,
        relation: None,
        proof: false,
        created_at: now,
        send_at: now,
        expire_at: now,
    };
    let content = Content {
        title: "您预约的图书已到馆".into(),
        body: "请在三天内到二层服务台领取，逾期将转给下一位预约的读者。".into(),
        ..Content::default()
    };
    Accept {
        idempotency_key: id.to_string(),
        digest: [0; 32],
        content: Arc::new(content),
        members: Members::One((id.0 >> 4) as u32 % 50_000 + 16),
        clauses: Vec::new(),
        key: (KeyId(1), 1),
        grants: vec![(GrantId(1), 1)],
        quota: None,
        released: true,
        review: None,
        plans: vec![LegPlan {
            channel: Channel::App,
            provider: "app".into(),
            lane: Lane::Urgent,
            batch_size: 1,
            claim_max: 0,
        }],
        facts,
    }
}
