//! What messages are about, as far as people may choose: `library.overdue`. A department declares it.

use super::channel::Channel;

/// A declared topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topic {
    /// 1 to 64 ASCII lower-case letters, digits, dots, underscores and hyphens; it stays.
    pub name: String,
    /// For people.
    pub title: String,
    /// The department (the store's key) that answers for it.
    pub department_id: i64,
    /// People get it unless they mute it; otherwise only those who ask for it.
    pub default_on: bool,
    /// People may mute it.
    pub may_mute: bool,
    /// Channels of messages that name the topic and no channel.
    pub default_channels: Vec<Channel>,
    /// Counts the changes, from 1.
    pub version: i64,
}
