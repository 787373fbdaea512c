//! Stopping a message, with exact arithmetic.

use campanile::domain::message::{Draft, MessageState};
use campanile::domain::outcome::{Outcome, Reason as Why};
use campanile::domain::refusal::Reason;

use super::house::{NOW, eventually, house, listed, notice, refused};

#[tokio::test]
async fn what_was_sent_what_was_stopped_and_what_is_open_are_all_of_it() {
    let house = house().await;
    let library = house.library().await;
    house.delivery.room.store(1, std::sync::atomic::Ordering::SeqCst);
    let receipt = house.publisher.publish(&library, notice("k", "department:cs")).await.unwrap();
    let id = receipt.message_id.unwrap();
    house.deliver(Outcome::Sent, Why::None).await;
    let answer = house.publisher.cancel(&library, id).await.unwrap();
    assert_eq!((answer.state, answer.open, answer.is_final), (MessageState::Cancelled, 0, true));
    assert_eq!((answer.sent, answer.stopped), (40, 20), "thirty in inboxes and ten by mail");
    assert_eq!(*house.delivery.cancelled.lock(), [id]);
    assert_eq!(*house.inbox.hidden.lock(), [id.leg(2)]);
    assert_eq!(house.publisher.cancel(&library, id).await.unwrap(), answer, "twice is once");
}

#[tokio::test]
async fn a_cancel_waits_for_the_node_that_holds_a_batch() {
    let house = house().await;
    let library = house.library().await;
    house.delivery.room.store(1, std::sync::atomic::Ordering::SeqCst);
    let receipt = house.publisher.publish(&library, listed("k", &["u1"])).await.unwrap();
    let id = receipt.message_id.unwrap();
    let node = async {
        eventually("the node hears of it", || async { !house.delivery.cancelled.lock().is_empty() }).await;
        house.deliver(Outcome::Cancelled, Why::CancelledByPerson).await;
    };
    let (answer, ()) = tokio::join!(house.publisher.cancel(&library, id), node);
    let answer = answer.unwrap();
    assert_eq!((answer.sent, answer.stopped, answer.open, answer.is_final), (1, 1, 0, true));
}

#[tokio::test]
async fn a_scheduled_message_is_cancelled_before_it_starts() {
    let house = house().await;
    let library = house.library().await;
    let later = Some(NOW.plus(std::time::Duration::from_secs(60)));
    let draft = Draft { send_at: later, ..notice("k", "department:cs") };
    let id = house.publisher.publish(&library, draft).await.unwrap().message_id.unwrap();
    let answer = house.publisher.cancel(&library, id).await.unwrap();
    assert_eq!((answer.state, answer.sent, answer.is_final), (MessageState::Cancelled, 0, true));
    house.clock.advance(std::time::Duration::from_secs(120));
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    assert!(house.inbox.shown.lock().is_empty(), "it is never released");
}

#[tokio::test]
async fn what_is_finished_foreign_or_live_under_a_test_key_cannot_be_cancelled() {
    let house = house().await;
    let library = house.library().await;
    house.delivery.room.store(10, std::sync::atomic::Ordering::SeqCst);
    let id = house.publisher.publish(&library, notice("k", "department:cs")).await.unwrap().message_id.unwrap();
    assert_eq!(refused(house.publisher.cancel(&house.tester().await, id).await), Reason::NotFound);
    assert_eq!(refused(house.publisher.cancel(&library, campanile::domain::id::MessageId(16)).await), Reason::NotFound);
    house.deliver(Outcome::Sent, Why::None).await;
    assert_eq!(refused(house.publisher.cancel(&library, id).await), Reason::MessageFinished);
    let other = house.publisher.publish(&library, notice("o", "department:cs")).await.unwrap().message_id.unwrap();
    let pending = house.delivery.taken.lock().len();
    assert_eq!(pending, 3);
    house.deliver(Outcome::Sent, Why::None).await;
    assert_eq!(refused(house.publisher.cancel(&house.administrator().await, other).await), Reason::MessageFinished);
}
