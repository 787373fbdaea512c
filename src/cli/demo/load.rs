//! Loads the campus through the public interface: departments, people, applications with keys, grants.

use std::collections::BTreeMap;

use futures::stream::{self, StreamExt, TryStreamExt};
use indicatif::ProgressBar;
use tonic::Request;

use super::super::client::{Failure, Session, timed};
use super::super::{print, watch};
use super::campus::{Campus, root};
use super::places::{DEPARTMENTS, NOTICE_PLATFORM, ROOT};
use campanile::api::v1;
use campanile::api::v1::create_key_request::Owner;
use campanile::api::v1::principal::Subject;

/// Calls under way at a time.
const AT_ONCE: usize = 32;
/// The department above all others, which has none above it.
const ROOT_ROW: (&str, &str, &str) = (ROOT.0, ROOT.1, "");

/// What the service gave for the campus.
#[derive(Clone, Debug, Default)]
pub struct Loaded {
    /// Ids and tokens of the application systems, in the campus's order.
    pub systems: Vec<SystemKey>,
    /// The test key of the notice platform.
    pub test_token: String,
    /// The number of the last change: who has seen it has seen all of the campus.
    pub directory_seq: i64,
}

/// An application system as the service knows it.
#[derive(Clone, Debug, Default)]
pub struct SystemKey {
    /// `app_…`.
    pub application_id: String,
    /// Its live token.
    pub token: String,
}

/// Loads everything, as the administrator.
pub async fn load(admin: &Session, campus: &Campus) -> Result<Loaded, Failure> {
    departments(admin).await?;
    people(admin, campus).await?;
    let systems = systems(admin, campus).await?;
    let senders = grants(admin, campus, &systems).await?;
    let owner = systems[NOTICE_PLATFORM].application_id.clone();
    let test_token = key(admin, owner, v1::KeyMode::Test, vec![v1::KeyScope::Publish, v1::KeyScope::Read]).await?;
    let directory_seq = department(admin, &ROOT_ROW).await?;
    println!(
        "  {} departments, {} people, {} applications with keys, {} senders with grants.",
        print::number(DEPARTMENTS.len() as u64),
        print::number(campus.people.len() as u64),
        print::number(systems.len() as u64),
        print::number(senders as u64)
    );
    Ok(Loaded { systems, test_token, directory_seq })
}

fn bar(label: &str, length: usize) -> ProgressBar {
    let bar = watch::bar(label);
    bar.set_length(length as u64);
    bar
}

/// Parents come before children.
async fn departments(admin: &Session) -> Result<(), Failure> {
    let bar = bar("departments", DEPARTMENTS.len() + 1);
    for row in std::iter::once(&ROOT_ROW).chain(&DEPARTMENTS) {
        department(admin, row).await?;
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(())
}

/// Writes one department: id, name and the id of the one above. Returns the change number.
async fn department(admin: &Session, row: &(&str, &str, &str)) -> Result<i64, Failure> {
    let (department_id, name, parent_id) = (row.0.to_owned(), row.1.to_owned(), row.2.to_owned());
    let department = Some(v1::Department { department_id, parent_id, name, ..Default::default() });
    let answer = admin.directory().upsert_department(timed(v1::UpsertDepartmentRequest { department })).await?;
    Ok(answer.into_inner().directory_seq)
}

async fn people(admin: &Session, campus: &Campus) -> Result<(), Failure> {
    let bar = bar("people", campus.people.len());
    let shown = bar.clone();
    let rows: Vec<_> = campus.people.iter().map(super::campus::Person::upsert).collect();
    let rows = stream::iter(rows).inspect(move |_| shown.inc(1));
    let answer = admin.directory().upsert_users(Request::new(rows)).await?.into_inner();
    bar.finish_and_clear();
    match answer.errors.first() {
        None => Ok(()),
        Some(row) => {
            let error = row.error.clone().unwrap_or_default();
            Err(Failure::refused(format!(
                "{} people were left out; first {}: {}",
                answer.error_count, row.id, error.message
            )))
        }
    }
}

async fn systems(admin: &Session, campus: &Campus) -> Result<Vec<SystemKey>, Failure> {
    let bar = bar("applications", campus.systems.len());
    let one = |n: usize| {
        let bar = bar.clone();
        async move {
            let system = &campus.systems[n];
            let gateway_for = if system.inbox_gateway { vec![root().to_owned()] } else { Vec::new() };
            let application = v1::Application {
                title: system.title.clone(),
                department_id: system.department.to_owned(),
                inbox_gateway_department_ids: gateway_for,
                default_channels: vec![v1::Channel::App.into()],
                ..Default::default()
            };
            let request = v1::CreateApplicationRequest { application: Some(application) };
            let answer = admin.access().create_application(timed(request)).await?.into_inner();
            let application_id = answer.application.unwrap_or_default().application_id;
            let mut scopes = vec![v1::KeyScope::Publish, v1::KeyScope::Read];
            if system.inbox_gateway {
                scopes.push(v1::KeyScope::IssueUserTokens);
            }
            let token = key(admin, application_id.clone(), v1::KeyMode::Live, scopes).await?;
            bar.inc(1);
            Ok(SystemKey { application_id, token })
        }
    };
    let keys = stream::iter(0..campus.systems.len()).map(one).buffered(AT_ONCE).try_collect().await;
    bar.finish_and_clear();
    keys
}

async fn key(
    admin: &Session,
    application_id: String,
    mode: v1::KeyMode,
    scopes: Vec<v1::KeyScope>,
) -> Result<String, Failure> {
    let request = v1::CreateKeyRequest {
        owner: Some(Owner::ApplicationId(application_id)),
        mode: mode.into(),
        scopes: scopes.into_iter().map(i32::from).collect(),
        ..Default::default()
    };
    Ok(admin.access().create_key(timed(request)).await?.into_inner().token)
}

/// One grant per application and one per sender. Returns how many senders there are.
async fn grants(admin: &Session, campus: &Campus, systems: &[SystemKey]) -> Result<usize, Failure> {
    let of_systems = campus.systems.iter().zip(systems).map(|(system, key)| v1::Grant {
        department_ids: vec![system.department.to_owned()],
        audience: if system.campus_wide { "everyone".to_owned() } else { String::new() },
        may_act_for: !system.campus_wide,
        ..grant(Subject::ApplicationId(key.application_id.clone()))
    });
    let of_senders = campus.senders.iter().map(|&sender| {
        let person = &campus.people[sender];
        let department = DEPARTMENTS[person.department].0;
        v1::Grant { department_ids: vec![department.to_owned()], ..grant(Subject::UserId(person.id.clone())) }
    });
    let all: Vec<_> = of_systems.chain(of_senders).collect();
    let bar = bar("grants", all.len());
    stream::iter(all)
        .map(|grant| async {
            admin.access().create_grant(timed(v1::CreateGrantRequest { grant: Some(grant) })).await?;
            bar.inc(1);
            Ok::<_, Failure>(())
        })
        .buffer_unordered(AT_ONCE)
        .try_collect::<Vec<_>>()
        .await?;
    bar.finish_and_clear();
    Ok(campus.senders.len())
}

fn grant(holder: Subject) -> v1::Grant {
    let channels = [v1::Channel::Email, v1::Channel::Wechat, v1::Channel::App];
    v1::Grant {
        principal: Some(v1::Principal { subject: Some(holder), ..Default::default() }),
        channels: channels.into_iter().map(i32::from).collect(),
        ..Default::default()
    }
}

/// Inbox tokens of people, issued by the campus app for an hour each.
pub async fn user_tokens(gateway: &Session, campus: &Campus, people: &[u32]) -> Result<BTreeMap<u32, String>, Failure> {
    let one = |person: u32| async move {
        let user_id = campus.people[person as usize].id.clone();
        let request = v1::IssueUserTokenRequest { user_id, ..Default::default() };
        let answer = gateway.inbox().issue_user_token(timed(request)).await?.into_inner();
        Ok::<_, Failure>((person, answer.token))
    };
    stream::iter(people.iter().copied()).map(one).buffer_unordered(AT_ONCE).try_collect().await
}
