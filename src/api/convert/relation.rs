//! Ties between messages, both ways.

use super::{invalid, message};
use crate::api::v1;
use crate::domain::refusal::Refusal;
use crate::domain::relation::{Relation, RelationKind};
use crate::report::View;

/// The tie of a publish.
///
/// # Errors
/// `FIELD_REQUIRED` or `FIELD_INVALID`.
pub fn from_wire(relation: Option<&v1::Relation>) -> Result<Option<Relation>, Refusal> {
    let Some(relation) = relation else { return Ok(None) };
    let kind = match v1::RelationKind::try_from(relation.kind) {
        Ok(v1::RelationKind::Corrects) => RelationKind::Corrects,
        Ok(v1::RelationKind::AllClearFor) => RelationKind::AllClearFor,
        Ok(v1::RelationKind::Follows) => RelationKind::Follows,
        Ok(v1::RelationKind::ProofOf) => {
            return Err(invalid("relation.kind", "is for trial copies; send one with SendProof"));
        }
        Ok(v1::RelationKind::Unspecified) | Err(_) => return Err(invalid("relation.kind", "names no kind of tie")),
    };
    if relation.incoming {
        return Err(invalid("relation.incoming", "stands in answers only; leave it out"));
    }
    Ok(Some(Relation { kind, message: message::id("relation.message_id", &relation.message_id)? }))
}

/// Every tie of a message: its own first.
#[must_use]
pub fn related(view: &View) -> Vec<v1::Relation> {
    let own = view.row.facts.relation.map(|relation| tie(relation, false));
    own.into_iter().chain(view.referring.iter().map(|relation| tie(*relation, true))).collect()
}

/// A tie on the wire.
#[must_use]
pub fn tie(relation: Relation, incoming: bool) -> v1::Relation {
    let kind = match relation.kind {
        RelationKind::Corrects => v1::RelationKind::Corrects,
        RelationKind::AllClearFor => v1::RelationKind::AllClearFor,
        RelationKind::Follows => v1::RelationKind::Follows,
        RelationKind::ProofOf => v1::RelationKind::ProofOf,
    };
    v1::Relation { kind: kind.into(), message_id: relation.message.to_string(), incoming }
}
