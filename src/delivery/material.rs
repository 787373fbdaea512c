//! What calls need to know of a message, kept for as long as its batches are likely to come.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use crate::channel::Sender;
use crate::domain::id::MessageId;
use crate::store::LegMaterial;

/// A message as calls use it.
#[derive(Debug)]
pub struct Material {
    /// As the store gave it.
    pub leg: LegMaterial,
    /// Who speaks, shared by all calls.
    pub sender: Arc<Sender>,
}

impl Material {
    /// Makes it ready for calls.
    #[must_use]
    pub fn new(leg: LegMaterial) -> Arc<Material> {
        let sender = Arc::new(Sender { name: leg.department_name.clone() });
        Arc::new(Material { leg, sender })
    }
}

/// The messages seen last; the oldest goes first.
pub struct MaterialCache {
    entries: HashMap<MessageId, Arc<Material>>,
    order: VecDeque<MessageId>,
    max: usize,
}

impl MaterialCache {
    /// A cache of at most `max` messages.
    #[must_use]
    pub fn new(max: usize) -> MaterialCache {
        MaterialCache { entries: HashMap::new(), order: VecDeque::new(), max: max.max(1) }
    }

    /// What is known of a message.
    #[must_use]
    pub fn get(&self, message: MessageId) -> Option<Arc<Material>> {
        self.entries.get(&message).cloned()
    }

    /// Keeps a message.
    pub fn put(&mut self, material: Arc<Material>) {
        let message = material.leg.facts.id;
        if self.entries.insert(message, material).is_none() {
            self.order.push_back(message);
            if self.order.len() > self.max
                && let Some(oldest) = self.order.pop_front()
            {
                self.entries.remove(&oldest);
            }
        }
    }
}
