//! Work that starts later: scheduled messages and legs that are cut in pieces.

use std::time::Duration;

use campanile::domain::id::{GrantId, KeyId, MessageId};
use campanile::domain::leg::LegState;
use campanile::domain::message::{Draft, MessageState};
use campanile::domain::outcome::{Outcome, Reason as Why};
use campanile::domain::time::At;

use super::house::{House, NOW, eventually, house, notice, ordinals};

const HOUR: Duration = Duration::from_secs(3_600);

async fn scheduled(house: &House) -> MessageId {
    let draft = Draft { send_at: Some(NOW.plus(HOUR)), ..notice("later", "department:cs") };
    let receipt = house.publisher.publish(&house.library().await, draft).await.unwrap();
    assert_eq!(receipt.state, MessageState::Scheduled);
    assert!(house.store.messages.legs(receipt.message_id.unwrap()).await.unwrap().is_empty());
    receipt.message_id.unwrap()
}

async fn reaches(house: &House, id: MessageId, state: MessageState) {
    eventually("the message has its state", || async {
        house.store.messages.message(id).await.unwrap().unwrap().state == state
    })
    .await;
}

#[tokio::test]
async fn a_scheduled_message_is_released_at_its_time_with_the_people_of_its_acceptance() {
    let house = house().await;
    house.delivery.room.store(100, std::sync::atomic::Ordering::SeqCst);
    let id = scheduled(&house).await;
    assert!(house.inbox.shown.lock().is_empty());
    house.store.directory.upsert_users(vec![crate::store::person("u41", "cs")], NOW).await.unwrap();
    house.clock.advance(HOUR);
    reaches(&house, id, MessageState::Open).await;
    eventually("it is handed over", || async { house.delivery.taken.lock().len() == 3 }).await;
    let shown = std::mem::take(&mut *house.inbox.shown.lock());
    assert_eq!((shown.len(), shown[0].visible_at), (1, NOW.plus(HOUR)));
    assert_eq!(house.store.messages.members(id).await.unwrap(), ordinals(1..=30), "later edits add nobody");
}

#[tokio::test]
async fn a_scheduled_message_whose_right_is_gone_reaches_nobody() {
    for revoke_key in [false, true] {
        let house = house().await;
        let id = scheduled(&house).await;
        if revoke_key {
            house.store.access.revoke_key(KeyId(1), NOW).await.unwrap();
        } else {
            house.store.access.revoke_grant(GrantId(1), NOW).await.unwrap();
        }
        house.clock.advance(HOUR);
        reaches(&house, id, MessageState::Rejected).await;
        for leg in house.store.messages.legs(id).await.unwrap() {
            assert_eq!((leg.counts.get(Outcome::Suppressed), leg.visible_at), (30, None));
            let rows = house.store.messages.outcomes(leg.id, 0, u32::MAX).await.unwrap();
            assert!(rows.iter().all(|row| row.reason == Why::GrantRevoked));
        }
        assert!(house.inbox.shown.lock().is_empty() && house.delivery.taken.lock().is_empty());
    }
}

#[tokio::test]
async fn a_scheduled_message_that_is_found_after_its_expiry_is_not_sent() {
    let house = house().await;
    let id = scheduled(&house).await;
    house.clock.advance(Duration::from_secs(8 * 86_400));
    reaches(&house, id, MessageState::Expired).await;
    let legs = house.store.messages.legs(id).await.unwrap();
    assert!(legs.iter().all(|leg| leg.counts.get(Outcome::Expired) == 30 && leg.state == LegState::Closed));
}

#[tokio::test]
async fn a_large_leg_is_cut_to_its_end() {
    let house = house().await;
    let people = (41..=2_040).map(|n| crate::store::person(&format!("u{n}"), "cs")).collect();
    let seq = house.store.directory.upsert_users(people, NOW).await.unwrap().seq;
    let draft = Draft { min_directory_seq: Some(seq), ..notice("large", "department:cs") };
    let receipt = house.publisher.publish(&house.library().await, draft).await.unwrap();
    let id = receipt.message_id.unwrap();
    assert_eq!(receipt.recipient_count, 2_030);
    eventually("all batches are made", || async {
        house.store.messages.legs(id).await.unwrap()[0].state == LegState::Open
    })
    .await;
    let waiting: u64 = house.store.deliveries.depth().await.unwrap().iter().map(|depth| depth.waiting).sum();
    assert_eq!(waiting, 203, "ten people in each batch");
    assert_eq!(house.store.messages.message(id).await.unwrap().unwrap().facts.created_at, At(NOW.0));
}
