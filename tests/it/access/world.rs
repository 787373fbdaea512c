//! Who calls in the permission matrix, and on what: one credential of each kind, and things of a department of the
//! callers', of another one, and of none.

use std::sync::atomic::{AtomicU64, Ordering};

use campanile::api::v1;
use v1::create_key_request::Owner;
use v1::{KeyMode, KeyScope, Role};

use super::offices::assignment;
use crate::support::app::{Campus, TestApp, letter, notice};

/// The service with a campus and one caller of each kind.
pub struct World {
    pub app: TestApp,
    campus: Campus,
    tokens: Vec<(&'static str, String)>,
    next: AtomicU64,
}

/// A role and its department; an empty one is none.
type Office = (Role, &'static str);

/// People of `cs` by the role they get; the persons' keys may be used for everything, so that the role decides.
const PEOPLE: [(&str, &str, Option<Office>); 6] = [
    ("platform", "u001", Some((Role::PlatformAdministrator, ""))),
    ("head", "u002", Some((Role::DepartmentAdministrator, "cs"))),
    ("reviewer", "u003", Some((Role::Reviewer, "cs"))),
    ("sender", "u004", Some((Role::Sender, "cs"))),
    ("auditor", "u005", Some((Role::Auditor, ""))),
    ("person", "u006", None),
];

impl World {
    pub async fn build() -> World {
        // So that a message to a department waits for its reviewer, and letters to a few do not.
        let app = TestApp::with(|settings| settings.review.threshold = Some(5)).await;
        let campus = app.campus().await;
        let mut tokens = Vec::new();
        for (caller, user_id, role) in PEOPLE {
            if let Some((role, department)) = role {
                app.access(&app.admin).assign_role(assignment(user_id, role, department)).await.unwrap();
            }
            let wanted = v1::CreateKeyRequest {
                owner: Some(Owner::UserId(user_id.to_owned())),
                scopes: [KeyScope::Publish, KeyScope::Read, KeyScope::Tags, KeyScope::Admin].map(i32::from).to_vec(),
                ..Default::default()
            };
            tokens.push((caller, app.access(&app.admin).create_key(wanted).await.unwrap().into_inner().token));
        }
        let scopes = [KeyScope::Publish, KeyScope::Read, KeyScope::Tags, KeyScope::IssueUserTokens];
        tokens.push(("system", app.key(&campus.application, KeyMode::Live, &scopes).await.1));
        tokens.push(("test", app.key(&campus.application, KeyMode::Test, &scopes).await.1));
        tokens.push(("user", app.user_token(&campus, "u007").await));
        tokens.push(("nobody", String::new()));
        World { app, campus, tokens, next: AtomicU64::new(0) }
    }

    /// The token of a kind of caller.
    pub fn token(&self, caller: &str) -> &str {
        &self.tokens.iter().find(|(known, _)| *known == caller).unwrap().1
    }

    /// A text whose `$words` are filled in with things of the callers' own department, of a foreign one, or absent.
    /// Whatever a call could use up is made anew for it.
    pub async fn filled(&self, text: &str, object: &str) -> String {
        let mut filled = text.to_owned();
        let new = self.next.fetch_add(1, Ordering::Relaxed);
        for (word, value) in [
            ("$department", pick(object, ["cs", "math", "nowhere"])),
            ("$user", pick(object, ["u010", "u025", "u999"])),
        ] {
            filled = filled.replace(word, value);
        }
        filled = filled.replace("$new", &format!("new{new}")).replace("$system", &self.campus.application);
        if filled.contains("$sender") {
            filled = filled.replace("$sender", self.sender(object).await);
        }
        for word in ["$application", "$key", "$grant", "$message", "$held", "$request", "$tag"] {
            if filled.contains(word) {
                filled = filled.replace(word, &self.made(word, object).await);
            }
        }
        filled
    }

    async fn made(&self, word: &str, object: &str) -> String {
        let (app, department) = (&self.app, pick(object, ["cs", "math", "nowhere"]));
        if object == "absent" {
            let kind = match word {
                "$application" => "app",
                "$key" => "key",
                "$grant" => "grt",
                "$message" | "$held" => "msg",
                "$request" => "req",
                _ => return "absent".to_owned(),
            };
            return format!("{kind}_0000000000010");
        }
        match word {
            "$application" => self.application(department).await,
            "$key" => {
                let application = self.application(department).await;
                app.key(&application, KeyMode::Live, &[KeyScope::Publish]).await.0
            }
            "$grant" => {
                let application = self.application(department).await;
                self.grant(&application, department).await
            }
            "$message" => self.message(department, &letter("", &[pick(object, ["u010", "u025", ""])])).await,
            "$held" => self.message(department, &notice("", &format!("department:{department}"))).await,
            "$request" => self.request(pick(object, ["u011", "u026", ""]), department).await,
            _ => self.tag(department).await,
        }
    }

    /// An application of a department that is no gateway.
    async fn application(&self, department_id: &str) -> String {
        let (title, department_id) = ("System".to_owned(), department_id.to_owned());
        let application = v1::Application { title, department_id, ..Default::default() };
        let wanted = v1::CreateApplicationRequest { application: Some(application) };
        let made = self.app.access(&self.app.admin).create_application(wanted).await.unwrap().into_inner();
        made.application.unwrap().application_id
    }

    async fn grant(&self, application: &str, department: &str) -> String {
        let grant = v1::Grant { department_ids: vec![department.to_owned()], ..Default::default() };
        self.app.grant(application, grant).await
    }

    /// A message that waits for its time, spoken by a department: by the callers' own system, or by a foreign one.
    async fn message(&self, department: &str, message: &v1::PublishRequest) -> String {
        let token = match department {
            "cs" => self.token("system").to_owned(),
            _ => {
                let application = self.application(department).await;
                self.grant(&application, department).await;
                self.app.key(&application, KeyMode::Live, &[KeyScope::Publish]).await.1
            }
        };
        let key = format!("message-{}", self.next.fetch_add(1, Ordering::Relaxed));
        let in_an_hour = std::time::SystemTime::now() + std::time::Duration::from_secs(3_600);
        let wanted = v1::PublishRequest {
            channels: vec![v1::Channel::App.into()],
            send_at: Some(in_an_hour.into()),
            idempotency_key: key,
            ..message.clone()
        };
        self.app.publish(&token).publish(wanted).await.unwrap().into_inner().message_id
    }

    /// A request by somebody of a department.
    async fn request(&self, user_id: &str, department: &str) -> String {
        let wanted = v1::CreateKeyRequest {
            owner: Some(Owner::UserId(user_id.to_owned())),
            scopes: vec![KeyScope::Publish.into()],
            ..Default::default()
        };
        let token = self.app.access(&self.app.admin).create_key(wanted).await.unwrap().into_inner().token;
        let grant = v1::Grant { department_ids: vec![department.to_owned()], ..Default::default() };
        let wanted = v1::RequestGrantRequest { wanted: Some(grant), why: "notices".to_owned() };
        let made = self.app.access(&token).request_grant(wanted).await.unwrap().into_inner().request.unwrap();
        // Nobody may have more than a few open ones: what this call leaves is closed before the next is made.
        self.close_others(&token, &made.request_id).await;
        made.request_id
    }

    async fn close_others(&self, token: &str, but: &str) {
        let mine = v1::ListRequestsRequest { mine: true, state: v1::RequestState::Open.into(), ..Default::default() };
        for one in self.app.access(token).list_requests(mine).await.unwrap().into_inner().requests {
            if one.request_id != but {
                let decision = v1::RequestDecision::Refuse.into();
                let (request_id, comment) = (one.request_id, "over".to_owned());
                let wanted = v1::DecideRequestRequest { request_id, decision, narrowed: None, comment };
                self.app.access(&self.app.admin).decide_request(wanted).await.unwrap();
            }
        }
    }

    async fn tag(&self, department: &str) -> String {
        let name = format!("tag{}", self.next.fetch_add(1, Ordering::Relaxed));
        let tag = v1::Tag { tag: name.clone(), owner_department_id: department.to_owned(), ..Default::default() };
        self.app.directory(&self.app.admin).upsert_tag(v1::UpsertTagRequest { tag: Some(tag) }).await.unwrap();
        name
    }

    /// Somebody who sends for a department.
    async fn sender(&self, object: &str) -> &'static str {
        let [user_id, department] = match object {
            "own" => ["u010", "cs"],
            "foreign" => ["u025", "math"],
            _ => return "u999",
        };
        let wanted = assignment(user_id, Role::Sender, department);
        self.app.access(&self.app.admin).assign_role(wanted).await.unwrap();
        user_id
    }
}

fn pick<'a>(object: &str, [own, foreign, absent]: [&'a str; 3]) -> &'a str {
    match object {
        "own" => own,
        "foreign" => foreign,
        _ => absent,
    }
}
