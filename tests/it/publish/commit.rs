//! What the commit verifies: the key, the grants, the directory and the idempotency key.

use campanile::domain::class::Class;
use campanile::domain::id::{GrantId, KeyId};
use campanile::domain::message::{Draft, MessageState};
use campanile::domain::refusal::Reason;
use campanile::domain::set::Set;

use super::house::{NOW, grant, house, listed, notice, ordinals, refused};

#[tokio::test]
async fn one_key_gives_one_message_however_often_it_is_sent_at_once() {
    let house = house().await;
    let library = house.library().await;
    let publish = || house.publisher.publish(&library, notice("once", "department:cs"));
    let receipts = futures::future::join_all((0..64).map(|_| publish())).await;
    let ids: std::collections::HashSet<_> = receipts.iter().map(|one| one.as_ref().unwrap().message_id).collect();
    let first = receipts.iter().filter(|one| !one.as_ref().unwrap().duplicate).count();
    assert_eq!((ids.len(), first, house.stored().await), (1, 1, 1));
    assert_eq!(house.inbox.shown.lock().len(), 1, "told once");
}

#[tokio::test]
async fn a_duplicate_answers_with_what_was_stored_whatever_changed_since() {
    let house = house().await;
    let library = house.library().await;
    let first = house.publisher.publish(&library, notice("k", "department:cs")).await.unwrap();
    let again = house.publisher.publish(&library, notice("k", "department:cs")).await.unwrap();
    assert!(again.duplicate && again.channels == first.channels && again.recipient_count == 30);
    house.store.access.revoke_grant(GrantId(1), NOW).await.unwrap();
    house.clock.advance(std::time::Duration::from_secs(3_600));
    let late = Draft { send_at: Some(NOW), ..notice("k", "department:cs") };
    let late = house.publisher.publish(&library, late).await.unwrap();
    assert_eq!((late.duplicate, late.message_id), (true, first.message_id), "its right is gone and its time is past");
}

#[tokio::test]
async fn another_request_under_a_known_key_is_refused_with_the_first_message() {
    let house = house().await;
    let library = house.library().await;
    let first = house.publisher.publish(&library, notice("k", "department:cs")).await.unwrap();
    let other = Draft { digest: [2; 32], ..notice("k", "tag:rare") };
    let refusal = house.publisher.publish(&library, other).await.unwrap_err();
    assert_eq!(refusal.reason, Reason::IdempotencyMismatch);
    assert_eq!(refusal.metadata, [("message_id", first.message_id.unwrap().to_string())]);
    let refused_now = Draft { digest: [2; 32], ..notice("k", "everyone") };
    assert_eq!(refused(house.publisher.publish(&library, refused_now).await), Reason::IdempotencyMismatch);
    let tester = house.tester().await;
    let as_test = house.publisher.publish(&tester, notice("k", "department:cs")).await;
    assert_eq!(refused(as_test), Reason::IdempotencyMismatch, "a test of it is not the message itself");
    assert_eq!(house.stored().await, 1);
}

#[tokio::test]
async fn an_audience_is_frozen_at_the_head_of_the_feed() {
    let house = house().await;
    let library = house.library().await;
    house.store.directory.edit_tag("rare", ordinals(3..=4), Set::new(), NOW).await.unwrap();
    let receipt = house.publisher.publish(&library, notice("k", "tag:rare")).await.unwrap();
    assert_eq!(receipt.recipient_count, 4, "the index was behind");
    let members = house.store.messages.members(receipt.message_id.unwrap()).await.unwrap();
    assert_eq!(members, ordinals(1..=4));
}

#[tokio::test]
async fn a_caller_reads_her_own_directory_writes() {
    let house = house().await;
    let seq = house.store.directory.edit_tag("rare", ordinals([5]), Set::new(), NOW).await.unwrap().seq;
    let draft = Draft { min_directory_seq: Some(seq), validate_only: true, ..notice("k", "tag:rare") };
    assert_eq!(house.publisher.publish(&house.library().await, draft).await.unwrap().recipient_count, 3);
}

#[tokio::test]
async fn a_grant_revoked_a_moment_ago_stops_the_publish_unless_another_one_allows_it() {
    let house = house().await;
    let library = house.library().await;
    house.store.access.revoke_grant(GrantId(1), NOW).await.unwrap();
    assert_eq!(refused(house.publisher.publish(&library, notice("k", "department:cs")).await), Reason::GrantRevoked);
    assert_eq!(house.stored().await, 0);
    let cs = house.store.directory.load().await.unwrap().departments[1].id;
    house.store.access.create_grant(grant(2, cs)).await.unwrap();
    house.grants.put(grant(2, cs));
    house.store.access.create_grant(grant(3, cs)).await.unwrap();
    house.grants.put(grant(3, cs));
    house.store.access.revoke_grant(GrantId(2), NOW).await.unwrap();
    let receipt = house.publisher.publish(&library, notice("k", "department:cs")).await.unwrap();
    let row = house.store.messages.message(receipt.message_id.unwrap()).await.unwrap().unwrap();
    assert_eq!(row.facts.grant.0, GrantId(3));
}

#[tokio::test]
async fn a_key_revoked_a_moment_ago_stops_the_publish() {
    let house = house().await;
    let library = house.library().await;
    house.store.access.revoke_key(KeyId(1), NOW).await.unwrap();
    assert_eq!(refused(house.publisher.publish(&library, notice("k", "department:cs")).await), Reason::TokenInvalid);
    assert_eq!(house.stored().await, 0);
}

#[tokio::test]
async fn publishes_that_are_queued_at_shutdown_are_stored_and_later_ones_refused() {
    let house = house().await;
    let library = house.library().await;
    let waiting = futures::future::join_all((0..20).map(|n| {
        let (publisher, library) = (house.publisher.clone(), library.clone());
        tokio::spawn(async move { publisher.publish(&library, listed(&format!("k{n}"), &["u1"])).await })
    }));
    let (waiting, ()) = tokio::join!(waiting, house.stop());
    let stored = waiting.into_iter().filter(|one| one.as_ref().unwrap().is_ok()).count();
    assert_eq!(house.stored().await, stored, "what was acknowledged is stored, and nothing else");
    assert_eq!(refused(house.publisher.publish(&library, listed("z", &["u1"])).await), Reason::Draining);
}

#[tokio::test]
async fn one_person_takes_the_short_path_with_a_claimed_batch() {
    let house = house().await;
    house.delivery.room.store(1, std::sync::atomic::Ordering::SeqCst);
    let receipt = house.publisher.publish(&house.library().await, listed("k", &["u1"])).await.unwrap();
    assert_eq!((receipt.recipient_count, receipt.state), (1, MessageState::Open));
    let taken = house.delivery.taken.lock();
    assert_eq!((taken.len(), taken[0].short, taken[0].lane), (1, true, Class::Transactional.lane(1)));
}
