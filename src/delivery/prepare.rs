//! Before the calls: reads messages and addresses for many batches at once, and sorts out whom no provider
//! needs to be asked about.

use std::collections::HashMap;
use std::sync::Arc;

use futures::StreamExt;

use super::material::Material;
use super::tally::Tally;
use crate::channel::Recipient;
use crate::domain::batch::Pending;
use crate::domain::channel::Channel;
use crate::domain::id::MessageId;
use crate::domain::message::LostAnswer;
use crate::domain::outcome::{Outcome, Reason};
use crate::domain::set::Set;
use crate::domain::time::At;
use crate::store::{Deliveries, Error, Reach};

/// So many messages are read at a time.
const READS: usize = 8;

/// A batch to be prepared.
pub(super) struct Wanted {
    pub key: u64,
    pub channel: Channel,
    pub message: MessageId,
    pub members: Pending,
    pub opened_to: Option<u32>,
    pub material: Option<Arc<Material>>,
}

/// A batch that can be called.
pub(super) struct Ready {
    pub key: u64,
    pub material: Option<Arc<Material>>,
    pub recipients: Vec<Recipient>,
    pub tally: Tally,
}

/// What became of a group.
#[derive(Default)]
pub(super) struct Prepared {
    pub ready: Vec<Ready>,
    /// The store did not answer; with their members.
    pub failed: Vec<(u64, Pending)>,
}

/// Prepares a group: each message read once, one query of addresses per channel.
pub(super) async fn prepare(store: &dyn Deliveries, now: At, mut group: Vec<Wanted>) -> Prepared {
    let mut prepared = Prepared::default();
    let known = read_messages(store, &mut group).await;
    let mut by_channel: HashMap<Channel, Vec<(Wanted, Arc<Material>)>> = HashMap::new();
    for wanted in group {
        let material = match &wanted.material {
            Some(material) => Ok(Some(Arc::clone(material))),
            None => known.get(&wanted.message).cloned().unwrap_or(Ok(None)),
        };
        match material {
            Ok(Some(material)) => match over(&material, now) {
                Some((outcome, reason)) => {
                    let tally = Tally::whole(outcome, reason, set_of(wanted.members));
                    prepared.ready.push(done(wanted.key, Some(material), tally));
                }
                None => by_channel.entry(wanted.channel).or_default().push((wanted, material)),
            },
            // A message that is not there or does not read back will not get better by waiting.
            Ok(None) | Err(Error::Damaged(_)) => {
                let tally = Tally::whole(Outcome::Failed, Reason::RenderFailed, set_of(wanted.members));
                prepared.ready.push(done(wanted.key, None, tally));
            }
            Err(_) => prepared.failed.push((wanted.key, wanted.members)),
        }
    }
    for (channel, group) in by_channel {
        reach(store, channel, group, &mut prepared).await;
    }
    prepared
}

type Known = HashMap<MessageId, Result<Option<Arc<Material>>, Error>>;

async fn read_messages(store: &dyn Deliveries, group: &mut [Wanted]) -> Known {
    let mut missing: Vec<MessageId> =
        group.iter().filter(|wanted| wanted.material.is_none()).map(|wanted| wanted.message).collect();
    missing.sort_unstable();
    missing.dedup();
    let read = |message| async move { (message, store.material(message).await.map(|leg| leg.map(Material::new))) };
    futures::stream::iter(missing.into_iter().map(read)).buffer_unordered(READS).collect().await
}

/// Why nothing of a message needs to be called any more.
fn over(material: &Material, now: At) -> Option<(Outcome, Reason)> {
    if material.leg.cancelled_at.is_some() {
        Some((Outcome::Cancelled, Reason::CancelledByPerson))
    } else if now >= material.leg.facts.expire_at {
        Some((Outcome::Expired, Reason::ExpiredWaiting))
    } else {
        None
    }
}

async fn reach(store: &dyn Deliveries, channel: Channel, group: Vec<(Wanted, Arc<Material>)>, prepared: &mut Prepared) {
    let ordinals: Vec<u32> = group.iter().flat_map(|(wanted, _)| wanted.members.ordinals()).collect();
    let n = ordinals.len();
    let mut people = match store.reach(channel, ordinals).await {
        Ok(people) if people.len() == n => people.into_iter(),
        _ => {
            prepared.failed.extend(group.into_iter().map(|(wanted, _)| (wanted.key, wanted.members)));
            return;
        }
    };
    for (wanted, material) in group {
        let size = usize::try_from(wanted.members.len()).unwrap_or(usize::MAX);
        let lost_to = wanted.opened_to.filter(|_| material.leg.facts.lost_answer == LostAnswer::Never);
        let (recipients, tally) = sort_out(channel, lost_to, people.by_ref().take(size), size);
        prepared.ready.push(Ready { key: wanted.key, material: Some(material), recipients, tally });
    }
}

/// Splits people (ascending) into those to be called and those whose outcome is clear. `lost_to`: the calls
/// up to this ordinal may have been made before a crash, and must not be made again.
fn sort_out(
    channel: Channel,
    lost_to: Option<u32>,
    people: impl Iterator<Item = Reach>,
    size: usize,
) -> (Vec<Recipient>, Tally) {
    let mut recipients = Vec::with_capacity(size);
    let mut tally = Tally::default();
    for person in people {
        let Reach { ordinal, address, receives, erased } = person;
        let (outcome, reason) = match address {
            _ if lost_to.is_some_and(|last| ordinal <= last) => (Outcome::Unknown, Reason::AnswerLost),
            _ if erased => (Outcome::Suppressed, Reason::Erased),
            _ if !receives => (Outcome::Suppressed, Reason::Left),
            None => (Outcome::Suppressed, Reason::NoAddress),
            Some((address, state)) => match state.hindrance() {
                Some(why) => (Outcome::Suppressed, why),
                None if channel.accepts_address(&address) => {
                    recipients.push(Recipient { ordinal, address });
                    continue;
                }
                None => (Outcome::Suppressed, Reason::AddressInvalid),
            },
        };
        tally.settle(outcome, reason, Set::from_iter([ordinal]), None);
    }
    (recipients, tally)
}

fn done(key: u64, material: Option<Arc<Material>>, tally: Tally) -> Ready {
    Ready { key, material, recipients: Vec::new(), tally }
}

fn set_of(members: Pending) -> Set {
    match members {
        Pending::One(ordinal) => Set::from_iter([ordinal]),
        Pending::Many(set) => set,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::address::AddressState;

    fn person(ordinal: u32, address: Option<&str>) -> Reach {
        let address = address.map(|address| (address.into(), AddressState::Usable));
        Reach { ordinal, address, receives: true, erased: false }
    }

    #[test]
    fn only_people_with_an_address_who_receive_are_called() {
        let people = [
            person(1, Some("a@b.cn")),
            person(2, None),
            person(3, Some("two@at@signs")),
            Reach { receives: false, ..person(4, Some("a@b.cn")) },
            Reach { receives: false, erased: true, ..person(5, None) },
            Reach { address: Some(("a@b.cn".into(), AddressState::Dead)), ..person(6, None) },
            Reach { address: Some(("a@b.cn".into(), AddressState::Unverified)), ..person(7, None) },
        ];
        let (recipients, tally) = sort_out(Channel::Email, None, people.into_iter(), 7);
        assert_eq!(recipients.iter().map(|r| r.ordinal).collect::<Vec<_>>(), [1]);
        let reasons: Vec<_> = tally.settled.iter().map(|s| (s.outcome, s.reason, s.set.min().unwrap())).collect();
        let held = Outcome::Suppressed;
        assert_eq!(
            reasons,
            [
                (held, Reason::NoAddress, 2),
                (held, Reason::AddressInvalid, 3),
                (held, Reason::Left, 4),
                (held, Reason::Erased, 5),
                (held, Reason::AddressDead, 6),
                (held, Reason::AddressUnverified, 7)
            ]
        );
    }

    #[test]
    fn what_may_have_been_sent_before_a_crash_is_unknown_if_it_must_not_repeat() {
        let people = (1..=5).map(|ordinal| person(ordinal, Some("a@b.cn")));
        let (recipients, tally) = sort_out(Channel::Email, Some(3), people, 5);
        assert_eq!(recipients.len(), 2);
        assert_eq!((tally.settled[0].outcome, tally.settled[0].set.len()), (Outcome::Unknown, 3));
    }
}
