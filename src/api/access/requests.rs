//! Requests for grants: made, listed, decided.

use tonic::{Request, Response};

use super::{Answer, Names};
use crate::access::admin::RequestQuery;
use crate::api::convert::{access, message, page, request as wire, required};
use crate::api::{Services, v1};
use crate::domain::access::Principal;
use crate::domain::audit::{Action, Deed, Object};
use crate::domain::request;

pub(super) async fn make(
    services: &Services,
    request: Request<v1::RequestGrantRequest>,
) -> Answer<v1::RequestGrantResponse> {
    let caller = services.caller(request.metadata()).await?;
    let ordinal = caller.require_person()?;
    let v1::RequestGrantRequest { wanted, why } = request.into_inner();
    let directory = services.index.snapshot();
    let mut wanted = wanted.ok_or_else(|| required("wanted"))?;
    // Whoever asks for nobody in particular asks for herself.
    if wanted.principal.is_none() {
        let subject = Some(v1::principal::Subject::UserId(message::person(&directory, ordinal)));
        wanted.principal = Some(v1::Principal { subject, ..Default::default() });
    }
    let draft = access::grant_draft(Some(wanted), &directory)?;
    let made = services.admin.request_grant(&caller, draft, why).await;
    let made = services.audit.denied(&caller, Deed::of(Action::RequestMake), made).await?;
    tracing::info!(request = %made.id, by = %caller.key.id, "a grant was asked for");
    Ok(Response::new(v1::RequestGrantResponse { request: Some(shown(services, &made)) }))
}

pub(super) async fn list(
    services: &Services,
    request: Request<v1::ListRequestsRequest>,
) -> Answer<v1::ListRequestsResponse> {
    let caller = services.caller(request.metadata()).await?;
    let mut wanted = request.into_inner();
    let (page, list) = page::page(&mut wanted)?;
    let state = wire::state_if(wanted.state)?;
    let query = RequestQuery { mine: wanted.mine, to_decide: wanted.to_decide, state };
    let found = services.admin.list_requests(&caller, query, &page).await?;
    Ok(Response::new(v1::ListRequestsResponse {
        requests: found.items.iter().map(|one| shown(services, one)).collect(),
        next_page_token: list.token(found.next),
    }))
}

pub(super) async fn decide(
    services: &Services,
    request: Request<v1::DecideRequestRequest>,
) -> Answer<v1::DecideRequestResponse> {
    let caller = services.caller(request.metadata()).await?;
    let wanted = request.into_inner();
    let id = message::id("request_id", &wanted.request_id)?;
    let answer = wire::answer(wanted, &services.index.snapshot())?;
    let decided = services.admin.decide_request(&caller, id, answer).await;
    let deed = Deed::of(Action::RequestDecide).on(Object::Request(id));
    let decided = services.audit.denied(&caller, deed, decided).await?;
    tracing::info!(request = %decided.id, state = ?decided.state, by = %caller.key.id, "a request was decided");
    Ok(Response::new(v1::DecideRequestResponse { request: Some(shown(services, &decided)) }))
}

pub(in crate::api) fn shown(services: &Services, one: &request::Request) -> v1::Request {
    let names = Names::of(services);
    let wanted = names.grant(&one.wanted, services.clock.now());
    let requester = names.principal(Principal::Person(one.requester));
    wire::request(one, wanted, requester, &services.admin.deciders(one), &names.directory)
}
