//! How the service is, on the wire.

use super::{count, enums, time};
use crate::api::v1;
use crate::domain::class::Lane;
use crate::domain::node::{NodeState, Role};
use crate::domain::time::At;
use crate::operations::{Check, Level, NodeView, Picture, ProviderHealth, ProviderView};

/// The whole picture.
#[must_use]
pub fn status(picture: Picture) -> v1::GetStatusResponse {
    let settings: Vec<String> =
        picture.store.durability.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let degraded = picture.checks.iter().filter(|check| check.level > Level::Ok);
    v1::GetStatusResponse {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        store: picture.store.kind.to_owned(),
        durability: settings.join(", "),
        lanes: lanes(&picture),
        degraded: degraded.map(|check| format!("{}: {}", check.subject, check.sentence)).collect(),
        disk_free_bytes: picture.store.disk_free.map_or(0, |bytes| i64::try_from(bytes).unwrap_or(i64::MAX)),
        last_backup_at: None,
        balanced_at: picture.balanced_at.map(time::stamp),
        clock_skew: Some(time::signed_span(picture.skew_ms)),
        coordination: picture.coordination.to_owned(),
        checks: picture.checks.into_iter().map(check).collect(),
        store_version: picture.store.version,
        node_id: picture.epoch.to_string(),
        unbalanced_leg_ids: picture.unbalanced.into_iter().map(|(leg, _)| leg.to_string()).collect(),
    }
}

/// What waits by lane and channel, in the order of the lanes.
fn lanes(picture: &Picture) -> Vec<v1::LaneDepth> {
    let mut rows: Vec<v1::LaneDepth> = Vec::new();
    for waiting in &picture.waiting {
        let (lane, channel) = (lane_number(waiting.lane), enums::channel_number(waiting.channel));
        let place = rows.iter().position(|row| (row.lane, row.channel) == (lane, channel)).unwrap_or_else(|| {
            rows.push(v1::LaneDepth { lane, channel, ..Default::default() });
            rows.len() - 1
        });
        let row = &mut rows[place];
        row.waiting = row.waiting.saturating_add(long(waiting.waiting));
        row.held = row.held.saturating_add(long(waiting.held));
        let oldest = row.oldest_at.as_ref().map(|at| At(at.seconds * 1_000 + i64::from(at.nanos / 1_000_000)));
        let oldest = oldest.into_iter().chain(waiting.due_at).min();
        row.oldest_at = oldest.map(time::stamp);
    }
    rows.sort_by_key(|row| (row.lane, row.channel));
    rows
}

fn lane_number(lane: Lane) -> i32 {
    match lane {
        Lane::Urgent => v1::Lane::Urgent,
        Lane::Normal => v1::Lane::Normal,
        Lane::Bulk => v1::Lane::Bulk,
    }
    .into()
}

fn check(check: Check) -> v1::Check {
    let level = match check.level {
        Level::Ok => v1::CheckLevel::Ok,
        Level::Warn => v1::CheckLevel::Warn,
        Level::Fail => v1::CheckLevel::Fail,
    };
    v1::Check { subject: check.subject, level: level.into(), sentence: check.sentence }
}

/// One provider.
#[must_use]
pub fn provider(view: ProviderView) -> v1::Provider {
    let word = view.word;
    let state = match word.health {
        ProviderHealth::Working => v1::ProviderState::Healthy,
        ProviderHealth::CoolingDown => v1::ProviderState::OpenCircuit,
        ProviderHealth::Failing | ProviderHealth::OnTrial => v1::ProviderState::Degraded,
        ProviderHealth::Held => v1::ProviderState::Misconfigured,
    };
    let kind = match word.id.split_once('.') {
        Some(("email", _)) => "smtp",
        Some(("wechat", _)) => "wecom",
        Some((kind, _)) => kind,
        None => "",
    };
    let (last_error_kind, last_error, last_error_at) = match word.trouble {
        Some((kind, words, at)) => (kind, words, Some(time::stamp(at))),
        None => Default::default(),
    };
    v1::Provider {
        kind: kind.to_owned(),
        provider_id: word.id,
        channel: enums::channel_number(word.channel),
        state: state.into(),
        // One provider of a channel takes all that is not routed elsewhere.
        weight: if view.is_default { 100 } else { 0 },
        waiting: long(view.waiting),
        in_flight: count(word.open.into()),
        recent_failures: count(word.recent_failures.into()),
        recent_calls: count(word.recent_calls.into()),
        last_error,
        last_error_at,
        last_error_kind,
        held_at: word.since.map(time::stamp),
        calls: long(word.calls),
    }
}

/// One node; `here` is the epoch of the node that answers, whose version is known.
#[must_use]
pub fn node(node: NodeView, here: i64) -> v1::Node {
    let state = match node.state {
        NodeState::Alive if node.lease_left.is_zero() => v1::NodeState::Dead,
        NodeState::Alive => v1::NodeState::Running,
        NodeState::Left => v1::NodeState::Left,
        NodeState::Dead => v1::NodeState::Dead,
    };
    let roles = Role::ALL.into_iter().filter(|role| node.roles.has(*role));
    v1::Node {
        node_id: node.epoch.to_string(),
        state: state.into(),
        roles: roles.map(|role| role.name().to_owned()).collect(),
        version: if node.epoch == here { env!("CARGO_PKG_VERSION").to_owned() } else { String::new() },
        started_at: Some(time::stamp(node.started_at)),
        lease_expire_at: Some(time::stamp(node.lease_until)),
        batches: count(node.held),
        name: node.name,
    }
}

fn long(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}
