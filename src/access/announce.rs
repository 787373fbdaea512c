//! What the service itself has to say to people: reminders, requests to decide, news of a decision. The words go out
//! as messages like any other; who says them stands behind this trait, so that whoever has something to say needs to
//! know nothing of publishing.

use async_trait::async_trait;

use crate::domain::access::Principal;
use crate::domain::class::Class;
use crate::domain::id::{GrantId, KeyId};
use crate::domain::refusal::Refusal;

/// The service itself, as a principal. It is no user of the directory; nobody has its key.
pub const SERVICE: Principal = Principal::Person(7);
/// The service's own key, whose secret nobody knows. No source of ids ever draws it.
pub const SERVICE_KEY: KeyId = KeyId(2);
/// The service's own grant. No source of ids ever draws it.
pub const SERVICE_GRANT: GrantId = GrantId(2);

/// Something to be said to some people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Announcement {
    /// Says what it is, such as `campanile:review:msg_…:1:asked`: with the same key nothing is said twice.
    /// It is the reference of the message, too.
    pub key: String,
    /// Whom it is for, by ordinal. Those who cannot receive are left out.
    pub people: Vec<u32>,
    /// How urgent it is; usually transactional.
    pub class: Class,
    /// One line.
    pub title: String,
    /// The rest, as Markdown.
    pub body: String,
}

/// Says things to people in the service's own name.
#[async_trait]
pub trait Announcer: Send + Sync {
    /// Says it, durably, and once for each key. To nobody, or where no department exists yet, it says nothing.
    ///
    /// # Errors
    /// Those of the store, which are worth repeating, and of content that no channel takes.
    async fn announce(&self, wanted: Announcement) -> Result<(), Refusal>;
}
