//! One publish: decide from memory, commit, and decide again when the commit saw that memory was behind.

use std::borrow::Cow;
use std::time::Duration;

use super::Publisher;
use super::committer::{Committing, Place};
use super::decide::{Decision, UsedToday};
use super::handover::Ready;
use super::plan::{self, ChannelPlan};
use super::review::ReviewStatus;
use super::tie::Tie;
use crate::access::{Caller, token};
use crate::domain::access::{KeyScope, Mode};
use crate::domain::audience::Audience;
use crate::domain::channel::Channel;
use crate::domain::id::{GrantId, MessageId};
use crate::domain::message::{Draft, MessageFacts, MessageState};
use crate::domain::refusal::{Kind, Reason, Refusal};
use crate::domain::set::Set;
use crate::domain::time::At;
use crate::store::{Accept, Accepted, Members, MessageRow};

/// How often an audience is resolved anew because the directory moved.
pub(super) const ROUNDS: usize = 8;
/// How long to wait for the index to catch up.
const CATCH_UP: Duration = Duration::from_secs(2);

/// The answer to a publish. What it says is stored durably, or was only validated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The message; `None` when it was only validated.
    pub message_id: Option<MessageId>,
    /// Where it stands.
    pub state: MessageState,
    /// The idempotency key was known: this is the earlier message.
    pub duplicate: bool,
    /// How many people.
    pub recipient_count: u64,
    /// What each channel is expected to do.
    pub channels: Vec<ChannelPlan>,
    /// Ids of a list that nobody has and that were left out.
    pub unknown_user_ids: Vec<String>,
    /// A test key: nobody is reached.
    pub test: bool,
    /// Whether a second person has to agree, and who may.
    pub review: Option<ReviewStatus>,
    /// What deserves a look.
    pub warnings: Vec<Warning>,
}

/// Something that did not prevent acceptance but deserves a look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// A stable word: `LISTED_TWICE`, `NOBODY_REACHABLE` or `NO_REVIEWER`.
    pub reason: &'static str,
    /// A sentence for people.
    pub text: String,
    /// The channel that it is about.
    pub channel: Option<Channel>,
}

impl Publisher {
    /// Publishes a message and answers after its commit. The same key with the same request answers with the
    /// first message, whatever has changed since.
    ///
    /// Errors: those of the audience and of the access policy; `SCOPE_MISSING`, `FIELD_REQUIRED`,
    /// `FIELD_INVALID`, `FIELD_TOO_LONG`, `PAST_SEND_AT`, `EXPIRE_BEFORE_SEND`, `CLASS_NEEDS_USER_LIST`,
    /// `EMPTY_AUDIENCE`, `RECIPIENTS_UNEXPECTED`, `CHANNEL_NOT_CONFIGURED`, `QUOTA_EXHAUSTED`,
    /// `IDEMPOTENCY_MISMATCH`; from the commit also `TOKEN_INVALID` and `GRANT_REVOKED`; `DIRECTORY_MOVING`,
    /// `DRAINING`, `STORE_UNAVAILABLE` and `STORE_FULL`, which are worth repeating with the same key.
    pub async fn publish(&self, caller: &Caller, mut draft: Draft) -> Result<Receipt, Refusal> {
        caller.require(KeyScope::Publish)?;
        // Thousands of publishes wait at once, each as large as its largest step: the rare steps are boxed.
        if let Some(seq) = draft.min_directory_seq {
            Box::pin(self.see(seq)).await?;
        }
        let tie = match draft.relation {
            None => Tie::default(),
            Some(_) => match Box::pin(self.tie(caller, &mut draft)).await {
                Ok(tie) => tie,
                Err(refusal) => return Box::pin(self.known_or(caller, &draft, refusal)).await,
            },
        };
        self.publish_tied(caller, &draft, &tie).await
    }

    /// Publishes a draft with what an earlier message adds to it.
    pub(super) async fn publish_tied(&self, caller: &Caller, draft: &Draft, tie: &Tie) -> Result<Receipt, Refusal> {
        let mut seen = Seen::default();
        for _ in 0..ROUNDS {
            let place = self.committer.place().await?;
            let (receipt, quota, committing) = match self.parts.attempt(caller, (draft, tie), &seen, place) {
                Attempt::Committing(receipt, quota, committing) => (receipt, quota, committing),
                Attempt::Validated(receipt) => return Ok(receipt),
                Attempt::Refused(refusal) => {
                    return Box::pin(self.known_or(caller, draft, seen.gone(refusal))).await;
                }
            };
            match committing.done().await? {
                Accepted::Stored(_) if receipt.review.is_some() => {
                    return Ok(Box::pin(self.with_deputies(receipt)).await);
                }
                Accepted::Stored(_) => return Ok(receipt),
                Accepted::Duplicate { message, same } => {
                    return Box::pin(self.repeated(caller, &message, same)).await;
                }
                Accepted::KeyChanged => return Err(token::invalid()),
                Accepted::GrantChanged(grant) => Box::pin(self.see_grant(grant, &mut seen)).await?,
                Accepted::DirectoryMoved { head } => Box::pin(self.catch_up(head)).await?,
                Accepted::QuotaExhausted { used } => seen.quota(quota, used)?,
            }
        }
        Err(moving())
    }

    /// Takes over a grant that a commit saw changed; the next decision may find another one.
    async fn see_grant(&self, id: GrantId, seen: &mut Seen) -> Result<(), Refusal> {
        if seen.changed == Some(id) {
            return Err(revoked(id));
        }
        seen.changed = Some(id);
        if let Some(grant) = self.parts.store.access.grant(id).await? {
            self.parts.grants.put(grant);
        }
        Ok(())
    }

    /// Waits until the index has a change that the caller knows of.
    pub(super) async fn see(&self, seq: i64) -> Result<(), Refusal> {
        if self.parts.index.seq() >= seq {
            return Ok(());
        }
        if seq > self.parts.store.directory.head().await? {
            let message = "No directory call has answered this number; give back one that you were answered.";
            return Err(Refusal::new(Reason::FieldInvalid, message).field("min_directory_seq"));
        }
        self.catch_up(seq).await
    }

    pub(super) async fn catch_up(&self, seq: i64) -> Result<(), Refusal> {
        self.parts.behind.notify_one();
        tokio::time::timeout(CATCH_UP, self.parts.index.wait_for(seq)).await.map_err(|_| moving())
    }

    /// A request that is refused now may have been accepted before under the same key; then that stands.
    async fn known_or(&self, caller: &Caller, draft: &Draft, refusal: Refusal) -> Result<Receipt, Refusal> {
        match self.parts.store.messages.by_key(caller.principal, &draft.idempotency_key).await? {
            Some((row, digest)) if !draft.validate_only => self.repeated(caller, &row, digest == draft.digest).await,
            _ => Err(refusal),
        }
    }

    /// The answer of a message that is stored already.
    async fn repeated(&self, caller: &Caller, row: &MessageRow, same: bool) -> Result<Receipt, Refusal> {
        let facts = &row.facts;
        if !same || facts.mode != caller.mode() {
            let message = "The idempotency key was used with another request; use a new key for a new message.";
            return Err(Refusal::new(Reason::IdempotencyMismatch, message)
                .field("idempotency_key")
                .with("message_id", facts.id));
        }
        let people = match row.only_member {
            Some(ordinal) => Set::from_iter([ordinal]),
            None => self.parts.store.messages.members(facts.id).await?,
        };
        Ok(Receipt {
            message_id: Some(facts.id),
            state: row.state,
            duplicate: true,
            recipient_count: facts.members_n,
            channels: self.parts.channel_plans_of(facts, &people),
            unknown_user_ids: Vec::new(),
            test: facts.mode == Mode::Test,
            review: self.review_status(caller, row).await?,
            warnings: Vec::new(),
        })
    }
}

/// A grant, a day and its limit.
type Quota = Option<(GrantId, i64, u64)>;

/// What one round of deciding came to.
enum Attempt {
    /// It may be published and is on its way into the store.
    Committing(Receipt, Quota, Committing),
    /// It could be published; more was not asked.
    Validated(Receipt),
    /// It may not.
    Refused(Refusal),
}

impl super::Parts {
    /// Decides from memory and queues what may be published.
    fn attempt(&self, caller: &Caller, (draft, tie): (&Draft, &Tie), seen: &Seen, place: Place<'_>) -> Attempt {
        let decision = match self.decide(caller, draft, tie, &seen.used) {
            Ok(decision) => decision,
            Err(refusal) => return Attempt::Refused(refusal),
        };
        let id = self.ids.message();
        let mut receipt = decision.receipt((!draft.validate_only).then_some(id));
        let quota = decision.quota;
        let (accept, ready) = self.compose(id, caller, draft, decision);
        if let Some(opening) = &accept.review {
            self.tell_of_review(&mut receipt, &accept.facts, opening);
        }
        if draft.validate_only {
            return Attempt::Validated(receipt);
        }
        Attempt::Committing(receipt, quota, place.commit(accept, ready))
    }

    /// What goes into the commit, and what is handed over after it.
    pub(super) fn compose(
        &self,
        id: MessageId,
        caller: &Caller,
        draft: &Draft,
        decision: Decision,
    ) -> (Accept, Option<Ready>) {
        let opening = decision.need.map(|need| (need, decision.tolerance_percent));
        let members = match decision.people.min() {
            Some(only) if decision.people.len() == 1 => Members::One(only),
            _ => Members::Many(decision.people.into()),
        };
        let facts = MessageFacts {
            id,
            principal: caller.principal,
            key_id: caller.key.id,
            grant: decision.authorised.grant,
            department_id: decision.department_id,
            sender: decision.sender,
            class: draft.class,
            mode: caller.mode(),
            channels: decision.legs.iter().map(|leg| leg.channel).collect(),
            audience_text: audience_text(&draft.audience),
            directory_seq: decision.directory_seq,
            members_n: members.len(),
            topic: decision.topic.map(|topic| topic.name.clone()),
            reference: draft.reference.clone(),
            labels: draft.labels.clone(),
            lost_answer: draft.lost_answer,
            relation: draft.relation,
            proof: draft.proof,
            created_at: decision.now,
            send_at: decision.times.send_at,
            expire_at: decision.times.expire_at,
        };
        let review = opening.map(|(need, tolerance)| {
            let members = members_set(&members);
            self.opening(need, (&facts, &draft.content, &members), tolerance, decision.now)
        });
        let accept = Accept {
            facts,
            idempotency_key: draft.idempotency_key.clone(),
            digest: draft.digest,
            content: draft.content.clone(),
            members,
            clauses: decision.clauses,
            key: (caller.key.id, caller.key.version),
            grants: std::iter::once(decision.authorised.grant).chain(decision.authorised.also).collect(),
            quota: decision.quota,
            released: !decision.times.scheduled,
            review,
            plans: decision.legs,
        };
        let ready = accept.is_released().then(|| self.ready(&accept, decision.now));
        (accept, ready)
    }

    /// What is handed over once this is stored.
    fn ready(&self, accept: &Accept, at: At) -> Ready {
        Ready {
            facts: accept.facts.clone(),
            content: accept.content.clone(),
            department_name: self.department_name(accept.facts.department_id),
            members: accept.members.clone(),
            at,
        }
    }

    /// What the channels of a stored message could do for its people today.
    fn channel_plans_of(&self, facts: &MessageFacts, people: &Set) -> Vec<ChannelPlan> {
        let snapshot = self.index.snapshot();
        let plan = |&channel: &Channel| {
            let provider = plan::provider(&*self.providers, channel, facts.mode);
            let provider = provider.unwrap_or_else(|_| channel.name().into());
            let held = self.delivery.is_held(&provider);
            ChannelPlan::new((channel, provider), &snapshot, (people, &Set::new()), held)
        };
        facts.channels.iter().map(plan).collect()
    }
}

/// The people as a set.
fn members_set(members: &Members) -> Cow<'_, Set> {
    match members {
        Members::One(ordinal) => Cow::Owned(Set::from_iter([*ordinal])),
        Members::Many(set) => Cow::Borrowed(set),
    }
}

fn audience_text(audience: &Audience) -> String {
    match audience {
        Audience::Expression(text) => text.clone(),
        Audience::Users { .. } => String::new(),
    }
}

/// What the commits of one publish have said of the state of the world.
#[derive(Default)]
struct Seen {
    changed: Option<GrantId>,
    used: UsedToday,
}

impl Seen {
    /// A right that was held a moment ago is gone.
    fn gone(&self, refusal: Refusal) -> Refusal {
        match self.changed {
            Some(grant) if refusal.reason.kind() == Kind::PermissionDenied => revoked(grant),
            _ => refusal,
        }
    }

    /// Notes a quota; the next decision may find a grant with some left.
    fn quota(&mut self, quota: Quota, used: u64) -> Result<(), Refusal> {
        match quota {
            Some((grant, ..)) if self.used.insert(grant, used).is_none() => Ok(()),
            _ => {
                let message = "The grant's daily quota does not suffice; send to fewer people, or tomorrow (UTC).";
                Err(Refusal::new(Reason::QuotaExhausted, message).with("quota", "per_day").with("used", used))
            }
        }
    }
}

fn revoked(grant: GrantId) -> Refusal {
    let message = "The grant was taken back or changed while the publish was under way, and no other one allows it.";
    Refusal::new(Reason::GrantRevoked, message).with("grant_id", grant)
}

pub(super) fn moving() -> Refusal {
    let message = "The directory changes faster than the audience can be frozen; repeat the call with the same key.";
    Refusal::new(Reason::DirectoryMoving, message).after(Duration::from_secs(1))
}
