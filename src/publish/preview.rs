//! A dry run: whom a publish would name, how each channel would do, and whether it would be allowed. Nothing is
//! stored. Of people whom no grant of the caller covers little is told: counts below five are withheld, small
//! departments and channels are left out, and how often one may ask is limited.

mod counts;

use super::Publisher;
use super::decide::{Survey, UsedToday, simulated};
use super::plan::{self, ChannelPlan};
use super::review::ReviewStatus;
use crate::access::Caller;
use crate::audience::parse::parse;
use crate::audience::words;
use crate::domain::access::KeyScope;
use crate::domain::audience::Audience;
use crate::domain::audit::{Action, Deed};
use crate::domain::id::GrantId;
use crate::domain::language::Language;
use crate::domain::message::Draft;
use crate::domain::refusal::Refusal;
pub use counts::{ClauseCount, Count, DepartmentCount};

/// The most people of a sample.
pub const SAMPLE_MAX: u32 = 20;

/// How a preview is to be shown.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wish {
    /// The language of the words.
    pub language: Language,
    /// How many people to show, at most [`SAMPLE_MAX`].
    pub sample_size: u32,
}

/// What a publish would do.
#[derive(Clone, Debug)]
pub struct Preview {
    /// How many people.
    pub recipient_count: Count,
    /// The audience read back in words.
    pub in_words: String,
    /// Each different term of the expression.
    pub clauses: Vec<ClauseCount>,
    /// The departments with most of the people, at most 100; a person counts in each of hers.
    pub departments: Vec<DepartmentCount>,
    /// What each channel would do; empty unless a grant covers the people.
    pub channels: Vec<ChannelPlan>,
    /// Ids of a list that nobody has and that would be left out.
    pub unknown_user_ids: Vec<String>,
    /// The caller may send this.
    pub allowed: bool,
    /// The grant that allows it.
    pub grant_id: Option<GrantId>,
    /// How many people lie outside the grant that covers most of them.
    pub outside: Count,
    /// Whether a second person would have to agree; who may only where a grant covers the people.
    pub review: ReviewStatus,
    /// Some of the people, spread evenly; empty unless a grant covers them.
    pub sample: Vec<Person>,
    /// Why the caller may not.
    pub refusal: Option<Refusal>,
}

/// One person of a sample.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// Staff or student number.
    pub user_id: String,
    /// The name, for those who may read the directory.
    pub name: Option<String>,
    /// External id of the primary department.
    pub department_id: Option<String>,
}

impl Publisher {
    /// Decides about a draft as [`Publisher::publish`] would and shows what it saw. Content, times, the
    /// expected number and the idempotency key do not matter.
    ///
    /// Errors: `SCOPE_MISSING`, `RATE_LIMITED` and those of the audience and of the relation. A right that is missing is part of the
    /// answer.
    pub async fn preview(&self, caller: &Caller, mut draft: Draft, wish: Wish) -> Result<Preview, Refusal> {
        caller.require(KeyScope::Publish)?;
        let parts = &self.parts;
        self.paces.previews.step(caller.principal, parts.clock.now())?;
        parts.audit.record(caller, Deed::of(Action::AudiencePreview)).await?;
        if let Some(seq) = draft.min_directory_seq {
            self.see(seq).await?;
        }
        let tie = self.tie(caller, &mut draft).await?;
        let topic = parts.topic(caller, &draft)?;
        let channels = parts.channels(caller, &draft, topic.as_deref())?;
        let survey = parts.survey(caller, (&draft, &tie), channels, parts.clock.now())?;
        let (grant_id, refusal) = match parts.authorise(caller, (&draft, &tie), &survey, &UsedToday::new()) {
            Ok(_) if survey.nobody => return Err(tie.nobody()),
            Ok(authorised) => (Some(authorised.grant.0), None),
            Err(refusal) => (None, Some(refusal)),
        };
        let view = counts::View {
            survey: &survey,
            usable: parts.grants.usable(caller.principal, survey.now),
            outside: &|people| {
                let people = people - simulated();
                parts.policy.outside(caller.principal, &people, &survey.snapshot, survey.now)
            },
        };
        let outside = if tie.entitled { 0 } else { (view.outside)(&survey.people) };
        let covered = outside == 0;
        let (channels, sample) = match covered {
            true => (self.channels(caller, &draft, &survey).await?, self.sample(caller, &survey, wish).await?),
            false => (Vec::new(), Vec::new()),
        };
        let review = self.foreseen(caller, &draft, &survey, covered).await?;
        Ok(Preview {
            review,
            recipient_count: Count::of(survey.people.len(), covered),
            in_words: in_words(&draft.audience, &survey, wish.language),
            clauses: view.clauses(&draft.audience)?,
            departments: view.departments(covered),
            channels,
            unknown_user_ids: survey.unknown_user_ids,
            allowed: refusal.is_none(),
            grant_id,
            outside: Count::of(outside, covered),
            sample,
            refusal,
        })
    }

    /// What each channel would do. Of the few who are named although they are in no other set it is read whether
    /// they have left.
    async fn channels(&self, caller: &Caller, draft: &Draft, survey: &Survey) -> Result<Vec<ChannelPlan>, Refusal> {
        let parts = &self.parts;
        let (people, snapshot) = (&survey.people, &survey.snapshot);
        let named = people - snapshot.everyone().as_ref() - simulated();
        let mut gone = named.clone();
        for user in parts.store.directory.users(named.iter().collect()).await? {
            if user.status.receives() {
                gone.remove(user.ordinal);
            }
        }
        let (providers, delivery) = (&*parts.providers, &*parts.delivery);
        let legs = plan::legs(&survey.channels, caller.mode(), draft.class, people.len(), providers, delivery)?;
        Ok(plan::channels(&legs, snapshot, (people, &gone), delivery))
    }

    /// Some of the people, from the first to the last in even steps.
    async fn sample(&self, caller: &Caller, survey: &Survey, wish: Wish) -> Result<Vec<Person>, Refusal> {
        let (people, size) = (&survey.people, u64::from(wish.sample_size.min(SAMPLE_MAX)));
        let size = size.min(people.len());
        let places = (0..size).map(|n| n * people.len() / size);
        let ordinals: Vec<u32> =
            places.filter_map(|place| people.select(u32::try_from(place).unwrap_or(u32::MAX))).collect();
        if ordinals.is_empty() {
            return Ok(Vec::new());
        }
        let shown = ordinals.iter().map(|ordinal| ordinal.to_be_bytes());
        self.parts.audit.record(caller, Deed::of(Action::PreviewSample).over(shown)).await?;
        let reach = caller.administered(survey.now);
        let users = self.parts.store.directory.users(ordinals).await?;
        let person = |user: crate::domain::directory::User| Person {
            user_id: user.external_id,
            name: reach.has(user.ordinal, &survey.snapshot).then_some(user.name),
            department_id: user.primary_department,
        };
        Ok(users.into_iter().map(person).collect())
    }
}

fn in_words(audience: &Audience, survey: &Survey, language: Language) -> String {
    match audience {
        Audience::Users { .. } => words::listed(survey.people.len(), language),
        // It was parsed before; a text that cannot be read never gets here.
        Audience::Expression(text) => {
            parse(text).map_or_else(|_| text.clone(), |tree| words::words(&tree, &survey.snapshot, language))
        }
    }
}
