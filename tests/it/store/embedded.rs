//! What holds only for the embedded store: its file, its lock, its settings.

use std::sync::Arc;

use campanile::domain::channel::Channel::{App, Email};
use campanile::domain::content::Content;
use campanile::domain::outcome::Outcome;
use campanile::store::sqlite::Sqlite;
use campanile::store::{Accepted, Encoded, Error, Legs};
use parking_lot::Mutex;

use super::fixture::{LEASE, NOW, node, nth};
use super::publishing::{EPOCH, accept, claim, counts, id, office, people, publish, settle, whole};

#[tokio::test]
async fn what_was_acknowledged_is_there_after_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let before = Sqlite::open(directory.path()).unwrap().store();
    office(&before, 20).await;
    accept(&before, publish(&before, 1, (nth(1)..=nth(20)).collect(), &[Email, App]).await).await;
    let batch = claim(&before, NOW, 1, EPOCH).await.remove(0);
    assert!(settle(&before, whole(&batch, Outcome::Sent)).await);
    let (image, access) = (before.directory.load().await.unwrap(), before.access.load().await.unwrap());
    drop(before);

    let after = Sqlite::open(directory.path()).unwrap().store();
    let found = after.directory.load().await.unwrap();
    assert_eq!((found.seq, found.users, found.tags), (image.seq, image.users, image.tags));
    assert_eq!(after.access.load().await.unwrap().secret, access.secret);
    assert_eq!(counts(&after, 1, 1).await, [10, 10, 0, 0, 0, 0, 0]);
    assert_eq!(after.inbox.visible().await.unwrap()[0].members.len(), 20);
    let epoch = after.nodes.join(node(), LEASE).await.unwrap();
    assert_eq!(epoch, EPOCH + 1);
    assert_eq!(people(&claim(&after, NOW, 9, epoch).await[0]).min(), Some(nth(11)));
}

#[test]
fn a_second_process_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let first = Sqlite::open(directory.path()).unwrap();
    assert!(matches!(Sqlite::open(directory.path()), Err(Error::Unavailable(_))));
    drop(first);
    assert!(Sqlite::open(directory.path()).is_ok());
}

#[test]
fn durability_is_read_back() {
    let directory = tempfile::tempdir().unwrap();
    let store = Sqlite::open(directory.path()).unwrap();
    assert_eq!((store.durability().journal_mode.as_str(), store.durability().synchronous), ("wal", 2));
}

/// Here 200 commits write 50 MiB and more; a log that only grows would hold all of it.
#[tokio::test]
async fn the_log_begins_anew_while_messages_come_in() {
    let directory = tempfile::tempdir().unwrap();
    let store = Sqlite::open(directory.path()).unwrap().store();
    office(&store, 20).await;
    let template = publish(&store, 1, [nth(1)].into_iter().collect(), &[App]).await;
    let mut written = 0;
    for group in 0..200 {
        let mut items = Vec::new();
        for n in 1..=64 {
            let mut item = template.clone();
            item.facts.id = id(group * 64 + n);
            item.idempotency_key = format!("{group}-{n}");
            item.content = Arc::new(Content { body: "长".repeat(1_000), ..Content::default() });
            items.push(item);
            written += 3_000;
        }
        let answers = store.messages.accept(items, EPOCH).await.unwrap();
        assert!(answers.iter().all(|answer| matches!(answer, Accepted::Stored(_))));
    }
    let log = std::fs::metadata(directory.path().join("campanile.db-wal")).unwrap().len();
    assert!(written > 36 << 20 && log < 24 << 20, "{log} bytes of log for {written} bytes of text");
}

#[tokio::test]
async fn who_comes_while_a_commit_waits_for_the_writer_goes_along() {
    let directory = tempfile::tempdir().unwrap();
    let store = Sqlite::open(directory.path()).unwrap().store();
    office(&store, 3).await;
    let (open, closed) = std::sync::mpsc::channel::<()>();
    let before = tokio::spawn({
        let store = store.clone();
        async move {
            store
                .messages
                .accept_gathered(Box::new(move || closed.recv().map(|()| Vec::new()).unwrap_or_default()), EPOCH)
                .await
        }
    });
    tokio::task::yield_now().await;
    let basket = Arc::new(Mutex::new(Vec::new()));
    let behind = tokio::spawn({
        let (store, basket) = (store.clone(), basket.clone());
        async move {
            let gathering = Box::new(move || std::mem::take(&mut *basket.lock()));
            store.messages.accept_gathered(gathering, EPOCH).await
        }
    });
    tokio::task::yield_now().await;
    let item = publish(&store, 1, [nth(1)].into_iter().collect(), &[App]).await;
    basket.lock().push(Encoded::of(item).unwrap());
    open.send(()).unwrap();
    assert!(before.await.unwrap().unwrap().is_empty());
    assert!(matches!(behind.await.unwrap().unwrap()[..], [Accepted::Stored(_)]));
}

#[tokio::test]
async fn books_that_do_not_balance_are_noticed() {
    let directory = tempfile::tempdir().unwrap();
    let store = Sqlite::open(directory.path()).unwrap().store();
    office(&store, 20).await;
    accept(&store, publish(&store, 1, (nth(1)..=nth(20)).collect(), &[Email]).await).await;
    let batch = claim(&store, NOW, 1, EPOCH).await.remove(0);
    assert!(settle(&store, whole(&batch, Outcome::Sent)).await);
    accept(&store, publish(&store, 2, (nth(1)..=nth(20)).collect(), &[Email]).await).await;
    let wrong = async || {
        let found = store.inspection.books(Legs::Below { before: None, limit: 9 }).await.unwrap();
        found.into_iter().filter(|books| books.fault().is_some()).map(|books| books.leg).collect::<Vec<_>>()
    };
    assert_eq!(wrong().await, []);
    let file = rusqlite::Connection::open(directory.path().join("campanile.db")).unwrap();
    for slip in ["update leg_count set n = n - 1", "delete from batch where state = 1", "update batch set outcome = 2"]
    {
        file.execute_batch("begin").unwrap();
        file.execute(&format!("{slip} where leg_id = {}", id(1).leg(1).0).replace("= 1 where", "= 1 and"), []).unwrap();
        file.execute_batch("commit").unwrap();
        assert_eq!(wrong().await, [id(1).leg(1)], "{slip}");
        file.execute_batch("update leg_count set n = 10; update batch set outcome = 1 where outcome = 2").unwrap();
    }
}
