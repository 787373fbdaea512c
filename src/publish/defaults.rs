//! What a message has that its draft does not say: the application's topic, and the channels of the topic or of the
//! application.

use std::sync::Arc;

use super::{Parts, plan};
use crate::access::Caller;
use crate::domain::access::{Application, Principal};
use crate::domain::channel::Channel;
use crate::domain::message::Draft;
use crate::domain::refusal::{Reason, Refusal};
use crate::domain::topic::Topic;

impl Parts {
    /// What people may mute: the draft's topic or the application's. `UNKNOWN_TOPIC` for one that nobody declared.
    pub(super) fn topic(&self, caller: &Caller, draft: &Draft) -> Result<Option<Arc<Topic>>, Refusal> {
        match &draft.topic {
            Some(name) => self.topics.named(name, "topic").map(Some),
            None => {
                let default = self.application(caller).and_then(|application| application.default_topic.clone());
                // One from before topics were declared names nothing that anybody could mute.
                Ok(default.and_then(|name| self.topics.named(&name, "topic").ok()))
            }
        }
    }

    /// The channels of a draft: its own, the topic's or the application's. Fails for one that has no provider.
    pub(super) fn channels(
        &self,
        caller: &Caller,
        draft: &Draft,
        topic: Option<&Topic>,
    ) -> Result<Vec<Channel>, Refusal> {
        let application = self.application(caller);
        let of_topic = topic.map_or(&[][..], |topic| &topic.default_channels);
        let of_application = application.as_ref().map_or(&[][..], |application| &application.default_channels);
        let said = [&draft.channels[..], of_topic, of_application];
        let mut channels = Vec::new();
        for channel in said.into_iter().find(|channels| !channels.is_empty()).unwrap_or_default() {
            if !channels.contains(channel) {
                plan::provider(&*self.providers, *channel, caller.mode())?;
                channels.push(*channel);
            }
        }
        if channels.is_empty() {
            let message = "Name at least one channel; this caller has no default ones.";
            return Err(Refusal::new(Reason::FieldRequired, message).field("channels"));
        }
        Ok(channels)
    }

    /// The calling application; `None`: a person calls.
    pub(super) fn application(&self, caller: &Caller) -> Option<Arc<Application>> {
        match caller.principal {
            Principal::Application(id) => self.applications.get(id),
            Principal::Person(_) => None,
        }
    }
}
