//! The seam to providers. A channel puts content into a provider's form, makes one call and says, for every
//! recipient, what the provider answered. It never sleeps, never retries, never counts, never reads the store
//! and never fails for something the provider said; all that is the engine's. `CONTRACT.md` has the rules
//! and one contract suite tests them for every channel registered here.

pub mod credential;
pub mod detail;
pub mod email;
mod rate;
pub mod stub;
pub mod wechat;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

pub use self::rate::Rate;
use crate::domain::batch::ProviderId;
use crate::domain::channel;
use crate::domain::class::Class;
use crate::domain::content::Content;
use crate::domain::id::LegId;
use crate::domain::verdict::Verdict;

/// A configured provider of one kind of channel.
#[async_trait]
pub trait Channel: Send + Sync {
    /// The kind.
    fn kind(&self) -> channel::Channel;

    /// What one call and one moment may hold. Asked once, at start.
    fn capacity(&self) -> Capacity;

    /// Makes one call. Never takes longer than `call.deadline`, on whatever foreign step it hangs.
    async fn send(&self, call: Call) -> Report;

    /// Whether the provider can be reached and believes us, in a sentence if not; asked every minute while the
    /// engine holds the provider. Sends nothing to anybody.
    async fn check(&self) -> Result<(), String>;
}

/// What a provider takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capacity {
    /// The most recipients of one call.
    pub per_call: usize,
    /// The most calls at a time.
    pub concurrency: usize,
    /// The most recipients in a span of time, if the provider limits that.
    pub rate: Option<Rate>,
    /// A repeated call with identical bytes is not delivered again, so a batch must be one call.
    pub dedupes_identical: bool,
}

/// One request to a provider.
#[derive(Clone, Debug)]
pub struct Call {
    /// The leg; part of the stable id that every copy carries.
    pub leg: LegId,
    /// Urgency, for providers that have a field for it.
    pub class: Class,
    /// What to say, the same to every recipient of the call.
    pub content: Arc<Content>,
    /// Who speaks.
    pub sender: Arc<Sender>,
    /// To whom; 1 to `capacity().per_call`.
    pub recipients: Vec<Recipient>,
    /// The whole call must end in this time.
    pub deadline: Duration,
}

/// Who speaks in a message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sender {
    /// The department's name, for From.
    pub name: String,
}

/// One recipient of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recipient {
    /// The user.
    pub ordinal: u32,
    /// Where; valid for the channel.
    pub address: Box<str>,
}

/// What the provider answered.
#[derive(Clone, Debug)]
pub struct Report {
    /// One verdict per recipient, in the order of `call.recipients`.
    pub verdicts: Vec<Verdict>,
    /// The provider wants no call at all for so long.
    pub cool_down: Option<Duration>,
}

impl Report {
    /// The same verdict for everybody.
    #[must_use]
    pub fn all(recipients: usize, verdict: &Verdict) -> Report {
        Report { verdicts: vec![verdict.clone(); recipients], cool_down: None }
    }
}

/// A call's deadline less what it takes to notice that it has passed.
fn within(deadline: Duration) -> Duration {
    deadline.saturating_sub((deadline / 10).min(Duration::from_millis(50)))
}

/// The configured providers by id.
#[derive(Clone, Default)]
pub struct Registry {
    providers: Vec<(ProviderId, Arc<dyn Channel>)>,
}

impl Registry {
    /// Adds a provider. The first of a kind is that kind's default.
    pub fn add(&mut self, id: &str, provider: Arc<dyn Channel>) {
        self.providers.push((id.into(), provider));
    }

    /// The provider with an id.
    #[must_use]
    pub fn get(&self, id: &str) -> Option<&Arc<dyn Channel>> {
        self.providers.iter().find(|(known, _)| &**known == id).map(|(_, provider)| provider)
    }

    /// The id of the default provider of a kind. The stub is nobody's default.
    #[must_use]
    pub fn default_for(&self, kind: channel::Channel) -> Option<ProviderId> {
        self.providers
            .iter()
            .find(|(id, provider)| provider.kind() == kind && &**id != crate::domain::batch::STUB_PROVIDER)
            .map(|(id, _)| id.clone())
    }

    /// Every provider with its id, in the order of the settings.
    pub fn iter(&self) -> impl Iterator<Item = (&ProviderId, &Arc<dyn Channel>)> {
        self.providers.iter().map(|(id, provider)| (id, provider))
    }
}
