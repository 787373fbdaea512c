//! Whole sources of people by stream.

use campanile::api::v1;
use tonic::Status;
use v1::sync_directory_request::Part;

use crate::support::app::{Campus, TestApp};
use crate::support::refusal::{fact, refused};

/// A source of departments and people.
struct Source {
    header: v1::SyncHeader,
    departments: Vec<v1::Department>,
    users: Vec<v1::User>,
}

fn department(id: &str, parent: &str) -> v1::Department {
    let (department_id, parent_id) = (id.to_owned(), parent.to_owned());
    v1::Department { department_id, parent_id, name: format!("Department of {id}"), ..Default::default() }
}

fn person(id: &str, department: &str, tags: &[&str]) -> v1::User {
    v1::User {
        user_id: id.to_owned(),
        name: format!("王{id}"),
        primary_department_id: department.to_owned(),
        tags: tags.iter().map(|tag| (*tag).to_owned()).collect(),
        ..Default::default()
    }
}

impl Source {
    /// Twenty people of the office of staff in two departments.
    fn hr() -> Source {
        let header = v1::SyncHeader { source: "hr".to_owned(), ..Default::default() };
        let people = (0..20)
            .map(|n| person(&format!("s{n:02}"), if n < 10 { "office" } else { "works" }, &["role:staff", "grade:a"]));
        let departments = vec![department("works", "house"), department("house", ""), department("office", "house")];
        Source { header, departments, users: people.collect() }
    }

    fn user(&mut self, id: &str) -> &mut v1::User {
        self.users.iter_mut().find(|user| user.user_id == id).unwrap()
    }

    fn parts(&self) -> Vec<Part> {
        let end = v1::SyncEnd { department_count: self.departments.len() as i32, user_count: self.users.len() as i32 };
        let mut parts = vec![Part::Header(self.header.clone())];
        parts.extend(self.departments.iter().cloned().map(Part::Department));
        parts.extend(self.users.iter().cloned().map(Part::User));
        parts.push(Part::End(end));
        parts
    }

    async fn send(&self, app: &TestApp) -> Result<v1::SyncDirectoryResponse, Status> {
        send(app, &app.admin, self.parts()).await
    }

    async fn taken_over(&self, app: &TestApp) -> v1::SyncDifference {
        let answer = self.send(app).await.unwrap();
        assert!(answer.applied && answer.directory_seq > 0 && answer.sync_id.starts_with("syn_"), "{answer:?}");
        answer.difference.unwrap()
    }
}

/// The last answer to these pieces; every one before it tells how far it is.
async fn send(app: &TestApp, token: &str, parts: Vec<Part>) -> Result<v1::SyncDirectoryResponse, Status> {
    let pieces = parts.into_iter().map(|part| v1::SyncDirectoryRequest { part: Some(part) });
    let mut answers = app.directory(token).sync_directory(tokio_stream::iter(pieces)).await?.into_inner();
    let mut last = None;
    while let Some(answer) = answers.message().await? {
        assert!(last.is_none(), "something came after the difference");
        assert!(answer.progress.is_some() != answer.difference.is_some());
        last = answer.difference.is_some().then_some(answer);
    }
    Ok(last.unwrap())
}

fn numbers(found: &v1::SyncDifference) -> (i32, i32, i32, i32) {
    (found.joined, found.left, found.changed, found.moved)
}

async fn user(app: &TestApp, id: &str) -> v1::User {
    let wanted = v1::GetUserRequest { user_id: id.to_owned() };
    app.directory(&app.admin).get_user(wanted).await.unwrap().into_inner().user.unwrap()
}

/// A grant of a person.
async fn granted(app: &TestApp, user_id: &str) -> String {
    let subject = v1::principal::Subject::UserId(user_id.to_owned());
    let grant = v1::Grant {
        principal: Some(v1::Principal { subject: Some(subject), ..Default::default() }),
        department_ids: vec!["house".to_owned()],
        channels: vec![v1::Channel::App.into()],
        ..Default::default()
    };
    let wanted = v1::CreateGrantRequest { grant: Some(grant) };
    app.access(&app.admin).create_grant(wanted).await.unwrap().into_inner().grant.unwrap().grant_id
}

#[tokio::test]
async fn a_source_is_compared_first_and_then_taken_over() {
    let app = TestApp::start().await;
    let _: Campus = app.campus().await;
    let mut source = Source::hr();
    source.header.dry_run = true;
    let told = source.send(&app).await.unwrap();
    let found = told.difference.unwrap();
    assert_eq!((numbers(&found), found.departments, told.applied), ((20, 0, 0, 0), 3, false));
    let wanted = v1::GetUserRequest { user_id: "s00".to_owned() };
    let status = app.directory(&app.admin).get_user(wanted).await.unwrap_err();
    assert_eq!(refused(&status).reason, "NOT_FOUND", "only asked");
    source.header.dry_run = false;
    assert_eq!(source.taken_over(&app).await, v1::SyncDifference { ..found });
    assert_eq!(numbers(&source.taken_over(&app).await), (0, 0, 0, 0), "a second run changes nothing");

    let grant_id = granted(&app, "s19").await;
    source.users.pop();
    source.user("s00").primary_department_id = "works".to_owned();
    source.user("s01").name = "张".to_owned();
    source.user("s02").tags = vec!["grade:b".to_owned()];
    source.users.push(person("s20", "office", &[]));
    source.header.dry_run = true;
    let told = source.send(&app).await.unwrap().difference.unwrap();
    assert_eq!(numbers(&told), (1, 1, 3, 1));
    assert_eq!(told.ended_grant_ids, std::slice::from_ref(&grant_id));
    assert_eq!(told.sample_user_ids, ["s19", "s20", "s00", "s01", "s02"]);
    source.header.dry_run = false;
    assert_eq!(source.taken_over(&app).await, told);
    let gone = user(&app, "s19").await;
    assert_eq!((gone.status(), gone.name.as_str()), (v1::UserStatus::Left, "王s19"), "she is not deleted");
    // A tag takes the place of others with its key; all others stay.
    assert_eq!(user(&app, "s02").await.tags, ["grade:b", "role:staff"]);
    // People of nobody's source are nobody's to end.
    assert_eq!(user(&app, "u000").await.status(), v1::UserStatus::Active);
    let wanted = v1::ListUsersRequest { department_id: "house".to_owned(), page_size: 100, ..Default::default() };
    assert_eq!(app.directory(&app.admin).list_users(wanted).await.unwrap().into_inner().users.len(), 21);
}

#[tokio::test]
async fn a_source_that_shrinks_too_much_writes_nothing_unless_it_is_told_to() {
    let app = TestApp::start().await;
    let mut source = Source::hr();
    source.taken_over(&app).await;
    source.users.truncate(18);
    source.users.push(person("s30", "works", &[]));
    source.user("s00").status = v1::UserStatus::Left.into();
    let status = source.send(&app).await.unwrap_err();
    assert_eq!(fact(&status, "share").as_deref(), Some("0.1500"), "{status:?}");
    assert_eq!((fact(&status, "left").as_deref(), fact(&status, "people").as_deref()), (Some("3"), Some("20")));
    assert_eq!(user(&app, "s19").await.status(), v1::UserStatus::Active);
    let wanted = v1::GetUserRequest { user_id: "s30".to_owned() };
    assert!(app.directory(&app.admin).get_user(wanted).await.is_err(), "nothing at all is written");
    source.header.dry_run = true;
    assert_eq!(numbers(&source.send(&app).await.unwrap().difference.unwrap()), (1, 3, 0, 0), "a dry run tells it");
    source.header = v1::SyncHeader { max_removed_share: Some(0.15), dry_run: false, ..source.header };
    assert_eq!(numbers(&source.taken_over(&app).await), (1, 3, 0, 0));
    assert_eq!(user(&app, "s18").await.status(), v1::UserStatus::Left);
}

#[tokio::test]
async fn a_source_that_is_cut_off_or_out_of_order_changes_nothing() {
    let app = TestApp::start().await;
    let campus = app.campus().await;
    let whole = Source::hr().parts();
    let without =
        |gone: usize| whole.iter().enumerate().filter(|(at, _)| *at != gone).map(|(_, one)| one.clone()).collect();
    let last = whole.len() - 1;
    let mut swapped = whole.clone();
    swapped.swap(3, 4);
    let mut after = whole.clone();
    after.push(whole[1].clone());
    let header = |header: v1::SyncHeader| [vec![Part::Header(header)], whole[1..].to_vec()].concat();
    let named = |source: &str, share| v1::SyncHeader {
        source: source.to_owned(),
        max_removed_share: share,
        ..Default::default()
    };
    let cases: [(Vec<Part>, &str, &str); 9] = [
        (without(0), "FIELD_REQUIRED", "header"),
        (without(2), "FIELD_INVALID", "end.department_count"),
        (without(5), "FIELD_INVALID", "end.user_count"),
        (without(last), "FIELD_REQUIRED", "end"),
        (swapped, "FIELD_INVALID", "department"),
        (after, "FIELD_INVALID", "end"),
        (header(named("", None)), "FIELD_REQUIRED", "header.source"),
        (header(named("hr", Some(1.5))), "FIELD_INVALID", "header.max_removed_share"),
        (header(named("hr", Some(f64::NAN))), "FIELD_INVALID", "header.max_removed_share"),
    ];
    for (parts, reason, field) in cases {
        let status = send(&app, &app.admin, parts).await.unwrap_err();
        let details = tonic_types::StatusExt::get_error_details(&status);
        let said = details.error_info().map(|info| info.reason.clone());
        let at = details.bad_request().and_then(|bad| bad.field_violations.first()).map(|one| one.field.clone());
        assert_eq!((said.as_deref(), at.as_deref()), (Some(reason), Some(field)));
    }
    for token in [&campus.live, &campus.test] {
        let status = send(&app, token, whole.clone()).await.unwrap_err();
        assert_eq!(crate::support::refusal::reason(&status), "SCOPE_MISSING");
    }
    let wanted = v1::GetDepartmentRequest { department_id: "house".to_owned() };
    assert!(app.directory(&app.admin).get_department(wanted).await.is_err(), "nothing is written");
    assert_eq!(numbers(&Source::hr().taken_over(&app).await), (20, 0, 0, 0), "and nothing is in the way");
}

#[tokio::test]
async fn a_row_at_fault_is_left_out_and_its_person_stays() {
    let app = TestApp::start().await;
    app.campus().await;
    let mut source = Source::hr();
    source.taken_over(&app).await;
    source.user("s03").primary_department_id = "nowhere".to_owned();
    source.user("s04").name = "a\nb".to_owned();
    source.users.push(person("s05", "office", &[]));
    let found = source.taken_over(&app).await;
    let errors: Vec<_> =
        found.errors.iter().map(|one| (one.row, one.id.as_str(), one.error.clone().unwrap().reason)).collect();
    let wanted = [(4, "", "UNKNOWN_DEPARTMENT"), (5, "s04", "CONTROL_CHARACTER"), (21, "s05", "FIELD_INVALID")];
    assert_eq!(errors, wanted.map(|(row, id, reason)| (row, id, reason.to_owned())));
    assert_eq!((numbers(&found), found.error_count), ((0, 0, 0, 0), 3));
    assert_eq!(user(&app, "s04").await.status(), v1::UserStatus::Active);
    // While one row is about nobody, nobody is taken to have left.
    source.users.truncate(18);
    source.users.push(person("s 19", "works", &[]));
    let found = source.taken_over(&app).await;
    assert_eq!((numbers(&found), found.error_count), ((0, 0, 0, 0), 3));

    // People of another source are left alone, and so is one whom both name.
    let mut students = Source::hr();
    students.header.source = "students".to_owned();
    students.users = vec![person("s00", "office", &[]), person("t00", "office", &[])];
    let found = students.taken_over(&app).await;
    let reasons: Vec<_> = found.errors.iter().map(|one| one.error.clone().unwrap().reason).collect();
    assert_eq!((numbers(&found), reasons), ((1, 0, 0, 0), vec!["ID_TAKEN".to_owned()]));
}
