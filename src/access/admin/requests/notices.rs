//! Who has to hear of requests and grants: deciders that they are asked, again when half of the time is over, whoever
//! asked how it ended, and holders that a grant ends soon. What is due follows from the store and the time; the same
//! thing said twice is one message, so nothing need be remembered, and what is remembered only saves work.

mod words;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use super::{Admin, SCAN_MAX, STEP, WAITS};
use crate::access::announce::{Announcement, Announcer};
use crate::domain::access::{Grant, Principal};
use crate::domain::class::Class;
use crate::domain::refusal::Refusal;
use crate::domain::request::{Request, RequestState};
use crate::domain::role::Role;
use crate::domain::time::At;
use crate::runtime::tasks::Tasks;
use crate::store::RequestFilter;

/// How often it is looked for who is to be told.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// How long before its end the holder of a grant is told.
const ENDS_SOON: Duration = Duration::from_secs(14 * 86_400);
/// How long after a request was made its end may still be told.
const RECENT: Duration = Duration::from_secs(30 * 86_400);
/// Keys of what was said that are remembered; beyond them everything is offered once more, and said once.
const SAID_MAX: usize = 10_000;

impl Admin {
    /// Starts ending requests that nobody decides, and telling. It ends when shutdown begins.
    pub fn start_notices(&self, announcer: Arc<dyn Announcer>, tasks: &Tasks) {
        let mut teller = Teller { admin: self.clone(), announcer, said: HashSet::new() };
        let stop = tasks.stop_token();
        tasks.spawn(async move {
            while stop.run_until_cancelled(tokio::time::sleep(LOOK_EVERY)).await.is_some() {
                if let Err(refusal) = teller.look().await {
                    tracing::warn!(%refusal, "not everybody could be told of requests and grants");
                }
            }
        });
    }
}

struct Teller {
    admin: Admin,
    announcer: Arc<dyn Announcer>,
    said: HashSet<String>,
}

impl Teller {
    async fn look(&mut self) -> Result<(), Refusal> {
        let now = self.admin.parts.clock.now();
        self.admin.lapse_requests().await?;
        let mut wanted = self.ending(now);
        for state in RequestState::ALL {
            for request in self.recent(state, now).await? {
                wanted.extend(self.of_request(&request, now));
            }
        }
        if self.said.len() > SAID_MAX {
            self.said.clear();
        }
        for one in wanted {
            if !one.people.is_empty() && !self.said.contains(&one.key) {
                let key = one.key.clone();
                self.announcer.announce(one).await?;
                self.said.insert(key);
            }
        }
        Ok(())
    }

    /// Requests in a state that are not long past, newest first.
    async fn recent(&self, state: RequestState, now: At) -> Result<Vec<Request>, Refusal> {
        let filter = RequestFilter { requester: None, state: Some(state) };
        let (mut recent, mut before) = (Vec::new(), None);
        while recent.len() < SCAN_MAX {
            let found = self.admin.parts.store.requests.list(filter, before, STEP).await?;
            before = found.last().map(|one| one.id);
            let whole = found.len() == STEP && found.iter().all(|one| now.since(one.id.made_at()) < RECENT);
            recent.extend(found.into_iter().filter(|one| now.since(one.id.made_at()) < RECENT));
            if !whole {
                break;
            }
        }
        Ok(recent)
    }

    fn of_request(&self, request: &Request, now: At) -> Vec<Announcement> {
        let say = |what: &str, people: Vec<u32>| Announcement {
            key: format!("campanile:request:{}:{what}", request.id),
            people,
            class: Class::Transactional,
            title: words::request_title(request),
            body: words::request_body(request),
        };
        match request.state {
            RequestState::Open => {
                let round = if request.is_agreed() { "platform" } else { "asked" };
                let late = now.since(request.id.made_at()) >= WAITS / 2;
                let deciders = self.admin.deciders(request);
                let reminder = late.then(|| say(&format!("{round}:reminded"), deciders.clone()));
                [say(round, deciders)].into_iter().chain(reminder).collect()
            }
            RequestState::Granted | RequestState::Refused | RequestState::SentBack | RequestState::Lapsed => {
                vec![say("ended", vec![request.requester])]
            }
        }
    }

    /// Grants that end soon: the person who holds one is told, of an application the administrators of its department.
    fn ending(&self, now: At) -> Vec<Announcement> {
        let parts = &self.admin.parts;
        let snapshot = parts.index.snapshot();
        let holders = |grant: &Grant| match grant.principal {
            Principal::Person(ordinal) => vec![ordinal],
            Principal::Application(id) => parts.applications.get(id).map_or_else(Vec::new, |one| {
                let head = Role::DepartmentAdministrator;
                parts.roles.holders(head, Some(one.department_id), snapshot.tree(), now)
            }),
        };
        let soon =
            |grant: &&Arc<Grant>| grant.is_valid(now) && grant.expire_at.is_some_and(|end| end.since(now) < ENDS_SOON);
        let all = parts.grants.all();
        let announced = all.iter().filter(soon).map(|grant| Announcement {
            key: format!("campanile:grant:{}:{}:ends", grant.id, grant.expire_at.unwrap_or(now).0),
            people: holders(grant),
            class: Class::Transactional,
            title: words::ENDS_TITLE.to_owned(),
            body: words::ends_body(grant),
        });
        announced.collect()
    }
}
