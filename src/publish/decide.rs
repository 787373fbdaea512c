//! What a draft comes to, from memory alone: whom it names, how it would travel, and whether the caller may.
//! The commit verifies afterwards that the memory was right.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use super::Parts;
use super::accept::{Receipt, Warning};
use super::plan::{self, ChannelPlan};
use super::tie::Tie;
use super::times::{self, Times};
use crate::access::review::{Need, TOLERANCE_PERCENT};
use crate::access::{Authorised, Caller, Request};
use crate::audience::parse::parse;
use crate::audience::{Snapshot, Usable, resolve};
use crate::domain::access::Mode;
use crate::domain::audience::{Audience, Expression, UnknownUsers};
use crate::domain::channel::Channel;
use crate::domain::class::Class;
use crate::domain::directory::{FIRST_ORDINAL, SIMULATED};
use crate::domain::id::{GrantId, MessageId};
use crate::domain::message::{Draft, MessageState};
use crate::domain::refusal::{Reason, Refusal};
use crate::domain::review::Timing;
use crate::domain::set::Set;
use crate::domain::time::At;
use crate::domain::topic::Topic;
use crate::store::{ClauseMembers, LegPlan};

/// People whom grants have reached today, as far as a commit has said so.
pub(super) type UsedToday = HashMap<GrantId, u64>;

/// What a draft names, before anybody asked whether the caller may.
pub(super) struct Survey {
    pub(super) snapshot: Arc<Snapshot>,
    pub(super) now: At,
    pub(super) department_id: i64,
    /// The department that owns the calling application.
    pub(super) owner_id: Option<i64>,
    pub(super) sender: Option<u32>,
    pub(super) channels: Vec<Channel>,
    /// Everybody, simulated users included. Where nobody is in an expression whose terms name people out of the
    /// caller's reach, one of those stands here: that they have nobody in common is told to those who may see them.
    pub(super) people: Set,
    /// It is really nobody.
    pub(super) nobody: bool,
    pub(super) unknown_user_ids: Vec<String>,
    pub(super) listed_twice: usize,
    /// Tags that an expression uses.
    pub(super) tags: Vec<String>,
}

/// A draft that may be published, ready for the commit.
pub(super) struct Decision {
    pub(super) authorised: Authorised,
    /// The grant, the day and its limit.
    pub(super) quota: Option<(GrantId, i64, u64)>,
    pub(super) directory_seq: i64,
    pub(super) now: At,
    pub(super) times: Times,
    pub(super) topic: Option<Arc<Topic>>,
    pub(super) department_id: i64,
    pub(super) sender: Option<u32>,
    pub(super) people: Set,
    /// Which of them are in which clause.
    pub(super) clauses: Vec<ClauseMembers>,
    pub(super) legs: Vec<LegPlan>,
    pub(super) channels: Vec<ChannelPlan>,
    pub(super) unknown_user_ids: Vec<String>,
    pub(super) listed_twice: usize,
    pub(super) mode: Mode,
    /// Who has to agree, and how many.
    pub(super) need: Option<Need>,
    /// By how many per cent the number of people may change until it is sent.
    pub(super) tolerance_percent: u32,
}

impl Parts {
    /// Decides about a draft. Cheap refusals come first; nothing about the audience's size is told before the
    /// caller is known to hold a right to it.
    pub(super) fn decide(
        &self,
        caller: &Caller,
        draft: &Draft,
        tie: &Tie,
        used: &UsedToday,
    ) -> Result<Decision, Refusal> {
        let now = self.clock.now();
        let times = times::decide(now, draft.class, draft.send_at, draft.expire_at)?;
        let topic = self.topic(caller, draft)?;
        let channels = self.channels(caller, draft, topic.as_deref())?;
        for &channel in &channels {
            self.providers.check(channel, &draft.content)?;
        }
        let survey = self.survey(caller, (draft, tie), channels, now)?;
        let authorised = self.authorise(caller, (draft, tie), &survey, used)?;
        if survey.nobody {
            return Err(tie.nobody());
        }
        self.expected(draft, survey.people.len())?;
        let (providers, delivery) = (&*self.providers, &*self.delivery);
        let legs = plan::legs(&survey.channels, caller.mode(), draft.class, survey.people.len(), providers, delivery)?;
        let Survey { snapshot, department_id, sender, people, unknown_user_ids, listed_twice, .. } = survey;
        // A trial copy is what a second person is shown, too.
        let need = match draft.proof {
            true => None,
            false => self.need(caller, draft.class, department_id, (&people, &snapshot)),
        };
        Ok(Decision {
            need,
            tolerance_percent: draft.expected.map_or(TOLERANCE_PERCENT, |expected| expected.tolerance_percent),
            quota: if tie.entitled { None } else { self.quota(caller, &authorised, now) },
            authorised,
            directory_seq: snapshot.seq(),
            now,
            times,
            topic,
            department_id,
            sender,
            channels: plan::channels(&legs, &snapshot, (&people, &Set::new()), delivery),
            clauses: self.clauses(caller, draft, &snapshot, &people)?,
            people,
            legs,
            unknown_user_ids,
            listed_twice,
            mode: caller.mode(),
        })
    }

    /// Whether reviewers have to agree to this.
    pub(super) fn need(
        &self,
        caller: &Caller,
        class: Class,
        department_id: i64,
        (people, snapshot): (&Set, &Snapshot),
    ) -> Option<Need> {
        self.rules.need(caller.mode(), class, people.len(), || people.is_subset(&snapshot.under(department_id)))
    }

    /// Which of the people are in which clause; nothing for a list, and nothing for a single clause.
    fn clauses(
        &self,
        caller: &Caller,
        draft: &Draft,
        snapshot: &Snapshot,
        people: &Set,
    ) -> Result<Vec<ClauseMembers>, Refusal> {
        let Audience::Expression(text) = &draft.audience else { return Ok(Vec::new()) };
        let tree = parse(text)?;
        if matches!(tree, Expression::Term(_)) {
            return Ok(Vec::new());
        }
        let usable = self.grants.usable(caller.principal, self.clock.now());
        let sets = resolve::by_term(&tree, people, snapshot, &usable)?;
        Ok((0..).zip(sets).map(|(clause, members)| ClauseMembers { clause, members }).collect())
    }

    /// Resolves the audience, the department that speaks and the person acted for.
    pub(super) fn survey(
        &self,
        caller: &Caller,
        (draft, tie): (&Draft, &Tie),
        channels: Vec<Channel>,
        now: At,
    ) -> Result<Survey, Refusal> {
        if draft.class == Class::Transactional && matches!(draft.audience, Audience::Expression(_)) {
            let message = "A transactional message takes a list of users; list them, or choose another class.";
            return Err(Refusal::new(Reason::ClassNeedsUserList, message).field("audience"));
        }
        let snapshot = self.index.snapshot();
        let owner_id = self.application(caller).map(|application| application.department_id);
        let department_id = department(draft, owner_id, &snapshot)?;
        let sender = draft.sender_user_id.as_deref().map(|id| sender(id, &snapshot)).transpose()?;
        let usable = self.grants.usable(caller.principal, now);
        let missing = |refusal: Refusal| match refusal.reason {
            Reason::UnknownTag => self.policy.nothing_held(caller.principal, &snapshot, now).unwrap_or(refusal),
            _ => refusal,
        };
        let mut resolved = match &tie.people {
            Some(people) => resolve::Resolved { set: (**people).clone(), ..resolve::Resolved::default() },
            None => resolve::resolve(&draft.audience, &snapshot, &usable).map_err(missing)?,
        };
        if caller.mode() == Mode::Live {
            without_simulated(&draft.audience, &mut resolved)?;
        }
        let mut nobody = resolved.set.is_empty();
        if nobody {
            resolved.set = self.stand_in(caller, draft, &usable, &snapshot, now)?;
        } else if let Some(had) = &tie.without {
            // Where all have had it, the right to all of them is asked for before that is told.
            nobody = resolved.set.is_subset(had);
            if !nobody {
                resolved.set -= &**had;
            }
        }
        Ok(Survey {
            nobody,
            snapshot,
            now,
            department_id,
            owner_id,
            sender,
            channels,
            people: resolved.set,
            unknown_user_ids: resolved.unknown_user_ids,
            listed_twice: resolved.duplicates,
            tags: resolved.tags,
        })
    }

    /// Somebody out of the caller's reach whom the expression names, to be refused for in place of nobody.
    /// `EMPTY_AUDIENCE` if all whom it names are within reach.
    fn stand_in(
        &self,
        caller: &Caller,
        draft: &Draft,
        usable: &Usable,
        snapshot: &Snapshot,
        now: At,
    ) -> Result<Set, Refusal> {
        let Audience::Expression(text) = &draft.audience else { return Err(resolve::empty()) };
        let named = resolve::named(&parse(text)?, snapshot, usable)?;
        let stranger = self.policy.stranger(caller.principal, named, snapshot, now);
        Ok(Set::from_iter([stranger.ok_or_else(resolve::empty)?]))
    }

    /// Asks the policy. Simulated users are nobody's people: no right to them is needed. `used` holds what a
    /// commit has said of grants' days; the others are taken as unused until one says otherwise.
    pub(super) fn authorise(
        &self,
        caller: &Caller,
        (draft, tie): (&Draft, &Tie),
        survey: &Survey,
        used: &UsedToday,
    ) -> Result<Authorised, Refusal> {
        let people = match survey.people.min() {
            _ if tie.entitled => Cow::Owned(Set::new()),
            Some(_) if !tie.selves.is_empty() => Cow::Owned(&survey.people - &tie.selves - simulated()),
            Some(first) if first < FIRST_ORDINAL => Cow::Owned(&survey.people - simulated()),
            _ => Cow::Borrowed(&survey.people),
        };
        self.policy.decide(&Request {
            principal: caller.principal,
            sender: survey.sender,
            class: draft.class,
            channels: &survey.channels,
            department_id: survey.department_id,
            owner_id: survey.owner_id,
            tags: &survey.tags,
            audience: &people,
            snapshot: &survey.snapshot,
            now: survey.now,
            used_today: &|grant| used.get(&grant).copied().unwrap_or(0),
        })
    }

    /// The day's quota that the commit has to keep. Test messages reach nobody and use none up.
    fn quota(&self, caller: &Caller, authorised: &Authorised, now: At) -> Option<(GrantId, i64, u64)> {
        if caller.mode() == Mode::Test {
            return None;
        }
        let held = self.grants.of(caller.principal);
        let grant = held.iter().find(|grant| grant.id == authorised.grant.0)?;
        grant.per_day.map(|limit| (grant.id, now.day(), limit))
    }

    fn expected(&self, draft: &Draft, actual: u64) -> Result<(), Refusal> {
        match draft.expected {
            Some(expected) if !expected.holds(actual) => {
                let message = format!(
                    "The audience is {actual} people, not about {}; preview it, then correct the audience or the number.",
                    expected.recipients
                );
                Err(Refusal::new(Reason::RecipientsUnexpected, message)
                    .field("expected_recipients")
                    .with("expected", expected.recipients)
                    .with("actual", actual))
            }
            _ => Ok(()),
        }
    }
}

impl Decision {
    /// The answer once this is stored, or now if it is only validated.
    pub(super) fn receipt(&self, message_id: Option<MessageId>) -> Receipt {
        let held = self.need.is_some_and(|need| need.timing == Timing::Before);
        let state = match self.times.scheduled {
            _ if held => MessageState::Held,
            true => MessageState::Scheduled,
            false if self.legs.iter().all(|leg| &*leg.provider == plan::INBOX_PROVIDER) => MessageState::Closed,
            false => MessageState::Open,
        };
        Receipt {
            message_id,
            state,
            duplicate: false,
            recipient_count: self.people.len(),
            channels: self.channels.clone(),
            unknown_user_ids: self.unknown_user_ids.clone(),
            test: self.mode == Mode::Test,
            review: None,
            warnings: self.warnings(),
        }
    }

    fn warnings(&self) -> Vec<Warning> {
        let unreachable = self.channels.iter().filter(|plan| plan.reachable == 0).map(|plan| Warning {
            reason: "NOBODY_REACHABLE",
            text: format!("Nobody of this audience can be reached by {}.", plan.channel),
            channel: Some(plan.channel),
        });
        let twice = (self.listed_twice > 0).then(|| Warning {
            reason: "LISTED_TWICE",
            text: format!("{} entries of the list name somebody again; each person gets it once.", self.listed_twice),
            channel: None,
        });
        unreachable.chain(twice).collect()
    }
}

/// The department that speaks: the named one or the application's own.
fn department(draft: &Draft, owner_id: Option<i64>, snapshot: &Snapshot) -> Result<i64, Refusal> {
    if let Some(id) = &draft.department_id {
        return snapshot.tree().by_external_id(id).map(|department| department.id).ok_or_else(|| {
            let message = format!("There is no department `{id}`; look it up in the directory.");
            Refusal::new(Reason::UnknownDepartment, message).field("department_id")
        });
    }
    owner_id.ok_or_else(|| {
        let message = "Name the department that speaks; only an application has one of its own.";
        Refusal::new(Reason::FieldRequired, message).field("department_id")
    })
}

fn sender(external_id: &str, snapshot: &Snapshot) -> Result<u32, Refusal> {
    snapshot.users().ordinal(external_id).ok_or_else(|| {
        let message = format!("There is no user `{external_id}` to act for; look the id up in the directory.");
        Refusal::new(Reason::UnknownUser, message)
            .field("sender_user_id")
            .with("user_ids", external_id)
            .with("count", 1)
    })
}

pub(super) fn simulated() -> Set {
    SIMULATED.iter().map(|(ordinal, _)| *ordinal).collect()
}

/// To a live key simulated users do not exist.
fn without_simulated(audience: &Audience, resolved: &mut resolve::Resolved) -> Result<(), Refusal> {
    let named: Vec<&str> =
        SIMULATED.iter().filter(|(ordinal, _)| resolved.set.contains(*ordinal)).map(|(_, id)| *id).collect();
    if named.is_empty() {
        return Ok(());
    }
    if let Audience::Users { unknown: UnknownUsers::Skip, .. } = audience {
        resolved.set -= simulated();
        resolved.unknown_user_ids.extend(named.iter().map(|id| (*id).to_owned()));
        return Ok(());
    }
    let ids = named.join(",");
    let message = format!("There is no user `{ids}` for a live key; simulated users answer to test keys only.");
    Err(Refusal::new(Reason::UnknownUser, message).field("audience").with("user_ids", ids).with("count", named.len()))
}
