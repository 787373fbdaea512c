//! Access tokens of providers: fetched once for everybody who needs one, kept until shortly before they end.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use secrecy::SecretString;

use crate::domain::verdict::Verdict;
use crate::runtime::clock::SharedClock;

/// A token as a call uses it.
#[derive(Clone, Debug)]
pub struct Credential {
    /// The token.
    pub token: Arc<SecretString>,
    /// Tells this token from the ones before and after it.
    pub version: u64,
}

/// A token as the provider gave it.
#[derive(Debug)]
pub struct Issued {
    /// The token.
    pub token: SecretString,
    /// How long the provider says it lives.
    pub lifetime: Duration,
}

/// Asks a provider for a new token of one account and application.
#[async_trait]
pub trait Issuer: Send + Sync {
    /// Asks once, within the provider's time-outs. The error is the verdict for every recipient of the call that
    /// needed the token: nothing has been handed over, so it is never `Accepted` or `Unknown`.
    async fn issue(&self) -> Result<Issued, Verdict>;
}

/// Keeps the token of one account and application.
#[async_trait]
pub trait Credentials: Send + Sync {
    /// The current token; asks the issuer if there is none. However many ask at a time, the issuer is asked once.
    /// Errors as [`Issuer::issue`].
    async fn get(&self, issuer: &dyn Issuer) -> Result<Credential, Verdict>;

    /// The provider does not take this token any more. Does nothing if there is a newer one already.
    fn invalidate(&self, used: &Credential);
}

struct Held {
    credential: Credential,
    until: Duration,
}

/// Keeps a token in memory, for one process.
pub struct LocalCredentials {
    clock: SharedClock,
    margin: Duration,
    held: Mutex<Option<Held>>,
    /// Held while the issuer is asked, so that the others wait for the answer instead of asking too. Counts
    /// the tokens.
    issuing: tokio::sync::Mutex<u64>,
}

impl LocalCredentials {
    /// No token yet. A token is replaced `margin` before its end, at the latest after half of its lifetime if
    /// that is short.
    #[must_use]
    pub fn new(clock: SharedClock, margin: Duration) -> LocalCredentials {
        LocalCredentials { clock, margin, held: Mutex::new(None), issuing: tokio::sync::Mutex::new(0) }
    }

    fn current(&self) -> Option<Credential> {
        let held = self.held.lock();
        held.as_ref().filter(|held| self.clock.monotonic() < held.until).map(|held| held.credential.clone())
    }
}

#[async_trait]
impl Credentials for LocalCredentials {
    async fn get(&self, issuer: &dyn Issuer) -> Result<Credential, Verdict> {
        if let Some(current) = self.current() {
            return Ok(current);
        }
        let mut issued_n = self.issuing.lock().await;
        if let Some(current) = self.current() {
            return Ok(current);
        }
        let asked_at = self.clock.monotonic();
        let issued = issuer.issue().await?;
        *issued_n += 1;
        let credential = Credential { token: Arc::new(issued.token), version: *issued_n };
        let until = asked_at + issued.lifetime - self.margin.min(issued.lifetime / 2);
        *self.held.lock() = Some(Held { credential: credential.clone(), until });
        Ok(credential)
    }

    fn invalidate(&self, used: &Credential) {
        let mut held = self.held.lock();
        if held.as_ref().is_some_and(|held| held.credential.version == used.version) {
            *held = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use secrecy::ExposeSecret;

    use super::*;
    use crate::domain::time::At;
    use crate::runtime::clock::ManualClock;

    #[derive(Default)]
    struct Counting(AtomicU64);

    #[async_trait]
    impl Issuer for Counting {
        async fn issue(&self) -> Result<Issued, Verdict> {
            let n = self.0.fetch_add(1, Ordering::SeqCst);
            tokio::task::yield_now().await;
            Ok(Issued { token: format!("t{n}").into(), lifetime: Duration::from_secs(7_200) })
        }
    }

    fn credentials() -> (Arc<ManualClock>, LocalCredentials) {
        let clock = Arc::new(ManualClock::at(At(0)));
        (clock.clone(), LocalCredentials::new(clock, Duration::from_secs(300)))
    }

    #[tokio::test]
    async fn many_who_ask_at_a_time_get_one_token() {
        let (_, credentials) = credentials();
        let issuer = Counting::default();
        let all = futures::future::join_all((0..20).map(|_| credentials.get(&issuer))).await;
        assert!(all.into_iter().all(|got| got.unwrap().token.expose_secret() == "t0"));
        assert_eq!(issuer.0.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn a_token_is_replaced_before_its_end_and_when_it_is_refused() {
        let (clock, credentials) = credentials();
        let issuer = Counting::default();
        let first = credentials.get(&issuer).await.unwrap();
        clock.advance(Duration::from_secs(6_899));
        assert_eq!(credentials.get(&issuer).await.unwrap().version, first.version);
        clock.advance(Duration::from_secs(1));
        let second = credentials.get(&issuer).await.unwrap();
        assert_ne!(second.version, first.version);
        credentials.invalidate(&first);
        assert_eq!(credentials.get(&issuer).await.unwrap().version, second.version, "a late refusal of an old token");
        credentials.invalidate(&second);
        assert_ne!(credentials.get(&issuer).await.unwrap().version, second.version);
    }

    #[tokio::test]
    async fn a_token_does_not_show_itself() {
        let credential = credentials().1.get(&Counting::default()).await.unwrap();
        assert!(!format!("{credential:?}").contains("t0"));
    }
}
