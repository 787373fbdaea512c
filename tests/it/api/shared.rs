//! What clients see of several nodes that share one PostgreSQL and nothing else.

use campanile::api::v1;

use crate::support::app::{TestApp, letter};
use crate::support::postgres::Database;
use crate::support::refusal::reason;

/// Two nodes on one database; `None` if there is no server to be had.
async fn two() -> Option<(Database, TestApp, TestApp)> {
    let database = Database::fresh().await?;
    let url = |settings: &mut campanile::config::Settings| settings.store.url = Some(database.url().into());
    let one = TestApp::with(url).await;
    let other = TestApp::beside(&one, url).await;
    Some((database, one, other))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_node_did_the_other_knows() {
    let Some((_database, one, other)) = two().await else { return };
    let campus = one.campus().await;
    // The key was made a moment ago, on the other one.
    let caller = other.access(&campus.live).who_am_i(v1::WhoAmIRequest {}).await.unwrap().into_inner();
    assert!(!caller.test);

    let accepted = one.publish(&campus.live).publish(letter("k", &["u001"])).await.unwrap().into_inner();
    let again = other.publish(&campus.live).publish(letter("k", &["u001"])).await.unwrap().into_inner();
    assert_eq!((again.message_id.as_str(), again.duplicate), (accepted.message_id.as_str(), true));
    let foreign = other.publish(&campus.live).publish(letter("k", &["u002"])).await.unwrap_err();
    assert_eq!(reason(&foreign), "IDEMPOTENCY_MISMATCH");
    let wanted = v1::GetMessageRequest { message_id: accepted.message_id, ..Default::default() };
    assert!(other.publish(&campus.live).get_message(wanted).await.unwrap().into_inner().message.is_some());
    other.stop().await;
    one.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_accepted_anywhere_after_a_key_was_revoked_on_one() {
    let Some((_database, one, other)) = two().await else { return };
    let campus = one.campus().await;
    other.publish(&campus.live).publish(letter("before", &["u001"])).await.unwrap();
    let wanted = v1::RevokeKeyRequest { key_id: campus.key_id.clone(), ..Default::default() };
    one.access(&one.admin).revoke_key(wanted).await.unwrap();
    let refused = other.publish(&campus.live).publish(letter("after", &["u001"])).await.unwrap_err();
    assert_eq!(reason(&refused), "TOKEN_INVALID");
    assert_eq!(one.messages().await, 1);
    other.stop().await;
    one.stop().await;
}
