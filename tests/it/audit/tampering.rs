//! Somebody who owns the file changes the trail behind the service's back.

use campanile::api::v1;
use rusqlite::Connection;

use crate::support::app::{TestApp, letter};

/// Entries that are there when the tampering begins, at least.
const ENTRIES: i64 = 12;

/// A node with a trail, a checkpoint over all of it, and the file from outside.
async fn trail() -> (TestApp, Connection, i64) {
    let app = TestApp::start().await;
    let campus = app.campus().await;
    for n in 0..ENTRIES {
        let people = format!("u{n:03}");
        app.publish(&campus.live).publish(letter(&format!("k{n}"), &[&people])).await.unwrap();
    }
    export(&app).await;
    let file = Connection::open(app.data().join("campanile.db")).unwrap();
    file.busy_timeout(std::time::Duration::from_secs(10)).unwrap();
    // Whoever owns the file takes the lock off the door first.
    let refused = file.execute("update audit set actor = actor - 1 where epoch > 0 and sequence = 1", []).unwrap_err();
    assert!(refused.to_string().contains("append-only"), "{refused}");
    let refused = file.execute("delete from audit", []).unwrap_err();
    assert!(refused.to_string().contains("append-only"), "{refused}");
    file.execute_batch(
        "drop trigger audit_no_update; drop trigger audit_no_delete; create table kept as select * from audit; \
         create table kept_head as select * from audit_head",
    )
    .unwrap();
    let last: i64 = file.query_row("select max(sequence) from audit", [], |row| row.get(0)).unwrap();
    assert!(last >= ENTRIES, "{last}");
    (app, file, last)
}

/// The trail as a file; this makes a checkpoint.
async fn export(app: &TestApp) -> Vec<u8> {
    let mut pieces = app.access(&app.admin).export_audit(v1::ExportAuditRequest::default()).await.unwrap().into_inner();
    let mut bytes = Vec::new();
    while let Some(piece) = pieces.message().await.unwrap() {
        bytes.extend(piece.chunk);
    }
    bytes
}

async fn verdict(app: &TestApp) -> v1::AuditVerdict {
    app.access(&app.admin).verify_audit(v1::VerifyAuditRequest {}).await.unwrap().into_inner().verdict.unwrap()
}

/// Makes everything as it was, whatever the service has written meanwhile.
fn restore(file: &Connection) {
    file.execute_batch(
        "begin immediate; delete from audit; insert into audit select * from kept; delete from audit_head; \
         insert into audit_head select * from kept_head; commit",
    )
    .unwrap();
}

/// The statements, what they do to the trail, and the entry at which it shows; none where it is somewhere before the end.
fn tamperings(last: i64) -> Vec<(&'static str, String, Option<i64>)> {
    let cut = format!("delete from audit where epoch > 0 and sequence > {0}", last - 2);
    let head = format!(
        "update audit_head set sequence = {0}, hash = (select hash from audit where epoch > 0 and sequence = {0}) where epoch > 0",
        last - 2
    );
    vec![
        ("an edited actor", "update audit set actor = -2 where epoch > 0 and sequence = 3".into(), Some(3)),
        ("an edited time", "update audit set at = at + 1 where epoch > 0 and sequence = 4".into(), Some(4)),
        ("a denial made an approval", "update audit set denied = 1 - denied where epoch > 0 and sequence = 5".into(), Some(5)),
        ("another object", "update audit set object = object + 1 where epoch > 0 and sequence = 2".into(), Some(2)),
        ("another message", format!("update audit set messages = zeroblob(16) where epoch > 0 and sequence = {last}"), Some(last)),
        ("a made-up digest", "update audit set digest = zeroblob(9) where epoch > 0 and sequence = 6".into(), Some(6)),
        (
            "an inserted entry",
            format!(
                "insert into audit select epoch, {last} + 1, at, actor, key_id, action, object_kind, \
          object, messages, denied, digest, hash from audit where epoch > 0 and sequence = 2"
            ),
            Some(last + 1),
        ),
        (
            "an entry in between",
            format!(
                "update audit set sequence = sequence + 1000 where epoch > 0 and sequence > 4; \
          insert into audit select epoch, 5, at, actor, key_id, action, object_kind, object, messages, denied, digest, \
          hash from audit where epoch > 0 and sequence = 2; update audit set sequence = sequence - 999 where epoch > 0 and sequence > 1000; \
          update audit_head set sequence = {last} + 1 where epoch > 0"
            ),
            Some(5),
        ),
        ("a deleted entry", "delete from audit where epoch > 0 and sequence = 7".into(), Some(7)),
        (
            "a deleted entry, closed up",
            format!(
                "delete from audit where epoch > 0 and sequence = 7; \
          update audit set sequence = sequence + 1000 where epoch > 0 and sequence > 7; \
          update audit set sequence = sequence - 1001 where epoch > 0 and sequence > 1000; \
          update audit_head set sequence = {last} - 1 where epoch > 0"
            ),
            None,
        ),
        (
            "two entries swapped",
            "update audit set sequence = -1 where epoch > 0 and sequence = 3; \
          update audit set sequence = 3 where epoch > 0 and sequence = 4; update audit set sequence = 4 where epoch > 0 and sequence = -1"
                .into(),
            Some(3),
        ),
        ("a tail cut off", cut.clone(), Some(last - 1)),
        ("a tail cut off and the head with it", format!("{cut}; {head}"), None),
        ("everything deleted", "delete from audit; delete from audit_head".into(), None),
        (
            "a foreign epoch",
            format!(
                "insert into audit select 99, 1, at, actor, key_id, action, object_kind, object, \
          messages, denied, digest, hash from audit where epoch > 0 and sequence = {last}"
            ),
            Some(1),
        ),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn every_tampering_is_found() {
    let (app, file, last) = trail().await;
    assert!(verdict(&app).await.intact);
    restore(&file);
    for (what, statements, entry) in tamperings(last) {
        file.execute_batch(&format!("begin immediate; {statements}; commit"))
            .unwrap_or_else(|fault| panic!("{what}: {fault}"));
        let found = verdict(&app).await;
        assert!(!found.intact, "{what} goes unseen");
        assert!(!found.sentence.is_empty() && !found.broken_node_id.is_empty(), "{what}: {found:?}");
        assert!(entry.is_none_or(|entry| entry == found.broken_sequence), "{what}: {found:?}");
        assert!(found.broken_sequence <= last + 1, "{what}: {found:?}");
        restore(&file);
    }
    let whole = verdict(&app).await;
    assert!(whole.intact && whole.checked >= last && whole.checkpoint_at.is_some(), "{whole:?}");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn checkpoints_are_not_to_be_tampered_with_either() {
    let (app, file, _) = trail().await;
    app.department("physics", "school").await;
    export(&app).await;
    file.execute_batch("create table kept_word as select * from audit_checkpoint").unwrap();
    let words: i64 = file.query_row("select count(*) from kept_word", [], |row| row.get(0)).unwrap();
    assert!(words >= 2, "{words}");
    for statement in [
        "update audit_checkpoint set at = at + 1 where number = 1",
        "update audit_checkpoint set entries = entries - 1 where number = 2",
        "update audit_checkpoint set signature = zeroblob(64) where number = 2",
        "delete from audit_checkpoint where number = 1",
    ] {
        file.execute_batch(statement).unwrap();
        let found = verdict(&app).await;
        assert!(!found.intact && found.sentence.starts_with("Checkpoint "), "{statement}: {found:?}");
        file.execute_batch("delete from audit_checkpoint; insert into audit_checkpoint select * from kept_word")
            .unwrap();
    }
    assert!(verdict(&app).await.intact);
    app.stop().await;
}

/// Whoever cuts the trail and every checkpoint over it can hide that from the service, and from nobody who kept one.
#[tokio::test(flavor = "multi_thread")]
async fn a_checkpoint_kept_elsewhere_finds_what_the_service_cannot() {
    use campanile::access::audit::file;

    let (app, database, last) = trail().await;
    let lines =
        |bytes: Vec<u8>| String::from_utf8(bytes).unwrap().lines().map(|one| Ok(one.to_owned())).collect::<Vec<_>>();
    let earlier = lines(export(&app).await);
    let kept = file::checkpoints(earlier.into_iter()).unwrap();
    database
        .execute_batch(&format!(
            "delete from audit_checkpoint; delete from audit where epoch > 0 and sequence > {0}; update audit_head set sequence = {0}, \
             hash = (select hash from audit where epoch > 0 and sequence = {0}) where epoch > 0",
            last - 3
        ))
        .unwrap();
    assert!(verdict(&app).await.intact, "nothing in the file says that there was more");
    let later = lines(export(&app).await);
    let bare: Vec<_> = later.iter().map(|one| Ok::<_, std::io::Error>(one.as_ref().unwrap().clone())).collect();
    assert!(file::check(bare.into_iter(), &[]).is_ok());
    let flaw = file::check(later.into_iter(), &kept).unwrap_err().to_string();
    assert!(flaw.contains("rewritten") || flaw.contains("missing"), "{flaw}");
    app.stop().await;
}
