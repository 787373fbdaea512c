//! What an operator says about one WeCom application.

use std::time::Duration;

use aws_lc_rs::digest;
use http::Uri;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use crate::channel::Rate;

/// The most users of one call that WeCom allows.
const USERS_PER_CALL_MAX: usize = 1_000;
/// The longest window of its duplicate check that WeCom allows.
const DUPLICATE_CHECK_MAX: Duration = Duration::from_secs(14_400);

/// One WeCom application.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Where the API is. https, or http on this machine.
    #[serde(default = "base_url")]
    pub base_url: String,
    /// The enterprise's id.
    pub corp_id: String,
    /// The application's secret.
    pub secret: SecretString,
    /// The application's number.
    pub agent_id: u32,
    /// The most calls at a time.
    #[serde(default = "concurrency")]
    pub concurrency: usize,
    /// The most recipients in any span of time, over all nodes together. Default: no limit of ours.
    #[serde(default)]
    pub rate: Option<Rate>,
    /// The most users of one call, up to 1,000.
    #[serde(default = "users_per_call")]
    pub users_per_call: usize,
    /// The most time for connecting.
    #[serde(default = "connect_timeout", with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    pub connect_timeout: Duration,
    /// The most time for one request, connecting and reading the answer included.
    #[serde(default = "request_timeout", with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    pub request_timeout: Duration,
    /// For how long no call is made after errcode 45009 (too many calls).
    #[serde(default = "cool_down", with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    pub cool_down: Duration,
    /// An access token is replaced so long before its end.
    #[serde(default = "token_margin", with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    pub token_margin: Duration,
    /// For how long WeCom drops a call with identical content, whole seconds, up to 4 h. It makes repeating a call
    /// whose answer was lost safe.
    #[serde(default = "duplicate_check", with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    pub duplicate_check: Duration,
}

fn base_url() -> String {
    "https://qyapi.weixin.qq.com".to_owned()
}

fn concurrency() -> usize {
    4
}

fn users_per_call() -> usize {
    USERS_PER_CALL_MAX
}

fn connect_timeout() -> Duration {
    Duration::from_secs(5)
}

fn request_timeout() -> Duration {
    Duration::from_secs(20)
}

fn cool_down() -> Duration {
    Duration::from_secs(60)
}

fn token_margin() -> Duration {
    Duration::from_secs(300)
}

fn duplicate_check() -> Duration {
    Duration::from_secs(1_800)
}

impl Settings {
    /// The defaults for an application.
    #[must_use]
    pub fn new(corp_id: &str, secret: SecretString, agent_id: u32) -> Settings {
        Settings {
            base_url: base_url(),
            corp_id: corp_id.to_owned(),
            secret,
            agent_id,
            concurrency: concurrency(),
            rate: None,
            users_per_call: users_per_call(),
            connect_timeout: connect_timeout(),
            request_timeout: request_timeout(),
            cool_down: cool_down(),
            token_margin: token_margin(),
            duplicate_check: duplicate_check(),
        }
    }

    /// Whether these settings can work; if not, a sentence that says what to change.
    pub fn validate(&self) -> Result<(), String> {
        self.validate_base_url()?;
        if self.corp_id.is_empty() || self.secret.expose_secret().is_empty() {
            return Err("wechat: corp_id and secret must not be empty".to_owned());
        }
        if self.concurrency == 0 || self.concurrency > 1_000 {
            return Err("wechat: concurrency must be 1 to 1000".to_owned());
        }
        if self.users_per_call == 0 || self.users_per_call > USERS_PER_CALL_MAX {
            return Err("wechat: users_per_call must be 1 to 1000".to_owned());
        }
        if self.connect_timeout.is_zero() || self.request_timeout.is_zero() {
            return Err("wechat: time-outs must be longer than zero, like \"10s\"".to_owned());
        }
        if self.duplicate_check < Duration::from_secs(1) || self.duplicate_check > DUPLICATE_CHECK_MAX {
            return Err("wechat: duplicate_check must be 1s to 4h".to_owned());
        }
        Ok(())
    }

    /// The token and the secret travel in the query, so plain http must not leave this machine.
    fn validate_base_url(&self) -> Result<(), String> {
        let uri: Uri = self.base_url.parse().map_err(|_| "wechat: base_url is not a URL".to_owned())?;
        let host = uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
        let is_here = host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback());
        match uri.scheme_str() {
            Some("https") if !host.is_empty() && uri.query().is_none() => Ok(()),
            Some("http") if is_here && uri.query().is_none() => Ok(()),
            _ => Err("wechat: base_url must be https://HOST, or http:// with a loopback host".to_owned()),
        }
    }

    /// Tells tokens of this account from those of another: a digest of whose tokens they are and where they come
    /// from. After a change of the settings a kept token is nobody's.
    #[must_use]
    pub fn account(&self) -> [u8; 32] {
        let mut context = digest::Context::new(&digest::SHA256);
        for part in [self.base_url.trim_end_matches('/'), &self.corp_id, self.secret.expose_secret()] {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part.as_bytes());
        }
        let mut account = [0; 32];
        account.copy_from_slice(context.finish().as_ref());
        account
    }

    /// Whether requests travel encrypted.
    pub(super) fn is_https(&self) -> bool {
        self.base_url.starts_with("https:")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_url(base_url: &str) -> Settings {
        Settings { base_url: base_url.to_owned(), ..Settings::new("corp", "hush".into(), 7) }
    }

    #[test]
    fn three_settings_suffice_and_the_secret_does_not_show() {
        let text = "corp_id = \"corp\"\nsecret = \"hush\"\nagent_id = 7\ncool_down = \"5m\"";
        let settings: Settings = toml::from_str(text).unwrap();
        settings.validate().unwrap();
        assert_eq!((settings.cool_down, settings.concurrency), (Duration::from_secs(300), 4));
        assert!(!format!("{settings:?}").contains("hush"));
        assert!(toml::from_str::<Settings>(&format!("{text}\nagent = 1")).is_err());
    }

    #[test]
    fn another_secret_or_place_is_another_account() {
        let account = with_url("https://h").account();
        assert_eq!(with_url("https://h/").account(), account);
        assert_ne!(with_url("https://i").account(), account);
        assert_ne!(Settings { secret: "hushed".into(), ..with_url("https://h") }.account(), account);
        assert_ne!(
            Settings { corp_id: "corph".into(), secret: "ush".into(), ..with_url("https://h") }.account(),
            account
        );
    }

    #[test]
    fn secrets_do_not_leave_this_machine_in_the_clear() {
        for good in ["https://qyapi.weixin.qq.com", "http://127.0.0.1:9", "http://localhost:9", "http://[::1]:9"] {
            with_url(good).validate().unwrap();
        }
        for bad in ["http://qyapi.weixin.qq.com", "http://127.0.0.1.evil.cn", "ftp://127.0.0.1", "/x", "https://h/?a=b"]
        {
            assert!(with_url(bad).validate().is_err(), "{bad}");
        }
    }
}
