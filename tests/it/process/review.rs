//! A message that waits for a second person goes nowhere before she has agreed, kill or no kill.

use campanile::api::v1;
use v1::audience::Target;

use super::author::request;
use super::campus;
use super::service::{House, LOOK_EVERY};

/// What the relay was given of a message to twenty people to which nobody agreed, over a kill.
async fn given_unreviewed(settings: &str) -> usize {
    let house = House::open(0, &[], &format!("[review]\nthreshold = 10\n\n{settings}")).await;
    let service = house.serve().await;
    let token = campus::load(&house, &service).await;
    let client = service.client(&token).await;
    let wanted = request("large".to_owned(), Target::Expression(campus::tag(3)), v1::MessageClass::Notice);
    client.publish().publish(wanted).await.unwrap();
    service.kill().await;
    let service = house.serve().await;
    let one = Target::Users(v1::UserList { user_ids: vec![campus::user_id(1)], ..Default::default() });
    let wanted = request("small".to_owned(), one, v1::MessageClass::Notice);
    service.client(&token).await.publish().publish(wanted).await.unwrap();
    let mailbox = campus::mailbox(1).unwrap();
    while !house.receipts().iter().any(|receipt| receipt.address == mailbox) {
        tokio::time::sleep(LOOK_EVERY).await;
    }
    house.receipts().len() - 1
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_of_a_held_message_is_sent_before_somebody_agreed() {
    assert_eq!(given_unreviewed("").await, 0);
}

#[cfg(feature = "sabotage")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sabotage_of_the_review_is_found_out() {
    assert!(given_unreviewed("[sabotage]\nskip_review = true\n").await > 0);
}
