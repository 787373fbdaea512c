//! External ids, further ids and ordinals of all users, and from which epoch on their tokens work. One table for all
//! snapshots: ordinals are never reused, so a newer entry cannot mislead an older snapshot; where a further id went from
//! one person to another, the commit sees that the snapshot is old.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::RwLock;
use tokio::sync::watch;

use crate::domain::set::Set;

/// The table in both directions, and the epochs of user tokens.
#[derive(Debug, Default)]
pub struct Users {
    columns: RwLock<Columns>,
    /// Rises when tokens end.
    ended: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Columns {
    /// By external ids and by further ones.
    ordinals: HashMap<Arc<str>, u32>,
    external_ids: Vec<Option<Arc<str>>>,
    /// Of those whose tokens were ended once.
    token_epochs: HashMap<u32, i64>,
    /// Further ids of the few who have some.
    aliases: HashMap<u32, Box<[Arc<str>]>>,
}

impl Users {
    /// Enters users. An empty text takes a user's external id away (she was erased).
    pub fn enter<'a>(&self, users: impl IntoIterator<Item = (u32, &'a str)>) {
        let mut columns = self.columns.write();
        for (ordinal, external_id) in users {
            columns.enter(ordinal, external_id);
        }
    }

    /// Enters all further ids that people have; of those who are not named they stay.
    pub fn enter_aliases(&self, people: &[(u32, Vec<String>)]) {
        let mut columns = self.columns.write();
        for (ordinal, aliases) in people {
            columns.enter_aliases(*ordinal, aliases);
        }
    }

    /// The ordinal of the user with an external id, or with such a further id.
    #[must_use]
    pub fn ordinal(&self, external_id: &str) -> Option<u32> {
        self.columns.read().ordinals.get(external_id).copied()
    }

    /// The ordinals of many external ids, in their order, under one look at the table.
    #[must_use]
    pub fn ordinals<S: AsRef<str>>(&self, external_ids: &[S]) -> Vec<Option<u32>> {
        let columns = self.columns.read();
        external_ids.iter().map(|id| columns.ordinals.get(id.as_ref()).copied()).collect()
    }

    /// The external id of a user; `None` when erased or never known.
    #[must_use]
    pub fn external_id(&self, ordinal: u32) -> Option<Arc<str>> {
        self.columns.read().external_ids.get(ordinal as usize).cloned().flatten()
    }

    /// The external ids of a set, ascending by ordinal; users without one are left out.
    #[must_use]
    pub fn external_ids(&self, set: &Set) -> Vec<(u32, Arc<str>)> {
        let columns = self.columns.read();
        let known = |ordinal: u32| columns.external_ids.get(ordinal as usize).cloned().flatten();
        set.iter().filter_map(|ordinal| known(ordinal).map(|id| (ordinal, id))).collect()
    }

    /// Enters the epochs of people whose tokens were ended, and wakes those who watch.
    pub fn end_tokens(&self, people: impl IntoIterator<Item = (u32, i64)>) {
        let mut columns = self.columns.write();
        for (ordinal, epoch) in people {
            let known = columns.token_epochs.entry(ordinal).or_default();
            *known = epoch.max(*known);
        }
        drop(columns);
        self.ended.send_modify(|times| *times += 1);
    }

    /// The epoch that a person's tokens must have.
    #[must_use]
    pub fn token_epoch(&self, ordinal: u32) -> i64 {
        self.columns.read().token_epochs.get(&ordinal).copied().unwrap_or_default()
    }

    /// Tells each time when somebody's tokens end, not whose.
    #[must_use]
    pub fn tokens_ended(&self) -> watch::Receiver<u64> {
        self.ended.subscribe()
    }

    /// How many users have an external id.
    #[must_use]
    pub fn len(&self) -> usize {
        let columns = self.columns.read();
        columns.ordinals.len() - columns.aliases.values().map(|all| all.len()).sum::<usize>()
    }

    /// Whether nobody is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Columns {
    fn enter(&mut self, ordinal: u32, external_id: &str) {
        let place = ordinal as usize;
        if self.external_ids.len() <= place {
            self.external_ids.resize(place + 1, None);
        }
        let entry = (!external_id.is_empty()).then(|| Arc::<str>::from(external_id));
        if let Some(old) = std::mem::replace(&mut self.external_ids[place], entry.clone())
            && self.ordinals.get(&old) == Some(&ordinal)
        {
            self.ordinals.remove(&old);
        }
        if let Some(id) = entry {
            self.ordinals.insert(id, ordinal);
        }
    }

    fn enter_aliases(&mut self, ordinal: u32, aliases: &[String]) {
        for old in self.aliases.remove(&ordinal).iter().flatten() {
            // Somebody else may have taken it over in the same batch of changes.
            if self.ordinals.get(old) == Some(&ordinal) {
                self.ordinals.remove(old);
            }
        }
        if aliases.is_empty() {
            return;
        }
        let aliases: Box<[Arc<str>]> = aliases.iter().map(|id| Arc::from(id.as_str())).collect();
        for id in &aliases {
            self.ordinals.insert(Arc::clone(id), ordinal);
        }
        self.aliases.insert(ordinal, aliases);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_erased_user_can_no_longer_be_named() {
        let users = Users::default();
        users.enter([(1, "a"), (5, "b")]);
        assert_eq!(users.ordinals(&["b", "x", "a"]), [Some(5), None, Some(1)]);
        users.enter([(1, "")]);
        assert_eq!((users.ordinal("a"), users.external_id(1), users.len()), (None, None, 1));
        assert_eq!(users.external_ids(&[1, 2, 5, 9].into_iter().collect()), [(5, Arc::from("b"))]);
    }

    #[test]
    fn a_further_id_names_the_same_user_until_it_is_somebody_elses() {
        let users = Users::default();
        let aliases = |ordinal, ids: &[&str]| (ordinal, ids.iter().map(|id| (*id).to_owned()).collect());
        users.enter([(1, "a"), (2, "b")]);
        users.enter_aliases(&[aliases(1, &["x", "y"])]);
        assert_eq!(users.ordinals(&["x", "y", "a"]), [Some(1); 3]);
        assert_eq!((users.external_id(1).as_deref(), users.len()), (Some("a"), 2));
        for moved in [[aliases(2, &["x"]), aliases(1, &[])], [aliases(2, &[]), aliases(1, &["x"])]] {
            let now = moved.iter().find(|(_, ids): &&(u32, Vec<String>)| !ids.is_empty()).map(|(ordinal, _)| *ordinal);
            users.enter_aliases(&moved);
            assert_eq!((users.ordinal("x"), users.ordinal("y")), (now, None));
        }
    }
}
