//! What an operator says about one SMTP relay.

use std::time::Duration;

use serde::Deserialize;

use crate::channel::Rate;
use crate::domain::channel::Channel;

/// One SMTP relay, spoken to over plain TCP.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The relay's host name or IP address.
    pub host: String,
    /// The relay's port.
    #[serde(default = "port")]
    pub port: u16,
    /// The mailbox in From and in the envelope.
    pub from: String,
    /// What follows the `@` of Message-ID. Default: the domain of `from`.
    #[serde(default)]
    pub message_id_domain: Option<String>,
    /// The name we greet the relay with. Default: the domain of Message-ID.
    #[serde(default)]
    pub hello: Option<String>,
    /// The most connections at a time.
    #[serde(default = "connections")]
    pub connections: usize,
    /// The most recipients in any span of time, over all nodes together. Default: no limit of ours.
    #[serde(default)]
    pub rate: Option<Rate>,
    /// The most recipients of one transaction. 1 means that each mail names its recipient in To.
    #[serde(default = "recipients_per_transaction")]
    pub recipients_per_transaction: usize,
    /// After so many mails a connection is replaced.
    #[serde(default = "mails_per_connection")]
    pub mails_per_connection: u32,
    /// A connection that was idle for longer is not used again. Keep it below the relay's own time-out.
    #[serde(default = "idle_max", with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    pub idle_max: Duration,
    /// The most time for connecting, the relay's greeting and EHLO together.
    #[serde(default = "connect_timeout", with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    pub connect_timeout: Duration,
    /// The most time for the answer to one command.
    #[serde(default = "command_timeout", with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    pub command_timeout: Duration,
    /// The most time from the first byte of the body to the answer after its final dot. A short one makes
    /// duplicates: the relay may have taken the mail.
    #[serde(default = "body_timeout", with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    pub body_timeout: Duration,
}

fn port() -> u16 {
    25
}

fn connections() -> usize {
    8
}

fn recipients_per_transaction() -> usize {
    50
}

fn mails_per_connection() -> u32 {
    1_000
}

fn idle_max() -> Duration {
    Duration::from_secs(60)
}

fn connect_timeout() -> Duration {
    Duration::from_secs(10)
}

fn command_timeout() -> Duration {
    Duration::from_secs(30)
}

fn body_timeout() -> Duration {
    Duration::from_secs(120)
}

impl Settings {
    /// The defaults for a relay.
    #[must_use]
    pub fn new(host: &str, port: u16, from: &str) -> Settings {
        Settings {
            host: host.to_owned(),
            port,
            from: from.to_owned(),
            message_id_domain: None,
            hello: None,
            connections: connections(),
            rate: None,
            recipients_per_transaction: recipients_per_transaction(),
            mails_per_connection: mails_per_connection(),
            idle_max: idle_max(),
            connect_timeout: connect_timeout(),
            command_timeout: command_timeout(),
            body_timeout: body_timeout(),
        }
    }

    /// What follows the `@` of Message-ID.
    #[must_use]
    pub fn message_id_domain(&self) -> &str {
        let from_domain = || self.from.rsplit_once('@').map_or("localhost", |(_, domain)| domain);
        self.message_id_domain.as_deref().unwrap_or_else(from_domain)
    }

    /// The name in EHLO.
    #[must_use]
    pub fn hello(&self) -> &str {
        self.hello.as_deref().unwrap_or_else(|| self.message_id_domain())
    }

    /// Whether these settings can work; if not, a sentence that says what to change.
    pub fn validate(&self) -> Result<(), String> {
        if self.host.is_empty() || self.port == 0 {
            return Err("email: host and port must name the SMTP relay".to_owned());
        }
        if !Channel::Email.accepts_address(&self.from) {
            return Err("email: from must be a mailbox like notice@example.edu, without a name".to_owned());
        }
        for (key, name) in [("message_id_domain", self.message_id_domain()), ("hello", self.hello())] {
            if !Channel::Email.accepts_address(&format!("x@{name}")) {
                return Err(format!("email: {key} must be a domain name"));
            }
        }
        if self.connections == 0 || self.connections > 1_000 {
            return Err("email: connections must be 1 to 1000".to_owned());
        }
        if self.recipients_per_transaction == 0 || self.recipients_per_transaction > 1_000 {
            return Err("email: recipients_per_transaction must be 1 to 1000".to_owned());
        }
        if self.mails_per_connection == 0 {
            return Err("email: mails_per_connection must be at least 1".to_owned());
        }
        let timeouts = [self.connect_timeout, self.command_timeout, self.body_timeout];
        if timeouts.iter().any(Duration::is_zero) {
            return Err("email: time-outs must be longer than zero, like \"10s\"".to_owned());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_settings_suffice_and_an_unknown_one_is_refused() {
        let settings: Settings =
            toml::from_str("host = \"relay\"\nport = 2525\nfrom = \"a@b.cn\"\nbody_timeout = \"5m\"").unwrap();
        let expected = Settings { body_timeout: Duration::from_secs(300), ..Settings::new("relay", 2525, "a@b.cn") };
        assert_eq!(settings, expected);
        assert_eq!((settings.message_id_domain(), settings.hello()), ("b.cn", "b.cn"));
        settings.validate().unwrap();
        assert!(toml::from_str::<Settings>("host = \"r\"\nfrom = \"a@b.cn\"\nprot = 1").is_err());
    }

    #[test]
    fn settings_that_could_smuggle_a_command_are_refused() {
        let bad = [
            Settings::new("h", 1, "A <a@b.cn>"),
            Settings { hello: Some("x\r\nMAIL FROM:<y@z>".to_owned()), ..Settings::new("h", 1, "a@b.cn") },
            Settings { message_id_domain: Some("x>y".to_owned()), ..Settings::new("h", 1, "a@b.cn") },
        ];
        assert!(bad.iter().all(|settings| settings.validate().is_err()));
    }
}
