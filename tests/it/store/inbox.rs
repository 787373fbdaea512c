//! What people see in the app and what they did about it.

use campanile::domain::channel::Channel::{App, Email};
use campanile::domain::outcome::ReceiptKind;
use campanile::domain::set::Set;
use campanile::domain::time::At;
use campanile::store::{PersonalLeg, Receipt};

use super::Store;
use super::fixture::{NOW, nth, set};
use super::publishing::{accept, id, in_test_mode, office, publish, scheduled};

super::cases! {
    a_released_app_leg_is_visible_to_its_members,
    a_cancelled_leg_is_hidden,
    a_message_to_one_is_in_her_own_list,
    what_became_visible_since_a_time_is_told,
    nothing_under_a_test_key_is_in_an_inbox,
    receipts_are_united_by_leg_and_kind,
    receipts_since_a_time_leave_out_earlier_ones,
    reading_through_never_goes_back,
}

fn everybody(n: u32) -> Set {
    (nth(1)..=nth(n)).collect()
}

async fn a_released_app_leg_is_visible_to_its_members(store: &Store) {
    office(store, 40).await;
    let mut later = publish(store, 1, everybody(40), &[Email, App]).await;
    later.facts.created_at = At(NOW.0 + 5);
    accept(store, later.clone()).await;
    accept(store, publish(store, 2, set([1, 70_000]), &[App]).await).await;
    accept(store, publish(store, 3, everybody(9), &[Email]).await).await;
    accept(store, scheduled(publish(store, 4, everybody(9), &[App]).await, NOW)).await;
    let visible = store.inbox.visible().await.unwrap();
    let legs: Vec<_> = visible.iter().map(|leg| (leg.leg, leg.visible_at)).collect();
    assert_eq!(legs, [(id(2).leg(1), NOW), (id(1).leg(2), At(NOW.0 + 5))], "oldest first");
    assert_eq!((&*visible[0].members, &*visible[1].members), (&set([1, 70_000]), &everybody(40)));
    assert_eq!(visible[1].expire_at, later.facts.expire_at);
    let one = store.inbox.visible_leg(id(1).leg(2)).await.unwrap().unwrap();
    assert_eq!((one.leg, one.visible_at, &*one.members), (id(1).leg(2), At(NOW.0 + 5), &everybody(40)));
    assert!(store.inbox.visible_leg(id(1).leg(1)).await.unwrap().is_none(), "an e-mail leg is not");
}

async fn a_cancelled_leg_is_hidden(store: &Store) {
    office(store, 40).await;
    accept(store, publish(store, 1, everybody(40), &[Email, App]).await).await;
    store.messages.cancel(id(1), NOW).await.unwrap();
    assert!(store.inbox.visible().await.unwrap().is_empty());
    assert!(store.inbox.visible_leg(id(1).leg(2)).await.unwrap().is_none());
}

async fn a_message_to_one_is_in_her_own_list(store: &Store) {
    office(store, 3).await;
    for n in 1..=3 {
        accept(store, publish(store, n, set([1]), &[Email, App]).await).await;
    }
    accept(store, publish(store, 4, set([1]), &[Email]).await).await;
    accept(store, publish(store, 5, set([2]), &[App]).await).await;
    accept(store, publish(store, 6, set([1, 2]), &[App]).await).await;
    let list = async |before: Option<i64>, limit| {
        let legs = store.inbox.personal(nth(1), before.map(id), limit).await.unwrap();
        legs.into_iter().map(|own| (own.leg, own.visible_at)).collect::<Vec<_>>()
    };
    let leg = |n| (id(n).leg(2), NOW);
    assert_eq!(list(None, 9).await, [leg(3), leg(2), leg(1)], "a message to two is a visible leg instead");
    assert_eq!(list(Some(3), 1).await, [leg(2)]);
    store.messages.cancel(id(2), NOW).await.unwrap();
    assert_eq!(list(None, 9).await, [leg(3), leg(1)]);
    assert_eq!(store.inbox.visible().await.unwrap().len(), 1);
}

async fn what_became_visible_since_a_time_is_told(store: &Store) {
    office(store, 9).await;
    let at = async |n, members, ms| {
        let mut item = publish(store, n, members, &[Email, App]).await;
        item.facts.created_at = At(NOW.0 + ms);
        accept(store, item).await;
    };
    at(1, everybody(9), 0).await;
    at(2, everybody(5), 20).await;
    at(3, everybody(6), 10).await;
    at(4, set([1]), 0).await;
    at(5, set([1]), 10).await;
    at(6, set([2]), 10).await;
    let since = At(NOW.0 + 10);
    let several = store.inbox.visible_since(since).await.unwrap();
    assert_eq!(several, [(id(3).leg(2), since), (id(2).leg(2), At(NOW.0 + 20))], "oldest first");
    let mut own = store.inbox.personal_since(vec![nth(1), nth(2), nth(3)], since).await.unwrap();
    own.sort_unstable_by_key(|(ordinal, _)| *ordinal);
    let leg = |n: i64| PersonalLeg { leg: id(n).leg(2), visible_at: since };
    assert_eq!(own, [(nth(1), leg(5)), (nth(2), leg(6))]);
    store.messages.cancel(id(3), At(NOW.0 + 30)).await.unwrap();
    store.messages.cancel(id(5), At(NOW.0 + 30)).await.unwrap();
    assert_eq!(store.inbox.visible_since(since).await.unwrap(), [(id(2).leg(2), At(NOW.0 + 20))]);
    assert_eq!(store.inbox.personal_since(vec![nth(1)], since).await.unwrap(), []);
}

async fn receipts_since_a_time_leave_out_earlier_ones(store: &Store) {
    let leg = id(1).leg(1);
    let receipt = |ordinals: Set, ms| Receipt { leg, kind: ReceiptKind::Read, set: ordinals, at: At(NOW.0 + ms) };
    let confirmed = Receipt { kind: ReceiptKind::Confirmed, ..receipt(set([9]), 20) };
    store.inbox.add_receipts(vec![receipt(set([1]), 0), receipt(set([2, 70_000]), 10), confirmed]).await.unwrap();
    store.inbox.add_receipts(vec![receipt(set([3]), 20)]).await.unwrap();
    let since = store.inbox.receipts_since(ReceiptKind::Read, At(NOW.0 + 10)).await.unwrap();
    assert_eq!(since, [(leg, set([2, 3, 70_000]))]);
    assert!(store.inbox.receipts_since(ReceiptKind::Read, At(NOW.0 + 21)).await.unwrap().is_empty());
}

async fn nothing_under_a_test_key_is_in_an_inbox(store: &Store) {
    use super::publishing::{EPOCH, settle, whole};
    use campanile::domain::class::Lane;
    use campanile::domain::outcome::Outcome;
    use campanile::store::Claim;

    office(store, 40).await;
    accept(store, in_test_mode(publish(store, 1, everybody(40), &[App]).await)).await;
    accept(store, in_test_mode(publish(store, 2, set([1]), &[App]).await)).await;
    let stub =
        Claim { provider: "stub".into(), lane: Lane::Normal, now: NOW, max: 9, epoch: EPOCH, expired_only: false };
    for batch in store.deliveries.claim(stub).await.unwrap() {
        assert!(settle(store, whole(&batch, Outcome::Sent)).await);
    }
    assert!(store.inbox.visible().await.unwrap().is_empty());
    assert!(store.inbox.personal(nth(1), None, 9).await.unwrap().is_empty());
}

async fn receipts_are_united_by_leg_and_kind(store: &Store) {
    let (one, two) = (id(1).leg(1), id(2).leg(1));
    let receipt = |leg, kind, set, at| Receipt { leg, kind, set, at: At(at) };
    let rows = vec![
        receipt(one, ReceiptKind::Read, set([1, 2]), 7),
        receipt(one, ReceiptKind::Confirmed, set([2]), 5),
        receipt(two, ReceiptKind::Read, set([9]), 5),
    ];
    store.inbox.add_receipts(rows.clone()).await.unwrap();
    store.inbox.add_receipts(rows[1..].to_vec()).await.unwrap();
    store.inbox.add_receipts(vec![receipt(one, ReceiptKind::Read, set([2, 70_000]), 6)]).await.unwrap();
    let mut found = store.inbox.receipts(vec![one, id(3).leg(1)]).await.unwrap();
    found.sort_by_key(|receipt| receipt.kind);
    assert_eq!(found, [receipt(one, ReceiptKind::Read, set([1, 2, 70_000]), 7), rows[1].clone()]);
    let mut read = store.inbox.all_receipts(ReceiptKind::Read).await.unwrap();
    read.sort_by_key(|(leg, _)| *leg);
    assert_eq!(read, [(one, set([1, 2, 70_000])), (two, set([9]))]);
    assert!(store.inbox.all_receipts(ReceiptKind::Bounced).await.unwrap().is_empty());
}

async fn reading_through_never_goes_back(store: &Store) {
    assert_eq!(store.inbox.read_through(5).await.unwrap(), At(0));
    for (write, read) in [(7, 7), (3, 7), (9, 9)] {
        store.inbox.set_read_through(5, At(write)).await.unwrap();
        assert_eq!(store.inbox.read_through(5).await.unwrap(), At(read));
    }
    assert_eq!(store.inbox.read_through(6).await.unwrap(), At(0));
}
