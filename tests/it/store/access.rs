//! Applications, keys and grants.

use campanile::domain::access::{Application, Grant, Key, KeyScopes, Mode, Principal};
use campanile::domain::certificate::Fingerprint;
use campanile::domain::change::ChangeKind;
use campanile::domain::channel::Channel;
use campanile::domain::class::Class;
use campanile::domain::id::{ApplicationId, GrantId, KeyId};
use campanile::domain::refusal::Reason;
use campanile::domain::time::At;
use campanile::store::ApplicationDraft;

use super::Store;
use super::fixture::{NOW, campus, refused};

super::cases! {
    the_secret_is_made_once,
    an_application_reads_back,
    an_application_is_replaced_but_for_its_department,
    a_key_reads_back_and_is_revoked_once,
    a_grant_reads_back_and_is_revoked_once,
    a_rotated_key_ends_later_and_its_successor_begins,
    a_key_rotated_without_overlap_is_revoked,
    a_renewed_grant_has_a_later_end_and_another_version,
    what_is_unknown_cannot_be_revoked,
    an_id_is_taken_once,
    nothing_is_used_before_the_first_publish,
}

fn draft(department: &str) -> ApplicationDraft {
    ApplicationDraft {
        id: ApplicationId(7),
        department: department.into(),
        title: "Library".into(),
        inbox_gateway: true,
        default_channels: vec![Channel::Wechat, Channel::App],
        default_topic: None,
        contact: String::new(),
    }
}

fn key(id: i64) -> Key {
    let hash = [u8::try_from(id).unwrap(); 32];
    Key {
        scopes: KeyScopes::all(),
        expire_at: Some(At(NOW.0 + 1)),
        version: 3,
        title: "of the administrator".into(),
        networks: vec!["10.0.0.0/8".parse().unwrap(), "2001:db8::/32".parse().unwrap()],
        certificates: vec![Fingerprint::of(b"one"), Fingerprint::of(b"two")],
        ..Key::new(KeyId(id), Principal::Person(0), Mode::Test, hash, NOW)
    }
}

fn grant(id: i64) -> Grant {
    Grant {
        department_ids: vec![1, 2],
        audience: Some("everyone".into()),
        tags: vec!["grade:2021".into()],
        channels: vec![Channel::Email],
        classes: vec![Class::Notice, Class::Bulk],
        per_day: Some(1_000),
        may_act_for: true,
        expire_at: Some(At(9)),
        ..Grant::new(GrantId(id), Principal::Application(ApplicationId(7)), Principal::Person(4), At(5))
    }
}

async fn the_secret_is_made_once(store: &Store) {
    let secret = store.access.load().await.unwrap().secret;
    assert_ne!(secret, [0; 32]);
    assert_eq!(store.access.load().await.unwrap().secret, secret);
}

async fn an_application_reads_back(store: &Store) {
    campus(store, 0).await;
    let before = store.directory.head().await.unwrap();
    assert_eq!(refused(store.access.create_application(draft("nowhere"), NOW).await), Reason::UnknownDepartment);
    let (application, seq) = store.access.create_application(draft("cs"), NOW).await.unwrap();
    assert_eq!((application.weight, application.inbox_gateway), (1, true));
    assert_eq!(application.default_channels, [Channel::Wechat, Channel::App]);
    assert_eq!(store.access.application(application.id).await.unwrap().as_ref(), Some(&application));
    assert_eq!(store.access.application(ApplicationId(8)).await.unwrap(), None);
    assert_eq!(store.access.load().await.unwrap().applications, vec![application]);
    let changes = store.directory.changes_after(before, 9).await.unwrap();
    assert_eq!((changes[0].seq, changes.len()), (seq, 1));
    assert_eq!(changes[0].what, ChangeKind::Application { id: ApplicationId(7) });
}

async fn an_application_is_replaced_but_for_its_department(store: &Store) {
    campus(store, 0).await;
    let (made, _) = store.access.create_application(draft("cs"), NOW).await.unwrap();
    let wanted = Application {
        title: "Reading room".into(),
        contact: "desk 2".into(),
        default_topic: Some("library.overdue".into()),
        default_channels: vec![Channel::Email],
        inbox_gateway: false,
        department_id: 99,
        ..made.clone()
    };
    let (changed, seq) = store.access.update_application(wanted.clone(), Some(1), NOW).await.unwrap();
    assert_eq!(changed, Application { department_id: made.department_id, version: 2, ..wanted.clone() });
    assert_eq!(store.access.application(made.id).await.unwrap().as_ref(), Some(&changed));
    assert_eq!(store.access.load().await.unwrap().applications, vec![changed]);
    assert_eq!(refused(store.access.update_application(wanted.clone(), Some(1), NOW).await), Reason::EtagMismatch);
    assert_eq!(store.directory.head().await.unwrap(), seq, "a refused write leaves no change");
    let other = Application { id: ApplicationId(8), ..wanted };
    assert_eq!(refused(store.access.update_application(other, None, NOW).await), Reason::NotFound);
}

async fn a_key_reads_back_and_is_revoked_once(store: &Store) {
    let created = store.access.create_key(key(1)).await.unwrap();
    assert_eq!(store.access.key(KeyId(1)).await.unwrap(), Some(key(1)));
    assert_eq!(store.access.load().await.unwrap().keys, vec![key(1)]);
    let seq = store.access.revoke_key(KeyId(1), At(NOW.0 + 5)).await.unwrap();
    assert!(seq > created);
    assert_eq!(store.access.revoke_key(KeyId(1), At(NOW.0 + 6)).await.unwrap(), seq);
    let revoked = store.access.key(KeyId(1)).await.unwrap().unwrap();
    assert_eq!((revoked.version, revoked.revoked_at), (4, Some(At(NOW.0 + 5))));
    let changes = store.directory.changes_after(0, 9).await.unwrap();
    assert!(changes.iter().all(|change| change.what == ChangeKind::Key { id: KeyId(1) }));
    assert_eq!(changes.len(), 2);
}

async fn a_grant_reads_back_and_is_revoked_once(store: &Store) {
    store.access.create_grant(grant(1)).await.unwrap();
    assert_eq!(store.access.grant(GrantId(1)).await.unwrap(), Some(grant(1)));
    assert_eq!(store.access.load().await.unwrap().grants, vec![grant(1)]);
    let seq = store.access.revoke_grant(GrantId(1), At(5)).await.unwrap();
    assert_eq!(store.access.revoke_grant(GrantId(1), At(6)).await.unwrap(), seq);
    let revoked = store.access.grant(GrantId(1)).await.unwrap().unwrap();
    assert_eq!(revoked, Grant { version: 2, revoked_at: Some(At(5)), ..grant(1) });
    let changes = store.directory.changes_after(0, 9).await.unwrap();
    assert!(changes.iter().all(|change| change.what == ChangeKind::Grant { id: GrantId(1) }));
}

async fn a_rotated_key_ends_later_and_its_successor_begins(store: &Store) {
    let endless = Key { expire_at: None, ..key(1) };
    store.access.create_key(endless.clone()).await.unwrap();
    let seq = store.access.rotate_key(KeyId(1), key(2), At(NOW.0 + 9), NOW).await.unwrap();
    let old = store.access.key(KeyId(1)).await.unwrap().unwrap();
    assert_eq!(old, Key { expire_at: Some(At(NOW.0 + 9)), ..endless }, "what is published with it meanwhile stands");
    assert_eq!(store.access.key(KeyId(2)).await.unwrap(), Some(key(2)));
    let changes = store.directory.changes_after(0, 9).await.unwrap();
    let ids: Vec<_> = changes.iter().map(|change| change.what.clone()).collect();
    assert_eq!(ids, [1, 1, 2].map(|id| ChangeKind::Key { id: KeyId(id) }));
    assert_eq!(changes[2].seq, seq);
    store.access.rotate_key(KeyId(1), key(3), At(NOW.0 + 20), NOW).await.unwrap();
    let old = store.access.key(KeyId(1)).await.unwrap().unwrap();
    assert_eq!(old.expire_at, Some(At(NOW.0 + 9)), "no later than it would have ended");
}

async fn a_key_rotated_without_overlap_is_revoked(store: &Store) {
    store.access.create_key(key(1)).await.unwrap();
    store.access.rotate_key(KeyId(1), key(2), NOW, NOW).await.unwrap();
    let old = store.access.key(KeyId(1)).await.unwrap().unwrap();
    assert_eq!((old.version, old.revoked_at, old.expire_at), (4, Some(NOW), key(1).expire_at));
    let before = store.directory.head().await.unwrap();
    for unknown in [1, 9] {
        let refusal = refused(store.access.rotate_key(KeyId(unknown), key(3), At(NOW.0 + 1), NOW).await);
        assert_eq!(refusal, Reason::NotFound, "it is over, or never was");
    }
    assert_eq!((store.access.key(KeyId(3)).await.unwrap(), store.directory.head().await.unwrap()), (None, before));
}

async fn a_renewed_grant_has_a_later_end_and_another_version(store: &Store) {
    store.access.create_grant(grant(1)).await.unwrap();
    let renew = |end, version| store.access.renew_grant(GrantId(1), At(end), version, NOW);
    let seq = renew(20, Some(1)).await.unwrap();
    let renewed = Grant { version: 2, expire_at: Some(At(20)), ..grant(1) };
    assert_eq!(store.access.grant(GrantId(1)).await.unwrap(), Some(renewed));
    assert_eq!(refused(renew(30, Some(1)).await), Reason::EtagMismatch);
    assert_eq!(store.directory.head().await.unwrap(), seq, "a refused write leaves no change");
    renew(30, None).await.unwrap();
    store.access.revoke_grant(GrantId(1), NOW).await.unwrap();
    assert_eq!(refused(renew(40, None).await), Reason::FieldInvalid);
    assert_eq!(refused(store.access.renew_grant(GrantId(2), At(40), None, NOW).await), Reason::NotFound);
}

async fn what_is_unknown_cannot_be_revoked(store: &Store) {
    assert_eq!(refused(store.access.revoke_key(KeyId(1), NOW).await), Reason::NotFound);
    assert_eq!(refused(store.access.revoke_grant(GrantId(1), NOW).await), Reason::NotFound);
    assert_eq!(store.directory.head().await.unwrap(), 0);
}

async fn an_id_is_taken_once(store: &Store) {
    store.access.create_key(key(1)).await.unwrap();
    assert_eq!(refused(store.access.create_key(key(1)).await), Reason::IdTaken);
    store.access.create_grant(grant(1)).await.unwrap();
    assert_eq!(refused(store.access.create_grant(grant(1)).await), Reason::IdTaken);
    assert_eq!(store.directory.head().await.unwrap(), 2, "a refused write leaves no change");
}

async fn nothing_is_used_before_the_first_publish(store: &Store) {
    assert_eq!(store.access.used(GrantId(1), 20_000).await.unwrap(), 0);
}
