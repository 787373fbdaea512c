//! A whole node in this process on free ports, with a small campus and clients that carry tokens.

use campanile::api::v1;
use campanile::api::v1::access_service_client::AccessServiceClient;
use campanile::api::v1::directory_service_client::DirectoryServiceClient;
use campanile::api::v1::inbox_service_client::InboxServiceClient;
use campanile::api::v1::operations_service_client::OperationsServiceClient;
use campanile::api::v1::publish_service_client::PublishServiceClient;
use campanile::api::v1::report_service_client::ReportServiceClient;
use campanile::app::App;
use campanile::config::{self, Settings};
use secrecy::ExposeSecret;
use tempfile::TempDir;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;
use tonic::{Request, Status};

/// A client that carries a token.
pub type With = InterceptedService<Channel, Bearer>;

/// Puts a token on every call.
#[derive(Clone)]
pub struct Bearer(Option<MetadataValue<Ascii>>);

impl Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(token) = &self.0 {
            request.metadata_mut().insert("authorization", token.clone());
        }
        Ok(request)
    }
}

/// A running node.
pub struct TestApp {
    app: App,
    channel: Channel,
    data: TempDir,
    /// The administrator's token.
    pub admin: String,
}

impl TestApp {
    /// A node without providers: only inboxes and, under a test key, the stub.
    pub async fn start() -> TestApp {
        TestApp::with(|_| {}).await
    }

    /// A node with other settings than the usual ones.
    pub async fn with(change: impl FnOnce(&mut Settings)) -> TestApp {
        TestApp::on(tempfile::tempdir().unwrap(), None, change).await
    }

    /// A node on a data directory of another one that stopped, with its administrator's token.
    pub async fn again(data: TempDir, admin: String, change: impl FnOnce(&mut Settings)) -> TestApp {
        TestApp::on(data, Some(admin), change).await
    }

    /// Another node on the same database as `first`, with the administrator's token of that one.
    pub async fn beside(first: &TestApp, change: impl FnOnce(&mut Settings)) -> TestApp {
        TestApp::on(tempfile::tempdir().unwrap(), Some(first.admin.clone()), change).await
    }

    async fn on(data: TempDir, admin: Option<String>, change: impl FnOnce(&mut Settings)) -> TestApp {
        let mut settings = config::defaults().unwrap();
        settings.store.directory = data.path().to_owned();
        settings.grpc.listen = "127.0.0.1:0".parse().unwrap();
        settings.http.listen = "127.0.0.1:0".parse().unwrap();
        settings.node.drain = std::time::Duration::from_secs(8);
        settings.node.grace = std::time::Duration::ZERO;
        change(&mut settings);
        let mut app = started(settings).await;
        let channel = Channel::from_shared(format!("http://{}", app.grpc())).unwrap().connect().await.unwrap();
        let first = app.take_first_token().map(|token| token.expose_secret().to_owned());
        let admin = admin.or(first).unwrap();
        TestApp { app, channel, data, admin }
    }

    /// The node itself.
    pub fn app(&self) -> &App {
        &self.app
    }

    /// Where it keeps what it has.
    pub fn data(&self) -> &std::path::Path {
        self.data.path()
    }

    /// The connection to it.
    pub fn channel(&self) -> Channel {
        self.channel.clone()
    }

    fn bearer(token: &str) -> Bearer {
        Bearer((!token.is_empty()).then(|| format!("Bearer {token}").parse().unwrap()))
    }

    /// A client of `PublishService`; an empty token sends none.
    pub fn publish(&self, token: &str) -> PublishServiceClient<With> {
        PublishServiceClient::with_interceptor(self.channel(), TestApp::bearer(token))
    }

    /// A client of `AccessService`.
    pub fn access(&self, token: &str) -> AccessServiceClient<With> {
        AccessServiceClient::with_interceptor(self.channel(), TestApp::bearer(token))
    }

    /// A client of `DirectoryService`.
    pub fn directory(&self, token: &str) -> DirectoryServiceClient<With> {
        DirectoryServiceClient::with_interceptor(self.channel(), TestApp::bearer(token))
    }

    /// A client of `InboxService`.
    pub fn inbox(&self, token: &str) -> InboxServiceClient<With> {
        InboxServiceClient::with_interceptor(self.channel(), TestApp::bearer(token))
    }

    /// A client of `OperationsService`.
    pub fn operations(&self, token: &str) -> OperationsServiceClient<With> {
        OperationsServiceClient::with_interceptor(self.channel(), TestApp::bearer(token))
    }

    /// A client of `ReportService`.
    pub fn report(&self, token: &str) -> ReportServiceClient<With> {
        ReportServiceClient::with_interceptor(self.channel(), TestApp::bearer(token))
    }

    /// Stops the node as SIGTERM would and returns its data directory.
    pub async fn stop(self) -> TempDir {
        assert!(self.app.stop().await, "the node drained in time");
        self.data
    }

    /// How many messages are stored.
    pub async fn messages(&self) -> usize {
        let wanted = v1::ListMessagesRequest { page_size: 1_000, ..Default::default() };
        self.publish(&self.admin).list_messages(wanted).await.unwrap().into_inner().messages.len()
    }

    /// A school with two departments, twenty people in `cs` and ten in `math`, and an application that may
    /// reach all of them over everything. The first fifteen of `cs` are `grade:2021`.
    pub async fn campus(&self) -> Campus {
        for (id, parent) in [("school", ""), ("cs", "school"), ("math", "school")] {
            self.department(id, parent).await;
        }
        let people = (0..30).map(|n| v1::UpsertUsersRequest { user: Some(person(n)) });
        let written = self.directory(&self.admin).upsert_users(tokio_stream::iter(people)).await.unwrap().into_inner();
        assert_eq!((written.created, written.error_count), (30, 0), "{:?}", written.errors);
        let application = self.application("Library", "cs").await;
        let grant = v1::Grant { department_ids: vec!["school".to_owned()], ..Default::default() };
        let grant_id = self.grant(&application, grant).await;
        let scopes = [v1::KeyScope::Publish, v1::KeyScope::Read, v1::KeyScope::IssueUserTokens];
        let (key_id, live) = self.key(&application, v1::KeyMode::Live, &scopes).await;
        let (_, test) = self.key(&application, v1::KeyMode::Test, &scopes).await;
        Campus { application, grant_id, key_id, live, test }
    }

    /// Makes a department.
    pub async fn department(&self, id: &str, parent: &str) {
        let department = v1::Department {
            department_id: id.to_owned(),
            parent_id: parent.to_owned(),
            name: format!("Department of {id}"),
            ..Default::default()
        };
        let wanted = v1::UpsertDepartmentRequest { department: Some(department) };
        self.directory(&self.admin).upsert_department(wanted).await.unwrap();
    }

    /// Connects an application that is an inbox gateway, with the app's inbox as its channel.
    pub async fn application(&self, title: &str, department: &str) -> String {
        let application = v1::Application {
            title: title.to_owned(),
            department_id: department.to_owned(),
            default_channels: vec![v1::Channel::App.into()],
            inbox_gateway_department_ids: vec!["school".to_owned()],
            ..Default::default()
        };
        let wanted = v1::CreateApplicationRequest { application: Some(application) };
        let made = self.access(&self.admin).create_application(wanted).await.unwrap().into_inner();
        made.application.unwrap().application_id
    }

    /// Gives a grant to an application and returns its id.
    pub async fn grant(&self, application: &str, grant: v1::Grant) -> String {
        let subject = v1::principal::Subject::ApplicationId(application.to_owned());
        let holder = v1::Principal { subject: Some(subject), ..Default::default() };
        let wanted = v1::CreateGrantRequest { grant: Some(v1::Grant { principal: Some(holder), ..grant }) };
        self.access(&self.admin).create_grant(wanted).await.unwrap().into_inner().grant.unwrap().grant_id
    }

    /// Makes a key of an application and returns its id and token.
    pub async fn key(&self, application: &str, mode: v1::KeyMode, scopes: &[v1::KeyScope]) -> (String, String) {
        let wanted = v1::CreateKeyRequest {
            owner: Some(v1::create_key_request::Owner::ApplicationId(application.to_owned())),
            mode: mode.into(),
            scopes: scopes.iter().map(|scope| (*scope).into()).collect(),
            ..Default::default()
        };
        let made = self.access(&self.admin).create_key(wanted).await.unwrap().into_inner();
        (made.key.unwrap().key_id, made.token)
    }

    /// A token for one person's inbox.
    pub async fn user_token(&self, campus: &Campus, user_id: &str) -> String {
        let wanted = v1::IssueUserTokenRequest { user_id: user_id.to_owned(), ..Default::default() };
        self.inbox(&campus.live).issue_user_token(wanted).await.unwrap().into_inner().token
    }
}

/// Starts a node; one on the same data directory that has just stopped may still be closing its files.
async fn started(settings: Settings) -> App {
    for _ in 0..100 {
        match App::start(settings.clone()).await {
            Ok(app) => return app,
            Err(error) if error.to_string().contains("another campanile") => {
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            }
            Err(error) => panic!("{error}"),
        }
    }
    panic!("the node before does not close its files")
}

/// The application of [`TestApp::campus`].
pub struct Campus {
    /// Its id.
    pub application: String,
    /// Its grant.
    pub grant_id: String,
    /// The id of its live key.
    pub key_id: String,
    /// The token of its live key.
    pub live: String,
    /// The token of its test key.
    pub test: String,
}

/// The id of a person of the campus, from 0.
pub fn user_id(n: usize) -> String {
    format!("u{n:03}")
}

fn person(n: usize) -> v1::User {
    let department = if n < 20 { "cs" } else { "math" };
    let address =
        |channel: v1::Channel, value: String| v1::Address { channel: channel.into(), value, ..Default::default() };
    let mailbox = address(v1::Channel::Email, format!("{}@example.edu", user_id(n)));
    let in_app = address(v1::Channel::App, user_id(n));
    v1::User {
        user_id: user_id(n),
        name: format!("李{n}"),
        primary_department_id: department.to_owned(),
        department_ids: vec![department.to_owned()],
        addresses: vec![mailbox, in_app],
        tags: if n < 15 { vec!["grade:2021".to_owned()] } else { vec!["grade:2022".to_owned()] },
        ..Default::default()
    }
}

/// A valid publish to an expression, over the inbox.
pub fn notice(key: &str, expression: &str) -> v1::PublishRequest {
    let target = v1::audience::Target::Expression(expression.to_owned());
    v1::PublishRequest { audience: Some(v1::Audience { target: Some(target) }), ..letter(key, &[]) }
}

/// A valid publish to a list of people, over the inbox.
pub fn letter(key: &str, users: &[&str]) -> v1::PublishRequest {
    let user_ids = users.iter().map(|id| (*id).to_owned()).collect();
    let users = v1::UserList { user_ids, ..Default::default() };
    let inline =
        v1::Inline { title: "补考通知".to_owned(), body: "Bring your card.".to_owned(), ..Default::default() };
    v1::PublishRequest {
        idempotency_key: key.to_owned(),
        audience: Some(v1::Audience { target: Some(v1::audience::Target::Users(users)) }),
        content: Some(v1::Content { source: Some(v1::content::Source::Inline(inline)), ..Default::default() }),
        ..Default::default()
    }
}
