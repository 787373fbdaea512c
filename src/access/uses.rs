//! When and from where keys are used, gathered here until somebody writes them down. A key costs one row a minute at
//! most, and no publish waits for it.

use std::collections::HashMap;
use std::net::IpAddr;

use parking_lot::Mutex;

use crate::domain::id::KeyId;
use crate::domain::time::At;
use crate::store::KeyUse;

const MINUTE_MS: i64 = 60_000;

/// The latest uses of keys.
#[derive(Debug, Default)]
pub(super) struct Uses {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The minute of each key's latest use.
    minutes: HashMap<KeyId, i64>,
    /// What nobody has taken yet.
    fresh: HashMap<KeyId, KeyUse>,
}

impl Uses {
    /// A key was used; the first use in a minute counts.
    pub(super) fn note(&self, key: KeyId, now: At, address: Option<IpAddr>) {
        let minute = now.0.div_euclid(MINUTE_MS);
        let mut state = self.state.lock();
        if state.minutes.insert(key, minute) == Some(minute) {
            return;
        }
        let address = address.map(|address| address.to_canonical().to_string()).unwrap_or_default();
        state.fresh.insert(key, KeyUse { key, at: At(minute * MINUTE_MS), address });
    }

    /// What was noted since the last time.
    pub(super) fn take(&self) -> Vec<KeyUse> {
        std::mem::take(&mut self.state.lock().fresh).into_values().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_noted_once_a_minute() {
        let (uses, key) = (Uses::default(), KeyId(1));
        let from = |text: &str| Some(text.parse().unwrap());
        uses.note(key, At(61_000), from("::ffff:10.0.0.1"));
        uses.note(key, At(119_999), from("10.0.0.2"));
        let want = KeyUse { key, at: At(60_000), address: "10.0.0.1".to_owned() };
        assert_eq!(uses.take(), [want]);
        uses.note(key, At(119_999), from("10.0.0.2"));
        assert_eq!(uses.take(), []);
        uses.note(key, At(120_000), None);
        assert_eq!(uses.take(), [KeyUse { key, at: At(120_000), address: String::new() }]);
    }
}
