//! A small campus: people by number, what becomes of a mail to each, and an application that may write to all.

use campanile::api::v1;
use v1::create_key_request::Owner;
use v1::principal::Subject;

use super::service::{Client, House, Service};

/// How many people there are.
pub const PEOPLE: usize = 400;
/// How many rooms they live in.
pub const ROOMS: usize = 20;

/// The id of a person.
pub fn user_id(person: usize) -> String {
    format!("u{person:04}")
}

/// Where a person gets mail, if anywhere. The stand-in refuses what begins with `gone.`.
pub fn mailbox(person: usize) -> Option<String> {
    match outcome(person) {
        v1::Outcome::Suppressed => None,
        v1::Outcome::Failed => Some(format!("gone.u{person:04}@campus.example")),
        _ => Some(format!("u{person:04}@campus.example")),
    }
}

/// What becomes of a mail to a person.
pub fn outcome(person: usize) -> v1::Outcome {
    match person % 50 {
        17 => v1::Outcome::Suppressed,
        34 => v1::Outcome::Failed,
        _ => v1::Outcome::Sent,
    }
}

/// The tag of a room.
pub fn tag(room: usize) -> String {
    format!("room:{room}")
}

/// Who lives in a room.
pub fn tenants(room: usize) -> impl Iterator<Item = usize> {
    (0..PEOPLE).filter(move |person| person % ROOMS == room)
}

/// Loads the campus through the public interface. Returns the application's token.
pub async fn load(house: &House, service: &Service) -> String {
    let admin = service.client(&house.admin_token().await).await;
    let department =
        v1::Department { department_id: "campus".to_owned(), name: "Campus".to_owned(), ..Default::default() };
    let request = v1::UpsertDepartmentRequest { department: Some(department) };
    admin.directory().upsert_department(request).await.unwrap();
    let rows: Vec<_> = (0..PEOPLE).map(|person| v1::UpsertUsersRequest { user: Some(user(person)) }).collect();
    let answer = admin.directory().upsert_users(tokio_stream::iter(rows)).await.unwrap().into_inner();
    assert_eq!((answer.created as usize, answer.errors), (PEOPLE, Vec::new()));
    office(&admin, "Notices").await.token
}

/// An application that may write to everybody, and what it needs for that.
pub struct Office {
    pub application_id: String,
    pub grant_id: String,
    pub key_id: String,
    pub token: String,
}

/// Makes an application that may write to everybody.
pub async fn office(admin: &Client, title: &str) -> Office {
    let application = v1::Application {
        title: title.to_owned(),
        department_id: "campus".to_owned(),
        default_channels: vec![v1::Channel::Email.into()],
        ..Default::default()
    };
    let request = v1::CreateApplicationRequest { application: Some(application) };
    let id = admin.access().create_application(request).await.unwrap().into_inner().application.unwrap().application_id;
    let grant = v1::Grant {
        principal: Some(v1::Principal { subject: Some(Subject::ApplicationId(id.clone())), ..Default::default() }),
        department_ids: vec!["campus".to_owned()],
        audience: "everyone".to_owned(),
        ..Default::default()
    };
    let request = v1::CreateGrantRequest { grant: Some(grant) };
    let grant = admin.access().create_grant(request).await.unwrap().into_inner().grant.unwrap();
    let request = v1::CreateKeyRequest {
        owner: Some(Owner::ApplicationId(id.clone())),
        mode: v1::KeyMode::Live.into(),
        scopes: vec![v1::KeyScope::Publish.into(), v1::KeyScope::Read.into()],
        ..Default::default()
    };
    let made = admin.access().create_key(request).await.unwrap().into_inner();
    let key_id = made.key.unwrap().key_id;
    Office { application_id: id, grant_id: grant.grant_id, key_id, token: made.token }
}

fn user(person: usize) -> v1::User {
    let address = |value| v1::Address { channel: v1::Channel::Email.into(), value, ..Default::default() };
    v1::User {
        user_id: user_id(person),
        name: format!("Person {person}"),
        primary_department_id: "campus".to_owned(),
        addresses: mailbox(person).map(address).into_iter().collect(),
        tags: vec![tag(person % ROOMS)],
        ..Default::default()
    }
}
