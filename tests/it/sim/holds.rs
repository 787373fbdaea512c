//! Providers whose settings are wrong: held, asked again, and nothing fails for it.

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::time::Duration;

use campanile::delivery::{ProviderState, Settings, Trouble};
use campanile::domain::class::{Class, Lane};
use campanile::domain::outcome::Outcome;

use super::scenes::{Scene, eventually, scene_with, slow, takes};

fn quick() -> Settings {
    Settings {
        probe_every: Duration::from_millis(40),
        sweep_every: Duration::from_millis(40),
        poll_every: Duration::from_millis(20),
        ..Settings::default()
    }
}

fn state(scene: &Scene) -> ProviderState {
    scene.handle.providers()[0].state
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_settings_hold_the_provider_and_nothing_fails_for_it() {
    let scene = scene_with(&[(takes(10, 4), slow(2)), (takes(10, 4), slow(2))], quick()).await;
    let wrong = &scene.scripts[0];
    wrong.wrong.store(true, Ordering::SeqCst);
    let messages = [scene.publish("p0", Class::Notice, 3_000, 2), scene.publish("p0", Class::Emergency, 1, 1)];
    let other = scene.publish("p1", Class::Notice, 500, 1);
    eventually("it is held", || state(&scene) == ProviderState::Held).await;
    eventually("the other one goes on", || scene.outcomes(other, Outcome::Sent).len() == 500).await;
    eventually("everything of it is given back", || scene.model.held_batches() == 0).await;
    eventually("it is asked again and again", || wrong.checks.load(Ordering::SeqCst) >= 3).await;
    assert_eq!(scene.handle.room("p0", Lane::Normal), 0);
    let report = &scene.handle.providers()[0];
    assert!(report.since.is_some() && report.open == 0, "{report:?}");
    assert_eq!(
        report.last.as_ref().map(|(kind, words, _)| (*kind, &**words)),
        Some((Trouble::Operator, "who are you?"))
    );
    let calls = report.calls;
    assert!(calls <= 8, "{calls} calls were made before it was held");
    assert!(Outcome::ALL.iter().all(|outcome| messages.iter().all(|m| scene.outcomes(*m, *outcome).is_empty())));

    let tried: HashMap<u32, usize> = counted(scene.handed(messages[0]));
    wrong.wrong.store(false, Ordering::SeqCst);
    for (message, n) in messages.into_iter().zip([3_000, 1]) {
        eventually("all of it is delivered", || scene.outcomes(message, Outcome::Sent).len() == n).await;
    }
    assert_eq!(state(&scene), ProviderState::Working);
    assert!(scene.handle.room("p0", Lane::Normal) > 0);
    let handed = counted(scene.handed(messages[0]));
    assert!(handed.iter().all(|(who, n)| *n == tried.get(who).unwrap_or(&0) + 1), "once more each, and once for most");
    scene.assert_no_rule_broken();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_end_although_their_provider_is_held() {
    let scene = scene_with(&[(takes(10, 4), slow(2))], quick()).await;
    scene.scripts[0].wrong.store(true, Ordering::SeqCst);
    let long = scene.publish("p0", Class::Bulk, 20_000, 0);
    eventually("it is held", || state(&scene) == ProviderState::Held).await;
    let brief = scene.publish_until("p0", Class::Bulk, 9_000, 3, Duration::from_millis(300));
    eventually("it ends", || scene.outcomes(brief, Outcome::Expired).len() == 9_000).await;
    assert!(scene.handed(brief).is_empty() && scene.outcomes(long, Outcome::Expired).is_empty());
    scene.assert_no_rule_broken();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_check_that_passes_lets_one_call_through_and_no_more() {
    let scene = scene_with(&[(takes(10, 4), slow(2))], quick()).await;
    let script = &scene.scripts[0];
    script.refuses_calls.store(true, Ordering::SeqCst);
    let message = scene.publish("p0", Class::Notice, 2_000, 2);
    // The calls that were open with the one that showed it are not counted to the trials.
    let at_rest = || state(&scene) == ProviderState::Held && scene.handle.providers()[0].open == 0;
    eventually("it is held and nothing is open", at_rest).await;
    let before = scene.handle.providers()[0].calls;
    eventually("its check passes some times", || script.checks.load(Ordering::SeqCst) >= 4).await;
    // In this order: both go on growing.
    let calls = scene.handle.providers()[0].calls - before;
    let checks = script.checks.load(Ordering::SeqCst) as u64;
    assert!(calls <= checks, "{calls} calls after {checks} checks");
    assert!(scene.outcomes(message, Outcome::Failed).is_empty());
    script.refuses_calls.store(false, Ordering::SeqCst);
    eventually("all of it is delivered", || scene.outcomes(message, Outcome::Sent).len() == 2_000).await;
    scene.assert_no_rule_broken();
}

fn counted(handed: Vec<u32>) -> HashMap<u32, usize> {
    handed.into_iter().fold(HashMap::new(), |mut counts, who| {
        *counts.entry(who).or_default() += 1;
        counts
    })
}
