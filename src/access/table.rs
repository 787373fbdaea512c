//! A map that is read all the time and changed now and then: readers take the whole of it without waiting.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

use arc_swap::ArcSwap;

/// Rows by key.
#[derive(Debug)]
pub(super) struct Table<K, V> {
    rows: ArcSwap<HashMap<K, V>>,
}

impl<K: Clone + Eq + Hash, V: Clone> Table<K, V> {
    pub(super) fn new(rows: impl IntoIterator<Item = (K, V)>) -> Table<K, V> {
        Table { rows: ArcSwap::from_pointee(rows.into_iter().collect()) }
    }

    pub(super) fn get<Q: Eq + Hash + ?Sized>(&self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        self.rows.load().get(key).cloned()
    }

    pub(super) fn all(&self) -> Arc<HashMap<K, V>> {
        self.rows.load_full()
    }

    /// Sets one row to what `change` makes of the old one; `None` leaves it. May call `change` again when
    /// somebody else was faster.
    pub(super) fn change(&self, key: &K, change: impl Fn(Option<&V>) -> Option<V>) {
        self.rows.rcu(|rows| match change(rows.get(key)) {
            Some(value) => {
                let mut rows = HashMap::clone(rows);
                rows.insert(key.clone(), value);
                Arc::new(rows)
            }
            None => Arc::clone(rows),
        });
    }
}
