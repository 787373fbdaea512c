//! A campus through the public interface: one department, people, an application with keys and a grant.

use campanile::api::v1;
use tonic::transport::Channel;

use crate::service::{Service, connect};

const SCOPES: [v1::KeyScope; 3] = [v1::KeyScope::Publish, v1::KeyScope::Read, v1::KeyScope::IssueUserTokens];

/// An application that may reach everybody.
pub struct Application {
    /// Its live key.
    pub live: String,
    /// Its test key.
    pub test: String,
}

/// Loads `users` people with a mailbox and a WeCom id each.
pub async fn load(service: &Service, users: u32) -> Application {
    let channel = connect(service.grpc()).await;
    department(service, channel.clone()).await;
    people(service, channel.clone(), users).await;
    application(service, channel).await
}

/// The id of a person.
pub fn user_id(number: u32) -> String {
    format!("3{number:09}")
}

async fn department(service: &Service, channel: Channel) {
    let department = v1::Department { department_id: "campus".into(), name: "校本部".into(), ..Default::default() };
    let request = v1::UpsertDepartmentRequest { department: Some(department) };
    let mut client = v1::directory_service_client::DirectoryServiceClient::new(channel);
    client.upsert_department(service.ask(request)).await.expect("a department");
}

async fn people(service: &Service, channel: Channel, users: u32) {
    let rows = (0..users).map(|number| v1::UpsertUsersRequest { user: Some(person(number)) });
    let mut client = v1::directory_service_client::DirectoryServiceClient::new(channel);
    let answer = client.upsert_users(service.ask(tokio_stream::iter(rows))).await.expect("people").into_inner();
    assert!(answer.errors.is_empty(), "{:?}", answer.errors.first());
}

fn person(number: u32) -> v1::User {
    let id = user_id(number);
    let address =
        |channel: v1::Channel, value: String| v1::Address { channel: channel.into(), value, ..Default::default() };
    v1::User {
        user_id: id.clone(),
        kind: v1::UserKind::Person.into(),
        name: format!("学生{number}"),
        status: v1::UserStatus::Active.into(),
        primary_department_id: "campus".into(),
        addresses: vec![
            address(v1::Channel::Email, format!("{id}@stu.campus.example.edu")),
            address(v1::Channel::Wechat, id),
        ],
        tags: vec![format!("grade:{}", 2020 + number % 4)],
        ..Default::default()
    }
}

async fn application(service: &Service, channel: Channel) -> Application {
    let mut client = v1::access_service_client::AccessServiceClient::new(channel);
    let application = v1::Application {
        title: "bench".into(),
        department_id: "campus".into(),
        inbox_gateway_department_ids: vec!["campus".into()],
        ..Default::default()
    };
    let request = v1::CreateApplicationRequest { application: Some(application) };
    let created = client.create_application(service.ask(request)).await.expect("an application").into_inner();
    let id = created.application.expect("an application").application_id;
    let mut keys = Vec::new();
    for mode in [v1::KeyMode::Live, v1::KeyMode::Test] {
        let request = v1::CreateKeyRequest {
            owner: Some(v1::create_key_request::Owner::ApplicationId(id.clone())),
            mode: mode.into(),
            scopes: SCOPES.map(i32::from).to_vec(),
            ..Default::default()
        };
        keys.push(client.create_key(service.ask(request)).await.expect("a key").into_inner().token);
    }
    let grant = v1::Grant {
        principal: Some(v1::Principal {
            subject: Some(v1::principal::Subject::ApplicationId(id)),
            ..Default::default()
        }),
        department_ids: vec!["campus".into()],
        audience: "everyone".into(),
        channels: vec![v1::Channel::Email.into(), v1::Channel::Wechat.into(), v1::Channel::App.into()],
        classes: vec![v1::MessageClass::Notice.into(), v1::MessageClass::Transactional.into()],
        ..Default::default()
    };
    let request = v1::CreateGrantRequest { grant: Some(grant) };
    client.create_grant(service.ask(request)).await.expect("a grant");
    let test = keys.pop().expect("two keys");
    Application { live: keys.pop().expect("two keys"), test }
}
