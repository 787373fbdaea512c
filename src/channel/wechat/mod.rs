//! WeChat through one WeCom application: identical content goes to up to 1,000 users in one call.

mod client;
mod render;
mod settings;
mod verdict;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use tokio::time::timeout;

pub use render::{TooLong, check};
pub use settings::Settings;

use self::client::{Failure, Http, encode};
use self::verdict::Answer;
use super::credential::{Credential, Credentials, Issued, Issuer, LocalCredentials};
use super::{Call, Capacity, Channel, Recipient, Report};
use crate::domain::channel;
use crate::domain::outcome::Reason;
use crate::domain::verdict::{Fault, Verdict};
use crate::runtime::clock::SharedClock;

/// The longest token; WeCom says to leave room for 512 bytes.
const TOKEN_BYTES_MAX: usize = 2_048;

/// One WeCom application.
pub struct Wechat {
    settings: Settings,
    http: Http,
    credentials: Arc<dyn Credentials>,
}

impl Wechat {
    /// A channel with its token in memory. Connects to nothing yet. The error says which setting is wrong.
    pub fn new(settings: Settings, clock: SharedClock) -> Result<Wechat, String> {
        let credentials = Arc::new(LocalCredentials::new(clock, settings.token_margin));
        Wechat::with_credentials(settings, credentials)
    }

    /// A channel whose token is kept elsewhere. The error says which setting is wrong.
    pub fn with_credentials(settings: Settings, credentials: Arc<dyn Credentials>) -> Result<Wechat, String> {
        settings.validate()?;
        let http = Http::new(&settings)?;
        Ok(Wechat { settings, http, credentials })
    }

    /// Makes the call for `users`. `handed` is true while the provider may have acted on it.
    async fn call(&self, call: &Call, users: &[Recipient], handed: &AtomicBool) -> Report {
        let touser = users.iter().map(|user| &*user.address).collect::<Vec<_>>().join("|");
        let interval = self.settings.duplicate_check.as_secs();
        let body = match render::body(&call.content, &touser, self.settings.agent_id, interval) {
            Ok(body) => bytes::Bytes::from(body),
            Err(why) => {
                let verdict = Verdict::Rejected { reason: Reason::RenderFailed, detail: why.into() };
                return Report::all(users.len(), &verdict);
            }
        };
        let mut first = true;
        loop {
            let credential = match self.credentials.get(self).await {
                Ok(credential) => credential,
                Err(verdict) => return Report::all(users.len(), &verdict),
            };
            let answer = match self.post(&credential, body.clone(), handed).await {
                Ok(answer) => answer,
                Err(verdict) => return Report::all(users.len(), &verdict),
            };
            let private =
                [credential.token.expose_secret(), self.settings.secret.expose_secret(), &self.settings.corp_id];
            if !answer.wants_new_token() {
                return verdict::judge(&answer, users, &private, self.settings.cool_down);
            }
            self.credentials.invalidate(&credential);
            if !first {
                let detail = answer.detail("send", &private);
                return Report::all(users.len(), &Verdict::Retry { after: None, fault: Fault::Provider, detail });
            }
            first = false;
        }
    }

    async fn post(&self, credential: &Credential, body: bytes::Bytes, handed: &AtomicBool) -> Result<Answer, Verdict> {
        let path = format!("/cgi-bin/message/send?access_token={}", encode(credential.token.expose_secret()));
        handed.store(true, Ordering::Relaxed);
        let answered = self.http.post(&path, body).await;
        let read = match answered {
            Ok(json) => Answer::parse(&json).ok_or(Failure::Lost("an answer that is none")),
            Err(failure) => Err(failure),
        };
        handed.store(false, Ordering::Relaxed);
        read.map_err(|failure| match failure {
            Failure::Lost(what) => Verdict::Unknown { detail: format!("send: {what}").into() },
            not_handed => retry("send", not_handed),
        })
    }
}

#[async_trait]
impl Channel for Wechat {
    fn kind(&self) -> channel::Channel {
        channel::Channel::Wechat
    }

    fn capacity(&self) -> Capacity {
        Capacity {
            per_call: self.settings.users_per_call,
            concurrency: self.settings.concurrency,
            rate: self.settings.rate,
            dedupes_identical: true,
        }
    }

    async fn send(&self, call: Call) -> Report {
        // The engine has tested this already; but `@all` or a separator here would reach everybody.
        let is_user = |recipient: &&Recipient| channel::Channel::Wechat.accepts_address(&recipient.address);
        let users: Vec<Recipient> = call.recipients.iter().filter(is_user).cloned().collect();
        let handed = AtomicBool::new(false);
        let report = if users.is_empty() {
            Report { verdicts: Vec::new(), cool_down: None }
        } else {
            match timeout(super::within(call.deadline), self.call(&call, &users, &handed)).await {
                Ok(report) => report,
                Err(_) => Report::all(users.len(), &late(handed.load(Ordering::Relaxed))),
            }
        };
        let mut verdicts = report.verdicts.into_iter();
        let invalid = || Verdict::Rejected { reason: Reason::AddressInvalid, detail: "not a WeCom user id".into() };
        let verdict = |recipient| if is_user(&recipient) { verdicts.next() } else { None };
        let verdicts = call.recipients.iter().map(verdict).map(|v| v.unwrap_or_else(invalid)).collect();
        Report { verdicts, cool_down: report.cool_down }
    }

    async fn check(&self) -> Result<(), String> {
        match self.credentials.get(self).await {
            Ok(_) => Ok(()),
            Err(Verdict::Retry { detail, .. } | Verdict::Rejected { detail, .. } | Verdict::Unknown { detail }) => {
                Err(format!("WeCom cannot be used: {detail}"))
            }
            Err(Verdict::Accepted { .. }) => Err("WeCom cannot be used".to_owned()),
        }
    }
}

#[derive(Deserialize)]
struct Token {
    access_token: SecretString,
    expires_in: u32,
}

#[async_trait]
impl Issuer for Wechat {
    async fn issue(&self) -> Result<Issued, Verdict> {
        let (corp_id, secret) = (&self.settings.corp_id, self.settings.secret.expose_secret());
        let path = format!("/cgi-bin/gettoken?corpid={}&corpsecret={}", encode(corp_id), encode(secret));
        let json = self.http.get(&path).await.map_err(|failure| retry("gettoken", failure))?;
        let no_answer = || retry("gettoken", Failure::Lost("an answer that is none"));
        let answer = Answer::parse(&json).ok_or_else(no_answer)?;
        if answer.errcode != 0 {
            return Err(verdict::without_token(&answer, &[secret, corp_id]));
        }
        let token: Token = serde_json::from_slice(&json).map_err(|_| no_answer())?;
        let length = token.access_token.expose_secret().len();
        if length == 0 || length > TOKEN_BYTES_MAX {
            return Err(no_answer());
        }
        Ok(Issued { token: token.access_token, lifetime: Duration::from_secs(token.expires_in.into()) })
    }
}

/// The verdict when a request that delivers nothing, or was not let in, failed.
fn retry(request: &str, failure: Failure) -> Verdict {
    let (what, fault, after) = match failure {
        Failure::NotSent(what) | Failure::Lost(what) => (what.to_owned(), Fault::Network, None),
        Failure::Turned(status, after) => (format!("HTTP {}", status.as_u16()), Fault::Provider, after),
    };
    Verdict::Retry { after, fault, detail: format!("{request}: {what}").into() }
}

fn late(handed: bool) -> Verdict {
    let detail = "no answer in time".into();
    if handed { Verdict::Unknown { detail } } else { Verdict::Retry { after: None, fault: Fault::Network, detail } }
}

impl std::fmt::Debug for Wechat {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Wechat").field("settings", &self.settings).finish_non_exhaustive()
    }
}
