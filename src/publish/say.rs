//! What the service itself says: messages like any other, under its own key and grant, which no policy need check. The
//! commit verifies both as it does all others.

use std::collections::BTreeMap;
use std::sync::Arc;

use aws_lc_rs::digest;

use super::accept::{ROUNDS, moving};
use super::decide::Decision;
use super::{Publisher, plan, times};
use crate::access::announce::{Announcement, SERVICE_GRANT, SERVICE_KEY};
use crate::access::review::TOLERANCE_PERCENT;
use crate::access::{Authorised, Caller};
use crate::audience::Snapshot;
use crate::domain::access::Mode;
use crate::domain::audience::{Audience, UnknownUsers};
use crate::domain::channel::Channel;
use crate::domain::content::Content;
use crate::domain::directory::FIRST_ORDINAL;
use crate::domain::message::{Draft, LostAnswer};
use crate::domain::refusal::{Reason, Refusal};
use crate::domain::set::Set;
use crate::store::Accepted;

impl Publisher {
    /// Says something in the service's own name, over the inbox and every other channel on which one of the people
    /// can be reached. To nobody, or where there is no department yet, it says nothing. With a key that is known it
    /// says nothing again.
    ///
    /// # Errors
    /// Those of the store, `DRAINING`, `DIRECTORY_MOVING`; `INTERNAL` without the service's own key and grant.
    pub async fn say(&self, wanted: &Announcement) -> Result<(), Refusal> {
        let store = &self.parts.store;
        let key = store.access.key(SERVICE_KEY).await?.ok_or_else(no_key)?;
        let caller = Caller::new(Arc::new(key));
        let draft = draft(wanted);
        for _ in 0..ROUNDS {
            let place = self.committer.place().await?;
            let Some(decision) = self.decide_own(wanted, &draft)? else { return Ok(()) };
            let (accept, ready) = self.parts.compose(self.parts.ids.message(), &caller, &draft, decision);
            match place.commit(accept, ready).done().await? {
                Accepted::Stored(_) | Accepted::Duplicate { .. } => return Ok(()),
                Accepted::DirectoryMoved { head } => self.catch_up(head).await?,
                Accepted::KeyChanged | Accepted::GrantChanged(_) | Accepted::QuotaExhausted { .. } => {
                    return Err(no_key());
                }
            }
        }
        Err(moving())
    }

    /// Whom it reaches, and how; `None` if that is nobody.
    fn decide_own(&self, wanted: &Announcement, draft: &Draft) -> Result<Option<Decision>, Refusal> {
        let (parts, now) = (&self.parts, self.parts.clock.now());
        let snapshot = parts.index.snapshot();
        let reached = |person: &u32| *person >= FIRST_ORDINAL && snapshot.users().external_id(*person).is_some();
        let people: Set = wanted.people.iter().copied().filter(reached).collect();
        // The highest department of all speaks: the institution.
        let top = snapshot.tree().iter().find(|department| department.parent_id.is_none());
        let Some(department_id) = top.map(|department| department.id).filter(|_| !people.is_empty()) else {
            return Ok(None);
        };
        let channels = self.own_channels(&snapshot, &people);
        let (providers, delivery) = (&*parts.providers, &*parts.delivery);
        let legs = plan::legs(&channels, Mode::Live, draft.class, people.len(), providers, delivery)?;
        Ok(Some(Decision {
            topic: None,
            authorised: Authorised { grant: (SERVICE_GRANT, 1), also: Vec::new() },
            quota: None,
            directory_seq: snapshot.seq(),
            now,
            times: times::decide(now, draft.class, None, None)?,
            department_id,
            sender: None,
            channels: Vec::new(),
            clauses: Vec::new(),
            people,
            legs,
            unknown_user_ids: Vec::new(),
            listed_twice: 0,
            mode: Mode::Live,
            need: None,
            tolerance_percent: TOLERANCE_PERCENT,
        }))
    }

    /// The inbox, and the other channels that the installation has and on which one of these people has an address.
    fn own_channels(&self, snapshot: &Snapshot, people: &Set) -> Vec<Channel> {
        let has = |channel: &Channel| {
            self.parts.providers.default_for(*channel).is_some()
                && people.intersection_len(snapshot.reachable(*channel)) > 0
        };
        let others = [Channel::Email, Channel::Wechat];
        std::iter::once(Channel::App).chain(others.into_iter().filter(has)).collect()
    }
}

fn draft(wanted: &Announcement) -> Draft {
    let mut digest = [0; 32];
    digest.copy_from_slice(digest::digest(&digest::SHA256, wanted.key.as_bytes()).as_ref());
    Draft {
        idempotency_key: wanted.key.clone(),
        digest,
        audience: Audience::Users { ids: Vec::new(), unknown: UnknownUsers::Skip },
        relation: None,
        proof: false,
        content: Arc::new(Content { title: wanted.title.clone(), body: wanted.body.clone(), ..Content::default() }),
        class: wanted.class,
        channels: Vec::new(),
        topic: None,
        department_id: None,
        sender_user_id: None,
        send_at: None,
        expire_at: None,
        expected: None,
        validate_only: false,
        reference: Some(wanted.key.clone()),
        labels: BTreeMap::new(),
        lost_answer: LostAnswer::Repeat,
        min_directory_seq: None,
    }
}

fn no_key() -> Refusal {
    Refusal::new(Reason::Internal, "The service's own key or grant is missing; restart the node.")
}
