//! When an approved message fires: is it still what was approved? If not, it pauses and reviewers are asked again.

use crate::access::review::fingerprint::Shown;
use crate::access::review::{HOLDS_AFTER_SEND_AT, Need};
use crate::audience::parse::parse;
use crate::audience::resolve;
use crate::domain::access::Mode;
use crate::domain::message::Expected;
use crate::domain::relation::RelationKind;
use crate::domain::review::{Opening, ReviewState, Timing};
use crate::domain::time::At;
use crate::publish::Parts;
use crate::store::{Error, MessageRow};

impl Parts {
    /// What has to be asked again before a message that is due may be sent; `None`: nothing.
    pub(in crate::publish) async fn asked_again(&self, row: &MessageRow, now: At) -> Result<Option<Opening>, Error> {
        let facts = &row.facts;
        let Some(review) = self.store.reviews.review(facts.id).await? else { return Ok(None) };
        let opening = review.opening;
        if opening.timing == Timing::Afterwards || facts.mode == Mode::Test {
            return Ok(None);
        }
        let listed = match facts.audience_text.is_empty() {
            true => self.store.messages.members(facts.id).await?,
            false => Default::default(),
        };
        let count = self.count_now(row, now);
        let fingerprint = |count| Shown::of(facts, &row.content, &listed, count).fingerprint();
        let same = fingerprint(opening.people) == opening.fingerprint;
        let in_time = now <= facts.send_at.plus(HOLDS_AFTER_SEND_AT);
        let tolerance = Expected { recipients: opening.people, tolerance_percent: opening.tolerance_percent };
        if review.state == ReviewState::Approved && same && in_time && tolerance.holds(count) {
            return Ok(None);
        }
        let need = Need { timing: opening.timing, panel: opening.panel, approvals: opening.approvals };
        Ok(Some(Opening {
            timing: need.timing,
            panel: need.panel,
            approvals: need.approvals,
            fingerprint: fingerprint(count),
            people: count,
            tolerance_percent: opening.tolerance_percent,
            opened_at: now,
            lapse_at: now.plus(self.rules.lapse).min(facts.expire_at),
        }))
    }

    /// How many people the audience names now. One that can no longer be worked out names nobody; a list names whom
    /// it named, and so does what follows an earlier message: the expression is that one's, and its people are left out.
    fn count_now(&self, row: &MessageRow, now: At) -> u64 {
        let facts = &row.facts;
        let follows = facts.relation.is_some_and(|relation| relation.kind == RelationKind::Follows);
        if facts.audience_text.is_empty() || follows {
            return facts.members_n;
        }
        let usable = self.grants.usable(facts.principal, now);
        let snapshot = self.index.snapshot();
        let people = parse(&facts.audience_text).and_then(|tree| resolve::expression(&tree, &snapshot, &usable));
        people.map_or(0, |people| people.len())
    }
}
