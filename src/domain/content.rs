//! What a message says: one text that all channels share, and what a channel says differently.

use serde::{Deserialize, Serialize};

/// The longest title, in characters.
pub const TITLE_CHARS_MAX: usize = 200;
/// The longest body, in bytes.
pub const BODY_BYTES_MAX: usize = 64 * 1024;
/// The longest HTML of an e-mail, in bytes.
pub const HTML_BYTES_MAX: usize = 256 * 1024;
/// The longest summary, in characters.
pub const SUMMARY_CHARS_MAX: usize = 120;

/// The content of a message. Validated: no control characters in one-line fields, sizes within limits.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Content {
    /// One line, 1 to [`TITLE_CHARS_MAX`] characters.
    pub title: String,
    /// Markdown without raw HTML.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub body: String,
    /// One line for banners and cards; the start of the body if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub summary: Option<String>,
    /// An https link (http only for loopback hosts).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
    /// What the link is called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link_text: Option<String>,
    /// What e-mail says differently.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<EmailContent>,
    /// What WeChat says differently.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wechat: Option<WechatContent>,
    /// What the app says differently.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app: Option<AppContent>,
}

/// What e-mail says differently.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EmailContent {
    /// Default: the title.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// Plain text; default: the body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Reply-To mailbox.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<String>,
}

/// The form of a WeChat message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WechatForm {
    /// A text card if there is a link, else Markdown.
    #[default]
    Auto,
    /// Plain text.
    Text,
    /// The Markdown subset of the WeCom client.
    Markdown,
    /// Title, description and link.
    TextCard,
}

/// What WeChat says differently.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WechatContent {
    /// The form.
    #[serde(default)]
    pub form: WechatForm,
    /// At most 2,048 bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// At most 512 bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// At most 4 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub button_text: Option<String>,
}

/// What the app says differently.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppContent {
    /// Default: the title.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub banner_title: Option<String>,
    /// Default: the summary.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub banner_text: Option<String>,
    /// Where a tap leads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deep_link: Option<String>,
}

impl Content {
    /// The summary, or the start of the body as one line, cut at a character.
    #[must_use]
    pub fn summary_text(&self) -> String {
        match &self.summary {
            Some(summary) => summary.clone(),
            None => {
                let line = self.body.split_whitespace().collect::<Vec<_>>().join(" ");
                line.chars().take(SUMMARY_CHARS_MAX).collect()
            }
        }
    }
}
