//! The composition root: settings → store, memory, channels, engine, use-cases, servers. The only place that
//! names concrete backends, and where siblings that may not know one another are put together.
//!
//! What the command line awaits is boxed: an `async fn` would be compiled, with all that it alone awaits, in the
//! package of whoever awaits it.

mod agreement;
mod announce;
mod audit;
mod backend;
mod channels;
mod credentials;
mod figures;
mod keeper;
mod news;
mod panels;
mod publishing;
mod services;
mod siblings;
mod survey;
mod uses;

pub use survey::before_start;

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use secrecy::SecretString;
use tokio::net::TcpListener;

use self::agreement::Agreement;
use self::credentials::StoredCredentials;
use self::keeper::{Keeper, Keeping};
use crate::access::admin::bootstrap;
use crate::api;
use crate::channel::credential::Credentials;
use crate::channel::{Registry, wechat};
use crate::config::{Settings, Tls};
use crate::delivery::{self, Deps, Engine, Lease};
use crate::directory::Memory;
use crate::domain::node::{self, Roles};
use crate::domain::refusal::Refusal;
use crate::edge;
use crate::runtime::clock::{SharedClock, SystemClock};
use crate::runtime::ids::IdSource;
use crate::runtime::tasks::Tasks;
use crate::store::{NodeDraft, Store};
use crate::telemetry::health::{self, Readiness};

/// How long of a stop is kept for saying that the node leaves.
const LEAVING: Duration = Duration::from_secs(1);

/// Why a node cannot start, as a sentence for the operator.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The store cannot be opened or read.
    #[error("{0}")]
    Store(String),
    /// An address cannot be listened on.
    #[error("cannot listen on {address}: {fault}; choose another address or stop who uses it")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        fault: io::Error,
    },
    /// A provider's settings cannot be used.
    #[error("{0}")]
    Provider(String),
    /// Nodes cannot agree with these settings.
    #[error("{0}")]
    Coordination(String),
    /// The gRPC server cannot encrypt.
    #[error("[grpc.tls]: {0}")]
    Tls(String),
    /// A server cannot run.
    #[error("cannot serve: {0}")]
    Serve(#[from] io::Error),
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Error {
        Error::Store(refusal.message)
    }
}

impl From<crate::store::Error> for Error {
    fn from(error: crate::store::Error) -> Error {
        Error::Store(error.to_string())
    }
}

/// A running node.
pub struct App {
    grpc: SocketAddr,
    http: SocketAddr,
    first_token: Option<SecretString>,
    readiness: Readiness,
    engine: delivery::Handle,
    keeping: Keeping,
    tasks: Tasks,
    stop: Stop,
}

/// A node with an open store that does not serve yet.
pub struct Opened {
    settings: Settings,
    store: Store,
    memory: Memory,
    clock: SharedClock,
    grpc: TcpListener,
    http: TcpListener,
    first_token: Option<SecretString>,
}

impl Opened {
    /// The administrator's token, at the first start on an empty store only. Whoever takes it here can keep it
    /// safe before anybody can call the node.
    pub fn take_first_token(&mut self) -> Option<SecretString> {
        self.first_token.take()
    }

    /// Starts everything.
    ///
    /// # Errors
    /// What the operator must change.
    pub fn start(self) -> BoxFuture<'static, Result<App, Error>> {
        Box::pin(self.started())
    }

    async fn started(self) -> Result<App, Error> {
        let Opened { settings, store, memory, clock, grpc, http, first_token } = self;
        let (tasks, readiness) = (Tasks::new(), Readiness::default());
        let registry = registry(&settings, &store, &memory, &clock)?;
        let roles: Roles = settings.node.roles.iter().copied().collect();
        let keeper = Keeper::join(&store, draft(&settings, roles, &grpc)?, clock.clone()).await?;
        let ids = Arc::new(IdSource::new(clock.clone(), node::number(keeper.lease().epoch)));
        let own = agreement::Own { rates: channels::rates(&registry), peers: keeper.peers(), delivers: roles.deliver };
        let agreement = agreement::start(&settings.coordination, own, &clock, &tasks)
            .map_err(|fault| Error::Coordination(fault.to_string()))?;
        let base = Base { settings, store, memory, ids, clock, tasks, registry, agreement };
        let engine = engine(&base, keeper.lease(), roles.deliver);
        let keeping = keeper.start(engine.clone(), base.ids.clone(), &base.tasks);
        let services = services::services(&base, &engine).await?;
        let Base { settings, tasks, agreement, .. } = base;

        let stop = Stop::of(&settings);
        let figures = figures::Sources {
            engine: engine.clone(),
            inboxes: services.inboxes.clone(),
            index: services.index.clone(),
            books: services.operations.books().clone(),
            deeds: keeping.deeds().clone(),
            mode: agreement.mode,
        };
        let options = api::server::Options {
            connections: settings.grpc.connections,
            drain: stop.drain,
            serves_api: roles.api,
            readiness: readiness.clone(),
            tls: settings.grpc.tls.as_ref().map(papers).transpose()?,
        };
        let calls = api::server::within(&services, roles.api);
        let json = edge::json::routes(api::DESCRIPTOR_SET, calls).map_err(std::io::Error::other)?;
        let routes = health::routes(readiness.clone(), figures.reader()).merge(json);
        let http = edge::server::serve(http, routes, settings.http.connections, &tasks)?;
        let grpc = api::server::serve(services, grpc, options, &tasks)?;
        readiness.set(true);
        Ok(App { grpc, http, first_token, readiness, engine, keeping, tasks, stop })
    }
}

/// The files with which the gRPC server encrypts.
fn papers(tls: &Tls) -> Result<api::server::Papers, Error> {
    let read = |path: &Path| {
        std::fs::read(path).map_err(|fault| Error::Tls(format!("cannot read {}: {fault}", path.display())))
    };
    Ok(api::server::Papers {
        certificate: read(&tls.certificate)?,
        private_key: read(&tls.private_key)?,
        client_authority: tls.client_authority.as_deref().map(read).transpose()?,
    })
}

/// How a stop divides its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stop {
    /// The node still serves, and says that it is not ready.
    grace: Duration,
    /// Nothing new begins; open calls and streams end, and what is decided is committed.
    drain: Duration,
}

impl Stop {
    fn of(settings: &Settings) -> Stop {
        let after = settings.node.drain.saturating_sub(settings.node.grace);
        Stop { grace: settings.node.grace, drain: after.saturating_sub(LEAVING.min(after / 4)) }
    }
}

impl App {
    /// Opens the store and, if it is empty, makes the first administrator's token.
    ///
    /// # Errors
    /// What the operator must change.
    pub fn open(settings: Settings) -> BoxFuture<'static, Result<Opened, Error>> {
        Box::pin(async move {
            // Listeners first: a second start by mistake fails before it touches anything.
            let grpc = listen(settings.grpc.listen).await?;
            let http = listen(settings.http.listen).await?;
            let clock = SystemClock::shared();
            let store = backend::open(&settings.store).await?;
            let memory = Memory::load(&store).await?;
            let first_token = bootstrap(&store, &memory.keyring, &memory.seal, &*clock).await?;
            announce::prepare(&store, &memory.keyring, &memory.grants, &memory.seal, &*clock).await?;
            Ok(Opened { settings, store, memory, clock, grpc, http, first_token })
        })
    }

    /// Opens the store and starts everything. Ports of 0 take free ones; see [`App::grpc`] and [`App::http`].
    ///
    /// # Errors
    /// What the operator must change.
    pub async fn start(settings: Settings) -> Result<App, Error> {
        App::open(settings).await?.start().await
    }

    /// Where gRPC is served.
    #[must_use]
    pub fn grpc(&self) -> SocketAddr {
        self.grpc
    }

    /// Where health and metrics are served.
    #[must_use]
    pub fn http(&self) -> SocketAddr {
        self.http
    }

    /// The administrator's token, at the first start on an empty store only.
    pub fn take_first_token(&mut self) -> Option<SecretString> {
        self.first_token.take()
    }

    /// Turns unready and serves on for a moment, so that balancers turn away; then lets open calls and streams
    /// end, commits what is decided, gives the rest back and leaves. Returns whether all that was done within
    /// the drain time.
    pub fn stop(self) -> BoxFuture<'static, bool> {
        Box::pin(async move {
            self.readiness.set(false);
            tokio::time::sleep(self.stop.grace).await;
            let engine = async {
                let settled = self.engine.stop(self.stop.drain).await;
                // Until here the lease was renewed, so that the last settlements counted.
                self.keeping.end();
                settled
            };
            let (settled, ended) = tokio::join!(engine, self.tasks.stop(self.stop.drain));
            self.keeping.leave().await;
            settled && ended
        })
    }
}

/// What everything stands on.
struct Base {
    settings: Settings,
    store: Store,
    memory: Memory,
    ids: Arc<IdSource>,
    clock: SharedClock,
    tasks: Tasks,
    registry: Registry,
    agreement: Agreement,
}

async fn listen(address: SocketAddr) -> Result<TcpListener, Error> {
    TcpListener::bind(address).await.map_err(|fault| Error::Listen { address, fault })
}

/// How the node enters itself; without a name it is called by its address.
fn draft(settings: &Settings, roles: Roles, grpc: &TcpListener) -> Result<NodeDraft, Error> {
    let name = match settings.node.name.as_str() {
        "" => grpc.local_addr()?.to_string(),
        name => name.to_owned(),
    };
    Ok(NodeDraft { name, roles })
}

/// The providers, with their tokens in the store.
fn registry(settings: &Settings, store: &Store, memory: &Memory, clock: &SharedClock) -> Result<Registry, Error> {
    let cipher = memory.seal.cipher().map_err(|_| Error::Store("no cipher can be made".to_owned()))?;
    let cipher = Arc::new(cipher);
    let keep = |provider: &str, application: &wechat::Settings| -> Arc<dyn Credentials> {
        Arc::new(StoredCredentials::new(credentials::Parts {
            store: store.credentials.clone(),
            cipher: cipher.clone(),
            clock: clock.clone(),
            provider: provider.into(),
            account: application.account(),
            margin: application.token_margin,
        }))
    };
    channels::registry(settings, clock, &keep).map_err(Error::Provider)
}

fn engine(base: &Base, lease: Lease, delivers: bool) -> delivery::Handle {
    let store = base.store.deliveries.clone();
    let limits = base.agreement.limits.clone();
    let (registry, clock, tasks) = (base.registry.clone(), base.clock.clone(), base.tasks.clone());
    Engine::start(Deps { store, registry, limits, clock, tasks, lease, delivers })
}
