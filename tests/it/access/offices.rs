//! Offices: what administrators of a department may do, and what reaches beyond them.

use campanile::api::v1;
use v1::create_key_request::Owner;
use v1::principal::Subject;
use v1::{KeyMode, KeyScope, Role};

use crate::support::app::{TestApp, notice};
use crate::support::refusal::{Refused, refused};

/// A role to be given; an empty department is none.
pub fn assignment(user_id: &str, role: Role, department_id: &str) -> v1::AssignRoleRequest {
    v1::AssignRoleRequest {
        assignment: Some(v1::RoleAssignment {
            user_id: user_id.to_owned(),
            role: role.into(),
            department_id: department_id.to_owned(),
            expire_at: None,
        }),
    }
}

/// The token of a person's key that administers and reads.
pub async fn token(app: &TestApp, user_id: &str) -> String {
    let wanted = v1::CreateKeyRequest {
        owner: Some(Owner::UserId(user_id.to_owned())),
        scopes: [KeyScope::Admin, KeyScope::Read, KeyScope::Publish].map(i32::from).to_vec(),
        ..Default::default()
    };
    app.access(&app.admin).create_key(wanted).await.unwrap().into_inner().token
}

/// `u000` of `cs` administers it; the token.
pub async fn of_cs(app: &TestApp) -> String {
    let token = token(app, "u000").await;
    app.access(&app.admin).assign_role(assignment("u000", Role::DepartmentAdministrator, "cs")).await.unwrap();
    token
}

fn application(department_id: &str) -> v1::CreateApplicationRequest {
    let (title, department_id) = ("System".to_owned(), department_id.to_owned());
    v1::CreateApplicationRequest { application: Some(v1::Application { title, department_id, ..Default::default() }) }
}

fn grant_to(application_id: &str, grant: v1::Grant) -> v1::CreateGrantRequest {
    let subject = Some(Subject::ApplicationId(application_id.to_owned()));
    let principal = Some(v1::Principal { subject, ..Default::default() });
    v1::CreateGrantRequest { grant: Some(v1::Grant { principal, ..grant }) }
}

fn key_of(application_id: &str) -> v1::CreateKeyRequest {
    v1::CreateKeyRequest {
        owner: Some(Owner::ApplicationId(application_id.to_owned())),
        mode: KeyMode::Live.into(),
        scopes: vec![KeyScope::Publish.into()],
        ..Default::default()
    }
}

fn why(refused: Refused) -> (String, String) {
    (refused.reason, refused.field)
}

fn told(reason: &str, field: &str) -> (String, String) {
    (reason.to_owned(), field.to_owned())
}

#[tokio::test]
async fn a_key_that_administers_does_nothing_without_an_office() {
    let app = TestApp::start().await;
    app.campus().await;
    let token = token(&app, "u000").await;
    let mut client = app.access(&token);
    let nothing = client.create_application(application("cs")).await.unwrap_err();
    assert_eq!(refused(&nothing).reason, "ROLE_MISSING");
    app.access(&app.admin).assign_role(assignment("u000", Role::DepartmentAdministrator, "cs")).await.unwrap();
    client.create_application(application("cs")).await.unwrap();
    let elsewhere = client.create_application(application("math")).await.unwrap_err();
    assert_eq!(refused(&elsewhere).reason, "ROLE_MISSING");
    let me = client.who_am_i(v1::WhoAmIRequest {}).await.unwrap().into_inner();
    assert_eq!(
        (me.roles.len(), me.roles[0].role(), &*me.roles[0].department_id),
        (1, Role::DepartmentAdministrator, "cs")
    );
    let taken = v1::WithdrawRoleRequest {
        user_id: "u000".to_owned(),
        role: Role::DepartmentAdministrator.into(),
        department_id: "cs".to_owned(),
        why: "moved on".to_owned(),
    };
    app.access(&app.admin).withdraw_role(taken).await.unwrap();
    let nothing = client.create_application(application("cs")).await.unwrap_err();
    assert_eq!(refused(&nothing).reason, "ROLE_MISSING");
}

#[tokio::test]
async fn nobody_gives_more_than_their_office_reaches() {
    let app = TestApp::start().await;
    let campus = app.campus().await;
    let cs = of_cs(&app).await;
    let mut client = app.access(&cs);
    let own = client.create_application(application("cs")).await.unwrap().into_inner().application.unwrap();
    let grant = |departments: &[&str], classes: Vec<i32>| v1::Grant {
        department_ids: departments.iter().map(|id| (*id).to_owned()).collect(),
        classes,
        ..Default::default()
    };
    let wider = client.create_grant(grant_to(&own.application_id, grant(&["school"], vec![]))).await.unwrap_err();
    assert_eq!(why(refused(&wider)), told("EXCEEDS_OWN_RIGHTS", "grant.department_ids"));
    let emergency = grant(&["cs"], vec![v1::MessageClass::Emergency.into()]);
    let louder = client.create_grant(grant_to(&own.application_id, emergency)).await.unwrap_err();
    assert_eq!(why(refused(&louder)), told("EXCEEDS_OWN_RIGHTS", "grant.classes"));
    let gateway = v1::CreateApplicationRequest {
        application: Some(v1::Application {
            inbox_gateway_department_ids: vec!["school".to_owned()],
            ..application("cs").application.unwrap()
        }),
    };
    let gateway = client.create_application(gateway).await.unwrap_err();
    assert_eq!(refused(&gateway).reason, "EXCEEDS_OWN_RIGHTS");
    // The library is of cs, and holds more than its administrator could give: who had its key would hold that.
    let key = client.create_key(key_of(&campus.application)).await.unwrap_err();
    assert_eq!(refused(&key).reason, "EXCEEDS_OWN_RIGHTS");
    for (user_id, role, department_id) in [
        ("u001", Role::PlatformAdministrator, ""),
        ("u001", Role::Auditor, ""),
        ("u001", Role::Reviewer, "school"),
        ("u001", Role::Sender, "math"),
    ] {
        let status = client.assign_role(assignment(user_id, role, department_id)).await.unwrap_err();
        assert_eq!(refused(&status).reason, "EXCEEDS_OWN_RIGHTS", "{role:?} in {department_id}");
    }
    client.assign_role(assignment("u001", Role::Reviewer, "cs")).await.unwrap();
    app.access(&app.admin).assign_role(assignment("u002", Role::Auditor, "")).await.unwrap();
    let stronger = v1::CreateKeyRequest {
        owner: Some(Owner::UserId("u002".to_owned())),
        scopes: vec![KeyScope::Read.into()],
        ..Default::default()
    };
    assert_eq!(refused(&client.create_key(stronger).await.unwrap_err()).reason, "EXCEEDS_OWN_RIGHTS");
}

#[tokio::test]
async fn whom_a_departments_grant_reaches_stays_beneath_the_office_of_the_giver() {
    let app = TestApp::start().await;
    app.campus().await;
    let cs = of_cs(&app).await;
    let mut client = app.access(&cs);
    let own = client.create_application(application("cs")).await.unwrap().into_inner().application.unwrap();
    // u000 to u014 and nobody of math are of this grade; u015 to u019 of cs and all of math are of the other one.
    let grant = v1::Grant { audience: "grade:2022 OR grade:2021".to_owned(), ..Default::default() };
    client.create_grant(grant_to(&own.application_id, grant)).await.unwrap();
    let token = client.create_key(key_of(&own.application_id)).await.unwrap().into_inner().token;
    let to = |key: &str, expression: &str| v1::PublishRequest {
        channels: vec![v1::Channel::App.into()],
        ..notice(key, expression)
    };
    let beyond = app.publish(&token).publish(to("a", "grade:2022")).await.unwrap_err();
    assert_eq!(refused(&beyond).reason, "AUDIENCE_OUTSIDE_GRANT");
    let within = app.publish(&token).publish(to("b", "grade:2022 AND department:cs")).await.unwrap().into_inner();
    assert_eq!(within.recipient_count, 5);
    // The department is taken away from the giver's: what it gave reaches nobody there any more.
    app.department("physics", "cs").await;
    let moved = v1::UpsertUsersRequest {
        user: Some(v1::User {
            user_id: "p1".to_owned(),
            name: "王".to_owned(),
            primary_department_id: "physics".to_owned(),
            tags: vec!["grade:2022".to_owned()],
            ..Default::default()
        }),
    };
    app.directory(&app.admin).upsert_users(tokio_stream::iter([moved])).await.unwrap();
    let there = app.publish(&token).publish(to("c", "grade:2022 AND department:physics")).await.unwrap().into_inner();
    assert_eq!(there.recipient_count, 1);
    app.department("physics", "school").await;
    let gone = app.publish(&token).publish(to("d", "grade:2022 AND department:physics")).await.unwrap_err();
    assert_eq!(refused(&gone).reason, "AUDIENCE_OUTSIDE_GRANT");
}

#[tokio::test]
async fn what_lies_outside_an_office_is_as_if_it_were_not() {
    let app = TestApp::start().await;
    let campus = app.campus().await;
    app.access(&app.admin).assign_role(assignment("u025", Role::DepartmentAdministrator, "math")).await.unwrap();
    let math = token(&app, "u025").await;
    let mut client = app.access(&math);
    let absent = "key_0000000000001";
    for key_id in [campus.key_id.clone(), absent.to_owned()] {
        let status = client.revoke_key(v1::RevokeKeyRequest { key_id, ..Default::default() }).await.unwrap_err();
        assert_eq!(why(refused(&status)), told("NOT_FOUND", "key_id"));
    }
    let foreign = client.create_key(key_of(&campus.application)).await.unwrap_err();
    let unknown = client.create_key(key_of("app_0000000000001")).await.unwrap_err();
    assert_eq!(refused(&foreign), refused(&unknown));
    assert_eq!(foreign.message(), unknown.message());
    let user = |user_id: &str| v1::GetUserRequest { user_id: user_id.to_owned() };
    let foreign = app.directory(&math).get_user(user("u000")).await.unwrap_err();
    let unknown = app.directory(&math).get_user(user("u999")).await.unwrap_err();
    assert_eq!(refused(&foreign), refused(&unknown));
    app.directory(&math).get_user(user("u020")).await.unwrap();
    let listed = app.directory(&math).list_users(v1::ListUsersRequest::default()).await.unwrap().into_inner();
    assert_eq!(listed.users.len(), 10);
    assert!(
        client
            .list_applications(v1::ListApplicationsRequest::default())
            .await
            .unwrap()
            .into_inner()
            .applications
            .is_empty()
    );
    assert!(client.list_keys(v1::ListKeysRequest::default()).await.unwrap().into_inner().keys.len() == 1, "her own");
    let sent = app.publish(&campus.live).publish(notice("n", "department:cs")).await.unwrap().into_inner();
    let wanted = v1::GetMessageRequest { message_id: sent.message_id, ..Default::default() };
    assert_eq!(refused(&app.publish(&math).get_message(wanted.clone()).await.unwrap_err()).reason, "NOT_FOUND");
    let cs = of_cs(&app).await;
    app.publish(&cs).get_message(wanted).await.unwrap();
    let writes = app.directory(&cs).upsert_users(tokio_stream::iter([])).await.unwrap_err();
    assert_eq!(refused(&writes).reason, "ROLE_MISSING");
}

#[tokio::test]
async fn the_last_platform_administrator_with_a_key_stays() {
    let app = TestApp::start().await;
    app.campus().await;
    app.access(&app.admin).assign_role(assignment("u000", Role::PlatformAdministrator, "")).await.unwrap();
    let second = token(&app, "u000").await;
    let me = app.access(&app.admin).who_am_i(v1::WhoAmIRequest {}).await.unwrap().into_inner();
    assert_eq!(me.roles[0].role(), Role::PlatformAdministrator);
    let first = v1::RevokeKeyRequest { key_id: me.key_id, ..Default::default() };
    app.access(&second).revoke_key(first).await.unwrap();
    let taken = v1::WithdrawRoleRequest {
        user_id: "u000".to_owned(),
        role: Role::PlatformAdministrator.into(),
        ..Default::default()
    };
    let status = app.access(&second).withdraw_role(taken).await.unwrap_err();
    assert_eq!(refused(&status).reason, "LAST_ADMINISTRATOR");
}

#[tokio::test]
async fn a_sensitive_tag_of_others_stands_in_no_grant_and_answers_like_an_unknown_one() {
    let app = TestApp::start().await;
    app.campus().await;
    let (cs, asker) = (of_cs(&app).await, token(&app, "u001").await);
    for (name, owner) in [("aid:yes", "school"), ("team:ours", "cs")] {
        let tag = v1::Tag {
            tag: name.to_owned(),
            owner_department_id: owner.to_owned(),
            sensitive: true,
            ..Default::default()
        };
        app.directory(&app.admin).upsert_tag(v1::UpsertTagRequest { tag: Some(tag) }).await.unwrap();
    }
    let own = app.access(&cs).create_application(application("cs")).await.unwrap().into_inner().application.unwrap();
    let reaching = |audience: &str| v1::Grant {
        department_ids: vec!["cs".to_owned()],
        audience: audience.to_owned(),
        ..Default::default()
    };
    let said = |name: &str, status: tonic::Status| {
        let refusal = refused(&status);
        assert_eq!((refusal.reason.as_str(), refusal.field.as_str()), ("UNKNOWN_TAG", "grant.audience"), "{name}");
        status.message().replace(name, "it")
    };
    let given = async |name: &str| {
        let wanted = grant_to(&own.application_id, reaching(&format!("department:cs AND {name}")));
        said(name, app.access(&cs).create_grant(wanted).await.unwrap_err())
    };
    let asked = async |name: &str| {
        let wanted = v1::RequestGrantRequest { wanted: Some(reaching(name)), why: "助学金".to_owned() };
        said(name, app.access(&asker).request_grant(wanted).await.unwrap_err())
    };
    assert_eq!(given("aid:yes").await, given("aid:nay").await);
    assert_eq!(asked("aid:yes").await, asked("aid:nay").await);
    assert_eq!(asked("team:ours").await, asked("team:theirs").await, "nor of the asker's own department");
    app.access(&cs).create_grant(grant_to(&own.application_id, reaching("team:ours"))).await.unwrap();
    app.access(&app.admin).create_grant(grant_to(&own.application_id, reaching("aid:yes"))).await.unwrap();
}

#[tokio::test]
async fn a_rule_does_not_tell_whether_somebody_elsewhere_is_in_a_tag() {
    let app = TestApp::start().await;
    app.campus().await;
    let cs = of_cs(&app).await;
    let subject = Some(Subject::UserId("u000".to_owned()));
    let grant = v1::Grant {
        principal: Some(v1::Principal { subject, ..Default::default() }),
        department_ids: vec!["cs".to_owned()],
        ..Default::default()
    };
    app.access(&app.admin).create_grant(v1::CreateGrantRequest { grant: Some(grant) }).await.unwrap();
    let rules = [
        ("r:is", "user:u025 AND grade:2022"),
        ("r:not", "user:u025 AND grade:2021"),
        ("r:nested", "r:is"),
        ("r:around", "r:not"),
        ("r:own", "user:u001 AND grade:2021"),
    ];
    for (name, rule) in rules {
        let kind = v1::TagKind::Rule.into();
        let tag = v1::Tag { tag: name.to_owned(), kind, rule: rule.to_owned(), ..Default::default() };
        app.directory(&cs).upsert_tag(v1::UpsertTagRequest { tag: Some(tag) }).await.unwrap();
    }
    let listed = app.directory(&cs).list_tags(v1::ListTagsRequest::default()).await.unwrap().into_inner().tags;
    let shown = |name: &str| listed.iter().find(|one| one.tag == name).map(|one| (one.count, one.under_five));
    for (name, _) in &rules[..4] {
        assert_eq!(shown(name), Some((0, true)), "{name}");
    }
    assert_eq!(shown("r:own"), Some((1, false)));
    let previewed = async |name: &str| {
        let wanted = v1::PreviewAudienceRequest {
            audience: notice("", name).audience,
            channels: vec![v1::Channel::App.into()],
            department_id: "cs".to_owned(),
            ..Default::default()
        };
        format!("{:?}", app.publish(&cs).preview_audience(wanted).await.unwrap().into_inner()).replace(name, "it")
    };
    assert_eq!(previewed("r:is").await, previewed("r:not").await);
    assert_eq!(previewed("r:nested").await, previewed("r:around").await);
}

#[tokio::test]
async fn an_office_edits_the_tags_of_its_departments_and_lends_no_others() {
    let app = TestApp::start().await;
    let campus = app.campus().await;
    let cs = of_cs(&app).await;
    let tag = |name: &str, owner: &str| v1::UpsertTagRequest {
        tag: Some(v1::Tag { tag: name.to_owned(), owner_department_id: owner.to_owned(), ..Default::default() }),
    };
    app.directory(&app.admin).upsert_tag(tag("lab:a", "math")).await.unwrap();
    let mut client = app.directory(&cs);
    let made = client.upsert_tag(tag("team", "")).await.unwrap().into_inner().tag.unwrap();
    assert_eq!(made.owner_department_id, "cs", "its own department's");
    let secret = v1::Tag { sensitive: true, ..made };
    client.upsert_tag(v1::UpsertTagRequest { tag: Some(secret) }).await.unwrap();
    let elsewhere = client.upsert_tag(tag("club", "math")).await.unwrap_err();
    assert_eq!(why(refused(&elsewhere)), told("EXCEEDS_OWN_RIGHTS", "tag.owner_department_id"));
    for name in ["lab:a", "grade:2021"] {
        let foreign = client.upsert_tag(tag(name, "cs")).await.unwrap_err();
        assert_eq!(refused(&foreign).reason, "TAG_NOT_GRANTED", "{name}");
    }
    for name in ["lab:a", "absent"] {
        let gone = v1::DeleteTagRequest { tag: name.to_owned(), ..Default::default() };
        assert_eq!(refused(&client.delete_tag(gone).await.unwrap_err()).reason, "TAG_NOT_GRANTED", "{name}");
    }
    let listed = client.list_tags(v1::ListTagsRequest::default()).await.unwrap().into_inner().tags;
    assert_eq!(listed.iter().map(|one| one.tag.as_str()).collect::<Vec<_>>(), ["team"]);

    let own = app.access(&cs).create_application(application("cs")).await.unwrap().into_inner().application.unwrap();
    let lending = |edit: &str| v1::Grant {
        department_ids: vec!["cs".to_owned()],
        edit_tags: vec![edit.to_owned()],
        ..Default::default()
    };
    app.access(&cs).create_grant(grant_to(&own.application_id, lending("team"))).await.unwrap();
    for edit in ["lab:a", "lab:*", "absent"] {
        let status = app.access(&cs).create_grant(grant_to(&own.application_id, lending(edit))).await.unwrap_err();
        assert_eq!(why(refused(&status)), told("EXCEEDS_OWN_RIGHTS", "grant.edit_tags"), "{edit}");
    }
    // Who had its key would edit what a platform administrator lent.
    let wide =
        v1::Grant { department_ids: vec!["cs".to_owned()], edit_tags: vec!["lab:*".to_owned()], ..Default::default() };
    app.grant(&own.application_id, wide).await;
    let key = app.access(&cs).create_key(key_of(&own.application_id)).await.unwrap_err();
    assert_eq!(refused(&key).reason, "EXCEEDS_OWN_RIGHTS");
    let erase = v1::EraseUserRequest { user_id: "u001".to_owned(), ..Default::default() };
    assert_eq!(refused(&client.erase_user(erase).await.unwrap_err()).reason, "ROLE_MISSING");
    assert!(!campus.live.is_empty());
}
