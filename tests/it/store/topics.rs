//! Declared topics.

use campanile::domain::change::ChangeKind;
use campanile::domain::channel::Channel;
use campanile::domain::refusal::Reason;
use campanile::domain::topic::Topic;

use super::Store;
use super::fixture::{self, NOW, refused};

super::cases! {
    a_topic_reads_back_and_is_told_in_the_feed,
    a_changed_topic_counts_its_versions_and_one_that_is_so_already_writes_nothing,
    a_department_with_topics_stays,
}

fn topic(name: &str, department_id: i64) -> Topic {
    Topic {
        name: name.to_owned(),
        title: "图书催还".to_owned(),
        department_id,
        default_on: true,
        may_mute: false,
        default_channels: vec![Channel::App, Channel::Email],
        version: 0,
    }
}

async fn department(store: &Store, id: &str) -> i64 {
    store.directory.upsert_departments(vec![fixture::department(id, None)], NOW).await.unwrap();
    store.directory.load().await.unwrap().departments.into_iter().find(|one| one.external_id == id).unwrap().id
}

async fn a_topic_reads_back_and_is_told_in_the_feed(store: &Store) {
    let library = department(store, "library").await;
    let (made, seq) = store.topics.upsert(topic("library.overdue", library), NOW).await.unwrap();
    assert_eq!(made, Topic { version: 1, ..topic("library.overdue", library) });
    let (other, _) = store.topics.upsert(topic("exam", library), NOW).await.unwrap();
    assert_eq!(store.topics.all().await.unwrap(), [other, made.clone()]);
    let told = store.directory.changes_after(seq - 1, 1).await.unwrap().pop().unwrap();
    let ChangeKind::Topic { id } = told.what else { panic!("{told:?}") };
    assert_eq!(store.topics.topic(id).await.unwrap(), Some(made));
    assert_eq!(store.topics.topic(id + 100).await.unwrap(), None);
}

async fn a_changed_topic_counts_its_versions_and_one_that_is_so_already_writes_nothing(store: &Store) {
    let (library, dean) = (department(store, "library").await, department(store, "dean").await);
    let (_, first) = store.topics.upsert(topic("exam", library), NOW).await.unwrap();
    let wanted = Topic { default_on: false, default_channels: Vec::new(), ..topic("exam", dean) };
    let (changed, second) = store.topics.upsert(wanted.clone(), NOW).await.unwrap();
    assert_eq!((changed.version, second), (2, first + 1));
    let what = |seq| async move { store.directory.changes_after(seq - 1, 1).await.unwrap().pop().unwrap().what };
    assert_eq!(what(first).await, what(second).await, "the number of a topic stays");
    let (same, third) = store.topics.upsert(wanted, NOW).await.unwrap();
    assert_eq!((same, third), (changed.clone(), second));
    assert_eq!(store.topics.all().await.unwrap(), [changed]);
}

async fn a_department_with_topics_stays(store: &Store) {
    let library = department(store, "library").await;
    store.topics.upsert(topic("exam", library), NOW).await.unwrap();
    assert_eq!(refused(store.departments.delete("library", None, NOW).await), Reason::DepartmentInUse);
}
