//! How each leg of a message will be delivered, and what its channel can do for the people of it.

use super::handover::{FreshBatches, Providers};
use crate::audience::Snapshot;
use crate::domain::access::Mode;
use crate::domain::address::AddressState;
use crate::domain::batch::{ProviderId, STUB_PROVIDER};
use crate::domain::channel::Channel;
use crate::domain::class::{Class, Lane};
use crate::domain::directory::SIMULATED;
use crate::domain::leg::BATCH_MAX;
use crate::domain::outcome;
use crate::domain::refusal::{Reason, Refusal};
use crate::domain::set::Set;
use crate::store::LegPlan;

/// The provider name of the inbox, which calls nobody.
pub const INBOX_PROVIDER: &str = "app";

/// The simulated user who has no address.
const NO_ADDRESS: &str = "sim-no-address";

/// What a channel is expected to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChannelPlan {
    /// The channel.
    pub channel: Channel,
    /// The provider that will be used; `app` for the inbox, `stub` under a test key.
    pub provider: ProviderId,
    /// People with an address on it.
    pub reachable: u64,
    /// People left out, by reason. Never holds a zero.
    pub dropped: Vec<(outcome::Reason, u64)>,
    /// People who get it later than others would, by reason. Never holds a zero.
    pub delayed: Vec<(outcome::Reason, u64)>,
}

impl ChannelPlan {
    /// The plan for these people, of whom `gone` do not receive any more.
    pub(super) fn new(
        (channel, provider): (Channel, ProviderId),
        snapshot: &Snapshot,
        (people, gone): (&Set, &Set),
        held: bool,
    ) -> ChannelPlan {
        let inbox = &*provider == INBOX_PROVIDER;
        // What is in an inbox was delivered; whether anybody looks is not asked.
        let left = if inbox { 0 } else { people.intersection_len(gone) };
        let reachable = match (inbox, left) {
            (true, _) => people.len(),
            (false, 0) => reachable(snapshot, channel, people),
            (false, _) => reachable(snapshot, channel, &(people - gone)),
        };
        let hindered: Vec<(outcome::Reason, u64)> = match inbox {
            true => Vec::new(),
            false => hindered(snapshot, channel, people, gone),
        };
        let hindered_n: u64 = hindered.iter().map(|(_, n)| n).sum();
        let without = people.len().saturating_sub(reachable + left + hindered_n);
        let mut dropped = vec![(outcome::Reason::NoAddress, without)];
        dropped.extend(hindered);
        dropped.push((outcome::Reason::Left, left));
        let counted = |rows: &[(outcome::Reason, u64)]| rows.iter().copied().filter(|(_, n)| *n > 0).collect();
        ChannelPlan {
            channel,
            provider,
            reachable,
            dropped: counted(&dropped),
            delayed: counted(&[(outcome::Reason::ProviderPaused, if held { reachable } else { 0 })]),
        }
    }
}

/// What the channels of these legs can do for these people, of whom `gone` do not receive any more.
pub(super) fn channels(
    legs: &[LegPlan],
    snapshot: &Snapshot,
    people: (&Set, &Set),
    delivery: &dyn FreshBatches,
) -> Vec<ChannelPlan> {
    let plan = |leg: &LegPlan| {
        let held = delivery.is_held(&leg.provider);
        ChannelPlan::new((leg.channel, leg.provider.clone()), snapshot, people, held)
    };
    legs.iter().map(plan).collect()
}

/// How many have only addresses on a channel that may not be used, by reason.
fn hindered(snapshot: &Snapshot, channel: Channel, people: &Set, gone: &Set) -> Vec<(outcome::Reason, u64)> {
    let reasons = AddressState::ALL.into_iter().filter_map(AddressState::hindrance);
    let count = |why| {
        let hindered = people & snapshot.unreachable(channel, why).as_ref();
        (why, hindered.len() - hindered.intersection_len(gone))
    };
    reasons.map(count).collect()
}

/// How many people have a usable address on a channel. The stub knows each simulated user but the one who is there to
/// have no address.
fn reachable(snapshot: &Snapshot, channel: Channel, people: &Set) -> u64 {
    let simulated = SIMULATED.iter().filter(|(_, id)| *id != NO_ADDRESS).map(|(ordinal, _)| *ordinal);
    let simulated: u64 = simulated.filter(|ordinal| people.contains(*ordinal)).count() as u64;
    simulated + people.intersection_len(snapshot.reachable(channel))
}

/// The provider of a leg: the stub under a test key, whatever the channel. `CHANNEL_NOT_CONFIGURED` if the
/// installation has none.
pub(super) fn provider(providers: &dyn Providers, channel: Channel, mode: Mode) -> Result<ProviderId, Refusal> {
    match (mode, channel) {
        (Mode::Test, _) => Ok(STUB_PROVIDER.into()),
        (Mode::Live, Channel::App) => Ok(INBOX_PROVIDER.into()),
        (Mode::Live, _) => providers.default_for(channel).ok_or_else(|| {
            Refusal::new(
                Reason::ChannelNotConfigured,
                format!("This installation has no provider for {channel}; leave the channel out or ask the operator."),
            )
            .field("channels")
            .with("channel", channel)
        }),
    }
}

/// One plan per channel, in order.
pub(super) fn legs(
    channels: &[Channel],
    mode: Mode,
    class: Class,
    members: u64,
    providers: &dyn Providers,
    delivery: &dyn FreshBatches,
) -> Result<Vec<LegPlan>, Refusal> {
    let lane = class.lane(members);
    channels.iter().map(|&channel| Ok(leg(channel, provider(providers, channel, mode)?, lane, delivery))).collect()
}

fn leg(channel: Channel, provider: ProviderId, lane: Lane, delivery: &dyn FreshBatches) -> LegPlan {
    if &*provider == INBOX_PROVIDER {
        return LegPlan { channel, provider, lane, batch_size: BATCH_MAX, claim_max: 0 };
    }
    let batch_size = delivery.batch_size(&provider, channel).clamp(1, BATCH_MAX);
    let claim_max = delivery.room(&provider, lane);
    LegPlan { channel, provider, lane, batch_size, claim_max }
}
