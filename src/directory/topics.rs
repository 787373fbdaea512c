//! Topics: what a department declares that people may mute.

use std::sync::Arc;

use super::departments::not_found;
use super::{Registrar, check};
use crate::access::Caller;
use crate::access::authority::{exceeds, role_missing};
use crate::domain::access::KeyScope;
use crate::domain::audit::{Action, Deed, Object};
use crate::domain::channel::Channel;
use crate::domain::line;
use crate::domain::page::{Page, PageRequest};
use crate::domain::refusal::{Reason, Refusal};
use crate::domain::role::Role;
use crate::domain::topic::Topic;

/// A topic as an administrator wants it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicDraft {
    /// `library.overdue`.
    pub name: String,
    /// For people.
    pub title: String,
    /// External id of the department that answers for it.
    pub department: String,
    /// People get it unless they mute it.
    pub default_on: bool,
    /// People may mute it.
    pub may_mute: bool,
    /// Channels of messages that name the topic and no channel.
    pub default_channels: Vec<Channel>,
}

/// A topic with its department as callers know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicView {
    /// The topic.
    pub topic: Arc<Topic>,
    /// External id of the department that answers for it.
    pub department: String,
}

impl Registrar {
    /// Declares a topic or changes everything of it but its name. Whoever hands it to another department looks after
    /// both.
    ///
    /// # Errors
    /// `SCOPE_MISSING`, `TEST_KEY`, `ROLE_MISSING`, `EXCEEDS_OWN_RIGHTS` for a topic of a department that the caller
    /// does not look after, `FIELD_REQUIRED`, `FIELD_INVALID` for one that must be asked for and cannot be muted, `FIELD_TOO_LONG`, `CONTROL_CHARACTER`, `UNKNOWN_DEPARTMENT`.
    pub async fn upsert_topic(&self, caller: &Caller, draft: TopicDraft) -> Result<TopicView, Refusal> {
        caller.require_live()?;
        let reach = caller.require_administrator(self.parts.clock.now())?;
        line::name("topic.title", &draft.title)?;
        check::external_id("topic.department_id", &draft.department)?;
        if !draft.default_on && !draft.may_mute {
            let message = "A topic that people have to ask for is theirs to mute again; let them mute it.";
            return Err(Refusal::new(Reason::FieldInvalid, message).field("topic.may_mute"));
        }
        let snapshot = self.parts.memory.index.snapshot();
        let department = snapshot.tree().by_external_id(&draft.department).ok_or_else(|| {
            let message = "There is no such department. Correct the id, or make the department first.";
            Refusal::new(Reason::UnknownDepartment, message)
                .field("topic.department_id")
                .with("department", &draft.department)
        })?;
        if !reach.covers(department.id, snapshot.tree()) {
            return Err(role_missing(Role::DepartmentAdministrator).field("topic.department_id"));
        }
        let kept = self.parts.memory.topics.named(&draft.name, "topic.topic").ok();
        if kept.is_some_and(|kept| !reach.covers(kept.department_id, snapshot.tree())) {
            return Err(exceeds("The topic").field("topic.topic"));
        }
        let deed = Deed::of(Action::TopicUpsert).on(Object::Department(department.id)).over([format!("{draft:?}")]);
        self.parts.audit.record(caller, deed).await?;
        let TopicDraft { name, title, department: external_id, default_on, may_mute, default_channels } = draft;
        let (department_id, version) = (department.id, 0);
        let topic = Topic { name, title, department_id, default_on, may_mute, default_channels, version };
        let (topic, seq) = self.parts.store.topics.upsert(topic, self.parts.clock.now()).await?;
        self.parts.follower.catch_up(seq).await?;
        Ok(TopicView { topic: Arc::new(topic), department: external_id })
    }

    /// Topics by name; those of a department and all below it if one is given.
    ///
    /// # Errors
    /// `SCOPE_MISSING` without `READ`, `NOT_FOUND` for the department, `PAGE_TOKEN_INVALID`.
    pub fn topics(
        &self,
        caller: &Caller,
        department: Option<&str>,
        page: &PageRequest,
    ) -> Result<Page<TopicView>, Refusal> {
        caller.require(KeyScope::Read)?;
        let snapshot = self.parts.memory.index.snapshot();
        let tree = snapshot.tree();
        let top = department.map(|id| tree.by_external_id(id).ok_or_else(|| not_found(id))).transpose()?;
        let wanted = |topic: &Topic| {
            top.is_none_or(|top| topic.department_id == top.id || tree.is_under(topic.department_id, top.id))
        };
        let found = self.parts.memory.topics.list(wanted, page)?;
        let external_id = |id| tree.get(id).map_or_else(String::new, |one| one.external_id.clone());
        Ok(found.map(|topic| TopicView { department: external_id(topic.department_id), topic }))
    }
}
