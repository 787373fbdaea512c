//! What expressions and lists come to, and what they are refused for.

use super::{campus_index, only, set};
use crate::audience::parse::parse;
use crate::audience::resolve::{Resolved, Usable, resolve};
use crate::audience::rule;
use crate::domain::audience::{Audience, UnknownUsers};
use crate::domain::change::{Change, ChangeKind};
use crate::domain::refusal::{Reason, Refusal};
use crate::domain::tag::Tag;
use crate::domain::time::At;

fn ask(text: &str, usable: &Usable) -> Result<Resolved, Refusal> {
    resolve(&Audience::Expression(text.to_owned()), &campus_index().snapshot(), usable)
}

fn list(ids: &[&str], unknown: UnknownUsers) -> Result<Resolved, Refusal> {
    let ids = ids.iter().map(|id| (*id).to_owned()).collect();
    resolve(&Audience::Users { ids, unknown }, &campus_index().snapshot(), &Usable::any(At(0)))
}

fn fact(refusal: &Refusal, key: &str) -> Option<String> {
    refusal.metadata.iter().find(|(known, _)| *known == key).map(|(_, value)| value.clone())
}

#[test]
fn expressions_name_those_who_receive() {
    for (text, expected) in [
        ("everyone", set(1..90)),
        ("grade:2021", set(10..30)),
        ("tag:freshman", set(55..90)),
        ("department:school", set((1..40).chain(40..50).chain(50..90))),
        ("department:cs", set(10..50)),
        ("department=cs", set(10..40)),
        ("department=school", set(1..10)),
        ("grade:2022 AND tag:freshman", set(55..60)),
        ("grade:2022 AND NOT tag:freshman", set(30..55)),
        ("everyone AND NOT department:school", set([])),
        ("(grade:2021 OR grade:2022) AND department:cs AND NOT department:lab", set(10..40)),
        ("rule:young AND department:cs", set(30..50)),
        ("user:u5 OR user:u6", set([5, 6])),
    ] {
        assert_eq!(ask(text, &Usable::any(At(0))).unwrap().set, expected, "{text}");
    }
}

#[test]
fn people_who_do_not_receive_are_reached_only_by_their_own_name() {
    for (text, expected) in [
        ("user:u95", set([95])),
        ("user:u95 AND tag:freshman", set([])),
        ("user:u95 OR tag:secret", set([1, 2, 3, 95])),
        ("tag:freshman AND NOT user:u60", set((55..60).chain(61..90))),
        ("(user:u95 OR user:u94) AND NOT user:u94", set([95])),
        ("(user:u95 OR department:cs) AND everyone", set(10..50)),
    ] {
        assert_eq!(ask(text, &Usable::any(At(0))).unwrap().set, expected, "{text}");
    }
}

#[test]
fn an_unusable_tag_answers_exactly_like_an_unknown_one() {
    let two = only(&["freshman", "grade:2021"]);
    let unusable = ask("tag:secret", &two).unwrap_err();
    let unknown = ask("tag:sekret", &two).unwrap_err();
    assert_eq!(unusable.reason, Reason::UnknownTag);
    assert_eq!(unusable.message.replace("secret", "sekret"), unknown.message);
    assert_eq!(unusable.metadata.len(), unknown.metadata.len());
    let slip = ask("grade:2022", &two).unwrap_err();
    assert_eq!(fact(&slip, "nearest").as_deref(), Some("grade:2021"), "only a usable tag is named");
    assert_eq!(fact(&ask("tag:freshmen", &Usable::any(At(0))).unwrap_err(), "nearest").as_deref(), Some("freshman"));
    assert!(ask("rule:young", &only(&["rule:young"])).is_ok(), "a rule speaks for its maker");
}

#[test]
fn an_expired_tag_answers_exactly_like_an_unknown_one() {
    let index = campus_index();
    let ask = |text: &str, now| {
        let audience = Audience::Expression(text.to_owned());
        resolve(&audience, &index.snapshot(), &Usable::any(At(now))).map(|found| found.set.len())
    };
    let snapshot = index.snapshot();
    let (young, grade) = (ask("rule:young", 9).unwrap(), snapshot.tag("grade:2022").unwrap().tag.clone());
    let ending = Tag { expire_at: Some(At(10)), ..grade };
    index.apply(&[Change { seq: 9, at: At(0), what: ChangeKind::Tag(ending) }]);
    assert_eq!(ask("rule:young", 9), Ok(young), "until then it is a tag");
    let (expired, unknown) = (ask("grade:2022", 10).unwrap_err(), ask("grade:2099", 10).unwrap_err());
    assert_eq!(expired.message.replace("2022", "2099"), unknown.message);
    assert_eq!(ask("rule:young", 10).unwrap_err().reason, Reason::UnknownTag, "no rule keeps what it had");
    assert_eq!(ask("rule:young", 9), Ok(young));
}

#[test]
fn unknown_departments_and_users_are_named() {
    let refusal = ask("department:lav", &Usable::any(At(0))).unwrap_err();
    assert_eq!((refusal.reason, fact(&refusal, "nearest").as_deref()), (Reason::UnknownDepartment, Some("lab")));
    let refusal = ask("departmnt:cs", &Usable::any(At(0))).unwrap_err();
    assert_eq!((refusal.reason, fact(&refusal, "nearest").as_deref()), (Reason::UnknownTag, Some("department:cs")));
    let refusal = ask("everyone AND NOT user:u100", &Usable::any(At(0))).unwrap_err();
    assert_eq!((refusal.reason, fact(&refusal, "user_ids").as_deref()), (Reason::UnknownUser, Some("u100")));
}

#[test]
fn rules_that_use_themselves_or_what_is_gone_name_nobody() {
    assert_eq!(ask("rule:ring-a", &Usable::any(At(0))).unwrap_err().reason, Reason::TagCycle);
    let broken = ask("rule:broken", &Usable::any(At(0))).unwrap_err();
    assert_eq!((broken.reason, fact(&broken, "tag").as_deref()), (Reason::UnknownTag, Some("rule:broken")));
}

#[test]
fn a_rule_is_checked_before_it_is_made() {
    let snapshot = campus_index().snapshot();
    let check = |name: &str, text: &str| {
        rule::check(name, &parse(text).unwrap(), &snapshot, &Usable::any(At(0))).map_err(|refusal| refusal.reason)
    };
    assert_eq!(check("rule:new", "rule:young AND department:cs"), Ok(()));
    assert_eq!(check("rule:new", "tag:x OR rule:new"), Err(Reason::TagCycle));
    assert_eq!(check("freshman", "rule:young AND grade:2022"), Err(Reason::TagCycle), "by way of another");
    assert_eq!(check("rule:new", "tag:gone AND everyone"), Err(Reason::UnknownTag));
}

#[test]
fn a_list_folds_repeats_and_says_who_is_unknown() {
    let resolved = list(&["u1", "u95", "nobody", "u1", "nobody"], UnknownUsers::Skip).unwrap();
    assert_eq!((resolved.set, resolved.duplicates), (set([1, 95]), 2));
    assert_eq!(resolved.unknown_user_ids, ["nobody"]);
    let refusal = list(&["u1", "x", "y", "x"], UnknownUsers::Reject).unwrap_err();
    assert_eq!(refusal.reason, Reason::UnknownUser);
    assert_eq!((fact(&refusal, "user_ids").as_deref(), fact(&refusal, "count").as_deref()), (Some("x,y"), Some("2")));
}

#[test]
fn an_expression_smuggled_in_as_a_user_id_is_no_id() {
    for bad in ["1 OR everyone", "@all", "*", "a|b", "a,b", ""] {
        let refusal = list(&["u1", bad], UnknownUsers::Skip).unwrap_err();
        assert_eq!(refusal.reason, Reason::FieldInvalid, "{bad:?}");
        assert_eq!(refusal.field.as_deref(), Some("audience.users.user_ids[1]"));
    }
}

#[test]
fn nobody_and_too_many_are_refused() {
    assert_eq!(list(&[], UnknownUsers::Skip).unwrap_err().reason, Reason::EmptyAudience);
    assert!(ask("grade:2021 AND grade:2022", &Usable::any(At(0))).unwrap().set.is_empty());
    assert_eq!(list(&["u1"; 1_001], UnknownUsers::Skip).unwrap_err().reason, Reason::UserListTooLong);
    assert_eq!(list(&["u1"; 1_000], UnknownUsers::Skip).unwrap().duplicates, 999);
}
