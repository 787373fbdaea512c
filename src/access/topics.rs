//! Declared topics, by name.

use std::sync::Arc;

use super::table::Table;
use crate::audience::nearest::nearest;
use crate::domain::page::{Page, PageRequest};
use crate::domain::refusal::{Reason, Refusal};
use crate::domain::topic::Topic;

/// All topics.
#[derive(Debug)]
pub struct Topics {
    table: Table<String, Arc<Topic>>,
}

impl Topics {
    /// These topics.
    #[must_use]
    pub fn new(topics: Vec<Topic>) -> Topics {
        Topics { table: Table::new(topics.into_iter().map(|one| (one.name.clone(), Arc::new(one)))) }
    }

    /// Enters a topic, new or changed. An older version never takes the place of a newer one.
    pub fn put(&self, topic: Topic) {
        let topic = Arc::new(topic);
        let newer = |known: &Arc<Topic>| known.version <= topic.version;
        self.table.change(&topic.name, |old| old.is_none_or(newer).then(|| Arc::clone(&topic)));
    }

    /// The topic that `field` of a call names.
    ///
    /// # Errors
    /// `UNKNOWN_TOPIC` if nobody has declared it.
    pub fn named(&self, name: &str, field: &str) -> Result<Arc<Topic>, Refusal> {
        self.table.get(name).ok_or_else(|| self.unknown(name, field))
    }

    /// One page of the topics that are wanted, by name.
    ///
    /// # Errors
    /// `PAGE_TOKEN_INVALID`.
    pub fn list(&self, wanted: impl Fn(&Topic) -> bool, page: &PageRequest) -> Result<Page<Arc<Topic>>, Refusal> {
        let (rows, after) = (self.table.all(), page.after::<String>()?);
        let rest = rows.values().filter(|one| after.as_ref().is_none_or(|last| one.name > *last));
        let mut found: Vec<&Arc<Topic>> = rest.filter(|one| wanted(one)).collect();
        found.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        Ok(Page::first(found, page.limit(), |one| one.name.clone()).map(Arc::clone))
    }

    fn unknown(&self, name: &str, field: &str) -> Refusal {
        let rows = self.table.all();
        let near = nearest(name, rows.keys().map(String::as_str));
        let hint = match near {
            Some(near) => format!("Is `{near}` meant?"),
            None => "Leave it out, or let an administrator declare it.".to_owned(),
        };
        let message = format!("No department has declared the topic `{name}`. {hint}");
        Refusal::new(Reason::UnknownTopic, message).field(field).with("topic", name).nearest(near)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topic(name: &str, version: i64) -> Topic {
        let (title, default_channels) = (format!("v{version}"), Vec::new());
        let name = name.to_owned();
        Topic { name, title, department_id: 1, default_on: true, may_mute: true, default_channels, version }
    }

    #[test]
    fn the_newest_version_stands_and_an_unknown_name_hears_the_nearest() {
        let topics = Topics::new(vec![topic("library.overdue", 2), topic("exam", 1)]);
        topics.put(topic("library.overdue", 1));
        topics.put(topic("exam", 2));
        let all = topics.list(|_| true, &PageRequest::default()).unwrap();
        let shown: Vec<_> = all.items.iter().map(|one| (one.name.as_str(), one.title.as_str())).collect();
        assert_eq!(shown, [("exam", "v2"), ("library.overdue", "v2")]);
        let refusal = topics.named("library.overdu", "topic").unwrap_err();
        assert_eq!(refusal.metadata[1], ("nearest", "library.overdue".to_owned()));
        assert!(refusal.message.ends_with("Is `library.overdue` meant?"));
        assert_eq!(Topics::new(Vec::new()).named("exam", "topic").unwrap_err().reason, Reason::UnknownTopic);
    }
}
