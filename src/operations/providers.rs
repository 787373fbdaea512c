//! How providers do: each node's own word about them, kept in the store, and all words put together.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tracing::debug;

use super::{Delivery, OperationsParts};
use crate::domain::channel::Channel;
use crate::domain::time::At;
use crate::runtime::tasks::Tasks;
use crate::store::{Inspection, Result};

/// How often a node says how its providers do, where there are others to read it.
const SAY_EVERY: Duration = Duration::from_secs(10);

/// Whether a provider takes calls, the best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProviderHealth {
    /// It does.
    Working,
    /// It asked to be left alone for a while, or failed as a whole.
    CoolingDown,
    /// Half of the last calls came to nothing.
    Failing,
    /// It was held and says that it would take calls; the next one shows.
    OnTrial,
    /// Its settings or credentials are wrong: nothing is handed over, and nothing fails.
    Held,
}

/// What a node says of a provider.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProviderWord {
    /// Its name in the settings.
    pub id: String,
    /// Its channel.
    pub channel: Channel,
    /// Whether it takes calls.
    pub health: ProviderHealth,
    /// Since when it is held or on trial.
    pub since: Option<At>,
    /// Calls since the node started.
    pub calls: u64,
    /// Calls of the last five minutes.
    pub recent_calls: u32,
    /// How many of those came to nothing.
    pub recent_failures: u32,
    /// Calls without an answer.
    pub open: u32,
    /// Its last trouble: of what kind, in its own words, and when.
    pub trouble: Option<(String, String, At)>,
}

/// Starts to keep this node's word where others can read it. On a store that nobody shares there are no others.
pub(super) fn start(parts: &OperationsParts, tasks: &Tasks) {
    let (store, delivery) = (parts.store.inspection.clone(), parts.delivery.clone());
    let stop = tasks.stop_token();
    tasks.spawn(async move {
        stop.run_until_cancelled(async {
            loop {
                match say(&*store, &*delivery).await {
                    Ok(true) => {}
                    Ok(false) => return,
                    Err(error) => debug!(%error, "the node's word could not be kept"),
                }
                tokio::time::sleep(SAY_EVERY).await;
            }
        })
        .await;
    });
}

/// Keeps this node's word; `false`: there is nobody to read it.
async fn say(store: &dyn Inspection, delivery: &dyn Delivery) -> Result<bool> {
    if !store.describe().await?.shared {
        return Ok(false);
    }
    let word = serde_json::to_string(&delivery.providers()).unwrap_or_default();
    store.say(delivery.epoch(), word).await?;
    Ok(true)
}

/// How every provider does, by id: this node's own word as it is now and the last words of the others.
pub(super) async fn gathered(store: &dyn Inspection, delivery: &Arc<dyn Delivery>) -> Result<Vec<ProviderWord>> {
    let mut by_id = BTreeMap::new();
    for word in delivery.providers() {
        by_id.insert(word.id.clone(), word);
    }
    for (epoch, word) in store.words().await? {
        // Another version's word may read otherwise; it is then as if it had said nothing.
        let others: Vec<ProviderWord> = serde_json::from_str(&word).unwrap_or_default();
        for other in others.into_iter().filter(|_| epoch != delivery.epoch()) {
            match by_id.get_mut(&other.id) {
                Some(known) => known.merge(other),
                None => {
                    by_id.insert(other.id.clone(), other);
                }
            }
        }
    }
    Ok(by_id.into_values().collect())
}

impl ProviderWord {
    /// Adds what another node says of the same provider: its worst health, all of its calls.
    fn merge(&mut self, other: ProviderWord) {
        self.health = self.health.max(other.health);
        self.since = match (self.since, other.since) {
            (Some(mine), Some(theirs)) => Some(mine.min(theirs)),
            (mine, theirs) => mine.or(theirs),
        };
        self.calls += other.calls;
        self.recent_calls += other.recent_calls;
        self.recent_failures += other.recent_failures;
        self.open += other.open;
        let at = |trouble: &Option<(String, String, At)>| trouble.as_ref().map(|(_, _, at)| *at);
        if at(&other.trouble) > at(&self.trouble) {
            self.trouble = other.trouble;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn word(health: ProviderHealth, since: Option<i64>, trouble: Option<i64>) -> ProviderWord {
        ProviderWord {
            id: "wechat.main".into(),
            channel: Channel::Wechat,
            health,
            since: since.map(At),
            calls: 3,
            recent_calls: 2,
            recent_failures: 1,
            open: 1,
            trouble: trouble.map(|at| ("operator".into(), format!("at {at}"), At(at))),
        }
    }

    #[test]
    fn the_worst_that_a_node_says_counts_and_calls_add_up() {
        let mut all = word(ProviderHealth::Working, None, Some(5));
        all.merge(word(ProviderHealth::Held, Some(7), Some(9)));
        all.merge(word(ProviderHealth::OnTrial, Some(8), None));
        assert_eq!((all.health, all.since), (ProviderHealth::Held, Some(At(7))));
        assert_eq!((all.calls, all.recent_calls, all.recent_failures, all.open), (9, 6, 3, 3));
        assert_eq!(all.trouble.as_ref().map(|(_, words, _)| words.as_str()), Some("at 9"));
        let text = serde_json::to_string(&[&all]).unwrap();
        assert_eq!(serde_json::from_str::<Vec<ProviderWord>>(&text).unwrap(), [all]);
    }
}
