//! The digest of what reviewers decide on. Whatever they would want to know of a change is in it.

use aws_lc_rs::digest;

use crate::domain::channel::Channel;
use crate::domain::class::Class;
use crate::domain::content::Content;
use crate::domain::id::MessageId;
use crate::domain::message::MessageFacts;
use crate::domain::review::Fingerprint;
use crate::domain::set::{self, Set};

/// The first byte of what is digested; another layout gets another.
const LAYOUT: u8 = 1;

/// What a reviewer is shown of a message.
#[derive(Clone, Copy, Debug)]
pub struct Shown<'a> {
    /// The message.
    pub message: MessageId,
    /// What it says.
    pub content: &'a Content,
    /// The expression that names its people; empty for a list.
    pub audience: &'a str,
    /// Its people, of whom a list consists.
    pub people: &'a Set,
    /// Over which channels.
    pub channels: &'a [Channel],
    /// How urgent.
    pub class: Class,
    /// In whose name.
    pub department_id: i64,
    /// How many people.
    pub count: u64,
}

impl<'a> Shown<'a> {
    /// What is shown of a stored message, to so many people.
    #[must_use]
    pub fn of(facts: &'a MessageFacts, content: &'a Content, people: &'a Set, count: u64) -> Shown<'a> {
        Shown {
            message: facts.id,
            content,
            audience: &facts.audience_text,
            people,
            channels: &facts.channels,
            class: facts.class,
            department_id: facts.department_id,
            count,
        }
    }

    /// Its digest. Every part comes with its length, so that no two different messages have one text.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        let mut context = digest::Context::new(&digest::SHA256);
        let mut part = |bytes: &[u8]| {
            context.update(&(bytes.len() as u64).to_be_bytes());
            context.update(bytes);
        };
        part(&[LAYOUT]);
        part(&self.message.0.to_be_bytes());
        // The fields of content stand in one order and hold no map, so the same content is the same text.
        part(&serde_json::to_vec(self.content).unwrap_or_default());
        part(self.audience.as_bytes());
        if self.audience.is_empty() {
            set::segments(self.people).iter().for_each(|(_, segment)| part(&set::to_bytes(segment)));
        }
        let mut channels: Vec<u8> = self.channels.iter().map(|channel| *channel as u8).collect();
        channels.sort_unstable();
        part(&channels);
        part(&self.class.code().to_be_bytes());
        part(&self.department_id.to_be_bytes());
        part(&self.count.to_be_bytes());
        let mut fingerprint = [0; 32];
        fingerprint.copy_from_slice(context.finish().as_ref());
        fingerprint
    }
}
