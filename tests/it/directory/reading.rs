//! Lists: their order, their pages, and what a caller may know of.

use campanile::directory::{DepartmentDraft, TagDraft, TagFilter, UserQuery};
use campanile::domain::access::{Grant, KeyScope, Mode};
use campanile::domain::directory::TagKind;
use campanile::domain::page::PageRequest;
use campanile::domain::refusal::Reason;

use super::{admin, all, caller, office};
use crate::store::publishing::grant;

#[tokio::test]
async fn departments_are_listed_parents_first() {
    let office = office(0).await;
    let row = |id: &str, parent: &str| DepartmentDraft {
        external_id: id.into(),
        parent: Some(parent.into()),
        name: id.to_uppercase(),
        version: None,
    };
    let rows = vec![row("a", "cs"), row("law", "xjtu"), row("b", "law"), row("arts", "xjtu")];
    office.registrar.upsert_departments(&admin(), rows).await.unwrap();
    let names = |parent: Option<&'static str>, recursive| -> Vec<String> {
        let read = caller(Mode::Live, &[KeyScope::Read]);
        let found = all(|page| office.registrar.departments(&read, parent, recursive, page));
        found.into_iter().map(|one| one.department.external_id).collect()
    };
    assert_eq!(names(None, true), ["xjtu", "arts", "cs", "law", "a", "b"]);
    assert_eq!(names(None, false), ["xjtu"]);
    assert_eq!(names(Some("xjtu"), false), ["arts", "cs", "law"]);
    assert_eq!(names(Some("law"), true), ["b"]);
    let refused = office.registrar.departments(&admin(), Some("nowhere"), true, &PageRequest::default());
    assert_eq!(refused.unwrap_err().reason, Reason::NotFound);
}

#[tokio::test]
async fn users_are_found_by_name_department_and_tag() {
    let office = office(5).await;
    let tag = TagDraft { title: "Team".into(), ..TagDraft::new("team", TagKind::Static) };
    office.registrar.upsert_tag(&admin(), tag).await.unwrap();
    let mut edit = office.registrar.edit_members(&admin()).unwrap();
    edit.put("team", &["u5".to_owned(), "u2".to_owned(), "u4".to_owned()], &[]).await.unwrap();
    edit.finish().await.unwrap();
    let query = UserQuery { tag: Some("team".into()), department: Some("xjtu".into()), query: None };
    let mut page = PageRequest { size: 2, after: None };
    let first = office.registrar.users(&admin(), &query, &page).await.unwrap();
    page.after = first.next;
    let second = office.registrar.users(&admin(), &query, &page).await.unwrap();
    let ids: Vec<_> = first.items.iter().chain(&second.items).map(|user| user.external_id.as_str()).collect();
    assert_eq!((ids, second.next), (vec!["u2", "u4", "u5"], None));
    let mut page = PageRequest { size: 2, after: None };
    let first = office.registrar.tag_members(&admin(), "team", &page).await.unwrap();
    page.after = first.next;
    let second = office.registrar.tag_members(&admin(), "team", &page).await.unwrap();
    let members: Vec<&str> = first.items.iter().chain(&second.items).map(AsRef::as_ref).collect();
    assert_eq!((members, second.next), (vec!["u2", "u4", "u5"], None));
    let unknown = UserQuery { tag: Some("nothing".into()), ..UserQuery::default() };
    let refused = office.registrar.users(&admin(), &unknown, &PageRequest::default()).await;
    assert_eq!(refused.unwrap_err().reason, Reason::UnknownTag);
    page.after = Some("nonsense".into());
    let refused = office.registrar.users(&admin(), &query, &page).await;
    assert_eq!(refused.unwrap_err().reason, Reason::PageTokenInvalid);
}

#[tokio::test]
async fn a_reader_knows_the_tags_of_its_grants_only() {
    let office = office(1).await;
    for name in ["a", "b", "c", "grade:2021"] {
        let tag = TagDraft { title: name.into(), ..TagDraft::new(name, TagKind::Static) };
        office.registrar.upsert_tag(&admin(), tag).await.unwrap();
    }
    let tags = vec!["b".into(), "grade:*".into()];
    let narrow = Grant { any_tag: false, tags, edit_tags: vec!["c".into()], ..grant(1) };
    let seq = office.store.access.create_grant(narrow).await.unwrap();
    office.follower.catch_up(seq).await.unwrap();
    let names = |who: &[KeyScope], query: &str, usable_only| -> Vec<String> {
        let filter = TagFilter { query: query.into(), usable_only };
        let who = caller(Mode::Live, who);
        all(|page| office.registrar.tags(&who, &filter, page)).into_iter().map(|one| one.tag.name).collect()
    };
    assert_eq!(names(&[KeyScope::Read], "", false), ["b", "grade:2021"]);
    assert_eq!(names(&[KeyScope::Read, KeyScope::Tags], "", false), ["b", "c", "grade:2021"]);
    let everything = all(|page| office.registrar.tags(&admin(), &TagFilter::default(), page));
    assert_eq!(everything.len(), 4);
    assert_eq!(names(&[KeyScope::Read, KeyScope::Tags], "GRADE", true), ["grade:2021"]);
    let read = caller(Mode::Live, &[KeyScope::Read]);
    assert_eq!(office.registrar.tag(&read, "a").unwrap_err().reason, Reason::NotFound);
    assert!(office.registrar.tag(&read, "b").is_ok());
}
