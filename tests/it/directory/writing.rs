//! Writes: who may, what is refused alone, and that the writer sees what was written.

use campanile::directory::{DepartmentDraft, TagDraft};
use campanile::domain::access::{KeyScope, Mode};
use campanile::domain::channel::Channel;
use campanile::domain::directory::{AddressDraft, TagKind, UserDraft};
use campanile::domain::refusal::{Reason, Refusal};

use super::{admin, caller, office};
use crate::store::person;

fn address(channel: Channel, value: &str) -> Vec<AddressDraft> {
    vec![AddressDraft::new(channel, value)]
}

fn tag(name: &str, kind: TagKind, rule: Option<&str>) -> TagDraft {
    TagDraft { rule: rule.map(Into::into), ..TagDraft::new(name, kind) }
}

#[tokio::test]
async fn a_bad_row_is_refused_alone_and_named() {
    let office = office(0).await;
    let bad: [(usize, UserDraft, &str); 7] = [
        (3, UserDraft { external_id: "1 OR everyone".into(), ..person("x", "cs") }, "user.user_id"),
        (7, UserDraft { name: "a\r\nb".into(), ..person("b1", "cs") }, "user.name"),
        (
            999,
            UserDraft { addresses: address(Channel::Wechat, "@all"), ..person("b2", "cs") },
            "user.addresses[0].value",
        ),
        (
            1_000,
            UserDraft { addresses: address(Channel::App, "@ALL"), ..person("b3", "cs") },
            "user.addresses[0].value",
        ),
        (1_001, person("b4", "nowhere"), "user.department_ids"),
        (1_700, UserDraft { tags: vec!["ok".into(), "ｇrade:1".into()], ..person("b5", "cs") }, "user.tags[1]"),
        (2_400, UserDraft { locale: "中文".into(), ..person("b6", "cs") }, "user.locale"),
    ];
    let mut bulk = office.registrar.upsert_users(&admin()).unwrap();
    for row in 0..2_500 {
        let good = || person(&format!("n{row}"), "cs");
        let draft = bad.iter().find(|(place, ..)| *place == row).map_or_else(good, |(_, draft, _)| draft.clone());
        bulk.put(Ok(draft)).await.unwrap();
    }
    bulk.put(Err(Refusal::new(Reason::FieldInvalid, "unreadable").field("user.kind"))).await.unwrap();
    let written = bulk.finish().await.unwrap();
    assert_eq!((written.created, written.error_count), (2_493, 8));
    let errors: Vec<_> = written.errors.iter().map(|one| (one.row, one.refusal.field.clone().unwrap())).collect();
    let mut wanted: Vec<_> = bad.iter().map(|(row, _, field)| (*row, (*field).to_owned())).collect();
    wanted.push((2_500, "user.kind".into()));
    assert_eq!(errors, wanted);
    let snapshot = office.memory.index.snapshot();
    assert!(snapshot.seq() >= written.seq);
    assert_eq!(snapshot.everyone().len(), 2_493);
    assert!(written.errors.iter().all(|one| !one.refusal.message.contains("@all")), "no address in a refusal");
}

#[tokio::test]
async fn an_upsert_adds_tags_in_their_normal_form_and_takes_none_away() {
    let office = office(0).await;
    let tags = |names: &[&str]| UserDraft {
        tags: names.iter().map(|name| (*name).to_owned()).collect(),
        ..person("u1", "cs")
    };
    for row in [tags(&["caf\u{e9}"]), tags(&["cafe\u{301}", "grade:2021"])] {
        let mut bulk = office.registrar.upsert_users(&admin()).unwrap();
        bulk.put(Ok(row)).await.unwrap();
        bulk.finish().await.unwrap();
    }
    let mut bulk = office.registrar.upsert_users(&admin()).unwrap();
    bulk.put(Ok(person("u1", "cs"))).await.unwrap();
    assert_eq!(bulk.finish().await.unwrap().unchanged, 1);
    let mut kept = office.registrar.user(&admin(), "u1").await.unwrap().tags;
    kept.sort();
    assert_eq!(kept, ["caf\u{e9}", "grade:2021"]);
}

#[tokio::test]
async fn members_are_edited_and_strangers_listed() {
    let office = office(4).await;
    office.registrar.upsert_tag(&admin(), tag("team", TagKind::Static, None)).await.unwrap();
    let ids = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect::<Vec<_>>();
    let mut edit = office.registrar.edit_members(&admin()).unwrap();
    edit.put("team", &ids(&["u1", "u9", "u2"]), &[]).await.unwrap();
    edit.put("", &ids(&["u3"]), &ids(&["u1"])).await.unwrap();
    assert_eq!(edit.put("gone", &[], &[]).await.unwrap_err().reason, Reason::NotFound);
    let edited = edit.finish().await.unwrap();
    assert_eq!((edited.added, edited.removed, edited.error_count), (3, 1, 1));
    assert_eq!((edited.errors[0].row, edited.errors[0].refusal.field.as_deref()), (0, Some("add[1]")));
    assert_eq!(office.registrar.tag(&admin(), "team").unwrap().count, Some(2));
    let mut edit = office.registrar.edit_members(&admin()).unwrap();
    assert_eq!(edit.put("", &[], &[]).await.unwrap_err().reason, Reason::FieldRequired);
}

#[tokio::test]
async fn a_rule_is_checked_before_it_is_kept() {
    let office = office(4).await;
    let upsert = |name: &'static str, rule: &'static str| {
        let registrar = office.registrar.clone();
        async move { registrar.upsert_tag(&admin(), tag(name, TagKind::Rule, Some(rule))).await }
    };
    let made = upsert("all-cs", "department:cs").await.unwrap();
    assert_eq!((made.created, made.view.count), (true, Some(4)));
    assert_eq!(upsert("again", "tag:all-cs").await.unwrap().view.count, Some(4));
    for (rule, reason) in [
        ("tag:again", Reason::TagCycle),
        ("department:cs AND", Reason::AudienceSyntax),
        ("tag:nothing", Reason::UnknownTag),
        (" ", Reason::FieldRequired),
    ] {
        let refusal = upsert("all-cs", rule).await.unwrap_err();
        assert_eq!((refusal.reason, refusal.field.as_deref()), (reason, Some("tag.rule")), "{rule}");
    }
    office.registrar.delete_tag(&admin(), "all-cs", None).await.unwrap();
    assert_eq!(office.registrar.tag(&admin(), "all-cs").unwrap_err().reason, Reason::NotFound);
}

#[tokio::test]
async fn only_administrators_with_live_keys_write_the_directory() {
    let office = office(1).await;
    let department =
        || DepartmentDraft { external_id: "lab".into(), parent: Some("cs".into()), name: "Lab".into(), version: None };
    let every = [KeyScope::Publish, KeyScope::Read, KeyScope::Tags, KeyScope::IssueUserTokens];
    let (other, test) = (caller(Mode::Live, &every), caller(Mode::Test, &[KeyScope::Admin, KeyScope::Tags]));
    for (who, reason) in [(&other, Reason::ScopeMissing), (&test, Reason::TestKey)] {
        let refused = office.registrar.upsert_department(who, department()).await;
        assert_eq!(refused.unwrap_err().reason, reason);
        assert_eq!(office.registrar.upsert_users(who).err().unwrap().reason, reason);
    }
    assert_eq!(office.registrar.edit_members(&test).err().unwrap().reason, Reason::TestKey);
    assert!(office.registrar.edit_members(&other).is_ok());
    assert_eq!(office.registrar.user(&other, "u1").await.unwrap_err().reason, Reason::ScopeMissing);
    let made = office.registrar.upsert_department(&admin(), department()).await.unwrap();
    assert_eq!((made.created, made.view.level, made.view.parent.as_deref()), (true, 3, Some("cs")));
    let ring = DepartmentDraft { parent: Some("lab".into()), external_id: "cs".into(), ..department() };
    let refused = office.registrar.upsert_department(&admin(), ring).await;
    assert_eq!(refused.unwrap_err().reason, Reason::DepartmentCycle);
}
