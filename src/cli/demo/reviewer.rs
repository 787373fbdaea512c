//! The second person: a member of staff who reviews what goes to the whole school. The demo lets her agree at once.

use super::super::client::{Failure, Session, timed};
use super::super::print;
use super::campus::Campus;
use campanile::api::v1;
use campanile::api::v1::create_key_request::Owner;

/// Which of the staff she is.
const REVIEWER: usize = 1;

/// A reviewer with a key of her own.
pub struct Reviewer {
    session: Session,
    id: String,
}

/// Gives one of the staff the role of a reviewer, and a key.
pub async fn name(admin: &Session, campus: &Campus) -> Result<Reviewer, Failure> {
    let id = campus.people[REVIEWER].id.clone();
    let assignment = v1::RoleAssignment { user_id: id.clone(), role: v1::Role::Reviewer.into(), ..Default::default() };
    let request = v1::AssignRoleRequest { assignment: Some(assignment) };
    admin.access().assign_role(timed(request)).await?;
    let request = v1::CreateKeyRequest {
        owner: Some(Owner::UserId(id.clone())),
        scopes: vec![v1::KeyScope::Publish.into(), v1::KeyScope::Read.into()],
        ..Default::default()
    };
    let token = admin.access().create_key(timed(request)).await?.into_inner().token;
    Ok(Reviewer { session: admin.with_token(&token)?, id })
}

impl Reviewer {
    /// Looks at a message that waits for her, and agrees.
    pub async fn look_at(&self, answer: &v1::PublishResponse) -> Result<(), Failure> {
        if answer.state() != v1::MessageState::InReview {
            return Ok(());
        }
        println!(
            "  {} to {} people is {}: {}",
            answer.message_id,
            print::number(answer.recipient_count),
            print::state(answer.state),
            answer.review.as_ref().map_or("", |review| &review.why)
        );
        let view = v1::MessageView::Full.into();
        let request = v1::GetMessageRequest { message_id: answer.message_id.clone(), view };
        let shown = self.session.publish().get_message(timed(request)).await?.into_inner().message;
        let fingerprint = shown.and_then(|message| message.review).map(|review| review.fingerprint);
        let request = v1::ReviewMessageRequest {
            message_id: answer.message_id.clone(),
            fingerprint: fingerprint.unwrap_or_default(),
            decision: v1::ReviewDecision::Approve.into(),
            ..Default::default()
        };
        self.session.access().review_message(timed(request)).await?;
        println!("    approved by {}, as it was shown to her.", self.id);
        Ok(())
    }
}
