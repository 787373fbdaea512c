//! Topics, both ways.

use super::publish::topic_in;
use super::{enums, required};
use crate::api::v1;
use crate::directory::{TopicDraft, TopicView};
use crate::domain::refusal::Refusal;

/// A topic as its caller wants it.
///
/// # Errors
/// `FIELD_REQUIRED`, `FIELD_INVALID`.
pub fn draft(wanted: Option<v1::Topic>) -> Result<TopicDraft, Refusal> {
    let wanted = wanted.ok_or_else(|| required("topic"))?;
    if wanted.department_id.is_empty() {
        return Err(required("topic.department_id"));
    }
    Ok(TopicDraft {
        name: topic_in("topic.topic", wanted.topic)?.ok_or_else(|| required("topic.topic"))?,
        title: wanted.title,
        department: wanted.department_id,
        default_on: wanted.default_on.unwrap_or(true),
        may_mute: wanted.may_mute.unwrap_or(true),
        default_channels: enums::channels("topic.default_channels", &wanted.default_channels)?,
    })
}

/// A topic as the wire carries it.
#[must_use]
pub fn topic(view: TopicView) -> v1::Topic {
    let topic = &view.topic;
    v1::Topic {
        topic: topic.name.clone(),
        title: topic.title.clone(),
        department_id: view.department,
        default_on: Some(topic.default_on),
        may_mute: Some(topic.may_mute),
        default_channels: topic.default_channels.iter().map(|one| enums::channel_number(*one)).collect(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::domain::channel::Channel;
    use crate::domain::refusal::Reason;
    use crate::domain::topic::Topic;

    #[test]
    fn a_topic_reads_back_and_what_is_left_out_is_the_default() {
        let wanted = v1::Topic {
            topic: "library.overdue".to_owned(),
            title: "图书催还".to_owned(),
            department_id: "library".to_owned(),
            default_channels: vec![v1::Channel::App.into()],
            ..Default::default()
        };
        let draft = draft(Some(wanted.clone())).unwrap();
        assert_eq!((draft.default_on, draft.may_mute), (true, true));
        let TopicDraft { name, title, department, default_on, may_mute, default_channels } = draft;
        assert_eq!(default_channels, [Channel::App]);
        let topic = Topic { name, title, department_id: 1, default_on, may_mute, default_channels, version: 1 };
        let shown = super::topic(TopicView { topic: Arc::new(topic), department });
        assert_eq!(shown, v1::Topic { default_on: Some(true), may_mute: Some(true), ..wanted });
    }

    #[test]
    fn what_is_no_topic_is_refused() {
        let named = |topic: &str| v1::Topic { topic: topic.into(), department_id: "a".into(), ..Default::default() };
        let refused = |wanted| draft(wanted).map_err(|refusal| (refusal.reason, refusal.field.unwrap())).unwrap_err();
        assert_eq!(refused(None), (Reason::FieldRequired, "topic".to_owned()));
        assert_eq!(refused(Some(named(""))), (Reason::FieldRequired, "topic.topic".to_owned()));
        assert_eq!(refused(Some(named("No Topic"))), (Reason::FieldInvalid, "topic.topic".to_owned()));
        let nobodys = v1::Topic { department_id: String::new(), ..named("a") };
        assert_eq!(refused(Some(nobodys)), (Reason::FieldRequired, "topic.department_id".to_owned()));
    }
}
