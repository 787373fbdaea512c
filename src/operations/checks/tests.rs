//! Each thing that can go wrong changes its own check and no other.

use super::super::{NodeView, ProviderWord};
use super::*;
use crate::domain::channel::Channel;
use crate::domain::id::LegId;
use crate::domain::node::Roles;
use crate::domain::time::At;
use crate::store::{Description, Waiting};

const NOW: At = At(1_000_000_000);

fn node(epoch: i64) -> NodeView {
    NodeView {
        epoch,
        name: format!("n{epoch}"),
        roles: Roles::all(),
        state: NodeState::Alive,
        started_at: At(0),
        lease_until: NOW.plus(Duration::from_secs(20)),
        lease_left: Duration::from_secs(20),
        held: 3,
    }
}

fn provider(health: ProviderHealth) -> ProviderView {
    let trouble = Some(("operator".to_owned(), "gettoken 40001 invalid credential".to_owned(), NOW));
    let word = ProviderWord {
        id: "wechat.main".into(),
        channel: Channel::Wechat,
        health,
        since: None,
        calls: 9,
        recent_calls: 4,
        recent_failures: 1,
        open: 0,
        trouble,
    };
    ProviderView { word, waiting: 7, is_default: true }
}

fn waits(provider: &str, lane: Lane, for_s: u64) -> Waiting {
    let due_at = Some(NOW.minus(Duration::from_secs(for_s)));
    Waiting { provider: provider.into(), channel: Channel::Wechat, lane, waiting: 7, held: 0, due_at }
}

fn healthy() -> Picture {
    Picture {
        epoch: 1,
        store: Description {
            kind: "sqlite",
            version: "3".into(),
            durability: vec![("synchronous", "2".into())],
            weak: false,
            disk_free: Some(100 << 30),
            shared: false,
        },
        skew_ms: -3,
        coordination: "alone",
        waiting: vec![waits("wechat.main", Lane::Bulk, 5)],
        providers: vec![provider(ProviderHealth::Working)],
        nodes: vec![node(1), NodeView { state: NodeState::Left, lease_left: Duration::ZERO, ..node(0) }],
        balanced_at: Some(NOW),
        unbalanced: vec![],
        now: NOW,
        checks: vec![],
    }
}

/// What is not well, as `subject level`.
fn unwell(picture: &Picture) -> Vec<String> {
    let wrong = of(picture).into_iter().filter(|check| check.level > Level::Ok);
    wrong.map(|check| format!("{} {:?}", check.subject, check.level)).collect()
}

fn after(change: impl FnOnce(&mut Picture)) -> Vec<String> {
    let mut picture = healthy();
    change(&mut picture);
    unwell(&picture)
}

#[test]
fn a_healthy_service_has_nothing_to_say() {
    assert_eq!(unwell(&healthy()), Vec::<String>::new());
}

#[test]
fn each_fault_shows_in_its_own_check() {
    assert_eq!(after(|p| p.store.weak = true), ["store Warn"]);
    assert_eq!(after(|p| p.skew_ms = 900), ["clock Warn"]);
    assert_eq!(after(|p| p.skew_ms = -6_000), ["clock Fail"]);
    assert_eq!(after(|p| p.coordination = "apart"), ["coordination Warn"]);
    assert_eq!(after(|p| p.nodes.push(node(2))), ["coordination Fail"]);
    assert_eq!(after(|p| p.nodes[0].lease_left = Duration::ZERO), ["nodes Warn"]);
    assert_eq!(after(|p| p.nodes[0].roles.deliver = false), ["nodes Fail"]);
    assert_eq!(after(|p| p.store.disk_free = Some(2 << 30)), ["disk Warn"]);
    assert_eq!(after(|p| p.store.disk_free = Some(5)), ["disk Fail"]);
    assert_eq!(after(|p| p.unbalanced = vec![(LegId(17), "x".into())]), ["books Fail"]);
    assert_eq!(after(|p| p.balanced_at = None), ["books Warn"]);
    assert_eq!(after(|p| p.balanced_at = Some(NOW.minus(Duration::from_secs(700)))), ["books Warn"]);
    assert_eq!(after(|p| p.waiting = vec![waits("wechat.main", Lane::Urgent, 90)]), ["lane urgent Warn"]);
    assert_eq!(after(|p| p.waiting = vec![waits("wechat.main", Lane::Normal, 8_000)]), ["lane normal Fail"]);
    assert_eq!(after(|p| p.waiting.push(waits("email.old", Lane::Bulk, 5))), ["provider email.old Fail"]);
    assert_eq!(after(|p| p.waiting.push(waits("stub", Lane::Bulk, 5))), Vec::<String>::new());
    assert_eq!(after(|p| p.store.disk_free = None), Vec::<String>::new());
}

#[test]
fn a_held_provider_says_why_and_its_lanes_are_no_second_fault() {
    let held = |p: &mut Picture| {
        p.providers = vec![provider(ProviderHealth::Held)];
        p.waiting = vec![waits("wechat.main", Lane::Urgent, 9_000)];
    };
    assert_eq!(after(held), ["provider wechat.main Fail"]);
    let mut picture = healthy();
    held(&mut picture);
    let said = of(&picture).into_iter().find(|check| check.level == Level::Fail).unwrap().sentence;
    assert!(said.contains("gettoken 40001 invalid credential") && said.contains("7 deliveries wait"), "{said}");
    for health in [ProviderHealth::CoolingDown, ProviderHealth::Failing, ProviderHealth::OnTrial] {
        assert_eq!(after(|p| p.providers = vec![provider(health)]), ["provider wechat.main Warn"]);
    }
}
