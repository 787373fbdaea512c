//! People into the directory, and a start with all of them: through the interface, on the embedded store.

use std::time::Instant;

use campanile::api::v1;
use campanile::api::v1::directory_service_client::DirectoryServiceClient;

use crate::Effort;
use crate::service::{Service, connect};

/// Tags of which every person has some.
const TAGS: u32 = 2_000;

/// Imports people with three addresses and six tags each, starts again, and looks what they cost.
pub async fn run(effort: Effort) {
    let (users, import_aim) = if effort.full { (1_000_000, "aim <= 25 s") } else { (50_000, "aim <= 2 s") };
    println!("directory: {users} people, three addresses and six of {TAGS} tags each");
    let mut service = Service::start().await;
    let empty = service.resident_mib();
    let mut client = DirectoryServiceClient::new(connect(service.grpc()).await);
    let department = v1::Department { department_id: "campus".into(), name: "校本部".into(), ..Default::default() };
    let request = v1::UpsertDepartmentRequest { department: Some(department) };
    client.upsert_department(service.ask(request)).await.expect("a department");

    let began = Instant::now();
    let rows = (0..users).map(|number| v1::UpsertUsersRequest { user: Some(person(number)) });
    let answer = client.upsert_users(service.ask(tokio_stream::iter(rows))).await.expect("people").into_inner();
    assert!(answer.errors.is_empty(), "{:?}", answer.errors.first());
    println!("  imported in           {:>8.2} s   | {import_aim}", began.elapsed().as_secs_f64());

    let started = service.restart().await;
    println!("  started again in      {:>8.2} s   | aim <= 2 s at a million", started.as_secs_f64());
    let bytes = (service.resident_mib() - empty) * 1024.0 * 1024.0 / f64::from(users);
    println!("  memory for each person {bytes:>7.0} B   | aim <= 300 at a million\n");
}

fn person(number: u32) -> v1::User {
    let id = format!("3{number:09}");
    let address =
        |channel: v1::Channel, value: String| v1::Address { channel: channel.into(), value, ..Default::default() };
    let scattered = number.wrapping_mul(2_654_435_761);
    v1::User {
        name: format!("学生{number}"),
        primary_department_id: "campus".into(),
        addresses: vec![
            address(v1::Channel::Email, format!("{id}@stu.campus.example.edu")),
            address(v1::Channel::Wechat, id.clone()),
            address(v1::Channel::App, id.clone()),
        ],
        tags: vec![
            "role:student".to_owned(),
            format!("grade:{}", 2020 + number % 4),
            format!("campus:{}", scattered % 4),
            format!("dorm:{}", scattered % 491),
            format!("class:{}", number / 30 % 1_400),
            format!("club:{}", scattered % 100),
        ],
        user_id: id,
        ..Default::default()
    }
}
