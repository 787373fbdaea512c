//! Publishes and settlements for the cases that need some.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use campanile::domain::access::{Grant, Key, KeyScopes, Mode, Principal};
use campanile::domain::batch::{Again, Claimed, STUB_PROVIDER, Settled, Settlement};
use campanile::domain::channel::Channel;
use campanile::domain::class::{Class, Lane};
use campanile::domain::content::Content;
use campanile::domain::id::{ApplicationId, EPOCH_MS, GrantId, KeyId, MessageId, SEQUENCE_BITS};
use campanile::domain::message::{LostAnswer, MessageFacts};
use campanile::domain::outcome::{Outcome, Reason};
use campanile::domain::set::Set;
use campanile::domain::time::At;
use campanile::store::{Accept, Accepted, Claim, LegPlan, Members, Stored};

use super::Store;
use super::fixture::{LEASE, NOW, campus, node};

/// The application that publishes.
pub const PUBLISHER: Principal = Principal::Application(ApplicationId(7));
/// The epoch of the node that accepts and claims.
pub const EPOCH: i64 = 1;
/// The provider of e-mail legs.
pub const RELAY: &str = "email.default";
/// The deliveries of one batch.
pub const BATCH: u64 = 10;

/// The id of the n-th message, from 1.
pub fn id(n: i64) -> MessageId {
    MessageId(((NOW.0 - EPOCH_MS) << SEQUENCE_BITS) | (n << 4))
}

/// A campus of so many people, with key 1 and grant 1 of [`PUBLISHER`], in epoch [`EPOCH`].
pub async fn office(store: &Store, people: u32) {
    campus(store, people).await;
    store.access.create_key(key(1)).await.unwrap();
    store.access.create_grant(grant(1)).await.unwrap();
    assert_eq!(store.nodes.join(node(), LEASE).await.unwrap(), EPOCH);
}

/// Lets the node of [`EPOCH`] die and another one join and take over; returns the other's epoch.
pub async fn next_epoch(store: &Store) -> i64 {
    assert!(store.nodes.renew(EPOCH, Duration::ZERO).await.unwrap());
    let epoch = store.nodes.join(node(), LEASE).await.unwrap();
    store.nodes.take_over().await.unwrap();
    epoch
}

/// A live key of [`PUBLISHER`].
pub fn key(id: i64) -> Key {
    let hash = [u8::try_from(id).unwrap(); 32];
    Key { scopes: KeyScopes::all(), ..Key::new(KeyId(id), PUBLISHER, Mode::Live, hash, NOW) }
}

/// A grant of [`PUBLISHER`] for everything.
pub fn grant(id: i64) -> Grant {
    Grant {
        department_ids: vec![1],
        audience: Some("everyone".into()),
        any_tag: true,
        channels: Channel::ALL.into(),
        classes: Class::ALL.into(),
        ..Grant::new(GrantId(id), PUBLISHER, Principal::Person(0), At(0))
    }
}

/// The plan of a leg: its provider follows from channel and mode; nothing is claimed at birth.
pub fn plan(channel: Channel, mode: Mode) -> LegPlan {
    let provider = match (mode, channel) {
        (Mode::Test, _) => STUB_PROVIDER,
        (Mode::Live, Channel::Email) => RELAY,
        (Mode::Live, other) => other.name(),
    };
    LegPlan { channel, provider: provider.into(), lane: Lane::Normal, batch_size: BATCH, claim_max: 0 }
}

/// The n-th publish: a live notice of [`PUBLISHER`], released at once, under the idempotency key `k{n}`.
pub async fn publish(store: &Store, n: i64, people: Set, channels: &[Channel]) -> Accept {
    let facts = MessageFacts {
        id: id(n),
        principal: PUBLISHER,
        key_id: KeyId(1),
        grant: (GrantId(1), 1),
        department_id: 1,
        sender: None,
        class: Class::Notice,
        mode: Mode::Live,
        channels: channels.into(),
        audience_text: "department:cs".into(),
        directory_seq: store.directory.head().await.unwrap(),
        members_n: people.len(),
        topic: None,
        reference: None,
        labels: BTreeMap::new(),
        lost_answer: LostAnswer::Repeat,
        relation: None,
        proof: false,
        created_at: NOW,
        send_at: NOW,
        expire_at: At(NOW.0 + 86_400_000),
    };
    let members = match people.len() {
        1 => Members::One(people.min().unwrap()),
        _ => Members::Many(Arc::new(people)),
    };
    Accept {
        idempotency_key: format!("k{n}"),
        digest: [u8::try_from(n % 256).unwrap(); 32],
        content: Arc::new(Content { title: format!("Notice {n}"), ..Content::default() }),
        members,
        clauses: Vec::new(),
        key: (KeyId(1), 1),
        grants: vec![(GrantId(1), 1)],
        quota: None,
        released: true,
        review: None,
        plans: channels.iter().map(|channel| plan(*channel, Mode::Live)).collect(),
        facts,
    }
}

/// The same under a test key: every leg gets the stub.
pub fn in_test_mode(mut item: Accept) -> Accept {
    item.facts.mode = Mode::Test;
    item.plans = item.facts.channels.iter().map(|channel| plan(*channel, Mode::Test)).collect();
    item
}

/// The same, waiting for a send time.
pub fn scheduled(mut item: Accept, send_at: At) -> Accept {
    item.facts.send_at = send_at;
    item.released = false;
    item
}

/// Accepts one publish that nothing speaks against.
pub async fn accept(store: &Store, item: Accept) -> Stored {
    let mut answers = store.messages.accept(vec![item], EPOCH).await.unwrap();
    match answers.remove(0) {
        Accepted::Stored(stored) => stored,
        other => panic!("not stored: {other:?}"),
    }
}

/// Claims up to `max` batches of e-mail that are due at `now`.
pub async fn claim(store: &Store, now: At, max: usize, epoch: i64) -> Vec<Claimed> {
    let claim = Claim { provider: RELAY.into(), lane: Lane::Normal, now, max, epoch, expired_only: false };
    store.deliveries.claim(claim).await.unwrap()
}

/// The people of a claimed batch.
pub fn people(claimed: &Claimed) -> Set {
    claimed.members.ordinals().collect()
}

/// A settlement of a claimed batch that says nothing yet.
pub fn settlement(claimed: &Claimed) -> Settlement {
    Settlement {
        fence: claimed.fence,
        leg: claimed.leg,
        short: claimed.short,
        attempt: claimed.attempt,
        at: At(NOW.0 + 1_000),
        settled: vec![],
        again: vec![],
        done: false,
    }
}

/// One outcome for some members.
pub fn settled(outcome: Outcome, set: Set) -> Settled {
    let reason = if outcome == Outcome::Failed { Reason::RefusedRecipient } else { Reason::None };
    Settled { outcome, reason, set, detail: Some("the provider's words".into()) }
}

/// A second try for some members.
pub fn again(set: Set, due_at: At) -> Again {
    Again { set, due_at, attempt: 2, detail: None }
}

/// A settlement of all of a claimed batch with one outcome.
pub fn whole(claimed: &Claimed, outcome: Outcome) -> Settlement {
    Settlement { settled: vec![settled(outcome, people(claimed))], done: true, ..settlement(claimed) }
}

/// Settles one batch; whether it was written.
pub async fn settle(store: &Store, settlement: Settlement) -> bool {
    store.deliveries.settle(vec![settlement]).await.unwrap()[0]
}

/// The counts of a leg's outcomes, in the order of [`Outcome::ALL`].
pub async fn counts(store: &Store, n: i64, leg: u8) -> [u64; 7] {
    let legs = store.messages.legs(id(n)).await.unwrap();
    let leg = legs.iter().find(|found| found.id.number() == leg).expect("the leg exists");
    assert_eq!(Outcome::ALL.map(|outcome| leg.counts.get(outcome)).iter().sum::<u64>(), leg.members_n, "the books");
    Outcome::ALL.map(|outcome| leg.counts.get(outcome))
}
