//! Who has to hear of a review: reviewers that they are asked, again when half of their time is over, and the author
//! how it ended. What is due is in the store; the same thing said twice is one message, so a crash between saying and
//! noting costs nothing.

mod words;

use std::sync::Arc;
use std::time::Duration;

use crate::access::announce::{Announcement, Announcer};
use crate::access::review::Reviewers;
use crate::domain::access::Principal;
use crate::domain::class::Class;
use crate::domain::message::MessageFacts;
use crate::domain::refusal::{Kind, Refusal};
use crate::domain::review::{Review, ReviewState, Timing, Told};
use crate::publish::{Parts, Publisher};
use crate::runtime::tasks::Tasks;
use crate::store::MessageRow;
use words::{Case, Words};

/// How often it is looked for who is to be told.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Reviews told of in one look.
const UNTOLD_MAX: usize = 64;

/// What telling works with.
#[derive(Clone)]
pub struct Notices {
    /// Says it.
    pub announcer: Arc<dyn Announcer>,
    /// The zone in which people read times.
    pub time_zone: String,
}

impl Publisher {
    /// Starts telling. It ends when shutdown begins, between two announcements.
    pub fn start_notices(&self, notices: Notices, tasks: &Tasks) {
        let teller = Teller { parts: self.parts.clone(), notices };
        let stop = tasks.stop_token();
        tasks.spawn(async move {
            while stop.run_until_cancelled(tokio::time::sleep(LOOK_EVERY)).await.is_some() {
                if let Err(refusal) = teller.tell_some().await {
                    tracing::warn!(%refusal, "not everybody could be told of reviews");
                }
            }
        });
    }
}

struct Teller {
    parts: Arc<Parts>,
    notices: Notices,
}

impl Teller {
    async fn tell_some(&self) -> Result<(), Refusal> {
        let now = self.parts.clock.now();
        let mut failure = None;
        for review in self.parts.store.reviews.untold(now, UNTOLD_MAX).await? {
            // One that cannot be told of must not hold up those behind it.
            if let Err(refusal) = self.tell(&review).await {
                failure = Some(refusal);
            }
        }
        failure.map_or(Ok(()), Err)
    }

    async fn tell(&self, review: &Review) -> Result<(), Refusal> {
        let told = due(review);
        if let Some(row) = self.parts.store.messages.message(review.message).await? {
            for wanted in self.announcements(review, &row, told).await? {
                match self.notices.announcer.announce(wanted).await {
                    // What is refused for good will not be taken the next time either.
                    Err(refusal) if worth_repeating(&refusal) => return Err(refusal),
                    Err(refusal) => {
                        tracing::warn!(message = %review.message, %refusal, "nobody could be told of a review")
                    }
                    Ok(()) => {}
                }
            }
        }
        Ok(self.parts.store.reviews.tell(review.message, review.round, told).await?)
    }

    /// The people behind a message: who published it, or looks after what applications say for the department, and
    /// who is spoken for.
    fn authors(&self, facts: &MessageFacts) -> Vec<u32> {
        let (snapshot, now) = (self.parts.index.snapshot(), self.parts.clock.now());
        let mut people = match facts.principal {
            Principal::Person(person) => vec![person],
            Principal::Application(_) => self.parts.panels.keepers(facts.department_id, snapshot.tree(), now),
        };
        people.extend(facts.sender);
        people
    }

    /// Who is told what.
    async fn announcements(&self, review: &Review, row: &MessageRow, told: Told) -> Result<Vec<Announcement>, Refusal> {
        let reviewers = self.parts.reviewers_now(&row.facts, &review.opening).await?;
        let undecided = |reviewers: &Reviewers| {
            let said: Vec<u32> = review.votes.iter().map(|vote| vote.stands_for()).collect();
            reviewers.all().into_iter().filter(|one| !said.contains(one)).collect::<Vec<u32>>()
        };
        let words = Words {
            row,
            review,
            department: self.parts.department_name(row.facts.department_id),
            time_zone: &self.notices.time_zone,
        };
        let class = match review.opening.timing {
            Timing::Before => Class::Transactional,
            // Those who answer for it hear at once of what went out without asking them.
            Timing::Afterwards => Class::Emergency,
        };
        let say = |what: &str, people: Vec<u32>, case: Case| Announcement {
            key: format!("campanile:review:{}:{}:{what}", review.message, review.round),
            people,
            class,
            title: words.title(case),
            body: words.body(case),
        };
        Ok(match told {
            Told::Nobody => Vec::new(),
            Told::Asked if review.opening.timing == Timing::Afterwards => {
                let (snapshot, now) = (self.parts.index.snapshot(), self.parts.clock.now());
                let mut people = self.parts.panels.auditors(snapshot.tree(), now);
                people.extend(reviewers.all());
                vec![say("asked", people, Case::Sent)]
            }
            Told::Asked if review.round > 1 => {
                vec![say("paused", self.authors(&row.facts), Case::Paused), say("asked", reviewers.all(), Case::Asked)]
            }
            Told::Asked => vec![say("asked", reviewers.all(), Case::Asked)],
            Told::Reminded => vec![say("reminded", undecided(&reviewers), Case::Reminded)],
            Told::Author => {
                let mut people = self.authors(&row.facts);
                if review.state == ReviewState::Lapsed {
                    people.extend(reviewers.all());
                }
                vec![say("ended", people, Case::Ended)]
            }
        })
    }
}

/// Whom to tell now; the store names only reviews of which somebody is to be told.
fn due(review: &Review) -> Told {
    match (review.state, review.told) {
        (ReviewState::Open, Told::Nobody) => Told::Asked,
        (ReviewState::Open, _) => Told::Reminded,
        _ => Told::Author,
    }
}

fn worth_repeating(refusal: &Refusal) -> bool {
    matches!(refusal.reason.kind(), Kind::Unavailable | Kind::Aborted | Kind::ResourceExhausted | Kind::Internal)
}
