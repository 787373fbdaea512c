//! Who may use a tag and who may edit it, and that it ends.

use campanile::directory::{TagDraft, TagFilter};
use campanile::domain::access::{Grant, KeyScope, Mode};
use campanile::domain::page::PageRequest;
use campanile::domain::refusal::Reason;
use campanile::domain::tag::TagKind;
use campanile::domain::time::At;
use campanile::store::ApplicationDraft;

use super::{Office, admin, caller, office};
use crate::store::fixture::NOW;
use crate::store::person;
use crate::store::publishing::{PUBLISHER, grant};

fn tag(name: &str) -> TagDraft {
    TagDraft::new(name, TagKind::Static)
}

fn ids(ids: &[&str]) -> Vec<String> {
    ids.iter().map(|id| (*id).to_owned()).collect()
}

async fn give(office: &Office, grant: Grant) {
    let seq = office.store.access.create_grant(grant).await.unwrap();
    office.follower.catch_up(seq).await.unwrap();
}

#[tokio::test]
async fn a_caller_edits_what_its_grants_name_and_hears_the_same_of_all_others() {
    let office = office(3).await;
    let tagger = caller(Mode::Live, &[KeyScope::Tags, KeyScope::Read]);
    office.registrar.upsert_tag(&admin(), tag("kept")).await.unwrap();
    give(&office, Grant { edit_tags: ids(&["course:*", "team"]), ..grant(1) }).await;
    let made = office.registrar.upsert_tag(&tagger, tag("course:db")).await.unwrap();
    assert!(made.created);
    let mut edit = office.registrar.edit_members(&tagger).unwrap();
    edit.put("course:db", &ids(&["u1", "u2"]), &[]).await.unwrap();
    for name in ["kept", "absent"] {
        let refused = edit.put(name, &ids(&["u1"]), &[]).await.unwrap_err();
        assert_eq!(refused.reason, Reason::TagNotGranted);
        let refused = office.registrar.upsert_tag(&tagger, tag(name)).await.unwrap_err();
        assert_eq!((refused.reason, refused.message.contains(name)), (Reason::TagNotGranted, true));
        let refused = office.registrar.delete_tag(&tagger, name, None).await.unwrap_err();
        assert_eq!(refused.reason, Reason::TagNotGranted);
        let refused = office.registrar.tag_members(&tagger, name, &PageRequest::default()).await.unwrap_err();
        assert_eq!(refused.reason, Reason::TagNotGranted);
    }
    edit.finish().await.unwrap();
    assert_eq!(office.registrar.tag(&tagger, "course:db").unwrap().count, Some(2));
    assert_eq!(office.registrar.delete_tag(&tagger, "team", None).await.unwrap_err().reason, Reason::NotFound);
    assert!(office.registrar.delete_tag(&tagger, "course:db", None).await.is_ok());
}

#[tokio::test]
async fn only_administrators_say_what_is_sensitive_and_whose_a_tag_is() {
    let office = office(1).await;
    let tagger = caller(Mode::Live, &[KeyScope::Tags, KeyScope::Read]);
    let campanile::domain::access::Principal::Application(id) = PUBLISHER else { panic!() };
    let application = ApplicationDraft {
        id,
        department: "cs".into(),
        title: "Tagger".into(),
        inbox_gateway: false,
        default_channels: vec![],
        contact: String::new(),
        default_topic: None,
    };
    let (_, seq) = office.store.access.create_application(application, NOW).await.unwrap();
    office.follower.catch_up(seq).await.unwrap();
    give(&office, Grant { edit_tags: ids(&["aid:*", "aid:named"]), ..grant(1) }).await;
    for (field, draft) in [
        ("tag.sensitive", TagDraft { sensitive: true, ..tag("aid:x") }),
        ("tag.user_grants", TagDraft { user_grants: vec![grant(1).id], ..tag("aid:x") }),
        ("tag.owner_department_id", TagDraft { department: Some("xjtu".into()), ..tag("aid:x") }),
    ] {
        let refused = office.registrar.upsert_tag(&tagger, draft).await.unwrap_err();
        assert_eq!((refused.reason, refused.field.as_deref()), (Reason::ScopeMissing, Some(field)));
    }
    let made = office.registrar.upsert_tag(&tagger, tag("aid:named")).await.unwrap();
    assert_eq!(made.view.department.as_deref(), Some("cs"), "its application's");
    for name in ["aid:named", "aid:other"] {
        let secret = TagDraft { sensitive: true, department: Some("xjtu".into()), ..tag(name) };
        office.registrar.upsert_tag(&admin(), secret).await.unwrap();
    }
    let renamed = TagDraft { title: "Aid".into(), ..tag("aid:named") };
    let kept = office.registrar.upsert_tag(&tagger, renamed).await.unwrap().view;
    assert!(kept.tag.sensitive && kept.department.as_deref() == Some("xjtu"), "left out, it stays");
    let refused = office.registrar.upsert_tag(&tagger, tag("aid:other")).await.unwrap_err();
    assert_eq!(refused.reason, Reason::TagNotGranted, "no key:* names a sensitive tag");
    let unknown = TagDraft { user_grants: vec![campanile::domain::id::GrantId(99)], ..tag("x") };
    assert_eq!(office.registrar.upsert_tag(&admin(), unknown).await.unwrap_err().reason, Reason::NotFound);
}

#[tokio::test]
async fn small_counts_are_for_those_whose_grants_cover_the_people() {
    let office = office(8).await;
    for (name, members) in [("few", ids(&["u1", "u2"])), ("many", ids(&["u1", "u2", "u3", "u4", "u5"]))] {
        office.registrar.upsert_tag(&admin(), tag(name)).await.unwrap();
        let mut edit = office.registrar.edit_members(&admin()).unwrap();
        edit.put(name, &members, &[]).await.unwrap();
        edit.finish().await.unwrap();
    }
    let reader = caller(Mode::Live, &[KeyScope::Read]);
    let nobody = Grant { department_ids: vec![], audience: Some("user:u8".into()), ..grant(1) };
    give(&office, nobody).await;
    let list = |usable_only| {
        let filter = TagFilter { query: String::new(), usable_only };
        let found = office.registrar.tags(&reader, &filter, &PageRequest::default()).unwrap();
        found.items.into_iter().map(|one| (one.tag.name, one.count)).collect::<Vec<_>>()
    };
    assert_eq!(list(true), [("few".to_owned(), None), ("many".to_owned(), Some(5))]);
    give(&office, Grant { audience: Some("everyone".into()), ..grant(2) }).await;
    assert_eq!(list(false), [("few".to_owned(), Some(2)), ("many".to_owned(), Some(5))]);
}

#[tokio::test]
async fn an_expired_tag_is_gone_at_once_and_begins_empty_when_it_is_made_again() {
    let office = office(2).await;
    let registrar = &office.registrar;
    let past = TagDraft { expire_at: Some(NOW), ..tag("exam") };
    let refused = registrar.upsert_tag(&admin(), past.clone()).await.unwrap_err();
    assert_eq!((refused.reason, refused.field.as_deref()), (Reason::FieldInvalid, Some("tag.expire_at")));
    let lasting = TagDraft { expire_at: Some(At(NOW.0 + 1)), ..tag("lasting") };
    registrar.upsert_tag(&admin(), lasting).await.unwrap();
    // As if it had been made some time ago.
    for name in ["exam", "swept"] {
        office.store.directory.upsert_tag(TagDraft { name: name.into(), ..past.clone() }, NOW).await.unwrap();
        let seq = office.store.directory.edit_tag(name, [16, 17].into(), [].into(), NOW).await.unwrap().seq;
        office.follower.catch_up(seq).await.unwrap();
        assert_eq!(registrar.tag(&admin(), name).unwrap_err().reason, Reason::NotFound);
    }
    let mut edit = registrar.edit_members(&admin()).unwrap();
    assert_eq!(edit.put("exam", &ids(&["u1"]), &[]).await.unwrap_err().reason, Reason::NotFound);
    let again = registrar.upsert_tag(&admin(), tag("exam")).await.unwrap();
    assert_eq!((again.created, again.view.count), (true, Some(0)));
    let mut bulk = registrar.upsert_users(&admin()).unwrap();
    bulk.put(Ok(person("u1", "cs"))).await.unwrap();
    bulk.finish().await.unwrap();
    assert!(registrar.user(&admin(), "u1").await.unwrap().tags.is_empty());
    assert_eq!(registrar.sweep_tags().await.unwrap(), 1);
    let seq = office.store.directory.head().await.unwrap();
    office.follower.catch_up(seq).await.unwrap();
    let image = office.store.directory.load().await.unwrap();
    let names: Vec<_> =
        image.tags.iter().filter(|(one, _)| one.kind == TagKind::Static).map(|(one, _)| &one.name).collect();
    assert_eq!(names, ["lasting", "exam"]);
    assert_eq!(registrar.sweep_tags().await.unwrap(), 0);
}
