//! The decision as a table of cases, over the campus of the audience's tests.

use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::audience::tests::{campus_index, set};
use crate::domain::id::ApplicationId;

/// A grant to application 9 over department `cs` (2) and all below it, for notices by mail and app.
pub(in crate::access) fn grant(id: i64) -> Grant {
    Grant {
        department_ids: vec![2],
        any_tag: true,
        channels: vec![Channel::Email, Channel::App],
        classes: vec![Class::Notice, Class::Transactional],
        ..Grant::new(GrantId(id), Principal::Application(ApplicationId(9)), Principal::Person(0), At(0))
    }
}

/// A second after a midnight.
const NOW: At = At(86_401_000);

/// What is asked, with something changed in it.
struct Case {
    sender: Option<u32>,
    class: Class,
    channels: Vec<Channel>,
    department_id: i64,
    tags: Vec<String>,
    audience: Set,
}

fn case() -> Case {
    Case {
        sender: None,
        class: Class::Notice,
        channels: vec![Channel::Email],
        department_id: 2,
        tags: Vec::new(),
        audience: set(10..50),
    }
}

fn with_request<T>(case: &Case, ask: impl FnOnce(&Request<'_>) -> T) -> T {
    let snapshot = campus_index().snapshot();
    ask(&Request {
        principal: Principal::Application(ApplicationId(9)),
        sender: case.sender,
        class: case.class,
        channels: &case.channels,
        department_id: case.department_id,
        owner_id: Some(3),
        tags: &case.tags,
        audience: &case.audience,
        snapshot: &snapshot,
        now: NOW,
        used_today: &|_| 70,
    })
}

fn decide(grants: Vec<Grant>, case: &Case) -> Result<Authorised, Refusal> {
    let policy = Policy::new(Arc::new(Grants::new(grants)));
    with_request(case, |request| policy.decide(request))
}

fn of_person(id: i64, ordinal: u32) -> Grant {
    Grant { principal: Principal::Person(ordinal), ..grant(id) }
}

fn fact<'a>(refusal: &'a Refusal, key: &str) -> &'a str {
    refusal.metadata.iter().find(|(known, _)| *known == key).map_or("", |(_, value)| value)
}

#[test]
fn one_grant_covers_or_says_what_it_lacks() {
    use Reason as R;
    let tagged = || Grant { any_tag: false, tags: vec!["freshman".to_owned()], ..grant(1) };
    let whole = || Grant { department_ids: Vec::new(), audience: Some("everyone".to_owned()), ..grant(1) };
    let audience = |members: Set| Case { audience: members, ..case() };
    let speaks = |department_id| Case { department_id, audience: set([10]), ..case() };
    let names = |tag: &str| Case { tags: vec![tag.to_owned()], ..case() };
    let table = [
        ("as granted", grant(1), case(), None),
        ("other class", grant(1), Case { class: Class::Emergency, ..case() }, Some(R::ClassNotGranted)),
        (
            "other channel",
            grant(1),
            Case { channels: vec![Channel::App, Channel::Wechat], ..case() },
            Some(R::ChannelNotGranted),
        ),
        ("no channel granted", Grant { channels: vec![], ..grant(1) }, case(), Some(R::ChannelNotGranted)),
        ("department below", grant(1), speaks(4), None),
        ("department above", grant(1), speaks(1), Some(R::DepartmentNotGranted)),
        ("owning department", grant(1), speaks(3), None),
        ("any department by everyone", whole(), speaks(1), None),
        ("granted tag", tagged(), names("freshman"), None),
        ("other tag", tagged(), names("secret"), Some(R::UnknownTag)),
        ("one person outside", grant(1), audience(set([9])), Some(R::AudienceOutsideGrant)),
        ("one person inside", grant(1), audience(set([49])), None),
        ("everybody", whole(), audience(set(1..99)), None),
        ("as many as a message may have", Grant { per_message: Some(40), ..grant(1) }, case(), None),
        ("more than a message may have", Grant { per_message: Some(39), ..grant(1) }, case(), Some(R::QuotaExhausted)),
        ("as many as are left today", Grant { per_day: Some(110), ..grant(1) }, case(), None),
        ("more than are left today", Grant { per_day: Some(109), ..grant(1) }, case(), Some(R::QuotaExhausted)),
        ("taken back", Grant { revoked_at: Some(At(1)), ..grant(1) }, case(), Some(R::GrantMissing)),
        ("run out", Grant { expire_at: Some(NOW), ..grant(1) }, case(), Some(R::GrantMissing)),
        ("not yet", Grant { valid_after: At(NOW.0 + 1), ..grant(1) }, case(), Some(R::GrantMissing)),
        ("somebody else's", of_person(1, 5), case(), Some(R::GrantMissing)),
        ("acting without the right", grant(1), Case { sender: Some(5), ..case() }, Some(R::SenderNotGranted)),
    ];
    for (what, grant, case, expected) in table {
        let found = decide(vec![grant], &case);
        assert_eq!(found.as_ref().err().map(|refusal| refusal.reason), expected, "{what}: {found:?}");
        if let Ok(authorised) = found {
            assert_eq!(authorised, Authorised { grant: (GrantId(1), 1), also: vec![] }, "{what}");
        }
    }
}

#[test]
fn of_several_grants_the_one_that_covers_decides_and_else_the_nearest_miss() {
    let other_class = Grant { classes: vec![Class::Bulk], ..grant(1) };
    let other_scope = Grant { department_ids: vec![2], ..grant(2) };
    let covering = Grant { department_ids: vec![1], ..grant(3) };
    let law = Case { audience: set(50..80), ..case() };
    let refusal = decide(vec![other_class.clone(), other_scope.clone()], &law).unwrap_err();
    assert_eq!((refusal.reason, fact(&refusal, "outside")), (Reason::AudienceOutsideGrant, "30"));
    assert_eq!(fact(&refusal, "grant_id"), GrantId(2).to_string());
    let authorised = decide(vec![other_class, other_scope, covering], &law).unwrap();
    assert_eq!(authorised.grant, (GrantId(3), 1));
}

#[test]
fn tags_of_one_grant_and_reach_of_another_do_not_add_up() {
    let tagged = Grant { any_tag: false, tags: vec!["freshman".to_owned()], ..grant(1) };
    let wide = Grant { department_ids: vec![1], any_tag: false, ..grant(2) };
    let freshmen = Case { audience: set(55..90), tags: vec!["freshman".to_owned()], ..case() };
    let refusal = decide(vec![tagged, wide], &freshmen).unwrap_err();
    assert_eq!(refusal.reason, Reason::AudienceOutsideGrant);
}

#[test]
fn few_people_outside_are_not_counted_out() {
    let refusal = decide(vec![grant(1)], &Case { audience: set(6..50), ..case() }).unwrap_err();
    assert_eq!(fact(&refusal, "outside"), "< 5");
    let refusal = decide(vec![grant(1)], &Case { audience: set(5..50), ..case() }).unwrap_err();
    assert_eq!(fact(&refusal, "outside"), "5");
}

#[test]
fn a_used_up_day_says_when_it_ends() {
    let refusal = decide(vec![Grant { per_day: Some(71), ..grant(1) }], &case()).unwrap_err();
    assert_eq!((fact(&refusal, "quota"), fact(&refusal, "used")), ("per_day", "70"));
    assert_eq!(fact(&refusal, "resets_at"), "1970-01-03T00:00:00Z");
    assert_eq!(refusal.retry_after, Some(Duration::from_millis(86_399_000)));
}

#[test]
fn who_acts_for_a_person_may_do_no_more_than_that_person() {
    let agent = || Grant { may_act_for: true, audience: Some("everyone".to_owned()), ..grant(1) };
    let asked = Case { sender: Some(5), ..case() };
    let authorised = decide(vec![agent(), of_person(7, 5)], &asked).unwrap();
    assert_eq!(authorised, Authorised { grant: (GrantId(1), 1), also: vec![(GrantId(7), 1)] });

    let refusal = decide(vec![agent()], &asked).unwrap_err();
    assert_eq!((refusal.reason, fact(&refusal, "sender_reason")), (Reason::SenderNotGranted, "GRANT_MISSING"));

    let wider = Case { audience: set(1..50), ..asked };
    let refusal = decide(vec![agent(), of_person(7, 5)], &wider).unwrap_err();
    assert_eq!(fact(&refusal, "sender_reason"), "AUDIENCE_OUTSIDE_GRANT");
    assert_eq!((fact(&refusal, "outside"), fact(&refusal, "grant_id")), ("9", &*GrantId(7).to_string()));

    let owners = Case { department_id: 3, audience: set([10]), ..wider };
    let refusal = decide(vec![agent(), of_person(7, 5)], &owners).unwrap_err();
    assert_eq!(fact(&refusal, "sender_reason"), "DEPARTMENT_NOT_GRANTED", "the owner's voice is the application's");
}

#[test]
fn an_explanation_names_everything_that_is_missing() {
    let explain = |grants: Vec<Grant>, case: &Case| {
        let policy = Policy::new(Arc::new(Grants::new(grants)));
        with_request(case, |request| {
            let explanation = policy.explain(request);
            assert_eq!(explanation.allowed, policy.decide(request).is_ok());
            explanation
        })
    };
    let yes = explain(vec![grant(1)], &case());
    assert_eq!((yes.grant, yes.missing.len()), (Some(GrantId(1)), 0));
    let wrong = Case { class: Class::Bulk, channels: vec![Channel::Sms], audience: set([1]), ..case() };
    let worse = Grant { per_message: Some(0), ..grant(1) };
    let no = explain(vec![worse, grant(2)], &wrong);
    let reasons: Vec<_> = no.missing.iter().map(|one| one.reason).collect();
    assert_eq!(no.grant, Some(GrantId(2)), "the one with the fewest misses");
    assert_eq!(reasons, [Reason::ClassNotGranted, Reason::ChannelNotGranted, Reason::AudienceOutsideGrant]);
    assert!(no.sentence.starts_with("No, 3 things are missing."), "{}", no.sentence);
    let none = explain(Vec::new(), &case());
    assert_eq!((none.grant, none.missing[0].reason), (None, Reason::GrantMissing));
}
