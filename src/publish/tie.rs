//! A publish that refers to an earlier message: the end of an alarm goes to whom the alarm went, and what follows
//! goes to those who joined the audience since.

use std::sync::Arc;
use std::time::Duration;

use super::Publisher;
use crate::access::Caller;
use crate::audience::resolve;
use crate::domain::audience::{Audience, UnknownUsers};
use crate::domain::class::Class;
use crate::domain::id::MessageId;
use crate::domain::message::{Draft, MessageFacts, MessageState};
use crate::domain::refusal::{Reason, Refusal};
use crate::domain::relation::{Relation, RelationKind};
use crate::domain::set::Set;
use crate::store::MessageRow;

/// The field that names the earlier message.
const FIELD: &str = "relation.message_id";
/// An alarm that began so long ago has expired.
const ALARM_MAX: Duration = Duration::from_secs(30 * 86_400);
/// Messages that refer to one which are looked at.
const REFERRING_MAX: usize = 1_000;

/// What an earlier message adds to the audience of a publish.
#[derive(Clone, Debug, Default)]
pub(super) struct Tie {
    /// These are the people; no expression is asked.
    pub(super) people: Option<Arc<Set>>,
    /// These have had it.
    pub(super) without: Option<Arc<Set>>,
    /// The caller was entitled to these people when it raised the alarm that this ends. That right is not asked for
    /// again: somebody who moved since would otherwise leave everybody alarmed.
    pub(super) entitled: bool,
    /// No right is needed to reach these: they send it to themselves.
    pub(super) selves: Set,
}

impl Publisher {
    /// Reads what the draft refers to, and puts the earlier message's audience into it where that says whom it is for.
    ///
    /// Errors: `NOT_FOUND` for a message that the caller may not see, `FIELD_INVALID` for one that cannot be
    /// referred to in this way, `ALREADY_ALL_CLEAR`.
    pub(super) async fn tie(&self, caller: &Caller, draft: &mut Draft) -> Result<Tie, Refusal> {
        let Some(Relation { kind, message }) = draft.relation else { return Ok(Tie::default()) };
        let earlier = self.earlier(caller, message).await?;
        match kind {
            RelationKind::Corrects | RelationKind::ProofOf => Ok(Tie::default()),
            RelationKind::AllClearFor => self.all_clear(caller, draft, &earlier).await,
            RelationKind::Follows => self.follows(caller, draft, earlier).await,
        }
    }

    /// A message that the caller may see; absent and foreign ones answer alike.
    async fn earlier(&self, caller: &Caller, id: MessageId) -> Result<MessageRow, Refusal> {
        let (reach, directory) = (caller.audited(self.parts.clock.now()), self.parts.index.snapshot());
        let sees = |facts: &MessageFacts| {
            let own = facts.principal == caller.principal;
            (own || reach.covers(facts.department_id, directory.tree())) && facts.mode == caller.mode()
        };
        self.parts.store.messages.message(id).await?.filter(|row| sees(&row.facts)).ok_or_else(|| {
            Refusal::new(Reason::NotFound, format!("There is no message {id} that you may refer to.")).field(FIELD)
        })
    }

    async fn all_clear(&self, caller: &Caller, draft: &mut Draft, alarm: &MessageRow) -> Result<Tie, Refusal> {
        let facts = &alarm.facts;
        if facts.class != Class::Emergency {
            return Err(cannot("Only a message of class EMERGENCY has an all-clear; publish a correction instead."));
        }
        if self.parts.clock.now() > facts.send_at.plus(ALARM_MAX) {
            return Err(cannot("The alarm is over for more than 30 days; publish a message of its own."));
        }
        for row in self.parts.store.relations.referring(facts.id, REFERRING_MAX).await? {
            let is_same = row.facts.relation.is_some_and(|relation| relation.kind == RelationKind::AllClearFor);
            if is_same && stands(&row) {
                let message = format!("{} gave the all-clear for this alarm; correct that one instead.", row.facts.id);
                let refusal = Refusal::new(Reason::AlreadyAllClear, message).field(FIELD);
                return Err(refusal.with("message_id", row.facts.id));
            }
        }
        draft.audience = Audience::Users { ids: Vec::new(), unknown: UnknownUsers::Reject };
        let people = Arc::new(self.parts.store.messages.members(facts.id).await?);
        let entitled = facts.principal == caller.principal;
        Ok(Tie { people: Some(people), entitled, ..Tie::default() })
    }

    /// The audience as it is now less all who had it. What follows a message that itself follows one follows the first.
    async fn follows(&self, caller: &Caller, draft: &mut Draft, earlier: MessageRow) -> Result<Tie, Refusal> {
        let first = match earlier.facts.relation {
            Some(Relation { kind: RelationKind::Follows, message }) => self.earlier(caller, message).await?,
            _ => earlier,
        };
        if first.facts.audience_text.is_empty() {
            return Err(cannot(
                "The earlier message went to people who were listed, and nobody joins a list; list the new ones.",
            ));
        }
        let messages = &self.parts.store.messages;
        let mut had = messages.members(first.facts.id).await?;
        for row in self.parts.store.relations.referring(first.facts.id, REFERRING_MAX).await? {
            let follows = row.facts.relation.is_some_and(|relation| relation.kind == RelationKind::Follows);
            // What was cancelled half-way reached some, and nobody is to get it twice.
            if follows && (stands(&row) || !messages.legs(row.facts.id).await?.is_empty()) {
                had |= messages.members(row.facts.id).await?;
            }
        }
        draft.relation = Some(Relation { kind: RelationKind::Follows, message: first.facts.id });
        draft.audience = Audience::Expression(first.facts.audience_text.clone());
        Ok(Tie { without: Some(Arc::new(had)), ..Tie::default() })
    }
}

/// It was sent, or will be.
fn stands(row: &MessageRow) -> bool {
    !matches!(row.state, MessageState::Rejected | MessageState::Expired | MessageState::Cancelled)
}

fn cannot(why: &str) -> Refusal {
    Refusal::new(Reason::FieldInvalid, why).field(FIELD)
}

impl Tie {
    /// The refusal where nobody is left.
    pub(super) fn nobody(&self) -> Refusal {
        if self.without.is_none() {
            return resolve::empty();
        }
        let message = "Nobody has joined the audience since; everybody who is in it now had the earlier message.";
        Refusal::new(Reason::EmptyAudience, message).field(FIELD)
    }
}
