//! Adapters between use-cases that may not know one another.

use crate::domain::id::LegId;
use crate::inbox::{self, Inboxes};
use crate::publish::{Released, ShownLeg};

/// Tells the inboxes what publishing released.
pub(super) struct Streams(pub(super) Inboxes);

impl Released for Streams {
    fn shown(&self, leg: ShownLeg) {
        let ShownLeg { leg, facts, content, members, visible_at } = leg;
        self.0.shown(inbox::ShownLeg { leg, visible_at, facts, content, members });
    }

    fn hidden(&self, leg: LegId) {
        self.0.hidden(leg);
    }
}
