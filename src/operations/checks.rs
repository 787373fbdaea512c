//! A picture judged: one sentence for each thing that can be right or wrong, and what to do if it is wrong. Pure.

use std::time::Duration;

use super::{Picture, ProviderHealth, ProviderView};
use crate::domain::class::Lane;
use crate::domain::node::NodeState;

/// A clock may be off by this without anybody noticing.
const SKEW_FINE_MS: u64 = 500;
/// Beyond this times on messages mislead people.
const SKEW_MAX_MS: u64 = 5_000;
/// The disk should have more than this.
const DISK_WARN: u64 = 5 << 30;
/// With less than this the store will soon refuse.
const DISK_FAIL: u64 = 1 << 30;
/// A check of the books that is older than this is missing.
const BOOKS_WITHIN: Duration = Duration::from_secs(600);

/// How a check went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// As it should be.
    Ok,
    /// It works, and somebody should look.
    Warn,
    /// Something does not work.
    Fail,
}

/// One thing, judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// What was looked at.
    pub subject: String,
    /// How it went.
    pub level: Level,
    /// What is so, and what to do about it.
    pub sentence: String,
}

fn check(subject: &str, level: Level, sentence: impl Into<String>) -> Check {
    Check { subject: subject.to_owned(), level, sentence: sentence.into() }
}

/// Every check of a picture.
pub(super) fn of(picture: &Picture) -> Vec<Check> {
    let mut checks = vec![store(picture), clock(picture), coordination(picture), nodes(picture), books(picture)];
    checks.extend(disk(picture));
    checks.extend(Lane::ALL.map(|lane| waiting(picture, lane)));
    checks.extend(picture.providers.iter().map(provider));
    checks.extend(picture.orphans().into_iter().map(|(id, n)| {
        let sentence = format!("{n} deliveries wait for it and no node knows it; put it back into the settings.");
        check(&format!("provider {id}"), Level::Fail, sentence)
    }));
    checks
}

fn store(picture: &Picture) -> Check {
    let settings: Vec<String> =
        picture.store.durability.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let shown = format!("{} {} with {}", picture.store.kind, picture.store.version, settings.join(", "));
    match picture.store.weak {
        false => check("store", Level::Ok, format!("{shown} keeps what it confirms.")),
        true => {
            check("store", Level::Warn, format!("{shown} may lose acknowledged messages at a power cut; set them on."))
        }
    }
}

fn clock(picture: &Picture) -> Check {
    let off = picture.skew_ms.unsigned_abs();
    if off <= SKEW_FINE_MS {
        return check("clock", Level::Ok, format!("This node's clock and the store's agree within {off} ms."));
    }
    let way = if picture.skew_ms > 0 { "ahead of" } else { "behind" };
    let level = if off <= SKEW_MAX_MS { Level::Warn } else { Level::Fail };
    check("clock", level, format!("This node's clock is {off} ms {way} the store's; let both follow a time server."))
}

fn coordination(picture: &Picture) -> Check {
    let alive = alive(picture).count();
    match picture.coordination {
        "apart" => check(
            "coordination",
            Level::Warn,
            "Redis does not answer: nothing is lost, limits are divided by the number of nodes, hints take seconds. \
             Start Redis again or see why it cannot be reached.",
        ),
        "alone" if alive > 1 => check(
            "coordination",
            Level::Fail,
            format!(
                "{alive} nodes share the store without Redis, and each uses a provider's whole limit; set [coordination] url."
            ),
        ),
        "alone" => check("coordination", Level::Ok, "One node, which needs nobody to agree with."),
        mode => check("coordination", Level::Ok, format!("{alive} nodes agree through {mode}.")),
    }
}

fn alive(picture: &Picture) -> impl Iterator<Item = &super::NodeView> {
    picture.nodes.iter().filter(|node| node.state == NodeState::Alive)
}

fn nodes(picture: &Picture) -> Check {
    let late: Vec<&str> =
        alive(picture).filter(|node| node.lease_left.is_zero()).map(|node| node.name.as_str()).collect();
    if !late.is_empty() {
        let sentence = format!("The lease of {} ran out; another node takes its work over shortly.", late.join(", "));
        return check("nodes", Level::Warn, sentence);
    }
    if !alive(picture).any(|node| node.roles.deliver) {
        let sentence = "No living node delivers; start one with \"deliver\" among its [node] roles.";
        return check("nodes", Level::Fail, sentence);
    }
    let held: u64 = alive(picture).map(|node| node.held).sum();
    check("nodes", Level::Ok, format!("{} living, holding {held} batches.", alive(picture).count()))
}

fn books(picture: &Picture) -> Check {
    if !picture.unbalanced.is_empty() {
        let faults: Vec<String> = picture.unbalanced.iter().map(|(leg, fault)| format!("{leg}: {fault}")).collect();
        let sentence = format!("They do not balance ({}); keep the store as it is and report it.", faults.join("; "));
        return check("books", Level::Fail, sentence);
    }
    match picture.balanced_at {
        None => check("books", Level::Warn, "They have not been checked yet; that is done within a minute of a start."),
        Some(at) if picture.now.since(at) > BOOKS_WITHIN => {
            let minutes = picture.now.since(at).as_secs() / 60;
            let sentence = format!(
                "They were last found balanced {minutes} minutes ago; see the log for why no check ended since."
            );
            check("books", Level::Warn, sentence)
        }
        Some(at) => check("books", Level::Ok, format!("Found balanced {} s ago.", picture.now.since(at).as_secs())),
    }
}

fn disk(picture: &Picture) -> Option<Check> {
    let free = picture.store.disk_free?;
    #[expect(clippy::cast_precision_loss, reason = "shown with one digit")]
    let shown = format!("{:.1} GiB are left where the store writes", free as f64 / f64::from(1 << 30));
    Some(match free {
        DISK_WARN.. => check("disk", Level::Ok, format!("{shown}.")),
        DISK_FAIL.. => check("disk", Level::Warn, format!("{shown}; make room.")),
        _ => check("disk", Level::Fail, format!("{shown}; publishes will be refused when it is full. Make room now.")),
    })
}

fn waiting(picture: &Picture, lane: Lane) -> Check {
    const MINUTE: Duration = Duration::from_secs(60);
    let subject = format!("lane {}", lane.name());
    let (warn, fail) = match lane {
        Lane::Urgent => (MINUTE, 10 * MINUTE),
        Lane::Normal => (10 * MINUTE, 120 * MINUTE),
        Lane::Bulk => (240 * MINUTE, 1_440 * MINUTE),
    };
    let Some((n, age)) = picture.overdue(lane) else { return check(&subject, Level::Ok, "Nothing waits.") };
    let shown = format!("{n} deliveries wait, the oldest for {} s", age.as_secs());
    match age {
        _ if age < warn => check(&subject, Level::Ok, format!("{shown}.")),
        _ => {
            let level = if age < fail { Level::Warn } else { Level::Fail };
            check(&subject, level, format!("{shown}; see which provider is slow, or start another node."))
        }
    }
}

fn provider(view: &ProviderView) -> Check {
    let word = &view.word;
    let subject = format!("provider {}", word.id);
    let said = word.trouble.as_ref().map(|(_, words, _)| words.as_str()).unwrap_or_default();
    let recent = format!("{} of {} calls in 5 minutes came to nothing", word.recent_failures, word.recent_calls);
    match word.health {
        ProviderHealth::Working if word.recent_calls == 0 => {
            check(&subject, Level::Ok, "Nothing speaks against it; no call was made in 5 minutes.")
        }
        ProviderHealth::Working => check(&subject, Level::Ok, format!("Takes calls; {recent}.")),
        ProviderHealth::CoolingDown => check(&subject, Level::Warn, format!("Left alone for a while; it said: {said}")),
        ProviderHealth::Failing => check(&subject, Level::Warn, format!("{recent}; it last said: {said}")),
        ProviderHealth::OnTrial => {
            check(&subject, Level::Warn, "It was held and believes us again; the next call shows whether it takes any.")
        }
        ProviderHealth::Held => {
            let sentence = format!(
                "Held, because its settings or credentials are wrong: {said}. Mend them and restart the nodes, or have \
                 them mended at the provider; {} deliveries wait and none has failed for it.",
                view.waiting
            );
            check(&subject, Level::Fail, sentence)
        }
    }
}

#[cfg(test)]
mod tests;
