//! Trial copies: what would be published, marked as such, to a few people. They need no second person, are in no total,
//! and reach nobody whom the caller could not reach, but herself.

use std::sync::Arc;

use super::Publisher;
use super::tie::Tie;
use crate::access::Caller;
use crate::domain::access::{KeyScope, Principal};
use crate::domain::audience::{Audience, UnknownUsers};
use crate::domain::channel::Channel;
use crate::domain::class::Class;
use crate::domain::content::{Content, TITLE_CHARS_MAX};
use crate::domain::id::MessageId;
use crate::domain::message::{Draft, LostAnswer};
use crate::domain::refusal::{Reason, Refusal};
use crate::domain::relation::{Relation, RelationKind};
use crate::domain::set::Set;

/// The most people of one trial copy.
pub const PROOF_MAX: usize = 5;

/// A trial copy as somebody wants it; every field is valid.
#[derive(Clone, Debug)]
pub struct Proof {
    /// What it says, without the mark.
    pub content: Content,
    /// Over which channels; empty: the application's defaults.
    pub channels: Vec<Channel>,
    /// How urgent the message is to be: the right to it is asked for.
    pub class: Class,
    /// To whom, by external ids; empty: the calling person.
    pub user_ids: Vec<String>,
    /// External id of the department that speaks; default: the application's owner.
    pub department_id: Option<String>,
    /// External id of the person acted for.
    pub sender_user_id: Option<String>,
    /// The message that it is a copy of.
    pub proof_of: Option<MessageId>,
}

impl Publisher {
    /// Sends a marked copy and returns its message, after its commit.
    ///
    /// Errors: `FIELD_REQUIRED` where an application names nobody, `FIELD_INVALID` for more than [`PROOF_MAX`] people,
    /// `RATE_LIMITED`, `NOT_FOUND`, and those of [`Publisher::publish`].
    pub async fn send_proof(&self, caller: &Caller, proof: Proof) -> Result<MessageId, Refusal> {
        caller.require(KeyScope::Publish)?;
        let ids = self.proof_readers(caller, &proof)?;
        self.paces.proofs.step(caller.principal, self.parts.clock.now())?;
        let users = self.parts.index.snapshot();
        let ordinal = |id: &String| users.users().ordinal(id);
        let acts = proof.sender_user_id.as_ref().and_then(ordinal);
        let selves: Set = acts.into_iter().chain(caller.require_person()).collect();
        let mark = self.mark(ids.iter().filter_map(ordinal).collect()).await?;
        let id = self.parts.ids.message();
        let mut draft = Draft {
            idempotency_key: format!("campanile:proof:{id}"),
            digest: [0; 32],
            audience: Audience::Users { ids, unknown: UnknownUsers::Reject },
            relation: proof.proof_of.map(|message| Relation { kind: RelationKind::ProofOf, message }),
            proof: true,
            content: Arc::new(marked(proof.content, mark)),
            class: proof.class,
            channels: proof.channels,
            topic: None,
            department_id: proof.department_id,
            sender_user_id: proof.sender_user_id,
            send_at: None,
            expire_at: None,
            expected: None,
            validate_only: false,
            reference: None,
            labels: Default::default(),
            lost_answer: LostAnswer::default(),
            min_directory_seq: None,
        };
        let tie = Tie { selves, ..self.tie(caller, &mut draft).await? };
        let receipt = Box::pin(self.publish_tied(caller, &draft, &tie)).await?;
        receipt
            .message_id
            .ok_or_else(|| Refusal::new(Reason::Internal, "A trial copy was not stored; repeat the call."))
    }

    /// Who gets it.
    fn proof_readers(&self, caller: &Caller, proof: &Proof) -> Result<Vec<String>, Refusal> {
        if proof.user_ids.len() > PROOF_MAX {
            let message = format!("A trial copy goes to at most {PROOF_MAX} people; name fewer.");
            return Err(Refusal::new(Reason::FieldInvalid, message).field("user_ids").with("limit", PROOF_MAX));
        }
        if !proof.user_ids.is_empty() {
            return Ok(proof.user_ids.clone());
        }
        let own = match caller.principal {
            Principal::Person(ordinal) => self.parts.index.snapshot().users().external_id(ordinal),
            Principal::Application(_) => None,
        };
        let own = own.ok_or_else(|| {
            let message = "Name the people who get the trial copy; only a person gets her own by default.";
            Refusal::new(Reason::FieldRequired, message).field("user_ids")
        })?;
        Ok(vec![own.to_string()])
    }

    /// The mark in the language of those who get it.
    async fn mark(&self, ordinals: Vec<u32>) -> Result<&'static str, Refusal> {
        let users = self.parts.store.directory.users(ordinals).await?;
        let chinese = users.iter().filter(|user| user.locale.starts_with("zh")).count();
        Ok(match chinese {
            0 if !users.is_empty() => "[Proof]",
            _ if chinese == users.len() => "[校样]",
            _ => "[校样 Proof]",
        })
    }
}

/// The content with a mark wherever it has a headline.
fn marked(mut content: Content, mark: &str) -> Content {
    let put = |line: &mut String| {
        let room = TITLE_CHARS_MAX.saturating_sub(mark.chars().count() + 1);
        let kept: String = line.chars().take(room).collect();
        *line = format!("{mark} {kept}");
    };
    put(&mut content.title);
    content.email.iter_mut().filter_map(|email| email.subject.as_mut()).for_each(put);
    content.app.iter_mut().filter_map(|app| app.banner_title.as_mut()).for_each(put);
    if let Some(text) = content.wechat.as_mut().and_then(|wechat| wechat.text.as_mut()) {
        *text = format!("{mark} {text}");
    }
    content
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::content::{AppContent, EmailContent};

    #[test]
    fn every_headline_is_marked_and_stays_within_its_limit() {
        let content = Content {
            title: "长".repeat(TITLE_CHARS_MAX),
            email: Some(EmailContent { subject: Some("Subject".into()), ..EmailContent::default() }),
            app: Some(AppContent { banner_title: Some("Banner".into()), ..AppContent::default() }),
            ..Content::default()
        };
        let marked = marked(content, "[校样]");
        assert!(marked.title.starts_with("[校样] 长") && marked.title.chars().count() == TITLE_CHARS_MAX);
        assert_eq!(marked.email.unwrap().subject.unwrap(), "[校样] Subject");
        assert_eq!(marked.app.unwrap().banner_title.unwrap(), "[校样] Banner");
    }
}
