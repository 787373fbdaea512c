//! Lists, marks and counts.

use std::time::Duration;

use campanile::domain::page::PageRequest;
use campanile::domain::refusal::Reason;
use campanile::domain::time::At;
use campanile::inbox::{ListFilter, Which};
use campanile::runtime::clock::Clock;

use super::{Hall, people, reader};

#[tokio::test]
async fn an_inbox_merges_broadcasts_and_short_messages_newest_first() {
    let hall = Hall::new(4).await;
    let all = hall.release(1, people(1..=4)).await;
    let own = hall.release(2, people([1])).await;
    let other = hall.release(3, people([2])).await;
    let two = hall.release(4, people([1, 2])).await;
    let (first, page) = hall.inbox(&reader(1), false).await;
    assert_eq!((first, page.unread), (vec![two, own, all], 3));
    assert_eq!(hall.inbox(&reader(2), false).await.0, [two, other, all]);
    assert_eq!(hall.inbox(&reader(4), false).await.0, [all]);
    assert_eq!(page.items[0].shown.content.title, "Notice 4");
    assert_eq!(&*page.items[0].shown.department_name, "Department of xjtu");
}

#[tokio::test]
async fn what_was_read_is_read_after_the_answer_and_after_a_restart() {
    let hall = Hall::new(3).await;
    let all = hall.release(1, people(1..=3)).await;
    let own = hall.release(2, people([1])).await;
    let foreign = hall.release(3, people([2, 3])).await;
    let mark = Which::Messages(vec![all, foreign]);
    assert_eq!(hall.inboxes.mark_read(&reader(1), mark.clone()).await, Ok(1));
    assert_eq!(hall.inboxes.mark_read(&reader(1), mark).await, Ok(1), "a second time");
    assert_eq!(hall.inbox(&reader(1), true).await.0, [own]);
    assert_eq!(hall.inboxes.unread_count(&reader(2)).await, Ok(2), "nobody else's");
    let hall = hall.again().await;
    assert_eq!(hall.inbox(&reader(1), true).await.0, [own]);
    let (every, page) = hall.inbox(&reader(1), false).await;
    assert_eq!((every.len(), page.unread), (2, 1));
    assert_eq!(page.items.iter().filter(|item| item.read_at.is_some()).count(), 1);
}

#[tokio::test]
async fn all_before_marks_what_was_there_and_nothing_later() {
    let hall = Hall::new(2).await;
    hall.release(1, people([1, 2])).await;
    hall.release(2, people([1])).await;
    let end_of_time = Which::AllBefore(At(i64::MAX));
    assert_eq!(hall.inboxes.mark_read(&reader(1), end_of_time).await, Ok(0));
    let later = hall.release(3, people([1, 2])).await;
    assert_eq!(hall.inbox(&reader(1), true).await.0, [later]);
    assert_eq!(hall.inboxes.unread_count(&reader(2)).await, Ok(2));
}

#[tokio::test]
async fn what_expired_or_was_hidden_is_not_shown() {
    let hall = Hall::new(3).await;
    let shown = hall.store(1, people([1, 2])).await;
    hall.inboxes.shown(shown.clone());
    let own = hall.release(2, people([1])).await;
    hall.inboxes.hidden(shown.leg);
    assert_eq!(hall.inbox(&reader(1), false).await.0, [own]);
    hall.inboxes.shown(shown);
    assert_eq!(hall.inbox(&reader(1), false).await.0, [own], "late news do not bring it back");
    hall.clock.advance(Duration::from_secs(86_400));
    assert_eq!(hall.inbox(&reader(1), false).await.0, []);
    assert_eq!(hall.inboxes.unread_count(&reader(1)).await, Ok(0));
}

#[tokio::test]
async fn a_wrong_page_token_or_empty_mark_is_refused() {
    let hall = Hall::new(1).await;
    let filter = ListFilter { page: PageRequest { size: 2, after: Some("nonsense".into()) }, ..ListFilter::default() };
    assert_eq!(hall.inboxes.list(&reader(1), &filter).await.unwrap_err().reason, Reason::PageTokenInvalid);
    let none = hall.inboxes.mark_read(&reader(1), Which::Messages(vec![])).await;
    assert_eq!(none.unwrap_err().reason, Reason::FieldRequired);
    assert_eq!(hall.clock.now(), crate::store::fixture::NOW);
}
