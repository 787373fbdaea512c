//! One person's case: was she meant, by which clause, and what became of it.
//!
//! Of those who were meant the clauses are kept with the message. For others the directory of now is asked, and only
//! for administrators: which clauses hold for somebody tells her tags.

use super::{Recipient, RecipientFilter, RecipientState, Reporter};
use crate::access::Caller;
use crate::audience::Usable;
use crate::audience::parse::parse;
use crate::audience::resolve;
use crate::audience::show::terms_of;
use crate::domain::audience::Expression;
use crate::domain::audit::{Action, Deed, Object};
use crate::domain::id::MessageId;
use crate::domain::language::Language;
use crate::domain::page::PageRequest;
use crate::domain::refusal::{Reason, Refusal};
use crate::domain::set::Set;

/// One person's case.
#[derive(Clone, Debug)]
pub struct Explained {
    /// What became of her; `None` if she was not meant.
    pub recipient: Option<Recipient>,
    /// How each different clause of the expression treats her; empty for a list, and where it may not be told.
    pub clauses: Vec<ClauseTest>,
    /// The clauses tell how the directory is now, not how it was.
    pub as_of_now: bool,
}

/// How one clause treats a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClauseTest {
    /// The clause in its canonical form.
    pub clause: String,
    /// Whether she is in it.
    pub matched: bool,
}

impl Reporter {
    /// The case of one person of a message.
    ///
    /// Errors: `NOT_FOUND` for a message that the caller may not read, `UNKNOWN_USER`.
    pub async fn explain(&self, caller: &Caller, id: MessageId, user_id: &str) -> Result<Explained, Refusal> {
        let deed = Deed::of(Action::RecipientExplain).over([id.0.to_be_bytes()]);
        let row = self.audit.denied(caller, deed.on(Object::Message(id)), self.readable(caller, id).await).await?;
        let Some(ordinal) = self.index.snapshot().users().ordinal(user_id) else {
            let message = "There is no user with this id; look it up in the directory.";
            return Err(Refusal::new(Reason::UnknownUser, message).field("user_id").with("count", 1));
        };
        self.audit.record(caller, deed.on(Object::User(ordinal))).await?;
        let filter = RecipientFilter { user_id: Some(user_id.to_owned()), ..RecipientFilter::default() };
        let recipient = self.people_of(&row, &filter, &PageRequest::default()).await?.items.pop();
        let meant = recipient.is_some();
        // A text that was accepted once and cannot be read any more explains nothing.
        let tree = Some(&row.facts.audience_text).filter(|text| !text.is_empty()).and_then(|text| parse(text).ok());
        let clauses = match &tree {
            Some(tree) if meant => self.then(id, ordinal, tree).await?,
            Some(tree) if caller.audited(self.clock.now()).is_everywhere() => self.now(ordinal, tree),
            _ => Vec::new(),
        };
        Ok(Explained { as_of_now: !meant && !clauses.is_empty(), recipient, clauses })
    }

    /// The clauses as they treated one of the people when the audience was worked out.
    async fn then(&self, id: MessageId, ordinal: u32, tree: &Expression) -> Result<Vec<ClauseTest>, Refusal> {
        if let Expression::Term(term) = tree {
            return Ok(vec![ClauseTest { clause: term.to_string(), matched: true }]);
        }
        let held = self.store.messages.clauses(id, ordinal).await?;
        let test = |(number, term): (u32, &crate::domain::audience::Term)| ClauseTest {
            clause: term.to_string(),
            matched: held.contains(&number),
        };
        Ok((0..).zip(terms_of(tree)).map(test).collect())
    }

    /// The clauses as they treat a person now; one that means nothing any more holds for nobody.
    fn now(&self, ordinal: u32, tree: &Expression) -> Vec<ClauseTest> {
        let (snapshot, her) = (self.index.snapshot(), Set::from_iter([ordinal]));
        let usable = Usable::any(self.clock.now());
        let test = |term: &crate::domain::audience::Term| {
            let named = resolve::by_term(&Expression::Term(term.clone()), &her, &snapshot, &usable);
            ClauseTest {
                clause: term.to_string(),
                matched: named.is_ok_and(|sets| sets.iter().any(|set| !set.is_empty())),
            }
        };
        terms_of(tree).into_iter().map(test).collect()
    }
}

impl Explained {
    /// The case in one sentence for people.
    #[must_use]
    pub fn sentence(&self, user_id: &str, language: Language) -> String {
        let names = |matched: bool| {
            let those = self.clauses.iter().filter(|one| one.matched == matched).map(|one| format!("`{}`", one.clause));
            those.collect::<Vec<_>>().join(if language == Language::Chinese { "、" } else { ", " })
        };
        let (held, missed) = (names(true), names(false));
        match (&self.recipient, language) {
            (Some(person), Language::English) => {
                let because = if held.is_empty() { "by the list".to_owned() } else { format!("by {held}") };
                format!("{user_id} was meant, {because}; {}.", english(person.state()))
            }
            (Some(person), Language::Chinese) => {
                let because = if held.is_empty() { "名单".to_owned() } else { held };
                format!("{user_id} 属于本消息的受众（{because}），{}。", chinese(person.state()))
            }
            (None, Language::English) => {
                let why = match (held.is_empty(), missed.is_empty()) {
                    (true, true) => String::new(),
                    (false, true) => format!(": now she is in {held}"),
                    (true, false) => format!(": now she is not in {missed}"),
                    (false, false) => format!(": now she is in {held}, but not in {missed}"),
                };
                format!("{user_id} was not among the people of this message{why}.")
            }
            (None, Language::Chinese) => {
                let why = match (held.is_empty(), missed.is_empty()) {
                    (true, true) => String::new(),
                    (false, true) => format!("：目前符合 {held}"),
                    (true, false) => format!("：目前不符合 {missed}"),
                    (false, false) => format!("：目前符合 {held}，但不符合 {missed}"),
                };
                format!("{user_id} 不在本消息的受众之中{why}。")
            }
        }
    }
}

fn english(state: RecipientState) -> &'static str {
    match state {
        RecipientState::Confirmed => "it was confirmed",
        RecipientState::Read => "it was read",
        RecipientState::Delivered => "it arrived",
        RecipientState::Sent => "it was sent",
        RecipientState::Pending => "it is still on its way",
        RecipientState::Unknown => "whether it was sent cannot be known",
        RecipientState::Failed => "it could not be sent on any channel",
        RecipientState::Expired => "its time ran out before it could be sent",
        RecipientState::Cancelled => "it was cancelled before it was sent",
        RecipientState::Suppressed => "it was held back on purpose",
    }
}

fn chinese(state: RecipientState) -> &'static str {
    match state {
        RecipientState::Confirmed => "本人已确认",
        RecipientState::Read => "本人已读",
        RecipientState::Delivered => "已送达",
        RecipientState::Sent => "已发出",
        RecipientState::Pending => "仍在发送途中",
        RecipientState::Unknown => "是否发出无法得知",
        RecipientState::Failed => "所有渠道都未能发出",
        RecipientState::Expired => "未及发出就已过期",
        RecipientState::Cancelled => "发出之前已取消",
        RecipientState::Suppressed => "按规则没有发送",
    }
}
