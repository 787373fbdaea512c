//! What holds only for the embedded store: its file, its lock, its settings.

use campanile::domain::channel::Channel::{App, Email};
use campanile::domain::outcome::Outcome;
use campanile::store::Error;
use campanile::store::sqlite::Sqlite;

use super::fixture::{LEASE, NOW, node, nth};
use super::publishing::{EPOCH, accept, claim, counts, office, people, publish, settle, whole};

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
