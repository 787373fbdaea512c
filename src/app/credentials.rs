//! A provider's token as all nodes share it: the newest stands in the store, sealed; whoever finds it missing,
//! worn out or refused takes the turn to fetch another, and the rest wait for that one.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use secrecy::SecretString;

use crate::access::Cipher;
use crate::channel::credential::{Credential, Credentials, Issued, Issuer};
use crate::domain::batch::ProviderId;
use crate::domain::verdict::{Fault, Verdict};
use crate::runtime::backoff::jitter;
use crate::runtime::clock::SharedClock;
use crate::store::{self, Refresh, Turn};

/// How long a node may take to fetch a token before another node tries. Longer than any fetch takes.
const TURN: Duration = Duration::from_secs(60);
/// How often a node that waits for another's fetch looks whether it is there.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// How long it waits before the call goes back to the queue.
const WAIT_MAX: Duration = Duration::from_secs(30);
/// For so long a failed fetch answers for all who waited for it, so that they do not ask one after the other.
const FAILURE_HOLDS: Duration = Duration::from_secs(1);

/// The token of one provider's account.
pub(super) struct StoredCredentials {
    parts: Parts,
    /// In whose name this process takes turns.
    by: i64,
    known: Mutex<Known>,
    /// Held while the store or the issuer is asked, so that a process asks once for all its calls.
    asking: tokio::sync::Mutex<()>,
}

/// What it is made of.
pub(super) struct Parts {
    pub store: Arc<dyn store::Credentials>,
    pub cipher: Arc<Cipher>,
    pub clock: SharedClock,
    pub provider: ProviderId,
    /// Whose token it is; see [`crate::channel::wechat::Settings::account`].
    pub account: [u8; 32],
    /// A token is replaced so long before its end.
    pub margin: Duration,
}

/// What this process remembers.
#[derive(Default)]
struct Known {
    /// The token in use and until when, by the monotonic clock.
    held: Option<(Credential, Duration)>,
    /// The version that the provider refused last.
    refused: Option<u64>,
    /// The last failure, and until when it answers.
    failed: Option<(Verdict, Duration)>,
}

impl StoredCredentials {
    pub(super) fn new(parts: Parts) -> StoredCredentials {
        StoredCredentials { parts, by: rand::random(), known: Mutex::default(), asking: tokio::sync::Mutex::new(()) }
    }

    fn current(&self) -> Option<Result<Credential, Verdict>> {
        let now = self.parts.clock.monotonic();
        let known = self.known.lock();
        let held = known.held.as_ref().filter(|(_, until)| now < *until).map(|(held, _)| Ok(held.clone()));
        held.or_else(|| known.failed.as_ref().filter(|(_, until)| now < *until).map(|(why, _)| Err(why.clone())))
    }

    /// Takes what the store keeps, or fetches another in this node's turn.
    async fn find(&self, issuer: &dyn Issuer) -> Result<Credential, Verdict> {
        let give_up_at = self.parts.clock.monotonic() + WAIT_MAX;
        loop {
            let kept = self.parts.store.credential(self.parts.provider.clone()).await.map_err(away)?;
            let version = kept.as_ref().map_or(0, |kept| kept.version);
            if let Some(usable) = kept.and_then(|kept| self.take(kept)) {
                return Ok(usable);
            }
            let refresh = Refresh { provider: self.parts.provider.clone(), known: version, by: self.by };
            match self.parts.store.begin_refresh(refresh.clone(), TURN).await.map_err(away)? {
                Turn::Replaced(_) => {}
                Turn::Theirs { left } => {
                    if self.parts.clock.monotonic() >= give_up_at {
                        return Err(retry("another node is still asking for a token"));
                    }
                    tokio::time::sleep(jitter(LOOK_EVERY.min(left))).await;
                }
                Turn::Mine => {
                    if let Some(fresh) = self.fetch(issuer, refresh).await? {
                        return Ok(fresh);
                    }
                }
            }
        }
    }

    /// Fetches a token in this node's turn; `None` if the turn was lost meanwhile.
    async fn fetch(&self, issuer: &dyn Issuer, refresh: Refresh) -> Result<Option<Credential>, Verdict> {
        let asked_at = self.parts.clock.monotonic();
        let Issued { token, lifetime } = match issuer.issue().await {
            Ok(issued) => issued,
            Err(verdict) => {
                // If the store is away, the turn ends by its time.
                let _ = self.parts.store.end_refresh(refresh).await;
                return Err(verdict);
            }
        };
        let body = self.parts.cipher.seal(&self.purpose(), &token).map_err(|_| retry("no random numbers"))?;
        let asked = self.parts.clock.monotonic() - asked_at;
        let lasts = lifetime.saturating_sub(self.parts.margin.min(lifetime / 2)).saturating_sub(asked);
        let written = self.parts.store.finish_refresh(refresh, body, lasts).await.map_err(away)?;
        Ok(written.map(|version| self.hold(version, token, lasts)))
    }

    /// The kept token, if it is this account's, lasts, and was not refused.
    fn take(&self, kept: store::Credential) -> Option<Credential> {
        let refused = self.known.lock().refused == Some(number(kept.version));
        if refused || kept.lasts.is_zero() {
            return None;
        }
        let token = self.parts.cipher.open(&self.purpose(), &kept.body)?;
        Some(self.hold(kept.version, token, kept.lasts))
    }

    fn hold(&self, version: i64, token: SecretString, lasts: Duration) -> Credential {
        let credential = Credential { token: Arc::new(token), version: number(version) };
        self.known.lock().held = Some((credential.clone(), self.parts.clock.monotonic() + lasts));
        credential
    }

    /// What a token of this provider and account is sealed for.
    fn purpose(&self) -> Vec<u8> {
        [self.parts.account.as_slice(), self.parts.provider.as_bytes()].concat()
    }
}

#[async_trait]
impl Credentials for StoredCredentials {
    async fn get(&self, issuer: &dyn Issuer) -> Result<Credential, Verdict> {
        if let Some(current) = self.current() {
            return current;
        }
        let _asking = self.asking.lock().await;
        if let Some(current) = self.current() {
            return current;
        }
        let found = self.find(issuer).await;
        let failed = found.as_ref().err().map(|why| (why.clone(), self.parts.clock.monotonic() + FAILURE_HOLDS));
        self.known.lock().failed = failed;
        found
    }

    fn invalidate(&self, used: &Credential) {
        let mut known = self.known.lock();
        if known.held.as_ref().is_none_or(|(held, _)| held.version == used.version) {
            known.held = None;
            known.refused = Some(used.version);
        }
    }
}

fn number(version: i64) -> u64 {
    u64::try_from(version).unwrap_or(0)
}

/// Without the store no token is fetched: it might end the one that the others use.
fn away(_: store::Error) -> Verdict {
    retry("the store does not answer")
}

fn retry(what: &str) -> Verdict {
    Verdict::Retry { after: None, fault: Fault::Network, detail: format!("gettoken: {what}").into() }
}

#[cfg(test)]
mod tests;
