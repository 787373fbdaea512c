//! Requests for grants, both ways.

use super::{access, invalid, message, time};
use crate::access::admin::RequestAnswer;
use crate::api::v1;
use crate::audience::Snapshot;
use crate::domain::refusal::Refusal;
use crate::domain::request::{Request, RequestDecision, RequestState, RequestVote};

/// A decision on a request.
///
/// # Errors
/// What is wrong with a field.
pub fn answer(wanted: v1::DecideRequestRequest, directory: &Snapshot) -> Result<RequestAnswer, Refusal> {
    let decision = match v1::RequestDecision::try_from(wanted.decision) {
        Ok(v1::RequestDecision::Agree) => RequestDecision::Agree,
        Ok(v1::RequestDecision::Grant) => RequestDecision::Grant,
        Ok(v1::RequestDecision::Refuse) => RequestDecision::Refuse,
        Ok(v1::RequestDecision::SendBack) => RequestDecision::SendBack,
        Ok(v1::RequestDecision::Unspecified) | Err(_) => return Err(invalid("decision", "names no decision")),
    };
    let narrowed = wanted.narrowed.map(|grant| access::grant_draft(Some(grant), directory)).transpose()?;
    Ok(RequestAnswer { decision, narrowed, comment: wanted.comment })
}

/// A state of requests that may be left out.
///
/// # Errors
/// `FIELD_INVALID` for a number that names none.
pub fn state_if(number: i32) -> Result<Option<RequestState>, Refusal> {
    match v1::RequestState::try_from(number) {
        Ok(v1::RequestState::Unspecified) => Ok(None),
        Ok(v1::RequestState::Open) => Ok(Some(RequestState::Open)),
        Ok(v1::RequestState::Granted) => Ok(Some(RequestState::Granted)),
        Ok(v1::RequestState::Refused) => Ok(Some(RequestState::Refused)),
        Ok(v1::RequestState::SentBack) => Ok(Some(RequestState::SentBack)),
        Ok(v1::RequestState::Lapsed) => Ok(Some(RequestState::Lapsed)),
        Err(_) => Err(invalid("state", "names no state of a request")),
    }
}

fn state_number(state: RequestState) -> i32 {
    match state {
        RequestState::Open => v1::RequestState::Open,
        RequestState::Granted => v1::RequestState::Granted,
        RequestState::Refused => v1::RequestState::Refused,
        RequestState::SentBack => v1::RequestState::SentBack,
        RequestState::Lapsed => v1::RequestState::Lapsed,
    }
    .into()
}

fn decision_number(decision: RequestDecision) -> i32 {
    match decision {
        RequestDecision::Agree => v1::RequestDecision::Agree,
        RequestDecision::Grant => v1::RequestDecision::Grant,
        RequestDecision::Refuse => v1::RequestDecision::Refuse,
        RequestDecision::SendBack => v1::RequestDecision::SendBack,
    }
    .into()
}

/// A request as the wire carries it, with the grant and who asks as the wire carries them, and who may decide now.
#[must_use]
pub fn request(
    request: &Request,
    wanted: v1::Grant,
    requester: v1::Principal,
    deciders: &[u32],
    directory: &Snapshot,
) -> v1::Request {
    let vote = |vote: &RequestVote| v1::RequestVote {
        user_id: message::person(directory, vote.ordinal),
        decision: decision_number(vote.decision),
        comment: vote.comment.clone(),
        decided_at: Some(time::stamp(vote.at)),
    };
    v1::Request {
        request_id: request.id.to_string(),
        requester: Some(requester),
        // What is asked for is no grant yet.
        wanted: Some(v1::Grant { grant_id: String::new(), granted_by: None, state: 0, ..wanted }),
        why: request.why.clone(),
        state: state_number(request.state),
        decider_ids: deciders.iter().map(|ordinal| message::person(directory, *ordinal)).collect(),
        due_at: Some(time::stamp(request.due_at)),
        votes: request.votes.iter().map(vote).collect(),
        grant_id: request.grant_id.map(|id| id.to_string()).unwrap_or_default(),
        created_at: Some(time::stamp(request.id.made_at())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_and_decision_reads_back() {
        let directory = crate::audience::Index::new(Default::default()).snapshot();
        for state in RequestState::ALL {
            assert_eq!(state_if(state_number(state)), Ok(Some(state)));
        }
        let every =
            [RequestDecision::Agree, RequestDecision::Grant, RequestDecision::Refuse, RequestDecision::SendBack];
        for decision in every {
            let wanted = v1::DecideRequestRequest { decision: decision_number(decision), ..Default::default() };
            assert_eq!(answer(wanted, &directory).unwrap().decision, decision);
        }
        assert!(state_if(99).is_err());
        assert!(answer(v1::DecideRequestRequest::default(), &directory).is_err());
    }
}
