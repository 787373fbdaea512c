//! What became of messages.

use campanile::domain::access::Principal;
use campanile::domain::channel::Channel;
use campanile::domain::id::ApplicationId;
use campanile::domain::message::Draft;
use campanile::domain::outcome::{Outcome, Reason as Why, ReceiptKind};
use campanile::domain::page::PageRequest;
use campanile::domain::refusal::Reason;
use campanile::report::{GroupBy, ListFilter, RecipientFilter, RecipientState, TotalsQuery};
use campanile::store::Receipt;

use super::house::{LIBRARY, NOW, house, listed, notice, ordinals, refused};

#[tokio::test]
async fn people_are_listed_page_by_page_with_what_became_of_each() {
    let house = house().await;
    let library = house.library().await;
    house.delivery.room.store(2, std::sync::atomic::Ordering::SeqCst);
    let id = house.publisher.publish(&library, notice("k", "department:cs")).await.unwrap().message_id.unwrap();
    house.deliver(Outcome::Failed, Why::RefusedRecipient).await;
    let read = Receipt { leg: id.leg(2), kind: ReceiptKind::Read, set: ordinals([2]), at: NOW };
    house.store.inbox.add_receipts(vec![read]).await.unwrap();
    let (mut page, mut people) = (PageRequest { size: 7, after: None }, Vec::new());
    loop {
        let filter = RecipientFilter::default();
        let found = house.reporter.recipients(&library, id, filter, &page).await.unwrap();
        people.extend(found.items);
        page.after = found.next;
        if page.after.is_none() {
            break;
        }
    }
    let ids: Vec<_> = people.iter().map(|one| one.user_id.as_deref().unwrap().to_owned()).collect();
    assert_eq!(ids, (1..=30).map(|n| format!("u{n}")).collect::<Vec<_>>());
    let mail = |n: usize| &people[n - 1].deliveries[0];
    assert_eq!((mail(1).outcome, mail(1).reason, mail(1).at), (Outcome::Failed, Why::RefusedRecipient, Some(NOW)));
    assert_eq!((mail(21).outcome, mail(21).reason, mail(21).at), (Outcome::Pending, Why::Queued, None));
    assert!(people.iter().all(|one| one.deliveries[1].outcome == Outcome::Sent));
    assert_eq!((people[1].state(), people[0].state()), (RecipientState::Read, RecipientState::Sent));
    let first = PageRequest::default();
    let only = |filter: RecipientFilter| house.reporter.recipients(&library, id, filter, &first);
    let failed = RecipientFilter { outcomes: vec![Outcome::Failed], ..RecipientFilter::default() };
    assert_eq!(only(failed).await.unwrap().items.len(), 20);
    let readers = RecipientFilter { states: vec![RecipientState::Read], ..RecipientFilter::default() };
    assert_eq!(only(readers).await.unwrap().items[0].user_id.as_deref(), Some("u2"));
    let one = RecipientFilter { user_id: Some("u5".into()), channel: Some(Channel::App), ..RecipientFilter::default() };
    let one = only(one).await.unwrap();
    assert_eq!((one.items.len(), one.items[0].deliveries.len(), one.next), (1, 1, None));
    let law = RecipientFilter { department_id: Some("law".into()), ..RecipientFilter::default() };
    assert!(only(law).await.unwrap().items.is_empty());
}

#[tokio::test]
async fn only_the_publisher_and_administrators_see_a_message() {
    let house = house().await;
    let library = house.library().await;
    let id = house.publisher.publish(&library, notice("k", "department:cs")).await.unwrap().message_id.unwrap();
    let view = house.reporter.get(&library, id).await.unwrap();
    assert_eq!((view.legs.len(), view.pending(), view.settled()), (2, 30, 30));
    house.reporter.get(&house.administrator().await, id).await.unwrap();
    assert_eq!(refused(house.reporter.get(&house.tester().await, id).await), Reason::NotFound, "it is live");
    let mut foreign = house.library().await;
    foreign.principal = Principal::Application(ApplicationId(8));
    assert_eq!(refused(house.reporter.get(&foreign, id).await), Reason::NotFound);
    let listed = house.reporter.list(&foreign, ListFilter::default(), &PageRequest::default()).await.unwrap();
    assert!(listed.items.is_empty());
    let filter = ListFilter { principal: Some(LIBRARY), ..ListFilter::default() };
    assert_eq!(refused(house.reporter.list(&foreign, filter, &PageRequest::default()).await), Reason::ScopeMissing);
}

#[tokio::test]
async fn lists_are_newest_first_and_paged_through_filters() {
    let house = house().await;
    let library = house.library().await;
    for n in 0..6 {
        let labels = [("parity".to_owned(), ["even", "odd"][n % 2].to_owned())].into();
        let draft = Draft { labels, ..listed(&format!("k{n}"), &["u1"]) };
        house.publisher.publish(&library, draft).await.unwrap();
    }
    for (filter, expected) in [
        (ListFilter::default(), 6),
        (ListFilter { labels: [("parity".to_owned(), "odd".to_owned())].into(), ..ListFilter::default() }, 3),
        (ListFilter { department_id: Some("xjtu".into()), ..ListFilter::default() }, 6),
        (ListFilter { department_id: Some("law".into()), ..ListFilter::default() }, 0),
    ] {
        let (mut ids, mut page) = (Vec::new(), PageRequest { size: 2, after: None });
        loop {
            let found = house.reporter.list(&library, filter.clone(), &page).await.unwrap();
            assert!(found.items.len() <= 2);
            ids.extend(found.items.iter().map(|view| view.row.facts.id));
            page.after = found.next;
            if page.after.is_none() {
                break;
            }
        }
        assert_eq!(ids.len(), expected, "{filter:?}");
        assert!(ids.windows(2).all(|pair| pair[0] > pair[1]));
    }
    let wrong =
        house.reporter.list(&library, ListFilter::default(), &PageRequest { size: 2, after: Some("x".into()) }).await;
    assert_eq!(refused(wrong), Reason::PageTokenInvalid);
}

#[tokio::test]
async fn a_watch_begins_at_once_and_ends_with_the_message() {
    let house = house().await;
    let library = house.library().await;
    house.delivery.room.store(10, std::sync::atomic::Ordering::SeqCst);
    let id = house.publisher.publish(&library, notice("k", "department:cs")).await.unwrap().message_id.unwrap();
    let mut pictures = house.reporter.watch(&library, id).await.unwrap();
    let first = pictures.recv().await.unwrap().unwrap();
    assert_eq!((first.ended, first.view.pending()), (false, 30));
    house.deliver(Outcome::Sent, Why::None).await;
    let last = pictures.recv().await.unwrap().unwrap();
    assert_eq!((last.ended, last.view.pending(), last.view.settled()), (true, 0, 60));
    assert!(pictures.recv().await.is_none());
}

#[tokio::test]
async fn totals_add_up_what_was_asked_for() {
    let house = house().await;
    let library = house.library().await;
    house.publisher.publish(&library, notice("a", "department:cs")).await.unwrap();
    house.publisher.publish(&library, listed("b", &["u1"])).await.unwrap();
    house.publisher.publish(&house.tester().await, notice("t", "department:cs")).await.unwrap();
    let query = |group_by| TotalsQuery {
        from: NOW,
        to: Some(NOW.plus(std::time::Duration::from_secs(1))),
        group_by,
        principal: None,
        department_id: None,
        channel: None,
    };
    let totals = house.reporter.totals(&library, &query(vec![GroupBy::Channel, GroupBy::Outcome])).await.unwrap();
    let rows: Vec<_> = totals.iter().map(|row| (row.channel.unwrap(), row.outcome.unwrap(), row.deliveries)).collect();
    assert_eq!(rows, [(Channel::Email, Outcome::Pending, 31), (Channel::App, Outcome::Sent, 31)]);
    let all = house.reporter.totals(&house.administrator().await, &query(vec![])).await.unwrap();
    assert_eq!((all.len(), all[0].deliveries), (1, 62), "test messages do not count");
    assert_eq!(refused(house.reporter.totals(&house.tester().await, &query(vec![])).await), Reason::TestKey);
}
