//! The kinds of way by which a person can be reached.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A kind of way to reach people. The number is what the store keeps and never changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[repr(u8)]
pub enum Channel {
    /// E-mail by SMTP.
    Email = 1,
    /// WeChat-style APIs, WeCom application messages first.
    Wechat = 2,
    /// The inbox of the mobile campus app.
    App = 3,
    /// Signed HTTP calls to a registered endpoint.
    Webhook = 4,
    /// Text messages.
    Sms = 5,
    /// DingTalk.
    Dingtalk = 6,
    /// Feishu.
    Feishu = 7,
}

impl Channel {
    /// Every channel, in the order of its number.
    pub const ALL: [Channel; 7] = [
        Channel::Email,
        Channel::Wechat,
        Channel::App,
        Channel::Webhook,
        Channel::Sms,
        Channel::Dingtalk,
        Channel::Feishu,
    ];

    /// The stored number.
    #[must_use]
    pub fn code(self) -> i64 {
        self as i64
    }

    /// The channel with a stored number.
    #[must_use]
    pub fn from_code(code: i64) -> Option<Channel> {
        Self::ALL.into_iter().find(|channel| channel.code() == code)
    }

    /// The lower-case name used in settings, metrics and on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Channel::Email => "email",
            Channel::Wechat => "wechat",
            Channel::App => "app",
            Channel::Webhook => "webhook",
            Channel::Sms => "sms",
            Channel::Dingtalk => "dingtalk",
            Channel::Feishu => "feishu",
        }
    }

    /// Whether a text can be an address on this channel. Control characters, blanks and the separators and
    /// wildcards of the provider's own recipient lists are never part of one.
    #[must_use]
    pub fn accepts_address(self, address: &str) -> bool {
        if address.is_empty() || address.len() > 320 || address.chars().any(|c| c.is_control() || c.is_whitespace()) {
            return false;
        }
        match self {
            Channel::Email => address.parse::<MailAddress>().is_ok(),
            Channel::Wechat => {
                address.len() <= 64
                    && address.starts_with(|c: char| c.is_ascii_alphanumeric())
                    && address.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-.@".contains(&b))
            }
            Channel::App | Channel::Webhook | Channel::Sms | Channel::Dingtalk | Channel::Feishu => true,
        }
    }
}

impl fmt::Display for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Channel {
    type Err = UnknownChannel;

    fn from_str(name: &str) -> Result<Self, UnknownChannel> {
        Self::ALL.into_iter().find(|channel| channel.name() == name).ok_or(UnknownChannel)
    }
}

/// A name that is no channel's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown channel; known are email, wechat, app, webhook, sms, dingtalk and feishu")]
pub struct UnknownChannel;

/// A mailbox that is safe in an SMTP command line: ASCII, one `@`, none of the characters that end or
/// quote a path (RFC 5321, 4.1.2, without quoted local parts).
struct MailAddress;

impl FromStr for MailAddress {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (local, domain) = text.split_once('@').ok_or(())?;
        let local_ok = !local.is_empty()
            && local.len() <= 64
            && local.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~.".contains(&b))
            && !local.starts_with('.')
            && !local.ends_with('.')
            && !local.contains("..");
        let domain_ok = domain.len() <= 255
            && domain.split('.').all(|label| {
                !label.is_empty()
                    && label.len() <= 63
                    && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
                    && !label.starts_with('-')
                    && !label.ends_with('-')
            });
        if local_ok && domain_ok { Ok(MailAddress) } else { Err(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mailboxes_that_could_smuggle_a_command_are_no_addresses() {
        for good in ["li.ming@stu.example.edu", "a+b@example.cn", "x@localhost"] {
            assert!(Channel::Email.accepts_address(good), "{good}");
        }
        for bad in
            ["", "a@b@c", "a b@c.d", "a@b\r\nRCPT TO:<x@y>", "<a@b.c>", "a..b@c.d", "@c.d", "a@", "a@-b.c", "\"q\"@d.e"]
        {
            assert!(!Channel::Email.accepts_address(bad), "{bad:?}");
        }
    }

    #[test]
    fn wecom_wildcards_and_separators_are_no_addresses() {
        assert!(Channel::Wechat.accepts_address("3121151001"));
        for bad in ["@all", "a|b", "a,b", "*", "张三"] {
            assert!(!Channel::Wechat.accepts_address(bad), "{bad:?}");
        }
    }
}
